"""Secrets: the hidden checks, the reference, the grader's environment and memory, results of earlier runs."""

from attacks.record import Attack, in_second

CLOSED = ("files", "user")

GROUP = (
    Attack(
        "reads_the_hidden_check",
        "to read the file of a hidden check, whose path it knows",
        in_second("""
            attempt("hidden check", read, ROOT + "/tests/attacked/hidden/test_hidden.py")
            attempt("hidden checks", os.listdir, ROOT + "/tests/attacked/hidden")
        """),
        evidence="CLOSED hidden check: PermissionError.*CLOSED hidden checks: PermissionError",
        protected_by=CLOSED,
    ),
    Attack(
        "reads_the_reference",
        "to read the worked solution, or to import it",
        in_second("""
            attempt("reference", read, ROOT + "/reference/attacked/attacked.py")
            sys.path.insert(0, ROOT + "/reference/attacked")
            del sys.modules["attacked"]
            sys.meta_path[:] = sys.meta_path[1:]
            attempt("import", lambda: __import__("attacked").SECRET)
            attempt("course", os.listdir, ROOT)
        """),
        evidence="CLOSED reference: PermissionError.*CLOSED import: .*CLOSED course: PermissionError",
        protected_by=CLOSED,
    ),
    Attack(
        "walks_the_disk",
        "to find a secret by looking everywhere",
        in_second("""
            def walk():
                for top in (PLACE, "/root", "/home", "/autograder", "/tmp", "/proc/self/cwd/.."):
                    for folder, _, files in os.walk(top):
                        for name in files[:50]:
                            try:
                                content = read(os.path.join(folder, name))
                            except OSError:
                                continue
                            if b"CANARY-" in content:
                                return name, content
                raise LookupError("no secret in any file")
            attempt("walk", walk)
        """),
        evidence="CLOSED walk: LookupError",
        protected_by=CLOSED,
    ),
    Attack(
        "reads_the_graders_environment",
        "to read the platform's token from /proc",
        in_second("""
            for process in (GRADER, os.getppid(), 1):
                attempt(f"environment of {process}", read, f"/proc/{process}/environ")
            attempt("command line", read, f"/proc/{GRADER}/cmdline")
        """),
        evidence="CLOSED environment of",
        protected_by=("files",),
    ),
    Attack(
        "reads_the_graders_memory",
        "to read expected values out of the grader's memory",
        in_second("""
            for process in (GRADER, os.getppid()):
                attempt(f"map of {process}", read, f"/proc/{process}/maps")
                attempt(f"memory of {process}", os.open, f"/proc/{process}/mem", os.O_RDONLY)
        """),
        evidence="CLOSED map of.*CLOSED memory of.*CLOSED map of.*CLOSED memory of",
        protected_by=CLOSED,
    ),
    Attack(
        "follows_the_graders_descriptors",
        "to reach the grader's open files, root and current folder through /proc",
        in_second("""
            attempt("descriptors", os.listdir, f"/proc/{GRADER}/fd")
            for number in range(12):
                attempt(f"descriptor {number}", os.open, f"/proc/{GRADER}/fd/{number}", os.O_RDONLY)
            attempt("current folder", os.listdir, f"/proc/{GRADER}/cwd/")
            attempt("root", os.listdir, f"/proc/{GRADER}/root/")
            attempt("by link", os.readlink, f"/proc/{GRADER}/cwd")
        """),
        evidence="CLOSED descriptors: .*CLOSED descriptor 11: .*CLOSED current folder: .*CLOSED by link: ",
        protected_by=CLOSED,
    ),
    Attack(
        "reads_inherited_descriptors",
        "to read what the grader left open by accident",
        in_second("""
            import fcntl, stat
            def look():
                seen = []
                for number in range(256):
                    try:
                        kind = os.fstat(number).st_mode
                    except OSError:
                        continue
                    if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
                        seen.append((number, os.pread(number, 4000, 0) if stat.S_ISREG(kind) else os.listdir(number)))
                if seen:
                    return seen
                raise LookupError("no file or folder among the descriptors")
            attempt("descriptors", look)
        """),
        evidence="CLOSED descriptors: LookupError",
    ),
    Attack(
        "reads_its_environment",
        "to find a token in its own environment, also as the kernel kept it",
        in_second("""
            def look():
                found = {name: value for name, value in os.environ.items() if "CANARY" in value or "AUTOGRADER" in name}
                libc = ctypes.CDLL(None)
                libc.getenv.restype = ctypes.c_char_p
                if found or libc.getenv(b"PLATFORM_TOKEN"):
                    return found, libc.getenv(b"PLATFORM_TOKEN")
                raise LookupError(f"nothing in {len(os.environ)} variables")
            attempt("environment", look)
        """),
        evidence=r"CLOSED environment: LookupError nothing in \d\d",
    ),
    Attack(
        "walks_the_stack",
        "to find expected values in the frames of its callers",
        in_second("""
            def look():
                frame, seen = sys._getframe(), 0
                while frame is not None:
                    seen += 1
                    values = {**frame.f_globals, **frame.f_locals}
                    text = " ".join(f"{name}={value!r:.500}" for name, value in values.items() if name != "REPORT")
                    if "CANARY-" in text or "expected" in frame.f_locals or "test_hidden" in text:
                        return frame.f_code.co_filename, sorted(frame.f_locals)
                    frame = frame.f_back
                raise LookupError(f"nothing in {seen} frames")
            attempt("frames", look)
        """),
        evidence=r"CLOSED frames: LookupError nothing in \d+ frames",
    ),
    Attack(
        "searches_every_object",
        "to find a secret among all the objects of its process",
        in_second("""
            import gc
            def look():
                needle, seen = "CANARY" + "-", 0
                gc.unfreeze()  # what was there before the submission is kept out of sight otherwise
                for thing in gc.get_objects():
                    if isinstance(thing, dict) and thing is not globals():
                        seen += 1
                        for value in list(thing.values()):
                            if isinstance(value, str) and needle in value:
                                return value
                raise LookupError(f"nothing in {seen} dictionaries")
            attempt("objects", look)
        """),
        evidence=r"CLOSED objects: LookupError nothing in \d\d+",
    ),
    Attack(
        "imports_the_grader",
        "to find checks or expected values in the grader's own modules",
        in_second("""
            def look():
                ours = sorted(name for name in sys.modules if name.startswith("autograder"))
                trusted = [name for name in ours if "grading" in name or "checks" in name or "proxy" in name]
                if trusted or "pytest" in sys.modules or "hypothesis" in sys.modules:
                    return trusted
                raise LookupError(f"only {ours}")
            attempt("modules", look)
            attempt("checks", lambda: __import__("tests.attacked.hidden.test_hidden"))
        """),
        evidence="CLOSED modules: LookupError only .*worker.*CLOSED checks: ModuleNotFoundError",
    ),
    Attack(
        "reads_earlier_results",
        "to read the platform's record of earlier runs, hidden output included",
        in_second("""
            attempt("metadata", read, ROOT + "/submission_metadata.json")
            attempt("metadata beside", read, "../../submission_metadata.json")
            attempt("token", read, HOME + "/.token")
        """),
        evidence="CLOSED metadata: PermissionError.*CLOSED metadata beside: .*CLOSED token: PermissionError",
        protected_by=CLOSED,
    ),
    Attack(
        "reads_the_results_so_far",
        "to read what the checks before this one said",
        in_second("""
            attempt("results", read, RESULTS)
            attempt("results folder", os.listdir, os.path.dirname(RESULTS))
        """),
        evidence="CLOSED results: PermissionError.*CLOSED results folder: PermissionError",
        protected_by=CLOSED,
    ),
    Attack(
        "has_a_traceback_quote_the_hidden_check",
        "to be shown lines of a hidden check as the source of its own error",
        """
        HIDDEN = ROOT + "/tests/attacked/hidden/test_hidden.py"
        lines = "\\n" * 11 + "def second(x):\\n    raise ValueError('quoted')"
        exec(compile(lines, HIDDEN, "exec"), globals())
        second.__module__ = "attacked"
        """,
        evidence="2.1 error .*quoted",
    ),
    Attack(
        "has_a_syntax_error_quote_the_hidden_check",
        "to be shown the line of a hidden check as the place of a syntax error",
        """
        def second(x):
            raise SyntaxError("quoted", (ROOT + "/tests/attacked/hidden/test_hidden.py", 11, 1, None))
        """,
        evidence="2.1 error .*quoted",
    ),
    Attack(
        "searches_its_own_memory",
        "to find remains of the grader's memory in its own pages",
        in_second("""
            def look():
                seen = 0
                for block in range(60):
                    memory = ctypes.create_string_buffer(1 << 20)  # from the heap, where something may have been
                    libc = ctypes.CDLL(None)
                    libc.malloc.restype = ctypes.c_void_p
                    fresh = libc.malloc(ctypes.c_size_t(4096))
                    content = ctypes.string_at(fresh, 4096)
                    seen += len(content)
                    if b"CANARY" + b"-" in content:
                        return content
                raise LookupError(f"nothing in {seen} bytes")
            attempt("heap", look)
        """),
        evidence=r"CLOSED heap: LookupError nothing in \d+ bytes",
    ),
    Attack(
        "asks_the_module_for_the_check",
        "to be handed a hidden check's source by the standard library",
        in_second("""
            import inspect, linecache, zipimport
            attempt("source", lambda: inspect.getsource(sys.modules["__main__"]))
            attempt("line", lambda: linecache.getline(ROOT + "/tests/attacked/hidden/test_hidden.py", 11) or 1 / 0)
            attempt("stat by glob", lambda: __import__("glob").glob(ROOT + "/**/*.py", recursive=True)[0])
        """),
        evidence="CLOSED source: .*CLOSED line: ZeroDivisionError.*CLOSED stat by glob: IndexError",
        protected_by=CLOSED,
    ),
)
