"""The state of a run as the document that is written: every check from the start, filled in one by one."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any, Literal, cast

from msgspec import UNSET, UnsetType

from autograder.assignment import Assignment
from autograder.grading.listing import CheckInfo
from autograder.grading.results import (
    GRADER_ERROR,
    CheckExtra,
    CheckResult,
    Fault,
    ItemRecord,
    LeaderboardEntry,
    RemarkRecord,
    Results,
    RunExtra,
    Visibility,
    grouped,
    with_summary,
)
from autograder.grading.sections import Section, clean, render_html
from autograder.grading.verdict import Verdict

COMPUTED_WITH = ("neural-network-autograder", "numpy", "hypothesis", "pytest", "torch")
NOT_COUNTED = ("optional_missing", "skipped")
"""Causes with which a check neither gives nor costs points: its max_score is 0."""


class Board:
    """What is known of a run so far."""

    def __init__(self, assignment: Assignment, remarks: Iterable[RemarkRecord]) -> None:
        self._assignment = assignment
        self._remarks = tuple(remarks)
        self._versions = versions()
        self._started = time.monotonic()
        self._entries: dict[str, CheckResult] = {}
        self._waiting: set[str] = set()
        self._leaderboard: dict[str, LeaderboardEntry] = {}
        self.faults: list[Fault] = []

    def list_checks(self, infos: Iterable[CheckInfo], before: Verdict) -> None:
        """All checks in their order, each with what stands there until it has been run."""
        for info in infos:
            self._entries[info.nodeid] = entry(info, before, 0.0)
            self._waiting.add(info.nodeid)

    def record(self, info: CheckInfo, verdict: Verdict, points: float, column: LeaderboardEntry | None) -> None:
        """One check has been run."""
        self._entries[info.nodeid] = entry(info, verdict, points)
        self._waiting.discard(info.nodeid)
        if verdict.fault is not None:
            self.faults.append(verdict.fault)
        if column is not None:
            self._leaderboard[info.nodeid] = column

    def document(self, protections: Mapping[str, Any], loading_remarks: Iterable[RemarkRecord]) -> Results:
        """The document as it stands."""
        tests = tuple(self._entries.values())
        if self.faults:
            tests = (*tests, for_the_instructor(self.faults))
        return with_summary(
            Results(
                score=0.0,
                execution_time=round(time.monotonic() - self._started, 3),
                tests=tests,
                leaderboard=tuple(self._leaderboard.values()),
                extra_data=RunExtra(
                    assignment=self._assignment.id,
                    finished=bool(self._entries) and not self._waiting,
                    points=self._assignment.points,
                    items=tuple(
                        ItemRecord(item.id, item.title, item.points, item.optional) for item in self._assignment.items
                    ),
                    versions=self._versions,
                    protections=dict(protections),
                    remarks=(*self._remarks, *loading_remarks),
                    faults=tuple(self.faults),
                ),
            )
        )


def entry(info: CheckInfo, verdict: Verdict, points: float) -> CheckResult:
    """A check's entry in the document."""
    counted = verdict.cause not in NOT_COUNTED
    status: Literal["passed", "failed"] | UnsetType = "passed" if verdict.outcome == "passed" else "failed"
    if not counted or (info.weight == 0 and verdict.outcome == "not_run"):
        status = UNSET
    return CheckResult(
        number=info.number,
        name=clean(title(info, verdict)),
        score=points,
        max_score=info.weight if counted else 0.0,
        status=status,
        output=render_html(verdict.sections),
        tags=info.tags,
        visibility=cast(Visibility, info.visibility),
        extra_data=CheckExtra(info.item.id, verdict.outcome, verdict.cause),
    )


def title(info: CheckInfo, verdict: Verdict) -> str:
    """What the student reads first; it says so where a check costs nothing."""
    if verdict.cause == "optional_missing":
        return f"{info.name} (optional, not submitted)"
    if info.weight == 0 and info.leaderboard is None and not info.name.startswith("Advice"):
        return f"Advice: {info.name}"
    return info.name


def for_the_instructor(faults: Iterable[Fault]) -> CheckResult:
    """An entry that only instructors see: Gradescope shows them no `extra_data`.

    Any hidden entry makes Gradescope withhold the total, which is right here: it is not the student's grade.
    """
    sections = [
        Section(numbers or "The whole run", f"{fault.text}\n{fault.traceback}".rstrip(), True)
        for numbers, fault in grouped(faults)
    ]
    return CheckResult(
        number="",
        name="For the instructor: the autograder failed, please repair it and grade again",
        score=0.0,
        max_score=0.0,
        status="failed",
        output=render_html(sections),
        visibility="hidden",
        extra_data=CheckExtra("", "not_run", GRADER_ERROR),
    )


def versions() -> dict[str, str]:
    """Python, and the installed libraries that computed the result."""
    found = {"python": platform.python_version()}
    for name in COMPUTED_WITH:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # torch is there only where an assignment needs it
    return found
