"""The pytest plugin that grades: every check of the assignment ends as one entry of results.json, whatever happens.

What can go wrong in a run, and where it is handled:

- A test file cannot be imported, or skips itself as a whole: `pytest_collectreport`. A check is written in a way that
  pytest would pass over (a unittest.TestCase, a decorator without its brackets): `pytest_pycollect_makeitem`. Either
  is a fault of the grader; `pytest_collection_modifyitems` then runs no check and lists every one.
- A check has no number, weight or docstring, a misspelt visibility, a number twice; weights do not add up to the item's
  points: `pytest_collection_modifyitems` (see `listing`), with a table.
- The submission has no main file, or a file that a check needs is missing; an optional part was not handed in; the
  time is up; the machine gives no worker: `pytest_runtest_setup` ends those checks at once, with one sentence each.
- The student's code raises, hangs or ends its process, while it is loaded or in a call: the worker's exceptions reach
  `pytest_runtest_makereport`, from whichever phase, and become error, timeout or crash (see `verdict`).
- A property check fails on many examples, hangs on one, or answers differently when asked again: `pytest_pyfunc_call`
  (see `fixtures` and `examples`).
- The check's own code, a fixture, a teardown or a hypothesis health check fails: `pytest_runtest_makereport` collects
  it, `verdict` makes it a fault; the points of that check are not judged, and both student and instructor are told.
- A check uses subtests, skips itself, or is marked as an expected failure: `pytest_runtest_makereport` sees every
  subtest; skips are faults unless no points hang on them; `--runxfail` (see `run`) makes such marks void.
- `set_score` is never called, or with too much, too little or NaN: `_rule` (see `scoring`).
- Our own code does not come to an end: an alarm in `pytest_runtest_protocol`.
- One item's checks use up the time of all: `pytest_runtestloop` gives every item its turn (see `turns`).
- The grader is killed: the document written after the last check stands, and says what had not been run.
- pytest itself fails, or a check or a person ends the session: `pytest_internalerror`, `pytest_keyboard_interrupt`.
- The results cannot be written: ResultsWriter raises GraderError, in `start` already where the folder is at fault.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import msgspec
import pytest

from autograder.assignment import Assignment
from autograder.grading import examples, scoring, verdict
from autograder.grading.alarm import Overrun, alarm
from autograder.grading.board import Board
from autograder.grading.fixtures import CheckFixtures, Credit, Running, Show, first_error
from autograder.grading.listing import NEEDS_FILE, CheckInfo, list_checks, overlooked
from autograder.grading.results import Fault, LeaderboardEntry, RemarkRecord, Results, ResultsWriter
from autograder.grading.sections import Section, clean
from autograder.grading.turns import Turns
from autograder.grading.verdict import Verdict
from autograder.sandbox.proxy import GraderError, StudentTimeout, SubmissionProblem

OVERRUN_FACTOR = 5
"""A check whose own code takes this many times its budget is at fault; the worker's time ends long before."""
LEAST_SECONDS = 1.0
"""With less than this left of the run, a check is not started."""


class Decided(Exception):
    """What happens in a check is known before it is run."""

    def __init__(self, ruling: Verdict) -> None:
        super().__init__(ruling.cause)
        self.ruling = ruling


class GradingPlugin(CheckFixtures):
    """Runs the checks of one assignment on one submission and keeps the results document up to date."""

    def __init__(
        self,
        assignment: Assignment,
        sandbox_session: Any,
        report: ResultsWriter,
        *,
        deadline: float,
        public_only: bool = False,
        remarks: Iterable[Any] = (),
        missing: Sequence[str] = (),
        only: str = "",
        pictures: bool = True,
        until_loss: bool = False,
    ) -> None:
        """`sandbox_session` is a `sandbox.session.Session`; `deadline` is a value of `time.monotonic()`.

        `remarks` are the collector's (severity, file, text). `missing` names the files that the submission does not
        have. `only` keeps to the checks whose number is that, or continues it after a dot. `pictures`: whether checks
        may show pictures, unless the assignment says that they do not. `until_loss` ends the run with the first check
        that gives less than its points.
        """
        super().__init__()
        self._assignment = assignment
        self._session = sandbox_session
        self._writer = report
        self._deadline = deadline
        self._public_only = public_only
        self._missing = frozenset(missing)
        self._only = only
        self._pictures = pictures and assignment.pictures
        self._until_loss = until_loss
        self._infos: dict[str, CheckInfo] = {}
        self._uncollected: list[Fault] = []
        self._no_worker = False
        self._turns: Turns[pytest.Item] = Turns((), deadline)
        self._board = Board(
            assignment, (RemarkRecord(remark.severity, remark.file, clean(remark.text)) for remark in remarks)
        )

    def assignment_of(self, item: pytest.Item) -> Assignment:
        return self._assignment

    def session_of(self, item: pytest.Item) -> Any:
        return self._session

    def document(self) -> Results:
        """The results as they stand."""
        remarks = (RemarkRecord(severity, file, clean(text)) for severity, file, text in self._session.remarks)
        return self._board.document(self._session.protections, remarks)

    def start(self) -> None:
        """The first document: it stands until the checks are known."""
        self._write()

    def end(self, fault: Fault | None = None) -> Results:
        """The last document, written: with `fault` where the run itself failed."""
        if fault is not None:
            self._board.faults.append(fault)
        self._write()
        return self.document()

    def _write(self) -> None:
        self._writer.write(self.document())

    # ---- Collecting -------------------------------------------------------------------------------------------------

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", f"{NEEDS_FILE}(name): the check needs this file of the submission")

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, Any, Any]:
        """Checks are imported under hypothesis's settings for grading: a check's own `@settings` build on them."""
        with examples.profile():
            return (yield)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.passed:
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        what = "skips itself as a whole" if report.skipped else "cannot be collected"
        self._uncollected.append(Fault("", clean(f"{report.nodeid} {what}:\n{reason}")))

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector, name: str, obj: object) -> None:
        """Catch what pytest would pass over: a check must not vanish because it is written in another way."""
        problem = overlooked(name, obj)
        if problem:
            self._uncollected.append(Fault("", f"{collector.nodeid}::{name}: {problem}"))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """List every check before the first is run; a suite with a mistake in it is not run at all."""
        listing = list_checks(items, self._assignment, self._public_only)
        faults = [*self._uncollected, *(Fault("", problem) for problem in listing.problems)]
        chosen = [(info, item) for info, item in listing.checks if self._is_chosen(info)]
        if not chosen and not self._uncollected and not (items and listing.problems):
            where = "public/" if self._public_only else "public/ and hidden/"
            faults = [Fault("", f"{self._assignment.id} has no checks {self._only} in {where}")]
        self._board.faults += faults
        self._infos = {info.nodeid: info for info, _ in chosen}
        self._board.list_checks(self._infos.values(), not_run_at_all() if faults else not_run_yet())
        items[:] = [] if faults else [item for _, item in chosen]
        self._write()

    def _is_chosen(self, info: CheckInfo) -> bool:
        return not self._only or f"{info.number}.".startswith(f"{self._only}.")

    # ---- Running ----------------------------------------------------------------------------------------------------

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the checks, each item in its turn; True tells pytest that it has been done."""
        self._load()
        checks = ((self._infos[item.nodeid].item.id, item) for item in session.items)
        self._turns = Turns(checks, self._deadline, self._assignment.budgets.check_seconds)
        while (item := self._turns.next()) is not None:
            # The check before was told of another next one where it used up its item's turn.
            session._setupstate.teardown_exact(item)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=self._turns.likely_next())
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
        return True

    def _load(self) -> None:
        """Wait for the submission to be loaded, which counts against no item's turn."""
        if any(info.uses_worker for info in self._infos.values()):
            # What keeps it from being loaded is told again to every check that asks for the worker.
            with contextlib.suppress(GraderError, SubmissionProblem):
                self._session.load(self._deadline)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """One check from its start to its entry in the document."""
        assert isinstance(item, pytest.Function)
        budget = self._assignment.budgets.check_seconds
        show = Show(self._pictures)
        self.running = Running(self._infos[item.nodeid], Credit(item), budget, self._deadline, show=show)
        seconds = min(self._deadline - time.monotonic(), OVERRUN_FACTOR * budget, self._turns.seconds_left())
        with examples.profile(), alarm(max(LEAST_SECONDS, seconds)):
            result = yield
        running, self.running = self.running, None
        if self._is_cut_short(running):
            self._turns.put_off(item)
        elif self._conclude(running) and self._until_loss:
            item.session.shouldstop = "points were lost"
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """End at once what need not or cannot be run."""
        info = self.current().info
        if self._no_worker:
            raise Decided(not_run_at_all())
        if self._deadline - time.monotonic() < LEAST_SECONDS:
            raise Decided(out_of_time())
        main = (self._assignment.main,) if info.uses_main else ()
        for name in (*main, *info.needs):
            if name in self._missing:
                optional = name in self._assignment.files.optional
                raise Decided(missing_optional(name) if optional else missing_file(name))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        """Keep what was raised, in whichever phase or subtest; pytest's own report, which nobody reads, stays empty."""
        if call.excinfo is not None and self.running is not None:
            self.running.errors.append(call.excinfo.value)
        outcome = "passed" if call.excinfo is None else "failed"
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, None, call.when)  # type: ignore[arg-type]

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
        """pytest or this plugin failed. What there is stays; True keeps pytest from printing it."""
        self._board.faults.append(verdict.describe_fault(excinfo.value))
        return True

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """A check must not end the session; somebody at the keyboard may."""
        if isinstance(excinfo.value, pytest.exit.Exception):
            self._board.faults.append(verdict.describe_fault(excinfo.value))

    def _is_cut_short(self, running: Running) -> bool:
        """Whether the alarm ended the check because its item's turn was over."""
        return self._turns.seconds_left() <= 0 and any(isinstance(error, Overrun) for error in running.errors)

    # ---- Concluding -------------------------------------------------------------------------------------------------

    def _conclude(self, running: Running) -> bool:
        """Enter the check into the document; whether it gave less than its points."""
        info = running.info
        ruling, points, column = self._rule(running)
        if info.hide_errors is not None:
            ruling = verdict.hidden_errors(ruling, info.hide_errors)
        sections = [*ruling.sections, *running.show.sections]
        printed = verdict.printed_section(running.printed)
        if printed and info.visibility == "visible" and info.hide_errors is None:
            sections.append(printed)
        self._board.record(info, msgspec.structs.replace(ruling, sections=tuple(sections)), points, column)
        with contextlib.suppress(GraderError):  # a disk that is full now: the document before stands, `end` tries again
            self._write()
        return points < info.weight

    def _rule(self, running: Running) -> tuple[Verdict, float, LeaderboardEntry | None]:
        """The verdict, the points and the leaderboard entry; a fault among them makes the whole check a fault."""
        info, error = running.info, first_error(running.errors)
        overran = isinstance(error, (Overrun, StudentTimeout))
        if isinstance(error, Decided):
            return error.ruling, 0.0, None
        if overran and self._deadline - time.monotonic() < LEAST_SECONDS:
            return out_of_time(), 0.0, None
        if isinstance(error, Overrun):
            error = GraderError("the check's own code did not end in time, so the alarm ended it")
        # A machine that cannot give the first check its worker has none for the others: told once, not forty times.
        self._no_worker = isinstance(error, GraderError) and not self.workers_served and info.uses_worker
        ruling = verdict.judge(error, info, running.evidence)
        if ruling.fault is not None:
            return ruling, 0.0, None
        try:
            ruling, points = scoring.score(ruling, info, running.credit)
            return ruling, points, scoring.leaderboard_entry(info, running.credit.value)
        except GraderError as fault:
            return verdict.grader_fault(fault, info.number), 0.0, None


# ---- What is known without running a check --------------------------------------------------------------------------


def not_run_yet() -> Verdict:
    """What stands in the document until a check has been run."""
    return Verdict("not_run", None, (Section("", "This check has not been run yet."),))


def not_run_at_all() -> Verdict:
    """What stands there where the suite has a mistake in it."""
    return Verdict("not_run", verdict.GRADER_ERROR, (Section("", verdict.NOT_YOUR_FAULT),))


def out_of_time() -> Verdict:
    """The whole run's time is up."""
    text = (
        "Not run: the time for the whole submission was used up before this check could end."
        "\nLook at the checks before this one that were slow or did not finish: they used the time."
    )
    return Verdict("not_run", "deadline", (Section("", text),))


def missing_file(name: str) -> Verdict:
    """A file that every submission must hold is not there."""
    text = f"`{name}` is not in your submission, and this check needs it.\nSubmit it under exactly this name."
    return Verdict("not_run", "missing_file", (Section("", text),))


def missing_optional(name: str) -> Verdict:
    """A file that may be submitted was not."""
    text = f"Not counted: `{name}` is optional, and it is not in your submission."
    return Verdict("not_run", "optional_missing", (Section("", text),))
