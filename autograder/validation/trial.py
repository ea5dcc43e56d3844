"""Try the checks of a homework on variants of its reference, as far as earlier trials do not tell already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from autograder.assignment import Assignment
from autograder.validation.cache import Cache
from autograder.validation.variants import Submission, Variant
from autograder.validation.verdicts import Outcome, outcome_of
from autograder.validation.warm import Graded, Job, grade_all

Tell = Callable[[Variant, Outcome], None]


def try_all(
    assignment: Assignment,
    submission: Submission,
    variants: Sequence[Variant],
    cache: Cache,
    *,
    processes: int,
    tell: Tell = lambda variant, outcome: None,
) -> dict[str, Outcome]:
    """Return what came of every variant, by its key; `tell` hears of each as soon as it is known.

    Bugs and rewrites are graded whole. Of a mutant it is enough to know whether points are lost: the checks of its own
    item run first, and all the others only where these notice nothing; either ends with the first loss.
    """
    outcomes: dict[str, Outcome] = {}

    def done(variant: Variant, outcome: Outcome) -> None:
        outcomes[variant.key] = outcome
        tell(variant, outcome)

    trial = _Trial(assignment, submission, cache, processes)
    undecided: list[Variant] = []
    whole = [variant for variant in variants if variant.kind != "mutant"]
    mutants = [variant for variant in variants if variant.kind == "mutant"]
    for variant, outcome in trial.grade([(variant, "") for variant in whole], until_loss=False):
        done(variant, outcome)
    for variant, outcome in trial.grade([(variant, variant.items[0]) for variant in mutants], until_loss=True):
        if outcome.lost or outcome.failure:
            done(variant, outcome)
        else:
            undecided.append(variant)
    for variant, outcome in trial.grade([(variant, "") for variant in undecided], until_loss=True):
        done(variant, outcome)
    return outcomes


class _Trial:
    """Grades variants by name of what is to run, kept outcomes first."""

    def __init__(self, assignment: Assignment, submission: Submission, cache: Cache, processes: int) -> None:
        self._assignment = assignment
        self._submission = submission
        self._cache = cache
        self._processes = processes

    def grade(self, variants: Sequence[tuple[Variant, str]], *, until_loss: bool) -> Iterator[tuple[Variant, Outcome]]:
        """Each variant with the number below which its checks are run ("": all), in the order of their ends."""
        waiting: dict[str, tuple[Variant, str]] = {}
        for variant, only in variants:
            key = self._cache.key({**self._submission.files, **variant.files}, only, until_loss)
            kept = self._cache.get(key)
            if kept is not None:
                yield variant, kept
            else:
                waiting[variant.key] = (variant, key)
        jobs = [
            Job(variant.key, partial(self._submission.write, variant), only, until_loss)
            for variant, only in variants
            if variant.key in waiting
        ]
        for job, graded in grade_all(self._assignment, jobs, processes=self._processes):
            variant, key = waiting[job.name]
            outcome = _outcome(graded)
            self._cache.put(key, outcome)
            yield variant, outcome


def _outcome(graded: Graded) -> Outcome:
    if graded.failure or graded.results is None:
        return Outcome(failure=graded.failure)
    return outcome_of(graded.results)
