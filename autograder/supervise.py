"""The last line of defence around a grading run: `run_autograder` starts the grader through this script.

    python3 -I supervise.py --results FILE --seconds N -- COMMAND...

It runs COMMAND, ends it where it overruns N seconds, ends every process that is left of it, and sees to it that FILE
is a document Gradescope can show. What can go wrong, and where it is handled:

- the grader cannot start, or ends without a document: `apology` writes one that says whose fault it is (not the
  student's), and that withholds the total, since nobody should read its 0 as a grade;
- the grader is killed, or does not end: its last document stands, and `with_notice` says at the top that it is partial;
- the document is no JSON, or lists no check: as if there were none;
- the grader failed at writing its last document (a full disk): the one before stands, as if it had been killed;
- not even this process can write there: it says so in the log, and `run_autograder` tries once more;
- a student's process detached itself from everything: orphans become children of this process, and are ended.

It must work where the grader does not, so it imports the standard library only and nothing else of this package, and
also runs on interpreters older than the grader's.
"""

from __future__ import annotations

import argparse
import ctypes
import html
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

GRACE_SECONDS = 5.0
LOG_BYTES = 20_000
PR_SET_CHILD_SUBREAPER = 36
GRADER_FAILED = 3
# Graded; graded, but a check of ours was at fault, which the document itself says.
COMPLETE_ENDINGS = (0, GRADER_FAILED)

STUDENT_TEXT = (
    "The autograder stopped before it could grade your submission. This is no fault of yours, and it is not your"
    " grade: your submission is safe, and your instructor can grade it again once the autograder is repaired."
    " Please let them know."
)
PARTIAL_TEXT = (
    "The autograder was stopped before it had run every check, so this result is not complete: checks marked as not"
    " run have cost you nothing for good. Please ask your instructor to grade this submission again."
)


@dataclass(frozen=True)
class Ending:
    """How the grader ended: its exit status (negative: the signal that ended it) and the end of what it printed."""

    status: int | None  # None: the command could not be started
    overran: bool
    log: str

    @property
    def complete(self) -> bool:
        return self.status in COMPLETE_ENDINGS and not self.overran

    @property
    def sentence(self) -> str:
        if self.status is None:
            return "The grader could not be started. Did setup.sh end well when the image was built?"
        if self.overran:
            return "The grader overran its deadline and was ended; its own, earlier deadline should have ended the run."
        if self.status < 0:
            hint = " That is usually the container's memory limit." if self.status == -signal.SIGKILL else ""
            return f"The grader was ended by signal {-self.status} ({_signal_name(-self.status)}).{hint}"
        return f"The grader ended with exit status {self.status}."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def adopt_orphans() -> None:
    """Make processes whose parent ends our own children, so that none can slip away. Linux only; elsewhere nothing."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(ancestor: int) -> list[int]:
    """The process ids below `ancestor` that still run, read from /proc; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The second field is the command in parentheses, which may itself hold spaces and parentheses.
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue  # ended while we looked
        if state != "Z":
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def end_descendants(seconds: float = GRACE_SECONDS) -> list[int]:
    """Kill everything below this process until nothing is left; return what would not go within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        left = descendants(os.getpid())
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _reap()
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)  # a fork bomb makes new ones meanwhile: look again


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def run(command: list[str], seconds: float) -> Ending:
    """Run `command` for at most `seconds`, first asking it to stop, then ending it."""
    with tempfile.TemporaryFile() as log:
        try:
            grader = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            return Ending(None, False, str(error))
        try:
            status, overran = grader.wait(seconds), False
        except subprocess.TimeoutExpired:
            status, overran = _stop(grader), True
        return Ending(status, overran, _last_part(log))


def _stop(grader: subprocess.Popen[bytes]) -> int:
    grader.terminate()
    try:
        return grader.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        grader.kill()
        return grader.wait()


def _last_part(log: BinaryIO) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - LOG_BYTES))
    return log.read().decode("utf-8", "replace").replace("\0", "")


def load_document(path: Path) -> dict[str, Any] | None:
    """The results document at `path`, or None where there is none that says anything of the checks."""
    try:
        # Python also reads and writes NaN, which is no JSON and which the platform refuses.
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, ValueError):
        return None
    tests = document.get("tests") if isinstance(document, dict) else None
    listed = isinstance(tests, list) and bool(tests) and all(isinstance(test, dict) for test in tests)
    return document if listed else None  # a document of ours lists every check from the start


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def apology(ending: Ending) -> dict[str, Any]:
    """A document for a run without results. Its hidden test makes Gradescope withhold the total from the student."""
    title = "The autograder could not grade this submission"
    return {
        "score": 0.0,
        "output": STUDENT_TEXT,
        "output_format": "text",
        "tests": [
            {"name": title, "status": "failed", "score": 0.0, "max_score": 0.0, "visibility": "visible"},
            {
                "name": "For the instructor",
                "status": "failed",
                "score": 0.0,
                "max_score": 0.0,
                "visibility": "hidden",
                "output": f"{ending.sentence}\n\nThe end of its log:\n{ending.log}",
                "output_format": "text",
            },
        ],
        "extra_data": {"cause": "grader_error"},
    }


def with_notice(document: dict[str, Any]) -> dict[str, Any]:
    """`document` with a notice before its summary, in the summary's own format, that it is not complete."""
    summary = str(document.get("output") or "")
    if document.get("output_format") == "html":
        output = f"<p><strong>{html.escape(PARTIAL_TEXT)}</strong></p>{summary}"
    else:
        output = f"{PARTIAL_TEXT}\n\n{summary}"
    return {**document, "output": output}


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Replace `path` in one step, so that no reader ever meets half a document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".half")
    try:
        half.write_text(json.dumps(document), encoding="utf-8")
        os.replace(half, path)
    except OSError:
        if half.exists():
            half.unlink()
        raise


def tells_its_faults(document: dict[str, Any]) -> bool:
    """Whether the document itself says that the grader failed, as exit status 3 does."""
    extra = document.get("extra_data")
    return isinstance(extra, dict) and bool(extra.get("faults"))


def mend(results: Path, ending: Ending) -> None:
    """Leave a document at `results` that says what happened; a complete one stays as it is. Raises OSError."""
    for half in results.parent.glob(f".{results.name}.*.part"):
        half.unlink()  # the grader was ended while it wrote
    document = load_document(results)
    if document is None:
        write_document(results, apology(ending))
    elif not ending.complete or (ending.status == GRADER_FAILED and not tells_its_faults(document)):
        write_document(results, with_notice(document))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="supervise.py", description="Run a grader and leave a readable document.")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    adopt_orphans()
    ending = run(options.command, options.seconds)
    left = end_descendants()
    print(ending.log)
    try:
        mend(options.results, ending)
    except OSError as error:
        print(f"supervise.py: {options.results} cannot be written: {error}")
    if not ending.complete:
        print(f"supervise.py: {ending.sentence}")
    if left:
        print(f"supervise.py: these processes would not end: {left}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
