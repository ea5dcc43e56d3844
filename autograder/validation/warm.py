"""Many gradings in one go: each is a fork of this process, which has imported the grader once.

Starting Python and importing pytest, hypothesis, NumPy and PyTorch takes longer than many a grading. Every grading is
still a process of its own with a worker of its own, so none can touch another, nor this process.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path

import msgspec

from autograder.assignment import Assignment
from autograder.grading.results import Results, read_results

GRADER = ("autograder.grading.run", "autograder.grading.report", "autograder.workspace")
GRACE_SECONDS = 60.0
"""What a grading may take beyond its own deadline before it is ended from outside."""


class Job(msgspec.Struct, frozen=True):
    """One grading to be done.

    name: tells it from the others. prepare: makes the submission in the folder that it is given, and returns its path;
    called just before the grading. only: the number below which checks are run, all where "". until_loss: end with the
    first check that loses points.
    """

    name: str
    prepare: Callable[[Path], Path]
    only: str = ""
    until_loss: bool = False


class Graded(msgspec.Struct, frozen=True):
    """How a grading ended.

    results: the document, None where none was written. exit_code: of `grading.run`, or negative: the signal that ended
    it. said: what it printed. seconds: how long it took.
    """

    results: Results | None
    exit_code: int | None
    said: str
    seconds: float

    @property
    def failure(self) -> str:
        """What went wrong with the grader itself; "" where nothing did."""
        if self.results is None:
            return f"no document was written (exit code {self.exit_code})\n{self.said}"
        return "\n".join(f"{fault.number} {fault.text}\n{fault.traceback}" for fault in self.results.extra_data.faults)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def grade_all(
    assignment: Assignment, jobs: Iterable[Job], *, processes: int, confine: str = "auto"
) -> Iterator[tuple[Job, Graded]]:
    """Grade every job, `processes` at a time, and yield each as soon as it is done.

    Works where a process can be forked (Linux).
    """
    _import_grader(assignment)
    waiting = iter(jobs)
    under_way: dict[int, _Grading] = {}
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        try:
            while True:
                for job in islice(waiting, processes - len(under_way)):
                    grading = _Grading(assignment, job, Path(tempfile.mkdtemp(dir=folder)), confine)
                    under_way[grading.process.sentinel] = grading
                if not under_way:
                    return
                first = min(grading.end for grading in under_way.values())
                for sentinel in wait(list(under_way), max(0.0, first - time.monotonic())):
                    yield under_way.pop(sentinel).finish()  # type: ignore[arg-type]
                for sentinel in [s for s, grading in under_way.items() if grading.end < time.monotonic()]:
                    yield under_way.pop(sentinel).finish()
        finally:
            for grading in under_way.values():
                grading.finish()


class _Grading:
    """A grading under way."""

    def __init__(self, assignment: Assignment, job: Job, folder: Path, confine: str) -> None:
        self.job = job
        self._folder = folder
        self._began = time.monotonic()
        self.end = self._began + assignment.budgets.run_seconds + GRACE_SECONDS
        path = job.prepare(folder)
        # Forked without threads: this process has none, and a fork has everything imported.
        self.process = multiprocessing.get_context("fork").Process(
            target=_grade, args=(assignment, job, path, self._results, self._said, confine)
        )
        self.process.start()

    @property
    def _results(self) -> Path:
        return self._folder / "results.json"

    @property
    def _said(self) -> Path:
        return self._folder / "said.txt"

    def finish(self) -> tuple[Job, Graded]:
        """What came of it; it is ended where it still runs."""
        self.process.join(0.1 if self.end < time.monotonic() else 10.0)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        said = self._said.read_text("utf-8", "replace") if self._said.is_file() else ""
        results = read_results(self._results) if self._results.is_file() else None
        return self.job, Graded(results, self.process.exitcode, said, time.monotonic() - self._began)


def _import_grader(assignment: Assignment) -> None:
    names = [*GRADER, *(name for name in assignment.preloads if not name.startswith("autograder."))]
    for name in names:
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else each fork's first collection would copy all of this memory


def _grade(assignment: Assignment, job: Job, path: Path, results: Path, said: Path, confine: str) -> None:
    """In the fork: grade, with everything that is printed, also by libraries, in a file."""
    from autograder.grading.run import run_checks
    from autograder.workspace import open_workspace

    file = said.open("w", encoding="utf-8", errors="replace")
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    sys.stdout = sys.stderr = file  # also where the process that was forked had replaced these
    with open_workspace(path, assignment, confine=confine) as opened:
        report = run_checks(
            assignment,
            opened.session,
            results_path=results,
            remarks=opened.collected.remarks,
            missing=opened.missing,
            only=job.only,
            pictures=False,
            until_loss=job.until_loss,
        )
    file.flush()
    os._exit(report.exit_code)
