"""Helpers for the tests of the grader: a tiny assignment in a temporary folder, graded through the real plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autograder.assignment import Assignment, load_assignment
from autograder.grading.run import RunReport, run_checks
from autograder.sandbox.proxy import SubmissionProblem
from autograder.sandbox.session import Session, Setting

HEADER = """
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from gradescope_utils.autograder_utils.decorators import *
from autograder.checks.compare import assert_close, fail
"""
ASSIGNMENT = """
id = "toy"
title = "A toy"
course = "Toys"
points = {points}
main = "toy.py"
preloads = {preloads}
[files]
required = ["toy.py", "second.py"]
optional = ["extra.json"]
[budgets]
call_seconds = 1
check_seconds = {check_seconds}
import_seconds = 5
statement_seconds = 1
run_seconds = 60
"""
ITEM = """
[[items]]
id = "{id}"
title = "{title}"
points = {points}
handout = "page {id}"
optional = {optional}
"""


# Grades in a process of its own, for what this process would change (pytest's import hook) or not survive.
PROGRAM = """
import contextlib, pathlib, sys, types
from autograder.assignment import load_assignment
from autograder.grading.run import run_checks

class Session:
    protections, remarks = {}, []

    def load(self, deadline=None):
        pass

    @contextlib.contextmanager
    def check(self, seconds, deadline=None):
        submission = types.SimpleNamespace(double=lambda x: 2 * x)
        worker = types.SimpleNamespace(submission=submission, probes=None)
        worker.begin_example = worker.close = lambda: None
        worker.printed_all = lambda: ""
        yield worker

run_checks(load_assignment(pathlib.Path(sys.argv[1])), Session(), results_path=pathlib.Path(sys.argv[2]))
"""


class FakeWorker:
    """Imitates a check's worker without a process: the submission is a namespace of functions."""

    def __init__(self, functions: dict[str, Callable[..., Any]], printed: str) -> None:
        self.submission = SimpleNamespace(**functions)
        self.probes = SimpleNamespace(printed=lambda: printed)
        self.examples = 0
        self._printed = printed

    def begin_example(self) -> None:
        self.examples += 1

    def printed_all(self) -> str:
        return self._printed

    def close(self) -> None:
        pass


class FakeSession:
    """Serves FakeWorkers; `problem` is what loading the submission raised."""

    def __init__(self, functions: dict[str, Callable[..., Any]], printed: str = "") -> None:
        self.functions = functions
        self.printed = printed
        self.problem: SubmissionProblem | None = None
        self.protections = {"files": "held"}
        self.remarks: list[tuple[str, str, str]] = []
        self.workers: list[FakeWorker] = []

    def load(self, deadline: float | None = None) -> None:
        if self.problem is not None:
            raise self.problem

    @contextmanager
    def check(self, seconds: float, deadline: float | None = None) -> Iterator[FakeWorker]:
        if self.problem is not None:
            raise self.problem
        self.workers.append(FakeWorker(self.functions, self.printed))
        yield self.workers[-1]


class Graded(SimpleNamespace):
    """What a run left: `report`, the `document` as it is on the disk, and its entries by number."""

    report: RunReport
    document: dict[str, Any]

    def __getitem__(self, number: str) -> dict[str, Any]:
        return next(test for test in self.document["tests"] if test["number"] == number)

    @property
    def numbers(self) -> list[str]:
        return [test["number"] for test in self.document["tests"]]

    @property
    def faults(self) -> str:
        return "\n".join(fault.text for fault in self.report.faults)


class Suite:
    """An assignment being written: items, checks, and a way to grade a submission with them."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.folder = folder / "tests" / "toy"
        self.results = folder / "results" / "results.json"
        self.items: list[tuple[str, float, bool]] = []
        self.check_seconds: float = 5
        self.preloads = ["numpy"]
        for name in ("public", "hidden"):
            (self.folder / name).mkdir(parents=True)
        (folder / "reference" / "toy").mkdir(parents=True)
        self.reference("def double(x):\n    return 2 * x\n")

    def item(self, identifier: str, points: float, optional: bool = False) -> None:
        self.items.append((identifier, points, optional))

    def reference(self, source: str) -> None:
        (self.root / "reference" / "toy" / "toy.py").write_text(source)

    def public(self, source: str, name: str = "test_public.py") -> None:
        (self.folder / "public" / name).write_text(HEADER + textwrap.dedent(source))

    def hidden(self, source: str, name: str = "test_hidden.py") -> None:
        (self.folder / "hidden" / name).write_text(HEADER + textwrap.dedent(source))

    def assignment(self) -> Assignment:
        points = sum(points for _, points, optional in self.items if not optional)
        text = ASSIGNMENT.format(points=points, check_seconds=self.check_seconds, preloads=json.dumps(self.preloads))
        for identifier, worth, optional in self.items:
            text += ITEM.format(id=identifier, title=f"Item {identifier}", points=worth, optional=str(optional).lower())
        (self.folder / "assignment.toml").write_text(text)
        return load_assignment(self.folder)

    def fake(self, printed: str = "", **functions: Callable[..., Any]) -> FakeSession:
        """A session that serves `functions` without a process."""
        return FakeSession(functions, printed)

    def grade(self, session: Any = None, **options: Any) -> Graded:
        """Grade with `session`, by default one whose submission is right."""
        session = session or FakeSession({"double": lambda x: 2 * x})
        report = run_checks(self.assignment(), session, results_path=self.results, **options)
        return Graded(report=report, document=json.loads(self.results.read_text()))

    def grade_in_a_process(self) -> tuple[int, dict[str, Any]]:
        """Grade a right submission in a process of its own; its exit status and the document it left."""
        self.assignment()
        command = [sys.executable, "-c", PROGRAM, str(self.folder), str(self.results)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        run = subprocess.run(command, cwd=self.root, env=environment, check=False, capture_output=True)
        return run.returncode, json.loads(self.results.read_text())

    def grade_source(self, source: str, **options: Any) -> Graded:
        """Grade the source of a submission in a real worker, without confinement."""
        staged, workspace = self.root / "staged", self.root / "workspace"
        staged.mkdir(exist_ok=True)
        workspace.mkdir(exist_ok=True)
        (staged / "toy.py").write_text(textwrap.dedent(source))
        assignment = self.assignment()
        with Session(_setting(assignment, staged, workspace)) as session:
            return self.grade(session, **options)


def _setting(assignment: Assignment, staged: Path, workspace: Path, preloads: Sequence[str] = ("numpy",)) -> Setting:
    from autograder.sandbox.policy import Policy

    budgets = assignment.budgets
    policy = Policy(
        call_seconds=budgets.call_seconds, check_seconds=budgets.check_seconds, import_seconds=budgets.import_seconds
    )
    return Setting(
        folder=staged,
        workspace=workspace,
        main=assignment.main,
        data_folder=workspace,
        preloads=preloads,
        policy=policy,
        confine="off",
    )


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)
