"""System calls: asking the kernel directly, by number, where Python has no word for it (numbers of x86-64)."""

from attacks.record import Attack, in_second

X86 = ("x86_64",)


def calls(name: str, tries: str, numbers: dict[str, str], protected_by: tuple[str, ...] = ("calls",)) -> Attack:
    """Each call by its number with arguments that would be valid; all of them must be refused."""
    body = "\n".join(f"attempt({word!r}, lambda: system_call({arguments}))" for word, arguments in numbers.items())
    evidence = ".*".join(f"CLOSED {word}: PermissionError" for word in numbers)
    return Attack(name, tries, in_second(body), evidence, needs=X86, protected_by=protected_by)


GROUP = (
    calls(
        "debugs_the_grader",
        "to stop the grader and to read and write its memory",
        {
            "attach": "101, 16, GRADER, None, None",
            "seize": "101, 0x4206, GRADER, None, None",
            "trace me": "101, 0, None, None, None",
            "read": "310, GRADER, struct.pack('QQ', 0, 0), 1, struct.pack('QQ', 0x400000, 8), 1, 0",
            "write": "311, GRADER, struct.pack('QQ', 0, 0), 1, struct.pack('QQ', 0x400000, 8), 1, 0",
            "compare": "312, GRADER, os.getpid(), 0, 1, 1",
            "advise": "440, 3, None, 0, 21, 0",
        },
    ),
    calls(
        "takes_handles_of_processes",
        "to hold the grader by a handle, to take its descriptors and to signal it",
        {
            "open": "434, GRADER, 0",
            "take": "438, 3, 0, 0",
            "signal": "424, 3, 9, None, 0",
            "move pages": "279, GRADER, 0, None, None, None, 0",
            "migrate pages": "256, GRADER, 0, None, None",
        },
    ),
    calls(
        "makes_namespaces",
        "to become root of a world of its own, with mounts and a network of its own",
        {
            "unshare user": "272, 0x10000000",
            "unshare mounts": "272, 0x00020000",
            "unshare network": "272, 0x40000000",
            "enter": "308, 0, 0",
            "clone into": "56, 0x10000000 | 17, None, None, None, None",
        },
    ),
    calls(
        "mounts",
        "to mount something over the secrets, or the secrets somewhere else",
        {
            "mount": "165, b'none', b'/tmp', b'tmpfs', 0, None",
            "unmount": "166, b'/proc', 2",
            "pivot": "155, b'/', b'/tmp'",
            "change root": "161, b'/tmp'",
            "open tree": "428, -100 & 0xffffffff, b'/', 1",
            "move mount": "429, 3, b'', 3, b'', 0",
            "new file system": "430, b'tmpfs', 0",
            "configure": "431, 3, 0, None, None, 0",
            "make mount": "432, 3, 0, 0",
            "change mount": "442, 3, b'', 0, None, 0",
        },
    ),
    calls(
        "opens_files_by_handle",
        "to open files behind their paths",
        {
            "name": "303, -100 & 0xffffffff, b'/', struct.pack('Ii', 128, 0) + bytes(128), bytes(8), 0",
            "open": "304, 3, struct.pack('Ii', 8, 1) + bytes(8), 0",
            "watch": "300, 0, 0",
            "quota": "179, 0, None, 0, None",
        },
    ),
    calls(
        "uses_keys",
        "to leave something in the kernel's keyring for the next student",
        {
            "add": "248, b'user', b'left-behind', b'x', 1, -3 & 0xffffffff",
            "ask": "249, b'user', b'left-behind', None, -3 & 0xffffffff",
            "control": "250, 0, -3 & 0xffffffff, 1",
        },
    ),
    calls(
        "knocks_at_the_kernels_doors",
        "to reach the parts of the kernel in which most holes were found",
        {
            "bpf": "321, 0, bytes(128), 128",
            "events": "298, bytes(128), 0, -1 & 0xffffffff, -1 & 0xffffffff, 0",
            "page faults": "323, 1",
            "rings": "425, 4, bytes(120)",
            "enter a ring": "426, 3, 0, 0, 0, None",
            "register a ring": "427, 3, 0, None, 0",
            "local tables": "154, 0, bytes(16), 16",
        },
    ),
    calls(
        "changes_who_it_is",
        "to become root again",
        {
            "user": "105, 0",
            "group": "106, 0",
            "real user": "113, 0, 0",
            "all users": "117, 0, 0, 0",
            "all groups": "119, 0, 0, 0",
            "groups": "116, 1, struct.pack('I', 0)",
            "file user": "122, 0",
            "capabilities": "126, struct.pack('II', 0x20080522, 0), b'\\xff' * 8 + bytes(16)",
        },
    ),
    calls(
        "runs_the_machine",
        "to change the clock, the name or the kernel of the machine (with arguments that would do nothing)",
        {
            "clock": "227, 99, struct.pack('qq', 0, 0)",
            "day": "164, None, None",
            "adjust": "159, None",
            "name": "170, b'x', 100000",
            "domain": "171, b'x', 100000",
            "restart": "169, 0, 0, 0, None",
            "module": "175, None, 0, b''",
            "kernel": "246, 0, 99, None, 0",
            "log": "103, 2, None, 0",
            "swap": "167, b'/nothing', 0",
            "accounting": "163, b'/nothing'",
            "ports": "172, 3",
        },
    ),
    calls(
        "starts_programs",
        "to become another program, from a file or from memory",
        {
            "program": "59, b'/bin/true', None, None",
            "program by descriptor": "322, os.memfd_create('x'), b'', None, None, 0x1000",
            "program in a path": "322, -100 & 0xffffffff, b'/bin/true', None, None, 0",
        },
    ),
    calls(
        "leaves_its_group",
        "to be in a session or a group of its own, which nobody ends",
        {"session": "112", "group": "109, 0, 0", "another's group": "109, 0, GRADER"},
    ),
    Attack(
        "stays_when_its_parent_ends",
        "to live on when the grader ends, and to be looked into by a friend",
        in_second("""
            libc = ctypes.CDLL(None, use_errno=True)
            def control(option, value):
                if libc.prctl(option, value, 0, 0, 0):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            attempt("death signal", control, 1, 0)
            attempt("dumpable", control, 4, 1)
            attempt("keep capabilities", control, 8, 1)
            attempt("ambient", control, 47, 2)
        """),
        evidence="CLOSED death signal: PermissionError.*CLOSED dumpable: PermissionError",
        harmless=True,
        protected_by=("calls",),
    ),
    Attack(
        "types_into_the_terminal",
        "to type a command into the terminal of whoever started the grader",
        in_second("""
            import fcntl
            for number in range(3):
                attempt(f"type into {number}", fcntl.ioctl, number, 0x5412, b"x")
            attempt("terminal", os.open, "/dev/tty", os.O_RDWR)
        """),
        evidence="CLOSED type into 0: PermissionError.*CLOSED terminal: ",
        protected_by=("calls",),
    ),
    Attack(
        "uses_another_calling_convention",
        "to make 32-bit calls, whose numbers mean other things, by machine code of its own",
        """
        def second(x):
            import mmap
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")  # mov eax, 20; int 0x80; ret
            print("calling", flush=True)
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            return ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        """,
        evidence="2.1 crash .*SIGSYS.*calling",
        needs=X86,
        protected_by=("calls",),
    ),
    Attack(
        "uses_numbers_that_nobody_lists",
        "to make the calls of the x32 convention, and calls newer than any list",
        in_second("""
            attempt("x32 program", lambda: system_call(0x40000000 + 520, b"/bin/true", None, None))
            attempt("x32 socket", lambda: system_call(0x40000000 + 41, 2, 1, 0))
            attempt("newer call", lambda: system_call(463, None))
            attempt("much newer call", lambda: system_call(999, None))
        """),
        evidence="CLOSED x32 program: .*CLOSED newer call: .*CLOSED much newer call: ",
        needs=X86,
        protected_by=("calls",),
    ),
    Attack(
        "loosens_its_own_filter",
        "to take away the rules it is under",
        in_second("""
            attempt("socket all the same", lambda: __import__("socket").socket())
            attempt("personality", lambda: system_call(135, 0x0040000))
            attempt("file rules", lambda: system_call(446, 0, 0))
            attempt("file all the same", read, RESULTS)
        """),
        evidence="CLOSED socket all the same: .*CLOSED personality: .*CLOSED file all the same: ",
        protected_by=("calls",),
    ),
)
