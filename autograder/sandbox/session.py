"""Starts the worker of one submission, gives every check one of its own, and ends all of it.

The worker is a new program (nothing of the grader's memory, environment or descriptors), told what it needs in its
:class:`~autograder.sandbox.policy.Orders`. It is loaded once; a check gets a fork of it, or, where processes cannot
fork, a worker started anew (the next one starts while a check runs).
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from autograder.sandbox import wire
from autograder.sandbox.confine import HELD, is_enough
from autograder.sandbox.policy import Orders, Policy
from autograder.sandbox.proxy import (
    CheckWorker,
    Frame,
    GraderError,
    StudentCrash,
    StudentError,
    StudentTimeout,
    SubmissionProblem,
)
from autograder.sandbox.scratch import LAST_EMPTYING_SECONDS, Scratch
from autograder.sandbox.transport import (
    READ_BYTES,
    OutOfSpace,
    OutOfTime,
    OutputBuffer,
    PipeTransport,
    SocketTransport,
    Stopwatch,
    Transport,
    WorkerGone,
)
from autograder.sandbox.worker import CONTROL_BYTES

START_SECONDS = 60.0
"""Wall time for the trusted part of a worker's start: interpreter, preloads, confinement."""
FORKS = sys.platform == "linux"
"""Whether a worker can be forked per check: elsewhere forking is missing, or unsafe with the system libraries."""
FORK_SECONDS = 10.0
"""Wall time for a loaded worker to fork; the check's own time, where that is less."""
STATUS_SECONDS = 2.0
WAITING_FACTOR = 3
"""Times its budget that a check waits for its worker. The grader's own alarm, at five times, means a fault of ours."""
MAX_STARTS = 3
"""Times a loader that was killed by its own submission is started again within one run."""

PACKAGE_PARENT = Path(__file__).resolve().parents[2]
BOOT = """
import site, sys
site.setquit(), site.sethelper(), site.setcopyright()
sys.path += {libraries!r}
sys.path[0] = {package_parent!r}
from autograder.sandbox import worker
del sys.path[0]
worker.main({control})
"""
PASSED_ON = ("OPENBLAS_CORETYPE", "SYSTEMROOT", "LD_LIBRARY_PATH")
"""Variables that the worker's interpreter and libraries may need to start at all; nothing else is inherited."""

_Confined = tuple[Literal["confined"], dict[str, str]]
_Described = tuple[str, str, list[tuple[str, int, str, str]]]
_Remark = tuple[Literal["info", "warning", "error"], str, str]
_Loaded = tuple[Literal["loaded"], list[_Remark], dict[str, _Described]]
_Loading = tuple[list[_Remark], dict[str, StudentError]]


class ConfinementError(GraderError):
    """Confinement was required and this machine cannot give it."""


class Setting(msgspec.Struct, frozen=True):
    """What a session needs to know about a submission and its assignment.

    folder: the staged submission. workspace: a private folder of this run; `scratch` is made in it. main: the
    student's main file. modules: further files of theirs to be loaded. data_folder: where the data sets are.
    preloads: modules imported before the submission. font_lists: a folder with matplotlib's lists of fonts.
    confine: "auto", "require" or "off". forks: one loaded worker forked per check, or one worker started per check.
    """

    folder: Path
    workspace: Path
    main: str
    data_folder: Path
    modules: Sequence[str] = ()
    preloads: Sequence[str] = ("numpy",)
    font_lists: Path | None = None
    policy: Policy = Policy()
    confine: str = "auto"
    forks: bool = FORKS


class Session:
    """The workers of one submission. Use as a context manager; leaving it ends every process it started."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._scratch = Scratch(setting.workspace / "scratch", setting.policy)
        self._claim: socket.socket | None = None
        self._user_id = self._choose_user()
        self._worker: ForkingWorker | SpawnedWorker | None = None
        self._spare: SpawnedWorker | None = None
        self._starts = 0
        self._definitions_only = False
        self.protections: dict[str, str] = {}
        """Protection → "held…" or why not; known once the worker is loaded."""
        self.remarks: list[tuple[str, str, str]] = []
        """(severity, file, text) of what went wrong while the submission was loaded."""
        self._problem: SubmissionProblem | None = None
        self._load_errors: dict[str, StudentError] = {}
        self._refusal: ConfinementError | None = None

    def __enter__(self) -> Session:
        self._scratch.prepare(self._user_id)
        self._worker = self._start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in (self._worker, self._spare):
            if worker is not None:
                worker.kill()
        self._worker = self._spare = None
        if self._user_id is not None:
            _kill_all_of(self._user_id)
        if self._claim is not None:
            self._claim.close()
        self._scratch.empty(LAST_EMPTYING_SECONDS)

    def load(self, deadline: float | None = None) -> None:
        """Wait until the submission is loaded; fills `protections` and `remarks`. A second call does nothing.

        `deadline`: an end in `time.monotonic()` terms, whatever the time for loading is.

        Raises:
            GraderError: the worker could not be started, or confinement is required and not to be had.
        """
        if self._refusal is not None:
            raise self._refusal
        if self.protections:
            return
        for definitions_only in (False, True):
            self._definitions_only = definitions_only
            worker = self._worker = self._worker or self._start()
            report = worker.await_confinement()
            self._insist_on(report)
            self.protections = report
            self._problem = None
            try:
                remarks, errors = worker.await_loading(deadline)
            except SubmissionProblem as problem:  # hung or died: once more, without the statements that compute
                self._problem = problem
                worker.kill()
                self._worker = None
                continue
            self.remarks = [(severity, self._clean(file), self._clean(text)) for severity, file, text in remarks]
            self._load_errors = {
                name: StudentError(error.type_name, self._clean(error.message), error.frames)
                for name, error in errors.items()
            }
            return

    @contextlib.contextmanager
    def check(self, seconds: float, deadline: float | None = None) -> Iterator[CheckWorker]:
        """A worker for one check, ended afterwards.

        `seconds` is the check's budget of computing time; `deadline` an end in `time.monotonic()` terms.

        A file that could not be loaded raises its StudentError when the check asks for that module.

        Raises:
            StudentTimeout, StudentCrash: loading the submission hangs or ends Python.
            GraderError: the machine could not start a worker.
        """
        waiting_end = time.monotonic() + WAITING_FACTOR * seconds
        waiting_end = waiting_end if deadline is None else min(waiting_end, deadline)
        self.load(waiting_end)
        if self._problem is not None:
            raise self._problem
        self._scratch.empty()
        worker, transport = self._worker_for_check(waiting_end)
        patience = self._setting.policy.patience
        stopwatch = Stopwatch(seconds, patience, transport.process, deadline=deadline, also=self._scratch.check)
        check = CheckWorker(
            transport,
            self._setting.policy,
            Path(self._setting.main).stem,
            stopwatch,
            self._clean_pattern(),
            lambda: worker.explain_end(transport.process),
            self._load_errors,
        )
        check.probes.data_folder = str(self._setting.data_folder)
        check.probes.remarks = list(self.remarks)
        try:
            yield check
        finally:
            check.close()

    # -- workers ------------------------------------------------------------------------------------------------------

    def _start(self) -> ForkingWorker | SpawnedWorker:
        self._starts += 1
        orders = self._orders()
        environment = self._environment()
        kind = ForkingWorker if self._setting.forks else SpawnedWorker
        try:
            return kind(orders, environment, self._scratch.check)
        except OSError as error:  # no process, descriptor or memory left on this machine
            raise GraderError(f"the worker could not be started: {error}") from error

    def _worker_for_check(self, deadline: float | None) -> tuple[ForkingWorker | SpawnedWorker, Transport]:
        if not self._setting.forks:
            return self._spawned_for_check(deadline)
        while True:
            try:
                assert isinstance(self._worker, ForkingWorker)
                return self._worker, self._worker.fork(deadline)
            except WorkerGone:  # its own submission ended the loader: load it again
                assert self._worker is not None
                self._worker.kill()
                if self._starts >= MAX_STARTS:
                    raise StudentCrash(
                        "the submission ends the Python process that loads it, again and again"
                    ) from None
                self._worker = self._start()
                self._worker.await_confinement()
                self._worker.await_loading(deadline)

    def _spawned_for_check(self, deadline: float | None) -> tuple[SpawnedWorker, Transport]:
        if self._spare is None and isinstance(self._worker, SpawnedWorker) and not self._worker.used:
            worker = self._worker  # the one that was started to load the submission
        else:
            if self._worker is not None:
                self._worker.kill()
            worker = self._spare or self._start()  # type: ignore[assignment]
            worker.await_confinement()
            worker.await_loading(deadline)
        worker.used = True
        self._worker = worker
        self._spare = self._start()  # type: ignore[assignment]
        return worker, worker.transport

    def _orders(self) -> Orders:
        setting = self._setting
        font_lists = str(setting.font_lists or "")
        libraries = {*_parts_of(sys.prefix), *_parts_of(sys.base_prefix), *_library_folders()}
        return Orders(
            policy=setting.policy,
            folder=str(setting.folder),
            main=setting.main,
            modules=list(setting.modules),
            data_folder=str(setting.data_folder),
            scratch=str(self._scratch.folder),
            preloads=list(setting.preloads),
            readable=sorted(libraries.union(filter(None, [font_lists]))),
            font_lists=font_lists,
            confined=setting.confine != "off",
            required=setting.confine == "require",
            user_id=self._user_id,
            forks=setting.forks,
            definitions_only=self._definitions_only,
        )

    def _environment(self) -> dict[str, str]:
        """A clean environment: nothing of the grader's, one thread, off-screen plots, every home the scratch folder."""
        scratch = str(self._scratch.folder)
        threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
        return {
            **dict.fromkeys(threads, "1"),
            **dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR"), scratch),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "Agg",
            "JOBLIB_MULTIPROCESSING": "0",
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        }

    def _choose_user(self) -> int | None:
        """An unprivileged user id of this run's own, where we are root and meant to confine."""
        if self._setting.confine == "off" or sys.platform != "linux" or os.geteuid() != 0:
            return None
        policy = self._setting.policy
        taken = {_owner(entry) for entry in os.scandir("/proc") if entry.name.isdigit()}
        for step in range(policy.user_ids):
            user_id = policy.first_user_id + (os.getpid() + step) % policy.user_ids
            if user_id not in taken and (claim := _claim_user(user_id)) is not None:
                self._claim = claim
                return user_id
        raise GraderError(f"none of the {policy.user_ids} user ids from {policy.first_user_id} on is free")

    def _insist_on(self, report: dict[str, str]) -> None:
        """Where confinement is required and not enough held, the worker has ended by itself: say so, now and later."""
        if self._setting.confine != "require" or is_enough(report):
            return
        missing = "; ".join(f"{name}: {text}" for name, text in report.items() if not text.startswith(HELD))
        self._refusal = ConfinementError(
            f"confinement was required, and this machine cannot give it ({missing}). "
            "Run on Linux with seccomp and either root or Landlock, or say --confine auto to grade with what there is."
        )
        raise self._refusal

    # -- texts --------------------------------------------------------------------------------------------------------

    def _clean(self, text: str) -> str:
        return self._clean_pattern().sub("", text)

    def _clean_pattern(self) -> re.Pattern[str]:
        """Finds what differs between two runs of the same submission: this run's folders, and addresses."""
        folders = "|".join(
            re.escape(str(folder)) for folder in (self._setting.folder, self._scratch.folder, self._setting.workspace)
        )
        return re.compile(rf"(?:{folders})/?|(?<=0x)[0-9a-fA-F]{{6,16}}\b")


def _claim_user(user_id: int) -> socket.socket | None:
    """Keeps other runs of this machine from the user id until it is closed; None where one has it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0autograder-user-{user_id}")  # no file, and gone with this process however it ends
    except OSError:
        claim.close()
        return None
    return claim


def _parts_of(prefix: str) -> list[str]:
    """What an interpreter needs of its prefix: not all of it, since a course may lie there with its environment."""
    names = ("bin", "lib", "lib64", "etc", "share", "pyvenv.cfg")
    return [path for path in (os.path.join(prefix, name) for name in names) if os.path.exists(path)]


def _boot(control: int | None) -> list[str]:
    """The command of a worker: the libraries can be imported, and nothing else of this environment.

    Without `site`, which would run what `.pth` files and a `sitecustomize` say, and takes a while.
    """
    program = BOOT.format(libraries=_library_folders(), package_parent=str(PACKAGE_PARENT), control=control)
    return [sys.executable, "-S", "-c", program]


def _library_folders() -> list[str]:
    """Where installed libraries stand."""
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages")) and os.path.isdir(path)]


def _kill_all_of(user_id: int) -> None:
    """Ends every process of the run's own user, also one that left its group (only root can have given it one)."""
    for _ in range(50):
        found = [int(e.name) for e in os.scandir("/proc") if e.name.isdigit() and _owner(e) == user_id and _runs(e)]
        if not found:
            return
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def _runs(entry: os.DirEntry[str]) -> bool:
    """Not a zombie: nobody can end one, and process 1 of a container may take its time to collect it."""
    try:
        with open(f"{entry.path}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def _owner(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat().st_uid
    except OSError:
        return None


def _read_loaded(body: bytes) -> _Loading:
    """What the worker says of the loading: (remarks, for each module that could not be loaded its error)."""
    try:
        _, remarks, errors = msgspec.msgpack.decode(body, type=_Loaded)
    except (msgspec.DecodeError, ValueError):
        raise StudentCrash("while it was loaded, the submission broke the process it runs in") from None
    return remarks[:100], {
        name: StudentError(type_name, message, [Frame(*frame) for frame in frames])
        for name, (type_name, message, frames) in errors.items()
    }


def _read_confined(body: bytes) -> dict[str, str]:
    try:
        return msgspec.msgpack.decode(body, type=_Confined)[1]
    except (msgspec.DecodeError, ValueError) as error:
        raise GraderError(f"the worker did not start properly: {error}") from None


def _loading_watch(policy: Policy, process: int, deadline: float | None, also: Callable[[], None]) -> Stopwatch:
    return Stopwatch(policy.import_seconds, policy.patience, process, deadline=deadline, also=also)


class ForkingWorker:
    """A loaded worker that forks a child per check; spoken to over a control socket."""

    def __init__(self, orders: Orders, environment: dict[str, str], also: Callable[[], None]) -> None:
        """`also` is looked at together with the time; see Stopwatch."""
        self._policy = orders.policy
        self._also = also
        self._printed = OutputBuffer(orders.policy.output_bytes)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pipe, writing = os.pipe()
        os.set_blocking(self._pipe, False)
        with theirs:
            self._process = subprocess.Popen(
                _boot(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                env=environment,
                cwd=orders.folder,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
            )
        os.close(writing)
        self._control.send(msgspec.msgpack.encode(orders))
        self._control.settimeout(STATUS_SECONDS)  # a loader that does not read must not stop whoever writes to it

    def await_confinement(self) -> dict[str, str]:
        """What held. Raises GraderError: nothing of the student's has run yet."""
        try:
            return _read_confined(self._receive(Stopwatch(START_SECONDS, 1, None)))
        except (WorkerGone, OutOfTime):
            text = self._printed.all_text().strip()
            raise GraderError(f"the worker could not be started: {text[-2000:] or 'it ended without a word'}") from None

    def await_loading(self, deadline: float | None = None) -> _Loading:
        """Remarks, and each module's error that kept it from being loaded. Raises StudentTimeout, StudentCrash."""
        watch = _loading_watch(self._policy, self._process.pid, deadline, self._also)
        try:
            return _read_loaded(self._receive(watch))
        except OutOfTime as spent:
            raise StudentTimeout("loading the submission", spent.seconds) from None
        except OutOfSpace as spent:
            raise StudentCrash(f"loading the submission {spent}, and was ended") from None
        except WorkerGone:
            raise StudentCrash("loading the submission ended the Python process") from None

    def fork(self, deadline: float | None = None) -> SocketTransport:
        """A child for one check. Raises WorkerGone where the loader does not answer any more."""
        watch = Stopwatch(min(FORK_SECONDS, self._policy.check_seconds), 1, None, deadline=deadline)
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        transport = SocketTransport(ours, reading, self._policy)
        with contextlib.ExitStack() as undo:
            undo.callback(transport.kill)  # whatever happens: an alarm may end the check at this very moment
            try:
                with theirs, os.fdopen(writing, "wb", buffering=0):
                    socket.send_fds(self._control, [msgspec.msgpack.encode(["check"])], [theirs.fileno(), writing])
                transport.meet(watch)
            except (OSError, OutOfTime, WorkerGone) as error:
                raise WorkerGone(str(error)) from None
            undo.pop_all()
        return transport

    def explain_end(self, process: int) -> str:
        """How a check's process ended, as the loader tells it: for the message's text only."""
        with contextlib.suppress(OSError, OutOfTime, WorkerGone, msgspec.DecodeError, ValueError):
            self._control.send(msgspec.msgpack.encode(["status", process]))
            watch = Stopwatch(STATUS_SECONDS, 1, None)
            _, status = msgspec.msgpack.decode(self._receive(watch), type=tuple[Literal["status"], int | None])
            return describe_status(status)
        return ""

    def kill(self) -> None:
        """End the loader and everything in its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._control.close()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _receive(self, watch: Stopwatch) -> bytes:
        """The next control message, taking printed output meanwhile. Raises OutOfTime, WorkerGone."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._pipe, select.POLLIN)
        while True:
            ready = dict(poll.poll(200))
            if self._pipe in ready:
                data = self._take_output()
                if data == b"":
                    poll.unregister(self._pipe)
            if self._control.fileno() in ready:
                message = self._control.recv(CONTROL_BYTES)
                if not message:
                    self._take_output()
                    raise WorkerGone("the worker ended")
                return message
            watch.check()

    def _take_output(self) -> bytes | None:
        try:
            data = os.read(self._pipe, READ_BYTES)
        except BlockingIOError:
            return None
        self._printed.add(data)
        return data


class SpawnedWorker:
    """A worker that loads the submission and serves one check, over its standard streams."""

    def __init__(self, orders: Orders, environment: dict[str, str], also: Callable[[], None]) -> None:
        """`also` is looked at together with the time; see Stopwatch."""
        self._policy = orders.policy
        self._also = also
        self.used = False
        self._confinement: dict[str, str] | None = None
        self._loaded: _Loading | None = None
        self._process = subprocess.Popen(
            _boot(None),
            env=environment,
            cwd=orders.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.transport = PipeTransport(self._process, orders.policy)
        self.transport.send(wire.frame(msgspec.msgpack.encode(orders)), Stopwatch(START_SECONDS, 1, None))

    def await_confinement(self) -> dict[str, str]:
        """As :meth:`ForkingWorker.await_confinement`."""
        if self._confinement is None:
            try:
                self._confinement = _read_confined(self.transport.receive(Stopwatch(START_SECONDS, 1, None)))
            except (WorkerGone, OutOfTime):
                self.transport.kill()
                text = self.transport.output.all_text().strip()[-2000:]
                raise GraderError(f"the worker could not be started: {text or 'it ended without a word'}") from None
        return self._confinement

    def await_loading(self, deadline: float | None = None) -> _Loading:
        """As :meth:`ForkingWorker.await_loading`."""
        if self._loaded is None:
            watch = _loading_watch(self._policy, self._process.pid, deadline, self._also)
            try:
                self._loaded = _read_loaded(self.transport.receive(watch))
            except OutOfTime as spent:
                raise StudentTimeout("loading the submission", spent.seconds) from None
            except OutOfSpace as spent:
                raise StudentCrash(f"loading the submission {spent}, and was ended") from None
            except WorkerGone:
                raise StudentCrash("loading the submission ended the Python process") from None
            self.transport.output.new_text()
        return self._loaded

    def explain_end(self, process: int) -> str:
        """How the process ended (it has been ended by now)."""
        return describe_status(self._process.returncode)

    def kill(self) -> None:
        """End the worker and its process group."""
        self.transport.kill()


def describe_status(status: int | None) -> str:
    """An exit status in words."""
    if status is None:
        return ""
    if status >= 0:
        return f"it ended itself with exit code {status}"
    if status == -signal.SIGTERM or status == -getattr(signal, "SIGKILL", 9):
        return "it was killed, which happens when the machine runs out of memory"
    with contextlib.suppress(ValueError):
        return f"it died of {signal.Signals(-status).name}"
    return f"it died of signal {-status}"
