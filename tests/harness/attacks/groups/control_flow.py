"""Control flow: every way to end, to interrupt, or never to come back."""

from attacks.record import ALL, Attack, in_second


def raising(statement: str) -> str:
    return f"def second(x):\n    {statement}\n"


GROUP = (
    Attack(
        "exits", "to end the process with success", raising("sys.exit(0)"), "2.1 error crash: .*ends the whole program"
    ),
    Attack("exits_hard", "to end the process behind Python's back", raising("os._exit(0)"), "2.1 crash .*exit code 0"),
    Attack(
        "exits_while_loaded",
        "to end the process while it is loaded, in the hope that this counts as nothing wrong",
        "os._exit(0)\n",
        evidence="was left out: loading the file once had already",
        loses=(),
    ),
    Attack(
        "exits_while_loaded_for_good",
        "to end the process in what cannot be left out",
        "class Trap:\n    os._exit(0)\n",
        evidence="2.1 crash .*loading the submission",
        loses=ALL,
    ),
    Attack(
        "raises_keyboard_interrupt",
        "to have the run taken for one that somebody stopped",
        raising("raise KeyboardInterrupt"),
        evidence="2.1 error .*KeyboardInterrupt",
    ),
    Attack(
        "raises_outside_of_exception",
        "to slip through `except Exception`",
        "class Through(BaseException):\n    pass\n" + raising("raise Through('slipped')"),
        evidence="2.1 error .*Through",
    ),
    Attack(
        "raises_generator_exit",
        "to end a generator of the grader's",
        raising("raise GeneratorExit if x.size % 2 else StopIteration('stop')"),
        evidence="2.1 error .*StopIteration",
    ),
    Attack(
        "raises_pytest_outcomes",
        "to skip the check or to end pytest with its own exceptions",
        """
        def second(x):
            try:
                from _pytest import outcomes
            except ImportError:
                outcomes = None
            if outcomes is None:
                raise type("Skipped", (BaseException,), {"__module__": "Skipped"})("pytest is not there")
            raise outcomes.Exit("all done", returncode=0)
        """,
        evidence="2.1 error .*(Exit|Skipped)",
    ),
    Attack(
        "raises_an_error_that_bites",
        "to run code where its error is turned into text",
        """
        class Biting(Exception):
            def __str__(self):
                os.kill(os.getpid(), 9)
                raise SystemExit(0)
            __repr__ = __str__
            @property
            def __traceback__(self):
                raise KeyboardInterrupt
        def second(x):
            raise Biting
        """,
        evidence="2.1 (error|crash) ",
    ),
    Attack(
        "kills_the_grader",
        "to end the grader with a signal",
        in_second("""
            import signal
            for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSTOP):
                attempt(f"signal {number} to the grader", os.kill, GRADER, number)
                attempt(f"signal {number} to the parent", os.kill, os.getppid(), number)
        """),
        evidence="CLOSED signal 9 to the grader: PermissionError.*CLOSED signal 19 to the parent: PermissionError",
        protected_by=("calls",),
    ),
    Attack(
        "kills_the_group",
        "to end every process of its group, or every process there is",
        in_second("""
            import signal
            attempt("own group", os.killpg, 0, signal.SIGKILL)
            attempt("the grader's group", os.killpg, GRADER, signal.SIGKILL)
            attempt("everything", os.kill, -1, signal.SIGKILL)
            attempt("by thread", lambda: system_call(200, GRADER, 9))
            attempt("by queue", lambda: system_call(129, GRADER, 9, b"\\0" * 128))
            attempt("by handle", os.pidfd_open, GRADER)
        """),
        evidence="CLOSED own group: .*CLOSED everything: PermissionError.*CLOSED by handle: PermissionError",
        protected_by=("calls",),
    ),
    Attack(
        "has_the_kernel_signal_the_grader",
        "to be the owner of a descriptor whose owner is then set to the grader, which a signal is sent to",
        in_second("""
            import fcntl, signal, socket
            near, far = socket.socketpair()
            attempt("signal", fcntl.fcntl, near, 10, signal.SIGKILL)
            attempt("owner", fcntl.fcntl, near, fcntl.F_SETOWN, GRADER)
            attempt("owner in another way", fcntl.fcntl, near, 15, struct.pack("ii", 1, GRADER))
            attempt("owner in a third way", fcntl.ioctl, near, 0x8901, struct.pack("i", GRADER))
            fcntl.fcntl(near, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
            far.send(b"now")
        """),
        evidence="CLOSED signal: .*CLOSED owner: .*CLOSED owner in another way: .*CLOSED owner in a third way: ",
        protected_by=("calls",),
    ),
    Attack("aborts", "to die of a signal", raising("os.abort()"), "2.1 crash "),
    Attack("divides_memory", "to read address 0", raising("ctypes.string_at(0)"), "2.1 crash .*SIGSEGV"),
    Attack(
        "recurses_without_end",
        "to overflow the stack of Python",
        "def second(x):\n    return second(x)\n",
        evidence="2.1 error .*RecursionError",
    ),
    Attack(
        "overflows_the_machine_stack",
        "to lift Python's own bound and to overflow the machine's stack",
        """
        def second(x):
            sys.setrecursionlimit(10**9)
            deep = lambda n: deep(n + 1)
            class Deep:
                def __repr__(self):
                    return repr([self])
            return repr(Deep()) if x.size else deep(0)
        """,
        evidence="2.1 (crash|error|timeout) ",
    ),
    Attack(
        "registers_for_the_end",
        "to run code when the process ends, after everything was judged",
        """
        import atexit
        def last_word():
            try:
                write(RESULTS, "{}")
            except OSError:
                pass
            print("LAST WORD")
        atexit.register(last_word)
        def second(x):
            atexit.register(last_word)
            print("registered")
            raise SystemExit
        """,
        evidence="2.1 error .*registered",
        protected_by=("files", "user"),
    ),
    Attack(
        "goes_on_in_a_thread",
        "to answer, and to go on computing, printing and writing behind the answer",
        """
        import threading
        def go_on():
            while True:
                print("BEHIND")
                time.sleep(0.001)
        def second(x):
            threading.Thread(target=go_on, daemon=False).start()
            time.sleep(0.01)
            return 7 * x
        """,
        evidence="2.1 failed .*BEHIND",
    ),
    Attack(
        "ignores_every_signal",
        "to be deaf when it is told to stop",
        """
        import signal
        for number in range(1, 64):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        def second(x):
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    continue
        """,
        evidence="2.1 timeout ",
    ),
    Attack(
        "rewrites_its_server",
        "to change the code that serves its calls, so that each check hears that all is well",
        """
        from autograder.sandbox import worker, wire
        worker.describe_error = lambda error, folder: ("ok", "passed", [])
        def answer(self, operation, arguments):
            value = worker.Callables(False) if operation == "get" else True
            return self._codec.encode(["ok", value, {0: {"score": 1.0, "status": "passed"}}])
        worker.Server._answer = answer
        """,
        evidence="2.1 failed wrong_shape",
        loses=ALL,
    ),
    Attack(
        "serves_checks_from_the_loader",
        "to answer in the place of the process that is forked for a check, so as not to be ended with it",
        """
        KEPT = []
        os.fork = lambda: 0
        from autograder.sandbox import worker
        def stay(orders, connection, output):
            KEPT.append(connection)
            os.write(1, b"stayed")
            while True:
                time.sleep(60)
        worker.serve_forked = stay
        """,
        evidence="2.1 crash ",
        loses=ALL,
    ),
    Attack(
        "hooks_the_interpreter",
        "to be called by Python itself, in trace and profile functions, hooks and finalisers",
        """
        import gc, threading
        def hook(*arguments):
            raise SystemExit(0)
        sys.excepthook = sys.unraisablehook = threading.excepthook = sys.displayhook = hook
        gc.callbacks.append(hook)
        class Final:
            def __del__(self):
                raise SystemExit(0)
        def second(x):
            cycle = [Final()]
            cycle.append(cycle)
            sys.settrace(hook)
            sys.setprofile(hook)
            return abs(1)
        """,
        evidence="2.1 (error|crash|failed) ",
        may_lose=("1.1", "1.2", "2.3", "2.4", "3.1", "3.2"),
    ),
)
