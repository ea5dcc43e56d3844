"""Grade thousands of randomly edited submissions, cheaply, and say of each where the grader itself failed.

    python tests/fuzz/grade_edits.py [--count N] [--first N] [--assignments ID ...] [--checks N]

Each is collected, loaded by the real worker and judged by real checks, in a process of its own. Cheap, because every
such process is a fork of one that has collected the checks, and its worker a fork of that; because a few checks are
run, which ones is chance; because a property is tried on three examples; and because a call may take a second, not ten.
So this covers the collector, the loader, the wire, the judging of odd answers and the document; not rare examples, long
trainings, the confinement or a worker's start.

A grading fails where it has faults (exit status 3), leaves no valid document, gives points that are not there, or does
not end. The last line is a summary; the exit status says whether any failed.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gc
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2])]
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import importlib  # noqa: E402

import msgspec  # noqa: E402
import pytest  # noqa: E402
from edits import edited  # noqa: E402

from autograder.assignment import Assignment, load_assignment  # noqa: E402
from autograder.collect import collect  # noqa: E402
from autograder.data import prepare_data  # noqa: E402
from autograder.grading import examples, plugin, run  # noqa: E402
from autograder.grading.board import Board  # noqa: E402
from autograder.grading.results import ResultsWriter, read_results  # noqa: E402
from autograder.sandbox import session as sessions  # noqa: E402
from autograder.sandbox import worker  # noqa: E402
from autograder.workspace import policy_of  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
NUMPY_HOMEWORKS = ("csci567_hw3", "csci1430_hw5")
SECONDS = {"call_seconds": 1, "check_seconds": 2, "import_seconds": 2, "statement_seconds": 0.5, "run_seconds": 30}
LONGEST = 90.0


def bases_of(assignment: Assignment) -> list[Path]:
    """Submissions to be edited: the reference (the likeliest), the stencil, and the sample submissions."""
    samples = ROOT / "tests" / "harness" / "submissions" / assignment.id
    found = sorted(path for path in samples.iterdir() if path.name[0] not in "_.") if samples.is_dir() else []
    stencil = ROOT / "stencils" / assignment.id
    many = [assignment.reference_folder] * max(len(found), 1)
    return [*many, *found, *([stencil] * (len(found) // 4 + 1) if stencil.is_dir() else [])]


def quick(assignment: Assignment) -> Assignment:
    """The same homework with short budgets."""
    factor = 4.0 if "torch" in assignment.preloads else 1.0
    budgets = {name: seconds * factor for name, seconds in SECONDS.items()}
    return msgspec.structs.replace(assignment, budgets=msgspec.structs.replace(assignment.budgets, **budgets))


class ForkedProcess:
    """In place of `subprocess.Popen` for the worker: a fork of this process that runs the worker's own entry."""

    def __init__(self, command: list[str], *, pass_fds: tuple[int, ...], env: dict[str, str], cwd: str, **streams: Any):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become_a_worker(int(command[-1]), env, cwd, streams["stdout"])
            finally:
                os._exit(1)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _become_a_worker(control: int, environment: dict[str, str], folder: str, output: int) -> None:
    os.setsid()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    worker.main(control)


class Batch:
    """All gradings of one homework: `session` and `writer` of a run that is forked once its checks are collected."""

    protections: dict[str, str] = {}  # noqa: RUF012
    remarks: list[tuple[str, str, str]] = []  # noqa: RUF012

    def __init__(self, assignment: Assignment, numbers: range, checks: int, folder: Path) -> None:
        self._assignment = assignment
        self._numbers = numbers
        self._checks = checks
        self._folder = folder
        self._data = folder / "data"
        self._bases = bases_of(assignment)
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []
        for name in assignment.data:
            prepare_data(name, assignment.root, self._data / name, assignment.data_at_most)
        self._data.mkdir(exist_ok=True)

    def grade_all(self, grader: plugin.GradingPlugin, session: pytest.Session) -> None:
        """One fork after the other; this process never runs a check."""
        gc.collect()
        gc.freeze()  # else the first collection in each fork would copy all of this memory
        for number in self._numbers:
            seed = f"{self._assignment.id}:{number}"
            folder = self._folder / str(number)
            folder.mkdir()
            process = os.fork()
            if process == 0:
                self._in_the_fork(seed, folder, grader, session)
            status = _wait(process)
            problem = self._judge(folder, status)
            if problem:
                self.failures.append(seed)
                print(f"FAILED {seed}\n{problem}\n", file=sys.__stderr__, flush=True)
            shutil.rmtree(folder, ignore_errors=True)

    def _in_the_fork(self, seed: str, folder: Path, grader: plugin.GradingPlugin, session: pytest.Session) -> None:
        code = 1
        try:
            sys.stdout = sys.stderr = (folder / "said").open("w")
            code = self._grade(seed, folder, grader, session)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _grade(self, seed: str, folder: Path, grader: plugin.GradingPlugin, session: pytest.Session) -> int:
        assignment = self._assignment
        path = edited(seed, folder / "submission", self._bases)
        collected = collect(path, assignment, folder / "staged")
        setting = sessions.Setting(
            collected.folder,
            folder,
            assignment.main,
            self._data,
            assignment.modules,
            assignment.preloads,
            policy_of(assignment),
            confine="off",
        )
        items = session.items
        session.items = sorted(random.Random(seed).sample(items, min(self._checks, len(items))), key=items.index)
        grader._infos = {item.nodeid: grader._infos[item.nodeid] for item in session.items}
        grader._board = Board(assignment, collected.remarks)
        grader._board.list_checks(grader._infos.values(), plugin.not_run_yet())
        grader._writer = ResultsWriter(folder / "results.json")
        grader._deadline = time.monotonic() + assignment.budgets.run_seconds
        asked_for = assignment.files.required + assignment.files.optional
        grader._missing = frozenset(name for name in asked_for if name not in collected.found)
        with sessions.Session(setting) as grader._session:
            RUN_THE_CHECKS(grader, session)
            results = grader.end()
        return run.GRADER_FAILED if results.extra_data.faults else run.COMPLETE

    def _judge(self, folder: Path, status: int | None) -> str:
        """What is wrong with a grading; "" where nothing is."""
        said = (folder / "said").read_text("utf-8", "replace")[-3000:] if (folder / "said").is_file() else ""
        try:
            results = read_results(folder / "results.json")
        except Exception as error:
            return f"status {status}: {error}\n{said}"
        self.outcomes.update(test.extra_data.outcome for test in results.tests)
        faults = "\n".join(f"{fault.number} {fault.text}\n{fault.traceback}" for fault in results.extra_data.faults)
        if faults or status != 0:
            return f"status {status}\n{faults}\n{said}"
        wrong = [test.number for test in results.tests if not 0 <= test.score <= test.max_score]
        return f"points that are not there: {wrong}" if wrong else ""


RUN_THE_CHECKS = plugin.GradingPlugin.pytest_runtestloop


def _wait(process: int) -> int | None:
    """Its exit status, negative for a signal; None where it did not end in time and was ended."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def grade(assignment: Assignment, numbers: range, checks: int) -> Batch:
    """Grade the edited submissions of these numbers."""
    for name in assignment.preloads:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        batch = Batch(assignment, numbers, checks, Path(folder))

        def loop(grader: plugin.GradingPlugin, session: pytest.Session) -> bool:
            batch.grade_all(grader, session)
            return True

        plugin.GradingPlugin.pytest_runtestloop = loop  # type: ignore[method-assign]
        run.run_checks(assignment, batch)
    return batch


def main(arguments: list[str]) -> int:
    """0 where the grader never failed."""
    parser = argparse.ArgumentParser(description="Grade randomly edited submissions.")
    parser.add_argument("--count", type=int, default=1000, help="for each assignment")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--assignments", nargs="+", default=list(NUMPY_HOMEWORKS))
    parser.add_argument("--checks", type=int, default=4, help="how many are run of each submission")
    options = parser.parse_args(arguments)
    examples.EXAMPLES, examples.EXAMPLES_AFTER_FAILURE = 3, 10
    plugin.OVERRUN_FACTOR = 30  # of a budget that is a fifteenth of the real one: a busy machine is no fault
    sessions.subprocess = SimpleNamespace(Popen=ForkedProcess, DEVNULL=None)  # type: ignore[assignment]
    failed = 0
    for name in options.assignments:
        began = time.monotonic()
        numbers = range(options.first, options.first + options.count)
        batch = grade(quick(load_assignment(ROOT / "tests" / name)), numbers, options.checks)
        failed += len(batch.failures)
        checks = ", ".join(f"{count:,} {outcome}" for outcome, count in batch.outcomes.most_common())
        seconds = time.monotonic() - began
        print(
            f"{name}: {len(numbers):,} submissions in {seconds:.0f} s,"
            f" the grader failed on {len(batch.failures)}; checks: {checks}",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
