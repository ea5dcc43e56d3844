"""Resources: processes, memory, disk, descriptors, output, time."""

from attacks.record import ALL, Attack, in_second, while_loaded

GROUP = (
    Attack(
        "forks_in_a_check",
        "to fork without end inside a check",
        in_second("""
            attempt("fork", os.fork)
            attempt("fork by number", lambda: system_call(57))
            attempt("vfork", lambda: system_call(58))
            attempt("clone", lambda: system_call(56, 17, None, None, None, None))
            attempt("new clone", lambda: system_call(435, struct.pack("11Q", *[0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0]), 88))
            attempt("program", os.posix_spawn, "/bin/true", ["true"], {})
        """),
        evidence="CLOSED fork: PermissionError.*CLOSED clone: .*CLOSED new clone: .*CLOSED program: ",
        protected_by=("calls",),
    ),
    Attack(
        "forks_without_end_while_loaded",
        "to fill the machine with processes before the first check",
        while_loaded(
            """
        def bomb():
            end, made = time.time() + 1, 0
            while time.time() < end:
                try:
                    if os.fork() == 0:
                        made = 0
                        while time.time() < end + 20:
                            try:
                                os.fork()
                            except OSError:
                                time.sleep(0.05)
                        os._exit(0)
                except OSError as error:
                    return f"refused: {error}"
            return "never refused"
        BOMB = bomb()
        """
        )
        + in_second("REPORT.append(BOMB)"),
        evidence="(refused: |never refused|2.1 crash|2.1 timeout)",
        loses=(),
        may_lose=ALL,
    ),
    Attack(
        "starts_threads_without_end",
        "to fill the machine with threads",
        """
        import threading
        def second(x):
            made = 0
            try:
                while made < 5000:
                    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
                    made += 1
            except RuntimeError as error:
                print(f"CLOSED thread {made}: {error}")
            return made
        """,
        evidence="(CLOSED thread \\d+|2.1 failed|2.1 crash|2.1 timeout)",
    ),
    Attack(
        "eats_memory",
        "to take all the memory there is",
        """
        def second(x):
            hoard = []
            try:
                while True:
                    hoard.append(bytearray(b"x") * 10_000_000)
            finally:
                print(f"got {len(hoard)} blocks")
        """,
        evidence="2.1 (error|crash) .*(MemoryError|got \\d+ blocks)",
    ),
    Attack(
        "eats_memory_in_many_processes",
        "to take in each of many processes what one of them may have",
        while_loaded(
            """
        def eat():
            for _ in range(20):
                try:
                    if os.fork() == 0:
                        hoard = []
                        try:
                            while True:
                                hoard.append(bytearray(b"x") * 2_000_000)
                                if len(hoard) > 20:
                                    time.sleep(30)
                        finally:
                            os._exit(0)
                except OSError:
                    return "refused"
            return "forked"
        attempt("many", eat)
        """
        )
        + in_second("pass"),
        evidence="(OPEN|CLOSED) many: ",
        harmless=True,
    ),
    Attack(
        "fills_the_disk",
        "to fill the disk with many files, each of the permitted size",
        """
        def second(x):
            block = b"x" * (1 << 20)
            made = 0
            while made < 1000:  # a gigabyte, if nobody minds
                try:
                    with open(f"part-{made // 16}", "ab") as file:
                        file.write(block)
                except OSError as error:
                    print("CLOSED disk:", error)
                    break
                made += 1
            print(f"wrote {made} MB")
            return made
        """,
        evidence="(2.[12] crash .*wrote more than|2.1 timeout)",
    ),
    Attack(
        "writes_one_huge_file",
        "to make one file of any size, with data or with holes",
        in_second("""
            def grow():
                with open("huge", "wb") as file:
                    for _ in range(64):
                        file.write(b"x" * (1 << 20))
                        file.flush()
            attempt("data", grow)
            attempt("holes", lambda: os.truncate(os.open("holes", os.O_CREAT | os.O_WRONLY), 1 << 40))
            attempt("reserved", lambda: os.posix_fallocate(os.open("reserved", os.O_CREAT | os.O_WRONLY), 0, 1 << 30))
        """),
        evidence="CLOSED data: OSError.*CLOSED holes: OSError.*CLOSED reserved: OSError",
    ),
    Attack(
        "makes_countless_files",
        "to leave so many files that tidying up takes longer than grading",
        """
        def second(x):
            made = 0
            end = time.time() + 0.9
            while time.time() < end:
                os.close(os.open(f"file-{made}", os.O_CREAT))
                made += 1
            print(f"made {made} files")
            return made
        """,
        evidence="(made \\d+ files|2.[12] crash .*made more than 10,000 files)",
    ),
    Attack(
        "nests_folders_deeper_than_a_path",
        "to leave folders in folders, deeper than a path can say or a recursion reach",
        """
        def second(x):
            depth = 0
            end = time.time() + 0.7
            while depth < 1500 and time.time() < end:
                os.mkdir("deeper")
                os.chdir("deeper")
                depth += 1
            print(f"nested {depth} folders")
            return depth
        """,
        evidence="(nested \\d{3,} folders|nested deeper)",
    ),
    Attack(
        "closes_its_folders",
        "to leave folders that cannot be entered or emptied, and names that cannot be read",
        """
        def second(x):
            os.makedirs("a/b/c")
            write("a/b/c/file")
            os.mkdir("closed", 0)
            os.umask(0o777)
            os.mkdir("also closed")
            os.chmod("a/b", 0)
            os.chmod("a", 0)
            os.mkdir(b"\\xff\\xfe\\n\\x1b[31m")
            os.mkdir("x" * 255)
            print("made them")
            return None
        """,
        evidence="made them",
    ),
    Attack(
        "writes_while_it_is_tidied",
        "to make files from a process of its own, faster than they can be removed",
        while_loaded(
            """
        def keep_writing():
            if os.fork():
                return "forked"
            number = 0
            end = time.time() + 20
            scratch = os.environ["TMPDIR"]
            while time.time() < end:
                number += 1
                try:
                    folder = f"{scratch}/{number % 50}"
                    os.makedirs(folder, exist_ok=True)
                    write(f"{folder}/{number}")
                except OSError:
                    pass
            os._exit(0)
        attempt("writer", keep_writing)
        """
        )
        + in_second("time.sleep(0.2)"),
        evidence="OPEN writer: 'forked'",
        harmless=True,
    ),
    Attack(
        "opens_without_end",
        "to use up descriptors",
        in_second("""
            def open_all():
                held = []
                while len(held) < 100_000:
                    held.append(os.open("/dev/null", os.O_RDONLY))
            attempt("descriptors", open_all)
            for number in range(3, 4096):
                try:
                    os.close(number)
                except OSError:
                    pass
        """),
        evidence="(CLOSED descriptors: OSError|2.1 crash)",
    ),
    Attack(
        "prints_without_end",
        "to print more than anybody can keep",
        """
        LINE = "x" * 99_999
        def second(x):
            while True:
                print(LINE)
        """,
        evidence="2.1 timeout .*more bytes were printed and dropped",
    ),
    Attack(
        "computes_without_end",
        "to use the processor for ever",
        "def second(x):\n    while True:\n        pass\n",
        evidence="2.1 timeout ",
    ),
    Attack(
        "sleeps_for_ever",
        "to wait for ever, using nothing",
        "def second(x):\n    while True:\n        time.sleep(3600)\n",
        evidence="2.1 timeout ",
    ),
    Attack(
        "stalls_every_call",
        "to take, in each of very many calls, just less than one call may take",
        """
        class Slow:
            def __len__(self):
                return 1
        def second(x):
            end = time.process_time() + 0.8
            while time.process_time() < end:
                pass
            return 3 * x
        """,
        evidence="[12].[12] ",
        loses=(),
        may_lose=("2.1", "2.2"),
    ),
    Attack(
        "returns_more_than_fits",
        "to hand back an answer that the grader cannot hold",
        "def second(x):\n    return np.zeros((40, 1 << 20), dtype=np.int8)\n",
        evidence="2.1 (error .*at most|crash)",
    ),
    Attack(
        "returns_a_huge_number",
        "to hand back a number that takes for ever to print",
        "def second(x):\n    return 1 << 10_000_000\n",
        evidence="2.1 error .*integer of",
    ),
    Attack(
        "raises_a_huge_message",
        "to have an error of 100 MB shown",
        "def second(x):\n    raise ValueError('A' * 100_000_000)\n",
        evidence="2.1 error .*AAAA",
    ),
    Attack(
        "raises_a_chain_of_errors",
        "to have a chain of thousands of causes followed, which is closed to a ring",
        """
        def second(x):
            first = error = ValueError("ring")
            for number in range(5000):
                error.__cause__ = ValueError(str(number))
                error = error.__cause__
            error.__cause__ = first
            raise first
        """,
        evidence="2.1 error .*ring",
    ),
    Attack(
        "takes_the_graders_limits_away",
        "to set the resource limits of the grader, so that it can neither write nor compute",
        in_second("""
            import resource
            for name in ("FSIZE", "CPU", "NOFILE", "AS", "NPROC"):
                attempt(name, resource.prlimit, GRADER, getattr(resource, "RLIMIT_" + name), (0, 0))
            attempt("of the loader", resource.prlimit, os.getppid(), resource.RLIMIT_NPROC, (0, 0))
        """),
        evidence="CLOSED FSIZE: PermissionError.*CLOSED NPROC: .*CLOSED of the loader: ",
        protected_by=("calls",),
    ),
    Attack(
        "starves_the_grader",
        "to take the processor from the grader by its priority, its place or its class",
        in_second("""
            attempt("priority", os.setpriority, os.PRIO_PROCESS, GRADER, 19)
            attempt("group's priority", os.setpriority, os.PRIO_USER, os.getuid(), 19)
            attempt("place", os.sched_setaffinity, GRADER, {0})
            attempt("class", os.sched_setscheduler, GRADER, os.SCHED_IDLE, os.sched_param(0))
            attempt("disk class", lambda: system_call(251, 1, GRADER, 3 << 13))
        """),
        evidence="CLOSED priority: .*CLOSED group's priority: .*CLOSED place: .*CLOSED class: .*CLOSED disk class: ",
        protected_by=("calls",),
    ),
    Attack(
        "lifts_its_own_limits",
        "to raise the limits that it was given",
        in_second("""
            import resource
            for name in ("AS", "CPU", "FSIZE", "NOFILE", "CORE", "MEMLOCK"):
                limit = getattr(resource, "RLIMIT_" + name)
                attempt(name, resource.setrlimit, limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """),
        evidence="CLOSED AS: ValueError.*CLOSED FSIZE: ValueError.*CLOSED CORE: ValueError",
    ),
    Attack(
        "leases_a_library",
        "to hold a lease on a file, which makes whoever opens it wait",
        in_second("""
            import fcntl
            file = open(np.__file__)
            attempt("lease", fcntl.fcntl, file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            attempt("reading lease", fcntl.fcntl, file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        """),
        evidence="CLOSED lease: .*CLOSED reading lease: ",
        protected_by=("calls", "user"),
    ),
)
