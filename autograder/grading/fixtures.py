"""What a check may ask for, and how one check is run against a worker. Shared by grading and by the course's own tests.

- `submission`, `probes`: the student's main module and the questions about its worker (see `sandbox.proxy`).
- `reference`: our own solution, imported here; for hidden checks only.
- `set_score(points)`: with `@partial_credit(weight)`. Property checks: the lowest score of all examples counts.
- `set_leaderboard_value(value)`: with `@leaderboard(column)`.
- `show`: adds a text, a table or a figure to what the check tells, whether it passes or not.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from autograder.assignment import Assignment
from autograder.grading.examples import Evidence, run_property
from autograder.grading.listing import CheckInfo, layers
from autograder.grading.sections import Section, image_section
from autograder.sandbox.proxy import GraderError, SubmissionProblem

SHOWN_SECTIONS = 12
_SCORE = "__score__"
_LEADERBOARD_VALUE = "__leaderboard_value__"


class Show:
    """What a check adds to its own output: evidence for the student, such as a table of runs or a curve."""

    def __init__(self, pictures: bool = True) -> None:
        """`pictures`: whether figures are drawn and kept."""
        self.sections: list[Section] = []
        self._pictures = pictures

    def text(self, heading: str, body: str, preformatted: bool = False) -> None:
        """Add a text; `preformatted` keeps its spaces."""
        self._add(Section(heading, body, preformatted))

    def table(self, heading: str, rows: Iterable[Sequence[object]]) -> None:
        """Add a table; the first row is its header."""
        self._add(Section(heading, table=tuple(tuple(str(cell) for cell in row) for row in rows)))

    def figure(self, heading: str, png: bytes | Callable[[], bytes], description: str) -> None:
        """Add a PNG of at most 45 kB, or what draws one; `description` says in words what it shows.

        Without matplotlib the description stands alone.
        """
        if not self._pictures:
            return
        try:
            self._add(image_section(heading, png() if callable(png) else png, description))
        except ImportError:
            self._add(Section(heading, f"{description}\n(Not drawn: matplotlib is not installed here.)"))

    def _add(self, section: Section) -> None:
        # A property check shows for every example: the last ones are kept.
        others = [other for other in self.sections if other != section]
        self.sections = [*others[1 - SHOWN_SECTIONS :], section]


class Credit:
    """The score and the leaderboard value that a check sets, whichever of their ways it uses.

    gradescope-utils' decorators store them on the function they made, the fixtures here; a function is shared by all
    its parameter sets, so what an earlier run stored is removed first.
    """

    def __init__(self, item: pytest.Function) -> None:
        self._layers = layers(item.function)
        self._set: float | None = None
        self.lowest: float | None = None
        self.value: Any = None
        self.examples_without_score = 0

    def set_score(self, points: float) -> None:
        self._set = points

    def set_leaderboard_value(self, value: Any) -> None:
        self.value = value

    def start_example(self) -> None:
        self._set = None
        for layer in self._layers:
            for attribute in (_SCORE, _LEADERBOARD_VALUE):
                layer.__dict__.pop(attribute, None)

    def end_example(self) -> None:
        """Take what the example set. Raises GraderError for a score that is no number."""
        stored = self._stored(_SCORE)
        score = self._set if stored is None else stored
        value = self._stored(_LEADERBOARD_VALUE)
        self.value = self.value if value is None else value
        if score is None:
            self.examples_without_score += 1
            return
        if not isinstance(score, (int, float, np.number)) or not math.isfinite(score):
            raise GraderError(f"set_score was given {score!r}; it takes a finite number of points")
        self.lowest = float(score) if self.lowest is None else min(self.lowest, float(score))

    def _stored(self, attribute: str) -> Any:
        return next((layer.__dict__[attribute] for layer in self._layers if attribute in layer.__dict__), None)


@dataclasses.dataclass
class Running:
    """The check that is being run: what it has done so far."""

    info: CheckInfo
    credit: Credit
    seconds: float
    deadline: float
    evidence: Evidence = dataclasses.field(default_factory=Evidence)
    show: Show = dataclasses.field(default_factory=Show)
    errors: list[BaseException] = dataclasses.field(default_factory=list)
    worker: Any = None
    printed: str = ""

    def begin_example(self) -> None:
        """Fresh state for one example, here and in the worker."""
        self.credit.start_example()
        if self.worker is not None:
            self.worker.begin_example()


class CheckFixtures(ABC):
    """A pytest plugin with the fixtures; a subclass says which check runs, and whose worker serves it."""

    @abstractmethod
    def assignment_of(self, item: pytest.Item) -> Assignment:
        """The assignment that a check belongs to."""

    @abstractmethod
    def session_of(self, item: pytest.Item) -> Any:
        """The session (`sandbox.session.Session`) that gives a check its worker."""

    def __init__(self) -> None:
        self.running: Running | None = None
        self.workers_served = 0
        self._references: dict[str, ModuleType] = {}

    def current(self) -> Running:
        """The check being run. Raises GraderError where a fixture is used outside of a graded check."""
        if self.running is None:
            raise GraderError("the fixtures of graded checks exist only while a graded check is run")
        return self.running

    @pytest.fixture
    def check_worker(self, request: pytest.FixtureRequest) -> Iterator[Any]:
        """The worker of this check. Entering raises what loading the submission raised."""
        running = self.current()
        with self.session_of(request.node).check(running.seconds, running.deadline) as worker:
            self.workers_served += 1
            running.worker = worker
            try:
                yield worker
            finally:
                running.worker = None
                worker.close()
                running.printed = worker.printed_all()

    @pytest.fixture
    def submission(self, check_worker: Any) -> Any:
        """The student's main module."""
        return check_worker.submission

    @pytest.fixture
    def probes(self, check_worker: Any) -> Any:
        """Questions about the worker: what was printed, which files were written."""
        return check_worker.probes

    @pytest.fixture
    def reference(self, request: pytest.FixtureRequest) -> ModuleType:
        """Our own solution; it never enters the worker. Raises GraderError in a public check."""
        running, assignment = self.current(), self.assignment_of(request.node)
        if running.info.public:
            raise GraderError("a public check cannot use `reference`: students do not have it. Move it to hidden/")
        if assignment.id not in self._references:
            self._references[assignment.id] = import_reference(assignment)
        return self._references[assignment.id]

    @pytest.fixture
    def set_score(self) -> Callable[[float], None]:
        """Sets this check's points, from 0 to its weight."""
        return self.current().credit.set_score

    @pytest.fixture
    def set_leaderboard_value(self) -> Callable[[Any], None]:
        """Sets this check's value on the leaderboard."""
        return self.current().credit.set_leaderboard_value

    @pytest.fixture
    def show(self) -> Show:
        """Adds to what this check tells the student."""
        return self.current().show

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Run a property check here; True tells pytest that it has been run, None that it is its own to call."""
        running = self.running
        if running is None:
            return None
        # Our own side starts every check with the same chance, too; hypothesis sees to it for each example.
        random.seed(0)
        np.random.seed(0)
        if hasattr(pyfuncitem.obj, "hypothesis"):
            run_property(pyfuncitem, running.evidence, running.begin_example, running.credit.end_example)
            return True
        running.credit.start_example()
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Generator[None, Any, Any]:
        """Take what a plain check set, also where it failed afterwards."""
        try:
            return (yield)
        finally:
            if self.running is not None and not hasattr(item.obj, "hypothesis"):
                self.running.credit.end_example()


def import_reference(assignment: Assignment) -> ModuleType:
    """The reference's main module, with the given files beside it importable meanwhile.

    The given files are forgotten afterwards: another assignment may have other ones of the same name.
    """
    folder = assignment.reference_folder
    path = folder / assignment.main
    specification = importlib.util.spec_from_file_location(f"reference_{assignment.id}", path)
    if specification is None or specification.loader is None or not path.is_file():
        raise GraderError(f"there is no reference for {assignment.id}: expected {assignment.main} in reference/")
    module = importlib.util.module_from_spec(specification)
    with _importable(folder):
        sys.modules[specification.name] = module  # dataclasses look themselves up there
        specification.loader.exec_module(module)
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and Path(origin).parent == folder:
                del sys.modules[name]


def first_error(errors: Sequence[BaseException]) -> BaseException | None:
    """The error that decides: the first that is the student's, else the first.

    A check that fails because of the student's code may fail again while it is cleaned up; that changes nothing.
    """
    ours = [error for error in errors if not isinstance(error, (SubmissionProblem, AssertionError))]
    students = [error for error in errors if isinstance(error, (SubmissionProblem, AssertionError))]
    return next(iter(students or ours), None)
