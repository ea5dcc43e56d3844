"""Results: the document that holds the grade, the page, and the folder that they are written to."""

from attacks.record import Attack, in_second, while_loaded

CLOSED = ("files", "user")
FORGED = '{"score": 1000, "tests": []}'

GROUP = (
    Attack(
        "writes_the_results",
        "to write its own grade and to end at once",
        f"""
        def second(x):
            attempt("results", write, RESULTS, {FORGED!r})
            attempt("page", write, PAGE, "all is well")
            tell()
            os._exit(0)
        """,
        evidence="2.1 crash.*CLOSED results: PermissionError.*CLOSED page: PermissionError",
        protected_by=CLOSED,
    ),
    Attack(
        "replaces_the_results",
        "to move a document of its own over the results, or to link it there",
        in_second(f"""
            write("mine.json", {FORGED!r})
            for name in ("replace", "link", "symlink"):
                attempt(name, getattr(os, name), os.path.abspath("mine.json"), RESULTS)
                attempt(name + " beside", getattr(os, name), os.path.abspath("mine.json"), RESULTS + ".half")
        """),
        evidence="CLOSED replace: .*CLOSED link: .*CLOSED symlink beside: ",
        protected_by=CLOSED,
    ),
    Attack(
        "removes_the_results",
        "to remove the results and their folder",
        in_second("""
            attempt("file", os.unlink, RESULTS)
            attempt("folder", os.rmdir, os.path.dirname(RESULTS))
            attempt("move", os.rename, os.path.dirname(RESULTS), os.path.dirname(RESULTS) + "-away")
        """),
        evidence="CLOSED file: PermissionError.*CLOSED folder: .*CLOSED move: ",
        protected_by=CLOSED,
    ),
    Attack(
        "truncates_the_results",
        "to cut the results short by path, without opening them",
        in_second("""
            attempt("truncate", os.truncate, RESULTS, 0)
            attempt("open", os.open, RESULTS, os.O_WRONLY | os.O_TRUNC)
        """),
        evidence="CLOSED truncate: PermissionError.*CLOSED open: PermissionError",
        protected_by=("calls", "user"),
    ),
    Attack(
        "closes_the_results_folder",
        "to change the modes so that nothing can be written any more",
        in_second("""
            folder = os.path.dirname(RESULTS)
            attempt("folder", os.chmod, folder, 0o500)
            attempt("file", os.chmod, RESULTS, 0)
            attempt("course", os.chmod, ROOT, 0)
            attempt("place", os.chmod, PLACE, 0)
            attempt("owner", os.chown, folder, os.getuid(), os.getgid())
            attempt("attribute", os.setxattr, folder, "user.mark", b"left")
            attempt("times", os.utime, folder, (0, 0))
        """),
        evidence="(CLOSED|OPEN) folder: .*(CLOSED|OPEN) times: ",
        harmless=True,  # such calls are answered as if they had been done; the modes afterwards tell
        protected_by=("calls", "user"),
    ),
    Attack(
        "races_for_the_results",
        "to watch from a process of its own, started while it is loaded, and to overwrite what is written",
        while_loaded(
            f"""
        FOUND = {{"text": ""}}
        if os.fork() == 0:
            end = time.time() + 20
            while time.time() < end:
                try:
                    write(RESULTS, {FORGED!r})
                except OSError as error:
                    pass
                time.sleep(0.001)
            os._exit(0)
        """
        )
        + in_second(f'attempt("results", write, RESULTS, {FORGED!r})'),
        evidence="CLOSED results: PermissionError",
        protected_by=CLOSED,
    ),
    Attack(
        "leaves_a_daemon_that_writes_later",
        "to wait for the grader's end in a process that nobody ends, and to write then",
        while_loaded(
            f"""
        def detach():
            if os.fork():
                return "forked"
            for leave in (os.setsid, os.setpgrp):
                try:
                    leave()
                except OSError:
                    pass
            if os.fork():
                os._exit(0)
            for number in range(3, 64):
                try:
                    os.close(number)
                except OSError:
                    pass
            while os.path.exists("/proc"):
                time.sleep(0.05)
                try:
                    write(RESULTS, {FORGED!r})
                except OSError:
                    pass
        attempt("daemon", detach)
        """
        )
        + in_second("pass"),
        evidence="OPEN daemon: 'forked'",
        harmless=True,
    ),
    Attack(
        "plants_the_temporary_name",
        "to stand, as a folder or a link, where the next document is written before it takes its place",
        in_second("""
            folder = os.path.dirname(RESULTS)
            for name in ("results.json.tmp", "results.json.half", ".results.json"):
                attempt(name, os.mkdir, os.path.join(folder, name))
                attempt(name + " link", os.symlink, "/dev/null", os.path.join(folder, name))
        """),
        evidence=r"CLOSED results.json.tmp: .*CLOSED \.results.json link: ",
        protected_by=CLOSED,
    ),
    Attack(
        "prints_a_document",
        "to have what it prints taken for the results",
        f"""
        print({FORGED!r})
        def second(x):
            print({FORGED!r})
            print("##results", {FORGED!r}, file=sys.stderr)
            os.write(1, {FORGED.encode()!r})
            return 1000
        """,
        evidence="2.1 failed.*1000, ",
        loses=("2.1", "2.2"),
    ),
    Attack(
        "says_it_has_passed",
        "to raise what the checks themselves raise for a pass",
        """
        class Passed(Exception):
            score, outcome, status = 1.0, "passed", "passed"
        Passed.__name__ = Passed.__qualname__ = "passed"
        def second(x):
            raise Passed("outcome passed, score 1")
        """,
        evidence="2.1 error raises: .*passed",
    ),
)
