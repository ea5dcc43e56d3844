"""Lets plain `pytest` run the graded suites: every check runs with the reference as the submission, and must pass.

The root's conftest.py registers this plugin. Checks get the same fixtures, the same worker and the same hypothesis
settings as in grading, so a course author sees at once what a check does, with all that pytest offers (`-k`, `--pdb`).
An assignment whose preloads are not installed (torch, for one) is skipped, and says so.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from autograder.assignment import Assignment, list_assignments
from autograder.grading import examples, scoring
from autograder.grading.examples import Evidence
from autograder.grading.fixtures import CheckFixtures, Credit, Running
from autograder.grading.listing import NEEDS_FILE, CheckInfo, Problem, read_check
from autograder.grading.verdict import Verdict
from autograder.workspace import Opened, open_workspace


class NotInstalled(pytest.Module):
    """Stands for a file of checks that cannot be imported here; collecting it says why."""

    reason = ""

    def collect(self) -> Iterator[pytest.Item]:
        pytest.skip(self.reason, allow_module_level=True)


class ReferenceRun(CheckFixtures):
    """Serves the graded checks of one course root inside an ordinary pytest run; other tests are left alone."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._suites = {assignment.folder: assignment for assignment in list_assignments(root)}
        self._opened: dict[str, Opened] = {}
        self._open = ExitStack()

    def suite_of(self, path: Path) -> Assignment | None:
        """The assignment whose checks stand in the file at `path`, None for any other test."""
        for folder, assignment in self._suites.items():
            if path.is_relative_to(folder / "public") or path.is_relative_to(folder / "hidden"):
                return assignment
        return None

    def assignment_of(self, item: pytest.Item) -> Assignment:
        assignment = self.suite_of(item.path)
        assert assignment is not None
        return assignment

    def session_of(self, item: pytest.Item) -> Any:
        return self._workspace(self.assignment_of(item)).session

    def _workspace(self, assignment: Assignment) -> Opened:
        if assignment.id not in self._opened:
            opened = self._open.enter_context(open_workspace(assignment.reference_folder, assignment))
            self._opened[assignment.id] = opened
        return self._opened[assignment.id]

    # ---- pytest's hooks ---------------------------------------------------------------------------------------------

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", f"{NEEDS_FILE}(name): the check needs this file of the submission")

    def pytest_sessionfinish(self) -> None:
        self._open.close()

    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """Checks that cannot be imported here are skipped, not errors."""
        assignment = self.suite_of(module_path)
        missing = [name for name in assignment.preloads if not _is_installed(name)] if assignment else []
        if not missing or assignment is None:
            return None
        module: NotInstalled = NotInstalled.from_parent(parent, path=module_path)
        module.reason = f"{assignment.id} needs {', '.join(missing)}, not installed here"
        return module

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        """Checks are imported under hypothesis's settings for grading."""
        if self.suite_of(collector.path) is None:
            return (yield)
        with examples.profile():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        assignment = self.suite_of(item.path)
        if assignment is None or not isinstance(item, pytest.Function):
            return (yield)
        with examples.profile():
            try:
                info, _ = read_check(item, assignment)
            except Problem:
                return (yield)  # raised again where a test's errors belong
            budgets = assignment.budgets
            self.running = Running(info, Credit(item), budgets.check_seconds, time.monotonic() + budgets.run_seconds)
            try:
                return (yield)
            finally:
                self.running = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        assignment = self.suite_of(item.path)
        if assignment is None:
            return
        info, _ = read_check(item, assignment)
        for name in info.needs:
            if name not in self._workspace(assignment).collected.found:
                pytest.skip(f"the reference of {assignment.id} does not hold {name}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Generator[None, Any, Any]:
        """Passing is not enough: the reference gets all points."""
        running = self.running
        try:
            result = yield from super().pytest_runtest_call(item)
        finally:
            if running is not None and running.evidence.failures:
                print_example(running.evidence)
        if running is not None:
            require_full_marks(running.info, running.credit)
        return result


def print_example(evidence: Evidence) -> None:
    """Show the failing example where pytest shows what a failed test printed."""
    print("The simplest example found on which it fails:")
    for name, text in evidence.chosen().arguments:
        print(f"  {name} = {text}")


def require_full_marks(info: CheckInfo, credit: Credit) -> None:
    """Fail the test where a check that passed gave only a part of its points."""
    _, points = scoring.score(Verdict("passed"), info, credit)
    if points < info.weight:
        pytest.fail(f"the reference gets {points:g} of the check's {info.weight:g} points", pytrace=False)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
