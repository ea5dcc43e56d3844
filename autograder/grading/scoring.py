"""From a verdict and what the check set to points and a leaderboard entry."""

from __future__ import annotations

import math
from typing import Any, cast

import msgspec
import numpy as np

from autograder.grading.fixtures import Credit
from autograder.grading.listing import CheckInfo
from autograder.grading.results import LeaderboardEntry, Order
from autograder.grading.sections import Section, clean, shorten
from autograder.grading.verdict import Verdict
from autograder.sandbox.proxy import GraderError

COLUMN_LIMIT = 60


def score(verdict: Verdict, info: CheckInfo, credit: Credit) -> tuple[Verdict, float]:
    """The points of a check, from 0 to its weight, and its verdict: part of the points is no pass.

    What a check with partial credit set before it failed is kept, as gradescope-utils does.
    Raises GraderError where such a check passed and never set its score: neither full marks nor none would be right.
    """
    passed = verdict.outcome == "passed"
    if not info.partial:
        return verdict, info.weight if passed else 0.0
    if credit.examples_without_score or credit.lowest is None:
        if passed:
            raise GraderError(
                "the check gives partial credit, but it ended without calling set_score(points), so its"
                f" {info.weight:g} points were not judged; call set_score on every way through the check"
            )
        return verdict, 0.0
    points = round(min(max(credit.lowest, 0.0), info.weight), 6)
    if passed and points < info.weight:
        part = Section("", f"This earns {points:g} of {info.weight:g} points.")
        verdict = msgspec.structs.replace(verdict, outcome="failed", sections=(part, *verdict.sections))
    return verdict, points


def leaderboard_entry(info: CheckInfo, value: Any) -> LeaderboardEntry | None:
    """The entry of a check that fills a column; None where it fills none, set nothing, or set no finite number.

    Raises GraderError for a value that is neither a number nor text.
    """
    if info.leaderboard is None or value is None:
        return None
    name, order = info.leaderboard
    if isinstance(value, str):
        return LeaderboardEntry(name, shorten(clean(value), COLUMN_LIMIT), cast(Order, order))
    if not isinstance(value, (int, float, np.number)):
        raise GraderError(f"set_leaderboard_value was given a {type(value).__name__}; it takes a number or text")
    number = float(value)
    return LeaderboardEntry(name, number, cast(Order, order)) if math.isfinite(number) else None
