"""Persistence: what is left for the next check, the next run, or the next student."""

from attacks.record import Attack, in_second, while_loaded

CLOSED = ("files", "user")

GROUP = (
    Attack(
        "leaves_a_note_for_the_next_check",
        "to write in one check what it wants to know in another",
        while_loaded("""
            def first(x):
                write("note", "seen")
                os.makedirs("folder/in/folder", exist_ok=True)
                write("folder/in/folder/note", "seen")
                return 2 * x
        """)
        + in_second("""
            attempt("note", read, "note")
            attempt("scratch", lambda: os.listdir(".")[0])
            write("note", "seen")
        """),
        evidence="CLOSED note: FileNotFoundError.*CLOSED scratch: IndexError",
        harmless=True,  # the later examples of one check find what the first wrote: that is one run
    ),
    Attack(
        "keeps_state_between_checks",
        "to count the checks, and to answer by the count",
        while_loaded("""
            SEEN = []
            def first(x):
                SEEN.append("first")
                np.remembered = sys.remembered = os.environ["REMEMBERED"] = "first"
                return 2 * x
        """)
        + in_second("""
            attempt("global", lambda: SEEN[0])
            attempt("in a library", lambda: np.remembered)
            attempt("in the interpreter", lambda: sys.remembered)
            attempt("in the environment", lambda: os.environ["REMEMBERED"])
        """),
        evidence="CLOSED global: IndexError.*CLOSED in a library: .*CLOSED in the environment: KeyError",
    ),
    Attack(
        "plants_start_up_files",
        "to be run whenever Python starts here: .pth, sitecustomize, the user's site",
        in_second("""
            import site
            for folder in (*site.getsitepackages(), PREFIX, os.path.dirname(np.__file__), os.path.dirname(os.__file__)):
                for name in (MARK + ".pth", "sitecustomize-" + MARK + ".py"):
                    attempt(f"{name} in {folder}", write, os.path.join(folder, name), "import os")
            attempt("user site", os.makedirs, HOME + "/.local/lib/python3/site-packages")
        """),
        evidence="CLOSED left-behind-.*CLOSED user site: PermissionError",
        protected_by=CLOSED,
    ),
    Attack(
        "poisons_compiled_files",
        "to put compiled code in the place of a module that the grader will import",
        in_second("""
            import glob
            for folder in (ROOT + "/tests/attacked/hidden", ROOT + "/reference/attacked", os.path.dirname(np.__file__)):
                attempt("folder", os.makedirs, folder + "/__pycache__/" + MARK)
                attempt("file", write, folder + "/__pycache__/test_hidden.cpython-311.pyc")
            for path in glob.glob(os.path.dirname(np.__file__) + "/__pycache__/*.pyc")[:3]:
                attempt("replace", os.replace, path, path)
                attempt("write", os.open, path, os.O_WRONLY)
        """),
        evidence="CLOSED folder: .*CLOSED file: ",
        protected_by=CLOSED,
    ),
    Attack(
        "leaves_files_everywhere",
        "to leave a file for the next student in any folder that everybody may write",
        in_second("""
            for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue", "/", HOME, PLACE, PLACE + "/tmp",
                           ROOT, "..", "../..", os.path.dirname(__file__), os.path.dirname(RESULTS)):
                attempt(f"file in {folder}", write, os.path.join(folder, MARK))
                attempt(f"folder in {folder}", os.mkdir, os.path.join(folder, MARK + "-folder"))
                attempt(f"pipe in {folder}", os.mkfifo, os.path.join(folder, MARK + "-pipe"))
        """),
        evidence="CLOSED file in /tmp: .*CLOSED file in /dev/shm: .*CLOSED pipe in ",
        protected_by=("files",),
    ),
    Attack(
        "leaves_shared_memory",
        "to leave memory, queues and semaphores that outlive every process",
        in_second("""
            from multiprocessing import shared_memory
            libc = ctypes.CDLL(None, use_errno=True)
            def made(result):
                if result in (-1, 0, None):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                return result
            attempt("memory", lambda: made(libc.shmget(0x5EED, 4096, 0o1666)))
            attempt("semaphore", lambda: made(libc.semget(0x5EED, 1, 0o1666)))
            attempt("queue", lambda: made(libc.msgget(0x5EED, 0o1666)))
            attempt("POSIX memory", shared_memory.SharedMemory, MARK, True, 4096)
            libc.sem_open.restype = ctypes.c_void_p
            attempt("POSIX semaphore", lambda: made(libc.sem_open(b"/" + MARK.encode(), os.O_CREAT, 0o666, 1)))
            attempt("POSIX queue", lambda: system_call(240, MARK.encode(), os.O_CREAT | os.O_RDWR, 0o666, None))
        """),
        evidence="CLOSED memory: PermissionError.*CLOSED queue: .*CLOSED POSIX memory: .*CLOSED POSIX queue: ",
        protected_by=("files",),
    ),
    Attack(
        "changes_the_users_settings",
        "to be run by the shell, by cron or by matplotlib of whoever started the grader",
        in_second("""
            for name in (".bashrc", ".profile", ".config/matplotlib/matplotlibrc", ".pythonrc", ".ssh/authorized_keys"):
                attempt(name, write, os.path.join(HOME, name), "echo " + MARK)
            attempt("cron", write, "/etc/cron.d/" + MARK, "* * * * * root true")
            attempt("profile", write, "/etc/profile.d/" + MARK + ".sh", "true")
            attempt("preload", write, "/etc/ld.so.preload", "")
        """),
        evidence="CLOSED .bashrc: PermissionError.*CLOSED cron: PermissionError.*CLOSED preload: PermissionError",
        protected_by=CLOSED,
    ),
    Attack(
        "rewrites_itself",
        "to be another program when it is loaded again",
        in_second("""
            attempt("own file", write, __file__, "def second(x): return 3 * x")
            attempt("own folder", write, os.path.join(os.path.dirname(__file__), "extra.py"), "")
            attempt("removed", os.unlink, __file__)
        """),
        evidence="CLOSED own file: PermissionError.*CLOSED own folder: PermissionError.*CLOSED removed: ",
        protected_by=CLOSED,
    ),
    Attack(
        "links_libraries_into_its_scratch",
        "to have a library or a secret under a name of its own, with rights of its own",
        in_second("""
            attempt("hard link", os.link, np.__file__, "linked.py")
            attempt("link to the reference", os.link, ROOT + "/reference/attacked/attacked.py", "reference.py")
            attempt("symbolic link", os.symlink, ROOT, "course")
            attempt("rename", os.rename, np.__file__, "moved.py")
            library = os.open(np.__file__, os.O_RDONLY)
            attempt("clone", os.copy_file_range, library, library, 9)
        """),
        evidence="CLOSED hard link: .*CLOSED link to the reference: .*CLOSED symbolic link: .*CLOSED clone: ",
        protected_by=("files",),
    ),
    Attack(
        "changes_what_later_checks_start_from",
        "to leave the loader in a state in which later checks cannot work",
        while_loaded("""
            os.umask(0o777)
            os.chdir("/")
            os.environ.clear()
            sys.path.clear()
            np.random.seed(7)
            np.seterr(all="raise")
        """)
        + in_second("print(os.getcwd(), sorted(os.environ), sys.path, os.umask(0o777))"),
        evidence=r"\[\] \[\] 511",
    ),
)
