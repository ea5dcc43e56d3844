"""What a grading says of the checks: did they do with this program what they should?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from autograder.checks.diagnose import OBSERVED
from autograder.grading.results import Results, total
from autograder.validation.variants import Variant

Standing = Literal["right", "elsewhere", "spilled", "survived", "false alarm", "listed", "grader failed"]
"""right: points lost on its item (and, for a known bug, on no other), or none where none may be lost. elsewhere: points
lost, none of them on its item. spilled: on its item, and on others that it has nothing to do with. survived: no points
lost. false alarm: a correct program lost points. listed: a mutant that the list of equivalent ones names, and that lost
points."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of grading one variant.

    lost: points by item, of those items that lost any. causes: by item, the causes that its failed checks name; those
    that nobody could see as a hint ("") are left out. failure: what went wrong with the grader itself.
    """

    lost: dict[str, float] = {}
    causes: dict[str, list[str]] = {}
    failure: str = ""


def outcome_of(results: Results) -> Outcome:
    """Read a document. Checks that were not run count as lost only where the submission is to blame."""
    lost: dict[str, list[float]] = {}
    causes: dict[str, list[str]] = {}
    for check in results.tests:
        item, outcome, cause = check.extra_data.item, check.extra_data.outcome, check.extra_data.cause
        if outcome == "not_run" and not results.extra_data.finished:
            continue  # ended with the first loss: nobody knows
        missing = check.max_score - check.score
        if item and not math.isclose(missing, 0.0, abs_tol=1e-6):
            lost.setdefault(item, []).append(missing)
            if cause:
                causes.setdefault(item, []).append(cause)
    return Outcome({item: total(missing) for item, missing in lost.items()}, causes)


def standing_of(variant: Variant, outcome: Outcome) -> Standing:
    """How the checks did on this variant."""
    if outcome.failure:
        return "grader failed"
    if not variant.items:
        return "false alarm" if outcome.lost else "right"
    if variant.equivalent is not None:
        return "listed" if outcome.lost else "right"
    if not outcome.lost:
        return "survived"
    if not outcome.lost.keys() & set(variant.items):
        return "elsewhere"
    if variant.bug is not None and set(outcome.lost) - {*variant.items, *variant.bug.also}:
        return "spilled"
    return "right"


def named(variant: Variant, outcome: Outcome) -> bool:
    """Whether a failed check of the bug's item names the expected cause."""
    return variant.bug is not None and variant.bug.cause in outcome.causes.get(variant.bug.item, ())


def wrong_causes(variant: Variant, outcome: Outcome) -> list[str]:
    """Causes named that are not true of the bug. What was merely observed (an exception, a shape) is always true."""
    if variant.bug is None:
        return []
    true = {variant.bug.cause, *variant.bug.accepts}
    claimed = {cause for causes in outcome.causes.values() for cause in causes}
    return sorted(cause for cause in claimed - true if cause not in OBSERVED)


class Tally(msgspec.Struct, frozen=True):
    """How the checks of one homework did on one kind of variant."""

    variants: int
    right: int
    short: dict[Standing, list[Variant]]
    """Those that fell short, by how."""


def tally(variants: Sequence[Variant], outcomes: Mapping[str, Outcome]) -> Tally:
    """Count `variants`, whose outcomes are given by key."""
    short: dict[Standing, list[Variant]] = {}
    for variant in variants:
        standing = standing_of(variant, outcomes[variant.key])
        if standing != "right":
            short.setdefault(standing, []).append(variant)
    return Tally(len(variants), len(variants) - sum(map(len, short.values())), short)
