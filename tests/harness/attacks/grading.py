"""Grades one attack with the real command, then an honest submission, and looks at what is left of it everywhere.

Each attack gets a folder of its own: the course with its secrets, a home, a folder for temporary files, the results. A
keeper process adopts everything that the grading leaves behind, so that no process can slip away from it unseen.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from attacks.course import TOKEN, write_course
from attacks.gathering import attack_named
from attacks.record import Attack, submission_text
from autograder.sandbox.policy import Policy
from autograder.sandbox.scratch import Scratch
from autograder.supervise import adopt_orphans, descendants

SECONDS = 150
"""A grading that takes longer was stopped by what it graded."""
GRACE_SECONDS = 2.0
MOST_PARTS = 60
"""Of a path that is looked at: what stands deeper has been seen by then."""
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue", "/", "~", sys.prefix)
"""Folders that are not the attack's own, where whatever bears its mark was left by it."""

SYSTEM_V = {"shm": "--shmem-id", "sem": "--semaphore-id", "msg": "--queue-id"}
"""Kinds of objects that outlive every process, and the option of `ipcrm` that removes one."""


class Ended(msgspec.Struct, frozen=True):
    """One grading: its exit code (None: it had to be killed), all it printed, the documents, seconds."""

    exit_code: int | None
    said: str
    results: str
    page: str
    seconds: float


class Observed(msgspec.Struct, frozen=True):
    """What one attack led to. running: processes left. left: files made, changed or gone, and shared memory.
    contacts: connections to the listeners beside it. secrets: what stood in the course, by place."""

    attacked: Ended
    afterwards: Ended
    running: list[str]
    left: list[str]
    contacts: list[str]
    secrets: dict[str, str]
    mark: str


@dataclass(frozen=True)
class Place:
    """The folder of one attack."""

    folder: Path
    token: str

    @property
    def course(self) -> Path:
        return self.folder / "course"

    @property
    def results(self) -> Path:
        return self.folder / "results" / "results.json"

    @property
    def page(self) -> Path:
        return self.folder / "results" / "page.html"

    @property
    def mark(self) -> str:
        """In the name of every file that an attack tries to leave somewhere."""
        return f"left-behind-{self.token}"

    def environment(self, canaries: Mapping[str, str]) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE") if name in os.environ},
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "AUTOGRADER_ROOT": str(self.course),
            TOKEN: canaries["environment"],
        }


def make_place(parent: Path, attack: Attack) -> tuple[Place, dict[str, str]]:
    """A folder with everything in it that the attack is to find closed; the secrets."""
    place = Place(Path(tempfile.mkdtemp(prefix=f"{attack.name}-", dir=parent)), secrets.token_hex(8))
    place.folder.chmod(0o711)
    for name in ("home", "tmp", "results", "submission", "honest", "course"):
        (place.folder / name).mkdir()
    canaries = write_course(place.course, place.token, with_torch="torch" in attack.needs)
    (place.folder / "home" / ".token").write_text(canaries["home"])
    for name in ("home", "results", "course"):
        (place.folder / name).chmod(0o700)
    (place.folder / "tmp").chmod(0o711)
    return place, canaries


def hand_in(place: Place, attack: Attack, facts: Mapping[str, object]) -> Path:
    """Write the submission; what is handed in of it."""
    folder = place.folder / "submission"
    for name, content in {"attacked.py": submission_text(attack, facts), **attack.files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (place.folder / "honest" / "attacked.py").write_text(submission_text(None, {}))
    return attack.pack(folder, place.folder) if attack.pack else folder


def observe(parent: str, name: str, options: list[str], report: str) -> None:
    """Carry out the attack of that name in this very process; what was observed is written to `report`."""
    attack = attack_named(name)
    adopt_orphans()
    os.umask(0o022)
    place, canaries = make_place(Path(parent), attack)
    with Listeners() as listeners:
        handed_in = hand_in(place, attack, facts_of(place, listeners))
        environment = place.environment(canaries)
        before, shared_before = snapshot(place.folder), shared_memory()
        attacked = grade(handed_in, place, environment, options)
        running = end_what_is_left()
        left = differences(before, snapshot(place.folder)) + marked(place) + sorted(shared_memory() - shared_before)
        contacts = listeners.contacts()
        clear(left)
        afterwards = grade(place.folder / "honest", place, environment, options)
    seen = Observed(attacked, afterwards, running, left, contacts, canaries, place.mark)
    Path(report).write_bytes(msgspec.json.encode(seen))
    place.folder.chmod(0o700)
    Scratch(place.folder, Policy()).empty(60)  # whatever an attack made of it
    place.folder.rmdir()


def facts_of(place: Place, listeners: Listeners) -> dict[str, object]:
    """What the attacker knows: everything but the secrets themselves."""
    return {
        "ROOT": str(place.course),
        "RESULTS": str(place.results),
        "PAGE": str(place.page),
        "HOME": str(place.folder / "home"),
        "PLACE": str(place.folder),
        "MARK": place.mark,
        "TCP_PORT": listeners.tcp_port,
        "UDP_PORT": listeners.udp_port,
        "ABSTRACT": listeners.abstract,
        "PREFIX": sys.prefix,
    }


# ---- One grading -----------------------------------------------------------------------------------------------------


def grade(submission: Path, place: Place, environment: Mapping[str, str], options: list[str]) -> Ended:
    """`autograder grade`, in a fork: of a process that has imported it already, since that takes longest."""
    for path in (place.results, place.page):
        with contextlib.suppress(OSError):  # where nothing held an attack back, it may have closed the folder
            path.unlink(missing_ok=True)
    command = ["grade", str(submission), "--assignment", "attacked", "--results", str(place.results),
               "--html", str(place.page), "--verbose", *options]  # fmt: skip
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = os.fork()
        if process == 0:
            run_command(command, environment, place.folder, said.fileno())
        code = wait(process)
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    seconds = time.monotonic() - started
    return Ended(code, text, text_of(place.results), text_of(place.page), seconds)


def run_command(command: list[str], environment: Mapping[str, str], folder: Path, said: int) -> None:
    """The child: becomes the command, in a session of its own, and never returns."""
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
        from autograder.cli import main

        code = main(command)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        import traceback

        traceback.print_exception(error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def wait(process: int) -> int | None:
    """The exit code of a child; None where it had to be killed."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"


# ---- What is left ----------------------------------------------------------------------------------------------------


def end_what_is_left() -> list[str]:
    """The processes below this one that are still there a moment after the grading; they are ended."""
    end = time.monotonic() + GRACE_SECONDS
    while descendants(os.getpid()) and time.monotonic() < end:
        time.sleep(0.02)
    left = descendants(os.getpid())
    told = [f"process {process}: {text_of(Path(f'/proc/{process}/cmdline'))!r:.200}" for process in left]
    while left := descendants(os.getpid()):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        reap()
        time.sleep(0.02)
    reap()
    return told


def reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def snapshot(folder: Path) -> dict[str, str]:
    """Every path below `folder` but the results, with what would tell of a change."""
    found, waiting = {}, [folder]
    while waiting:
        path = waiting.pop()
        name = str(path.relative_to(folder))
        if name in ("results/results.json", "results/page.html") or path.name == "__pycache__":
            continue
        try:
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
            found[name] = f"{status.st_mode:o} {status.st_uid} {content}"
            if stat.S_ISDIR(status.st_mode) and len(path.parts) < MOST_PARTS:
                waiting += path.iterdir()
        except OSError as error:
            found[name] = str(error)
    return found


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    names = sorted({*before, *after})
    return [
        f"{name}: {before.get(name)} became {after.get(name)}" for name in names if before.get(name) != after.get(name)
    ]


def marked(place: Place) -> list[str]:
    """What bears the attack's mark in the folders that everybody shares."""
    found = []
    for folder in {os.path.expanduser(name) for name in SHARED} | set(filter(os.path.isdir, sys.path)):
        with contextlib.suppress(OSError):
            found += [f"{folder}/{name}" for name in os.listdir(folder) if place.mark in name]
    return found


def shared_memory() -> set[str]:
    """System V objects, which nothing but their removal ends."""
    found = set()
    for kind in SYSTEM_V:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
            found |= {f"System V {kind} {' '.join(line.split()[:3])}" for line in lines}
    return found


def clear(left: list[str]) -> None:
    """Remove what an attack left outside of its own folder, where nothing held it back."""
    for text in left:
        if text.startswith("System V"):
            kind, _, identifier = text.split()[2:5]
            subprocess.run(["ipcrm", SYSTEM_V[kind], identifier], check=False)
        elif text.startswith("/"):
            path = Path(text)
            path.rmdir() if path.is_dir() else path.unlink()


class Listeners:
    """Somebody to talk to on this machine: a TCP and a UDP port, and a socket with an abstract name."""

    def __enter__(self) -> Listeners:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.abstract = f"attacked-{secrets.token_hex(8)}"
        self._unix.bind(f"\0{self.abstract}")
        self._unix.listen()
        self.tcp_port, self.udp_port = self._tcp.getsockname()[1], self._udp.getsockname()[1]
        return self

    def contacts(self) -> list[str]:
        named = {self._tcp: "TCP", self._udp: "UDP", self._unix: "abstract socket"}
        readable, _, _ = select.select(list(named), [], [], 0)
        return [f"something arrived by {named[listener]}" for listener in readable]

    def __exit__(self, *_: object) -> None:
        for listener in (self._tcp, self._udp, self._unix):
            listener.close()
