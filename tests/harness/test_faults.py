"""What the machine does wrong loses no result, and what the grader does wrong is told as its own fault.

AUTOGRADER_KILLS is how often a run is killed at a random moment; `make faults` kills 200.
"""

from __future__ import annotations

import ast
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from autograder import supervise
from autograder.grading.results import Results

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("AUTOGRADER_KILLS", "5"))
IS_ROOT = os.geteuid() == 0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the grader runs on Linux")
as_root = pytest.mark.skipif(not IS_ROOT, reason="needs root, to mount")

CHECKS = """
@pytest.mark.parametrize("turn", range(12))
@number("1.1")
@weight(1)
@visibility("visible")
def test_double(submission, show, turn):
    '''Doubles'''
    show.text("A long text", "line\\n" * 3000)
    {body}
    assert submission.double(turn) == 2 * turn
"""


@pytest.fixture
def twelve(suite):
    """A suite of twelve checks whose document is long enough to be met half written."""
    suite.item("1", 12)
    suite.hidden(CHECKS.format(body=""))
    return suite


def command(suite, submission, *more):
    """`autograder grade` on the suite, writing to its results, and the environment to run it in."""
    suite.assignment()
    grade = [sys.executable, "-m", "autograder", "grade", str(submission), "--assignment", "toy"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUTOGRADER_ROOT": str(suite.root), "TMPDIR": str(suite.root)}
    return [*grade, "--results", str(suite.results), *more], environment


def run(suite, *more, prefix=(), source="def double(x):\n    return 2 * x\n", **options):
    """Grade in a process of its own as a person would."""
    folder = suite.root / "handed_in"
    folder.mkdir(exist_ok=True)
    (folder / "toy.py").write_text(source)
    (folder / "second.py").write_text("")
    arguments, environment = command(suite, folder, *more)
    return subprocess.run(
        [*prefix, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False, **options
    )


def document_of(suite):
    return json.loads(suite.results.read_text())


# ---- A grader that is killed ----------------------------------------------------------------------------------------


def start_and_kill(suite, session, seconds, *, writing):
    """Grade in a fork of this process, and kill it after `seconds`, from when its checks are listed where `writing`."""
    process = os.fork()
    if process == 0:
        os.setsid()
        suite.grade(session)
        os._exit(0)
    while writing and supervise.load_document(suite.results) is None:
        time.sleep(0.001)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_a_grader_killed_at_any_moment_leaves_a_document_with_the_outcomes_so_far(twelve):
    chance = random.Random(KILLS)
    called = []
    session = twelve.fake(double=lambda x: (called.append(time.monotonic()), time.sleep(0.005), 2 * x)[-1])
    whole = twelve.grade(session).document
    seconds = min(time.monotonic() - called[0], 0.9)
    ends = []
    for turn in range(KILLS):
        twelve.results.unlink(missing_ok=True)
        status = start_and_kill(twelve, session, chance.uniform(0, 1.2 * seconds), writing=turn % 5 > 0)
        supervise.mend(twelve.results, supervise.Ending(status, False, ""))
        assert os.listdir(twelve.results.parent) == ["results.json"]
        ends.append(done_of(document_of(twelve), whole, status))
    print(f"{KILLS} kills; checks done when it was killed, -1 before they were listed: {sorted(ends)}")


def done_of(document, whole, status):
    """How many checks are in a document that is as it must be; -1 for an apology."""
    if document["extra_data"].get("cause") == "grader_error":
        assert {test["visibility"] for test in document["tests"]} == {"visible", "hidden"}
        return -1
    results = msgspec.convert(document, Results)
    assert (status == 0) or (supervise.PARTIAL_TEXT in document["output"])
    waiting = [test.extra_data.outcome == "not_run" for test in results.tests]
    for test, full, waits in zip(document["tests"], whole["tests"], waiting, strict=False):
        assert waits or test == full
        assert not waits or (test["score"], test["max_score"]) == (0, 1)
    assert results.score == waiting.count(False)
    assert len(waiting) in (0, 12)
    return waiting.count(False)


def test_a_whole_run_killed_in_the_middle_is_completed_by_its_supervisor(twelve):
    twelve.hidden(CHECKS.format(body="import os, signal\n    turn == 5 and os.kill(os.getpid(), signal.SIGKILL)"))
    # Sent by a check, so that the moment is sure; to the grader's own process, which runs it.
    watched = [sys.executable, "-I", str(ROOT / "autograder" / "supervise.py"), "--results", str(twelve.results)]
    done = run(twelve, prefix=[*watched, "--seconds", "200", "--"])
    assert done.returncode == 0, done.stdout
    document = document_of(twelve)
    assert document["score"] == 5
    assert supervise.PARTIAL_TEXT in document["output"]
    assert "SIGKILL" in done.stdout


# ---- Disks ----------------------------------------------------------------------------------------------------------

FILL = "import resource; turn == 3 and resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))"
FREE = "turn == 9 and resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)"


def test_a_disk_that_stays_full_is_the_graders_fault_and_the_outcomes_before_stand(twelve):
    twelve.hidden(CHECKS.format(body=FILL))
    done = run(twelve)
    assert done.returncode == 3
    assert f"cannot be written to {twelve.results}" in done.stderr
    document = document_of(twelve)
    assert document["score"] == 3
    assert not document["extra_data"]["finished"]
    assert os.listdir(twelve.results.parent) == ["results.json"]


def test_a_disk_that_was_full_for_a_while_loses_nothing(twelve):
    twelve.hidden(CHECKS.format(body=f"{FILL}\n    {FREE}"))
    done = run(twelve)
    assert (done.returncode, document_of(twelve)["score"]) == (0, 12), done.stderr


@as_root
def test_a_full_file_system_is_the_graders_fault(twelve):
    twelve.results.parent.mkdir()
    twelve.hidden(CHECKS.format(body=f"turn == 3 and open('{twelve.results.parent}/filler', 'wb').write(b'x' * 10**6)"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(twelve.results.parent)], check=True)
    try:
        done = run(twelve)
        assert done.returncode == 3, done.stderr
        assert document_of(twelve)["score"] >= 3
    finally:
        subprocess.run(["umount", str(twelve.results.parent)], check=True)


@pytest.mark.parametrize(("room", "text"), [(0, "No usable temporary directory"), (10, "File too large")])
def test_no_room_for_the_submission_itself_is_the_graders_fault(twelve, room, text):
    done = run(twelve, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
    assert done.returncode == 3
    assert "the grader itself failed" in done.stderr
    assert text in done.stderr


def test_a_missing_results_folder_is_made(twelve):
    twelve.results = twelve.root / "a" / "b" / "results.json"
    assert run(twelve).returncode == 0
    assert document_of(twelve)["score"] == 12


@as_root
def test_a_read_only_results_folder_is_refused_before_anything_is_graded(twelve):
    folder = twelve.results.parent
    folder.mkdir()
    script = f'mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && exec "$@"'
    done = run(twelve, prefix=in_a_namespace(script))
    assert done.returncode == 3
    assert "cannot be written" in done.stderr
    watched = [sys.executable, "-I", str(ROOT / "autograder" / "supervise.py"), "--results", str(twelve.results)]
    done = run(twelve, prefix=[*in_a_namespace(script), *watched, "--seconds", "200", "--"])
    assert done.returncode == 0
    assert f"supervise.py: {twelve.results} cannot be written" in done.stdout


# ---- Machines without something -------------------------------------------------------------------------------------


def in_a_namespace(script):
    """A command in front of another: `script` runs first, with mounts of its own that nobody else sees."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare(1) here")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here (a container without SYS_ADMIN)")
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


@as_root
def test_without_shared_memory_everything_is_graded(twelve):
    if not os.path.isdir("/dev/shm"):
        pytest.skip("there is no /dev/shm here, which is what the test would see to")
    script = 'mount -t tmpfs -o mode=0,size=4k,nr_inodes=1 none /dev/shm && exec "$@"'
    done = run(twelve, prefix=in_a_namespace(script))
    assert (done.returncode, document_of(twelve)["score"]) == (0, 12), done.stderr


@as_root
def test_a_read_only_root_is_enough_where_temporary_files_have_a_place(twelve):
    script = f'mount --bind {twelve.root} {twelve.root} && mount -o remount,bind,ro / && exec "$@"'
    done = run(twelve, prefix=in_a_namespace(script))
    assert (done.returncode, document_of(twelve)["score"]) == (0, 12), done.stderr


WITHOUT = """
import ctypes, os, platform, struct, sys

LOAD, JUMP_EQUAL, RETURN, ALLOW, REFUSE = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050001
LANDLOCK = 444
SECCOMP, PRCTL = {"x86_64": (317, 157), "aarch64": (277, 167)}[platform.machine()]

def step(code, value, no=0):
    return struct.pack("HBBI", code, 0, no, value)

program = [step(LOAD, 0)]
if "landlock" in sys.argv[1]:
    program += [step(JUMP_EQUAL, LANDLOCK, 1), step(RETURN, REFUSE)]
if "seccomp" in sys.argv[1]:
    program += [step(JUMP_EQUAL, SECCOMP, 1), step(RETURN, REFUSE)]
    program += [step(JUMP_EQUAL, PRCTL, 3), step(LOAD, 16), step(JUMP_EQUAL, 22, 1), step(RETURN, REFUSE)]
program.append(step(RETURN, ALLOW))
filters = ctypes.create_string_buffer(b"".join(program))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
description = struct.pack("HxxxxxxP", len(program), ctypes.addressof(filters))
assert libc.prctl(22, 2, description, 0, 0) == 0
os.execvp(sys.argv[2], sys.argv[2:])
"""


def without(*names):
    """A command in front of another, which then runs on a machine without these protections."""
    return [sys.executable, "-c", WITHOUT, ",".join(names)]


@pytest.mark.parametrize("names", [("landlock",), ("seccomp",), ("landlock", "seccomp")], ids="+".join)
def test_without_a_protection_grading_goes_on_and_the_document_says_so(twelve, names):
    done = run(twelve, prefix=without(*names))
    document = document_of(twelve)
    assert (done.returncode, document["score"]) == (0, 12), done.stderr
    protections = document["extra_data"]["protections"]
    for name in names:
        assert protections[{"landlock": "files", "seccomp": "calls"}[name]].startswith("not available")


@pytest.mark.parametrize("names", [("seccomp",), ("landlock", "seccomp")], ids="+".join)
def test_where_confinement_is_required_a_machine_without_it_is_refused(twelve, names):
    marker = twelve.root / "loaded"
    done = run(twelve, "--confine", "require", prefix=without(*names), source=f"open({str(marker)!r}, 'w')\n")
    assert done.returncode == 3
    assert "confinement was required" in done.stderr
    assert not marker.exists()
    document = document_of(twelve)
    assert {test["extra_data"]["cause"] for test in document["tests"]} == {"grader_error"}
    assert document["tests"][-1]["visibility"] == "hidden"


def test_without_landlock_the_workers_own_user_is_enough_or_the_run_is_refused(twelve):
    done = run(twelve, "--confine", "require", prefix=without("landlock"))
    document = document_of(twelve)
    if document["extra_data"]["protections"].get("user", "").startswith("held"):
        assert (done.returncode, document["score"]) == (0, 12)
    else:  # not root, or the interpreter is in a folder that the worker's user cannot enter
        assert done.returncode == 3
        assert "confinement was required" in done.stderr


HOARD = """
import numpy as np

def double(x):
    if x == 4:
        hoard = []
        while True:
            hoard.append(np.ones(5_000_000))
    return 2 * x
"""


def memory_group():
    """A new control group of 768 MB: the file that processes join it by, and how to remove it."""
    for base, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = base / f"autograder-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(768 << 20))
        except OSError:
            group.rmdir()
            continue
        return group
    pytest.skip("no memory control groups that may be made here")


@as_root
def test_where_memory_runs_out_the_worker_dies_and_the_grader_lives(twelve):
    group = memory_group()
    text = (twelve.folder / "assignment.toml") if twelve.assignment() else None
    settings = (
        text.read_text()
        .replace("[budgets]", "[budgets]\nmemory_mb = 4000")
        .replace("call_seconds = 1", "call_seconds = 20")
    )
    settings = settings.replace("check_seconds = 5", "check_seconds = 20")
    twelve.assignment = lambda: text.write_text(settings)  # far more than there is: the kernel has to end something
    try:
        done = run(twelve, source=HOARD, preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())))
    finally:
        group.rmdir()
    document = document_of(twelve)
    assert (done.returncode, document["score"]) == (0, 11), done.stderr
    outcomes = [test["extra_data"]["outcome"] for test in document["tests"]]
    assert outcomes == ["passed"] * 4 + ["crash"] + ["passed"] * 7
    assert "memory" in document["tests"][4]["output"]


# ---- The clock ------------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_changes_nothing(twelve, monkeypatch):
    before = twelve.grade().document
    chance = random.Random(1)
    monkeypatch.setattr(time, "time", lambda: chance.uniform(-(10**9), 10**10))
    monkeypatch.setattr(time, "time_ns", lambda: chance.randrange(10**18))
    after = twelve.grade().document
    for document in (before, after):
        document.pop("execution_time")
    assert after == before


def test_no_verdict_comes_from_the_clock_on_the_wall():
    asked = []
    for room in ("grading", "sandbox", "checks", "supervise.py"):
        place = ROOT / "autograder" / room
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Attribute) and ast.unparse(node) in (
                    "time.time",
                    "datetime.now",
                    "datetime.utcnow",
                ):
                    asked.append(f"{file.name}:{node.lineno}")
    assert asked == []


# ---- Faults of the grader -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("raise ZeroDivisionError('ours')", "ZeroDivisionError: ours"),
        ("exit()", "SystemExit"),
        ("os._wrong", "NameError"),
    ],
)
def test_a_check_that_raises_is_the_graders_fault_and_costs_no_silent_zero(twelve, body, text):
    twelve.hidden(CHECKS.format(body=f"if turn == 2: {body}"))
    done = run(twelve)
    assert done.returncode == 3
    assert text in done.stderr
    document = document_of(twelve)
    assert document["score"] == 11
    told = [test for test in document["tests"] if test["visibility"] == "hidden"]
    assert len(told) == 1
    assert text in told[0]["output"]
    assert document["tests"][2]["extra_data"] == {"item": "1", "outcome": "not_run", "cause": "grader_error"}


@pytest.mark.parametrize(
    ("source", "text"), [(None, "no reference"), ("1 / 0", "ZeroDivisionError"), ("def double(x:", "SyntaxError")]
)
def test_a_reference_that_cannot_be_had_is_the_graders_fault(twelve, source, text):
    twelve.hidden(CHECKS.format(body="assert reference").replace("show, turn", "show, reference, turn"))
    file = twelve.root / "reference" / "toy" / "toy.py"
    file.unlink() if source is None else file.write_text(source)
    done = run(twelve)
    assert done.returncode == 3
    assert text in done.stderr
    causes = {test["extra_data"]["cause"] for test in document_of(twelve)["tests"]}
    assert causes == {"grader_error"}


def test_a_check_module_that_cannot_be_imported_is_the_graders_fault(twelve):
    twelve.hidden("raise RuntimeError('ours')")
    done = run(twelve)
    assert done.returncode == 3
    assert "RuntimeError: ours" in done.stderr


def test_a_worker_that_cannot_be_started_is_the_graders_fault(twelve):
    program = (
        "import subprocess, sys\n"
        "def refuse(*_, **__): raise BlockingIOError(11, 'Resource temporarily unavailable')\n"
        "subprocess.Popen.__init__ = refuse\n"
        "from autograder.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments, environment = command(twelve, twelve.root / "reference" / "toy")
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments[3:]], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "the worker could not be started: [Errno 11]" in done.stderr
