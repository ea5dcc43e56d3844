"""3.1: what an optimizer does to parameters of ours, and comparing it with a rule."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from autograder.checks.compare import as_array, fail, show
from autograder.checks.diagnose import Context, diagnose
from autograder.checks.strategies import filled
from autograder.sandbox.proxy import Probes, StudentError

Array = NDArray[np.float64]
Moves = list[list[Array]]
"""By step and parameter: how far the parameter is from where it started."""

NAMES = ("sgd", "momentum", "adagrad", "adam")
SHAPES = ((3, 2), (2,), (2, 1, 2), (1,))
"""Weights and biases of several layers, so to say."""
SEEDS = range(4)

# The parameters are float32 of size 2, so a step is known to about 2e-7; no two rules are that close.
RELATIVE, ABSOLUTE = 2e-4, 2e-5

ALIASES = {"lr": ("lr", "learning_rate", "eta"), "momentum": ("momentum", "mu")}
"""The stencil's names first; a handout's own names do as well."""
_UNKNOWN_NAME = re.compile(r"unexpected keyword|unexpected argument|invalid keyword")


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Parameters, and a gradient for each at each step; None for a parameter that never gets one."""

    start: list[Array]
    gradients: list[list[Array | None]]


def varying(seed: int, steps: int = 5) -> Task:
    """Another gradient at each step. One entry is always 0, as that of a pixel that is always black."""
    random = np.random.default_rng(seed)
    start, *gradients = (list(filled(random, *SHAPES)) for _ in range(steps + 1))
    for of_step in gradients:
        of_step[0][0, 0] = 0.0
    return Task(start, [list(of_step) for of_step in gradients])


def constant(seed: int, steps: int = 4) -> Task:
    """The same gradient at each step, nowhere 0."""
    random = np.random.default_rng(seed)
    start, gradient = list(filled(random, *SHAPES)), list(filled(random, *SHAPES))
    return Task(start, [list(gradient) for _ in range(steps)])


def moves(probes: Probes, submission: Any, name: str, task: Task, hyperparameters: Mapping[str, Any]) -> Moves:
    """What the student's optimizer does. Raises CheckFailed, StudentError."""
    called = described(name, hyperparameters)
    answer = probes.run(
        "update_rules", "steps", submission.make_optimizer, name, task.start, task.gradients, dict(hyperparameters),
        called=f"stepping {called}",
    )  # fmt: skip
    if not isinstance(answer, list) or len(answer) != len(task.gradients):
        fail("The steps of your optimizer could not be recorded.", called=called)
    return [list(_moved(of_step, task, number, called)) for number, of_step in enumerate(answer, 1)]


def _moved(values: Any, task: Task, number: int, called: str) -> Iterator[Array]:
    if not isinstance(values, list) or len(values) != len(task.start):
        fail("The steps of your optimizer could not be recorded.", called=called)
    for value, start in zip(values, task.start, strict=True):
        name = f"a parameter after step {number}"
        yield as_array(value, name, shape=start.shape, called=called) - start.astype(np.float32)


def described(name: str, hyperparameters: Mapping[str, Any]) -> str:
    """The call in the student's words."""
    return f"make_optimizer({name!r}, parameters" + "".join(f", {k}={v}" for k, v in hyperparameters.items()) + ")"


def accepted(probes: Probes, submission: Any, name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters under the names that the submission knows them by: `lr`, or `eta`, and so on.

    Raises CheckFailed (learning_rate_ignored) where a rate has no effect under any name, StudentError.
    """
    found = {key: value for key, value in wanted.items() if key not in ALIASES}
    for key in (key for key in wanted if key in ALIASES):
        found[_effective(probes, submission, name, key, wanted[key], found)] = wanted[key]
    return found


def _effective(probes: Probes, submission: Any, name: str, key: str, value: float, others: Mapping[str, Any]) -> str:
    """The alias under which a value has an effect, else the one that is taken at all."""
    task, refused, taken = constant(0, steps=2), [], []
    for alias in ALIASES[key]:
        try:
            first, second = (moves(probes, submission, name, task, {**others, alias: v}) for v in (value, value / 2))
        except StudentError as error:
            if not _UNKNOWN_NAME.search(error.message):
                raise
            refused.append(error)
            continue
        if not all(np.array_equal(a, b) for a, b in zip(first[-1], second[-1], strict=True)):
            return alias
        taken.append(alias)
    if not taken:
        raise refused[0]
    if key == "lr":
        fail(
            f"lr={value} and lr={value / 2} give the same steps",
            called=described(name, {key: value}),
            cause="learning_rate_ignored",
            expected="steps with the learning rate that is asked for: it overrules your tuned one",
        )
    return taken[0]


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """Another rule that the steps may be those of. sentence: what that rule is, or does; moves: its own."""

    cause: str
    sentence: str
    moves: Moves


def assert_follows(
    got: Moves,
    rules: Sequence[Moves],
    called: str,
    *,
    alternatives: Mapping[str, Sequence[Moves]] | None = None,
    looks: Sequence[Look] = (),
    hide_expected: bool = False,
) -> None:
    """The moves are those of one of `rules`, which are all right; the first one is the usual form.

    alternatives: by cause, what a program with this bug would do. looks: the same with a sentence of their own; a cause
    is named where all looks that agree have the same. Raises CheckFailed.
    """
    if any(_agree(got, rule) for rule in rules):
        return
    stuck = _stuck(got, rules[0])
    if stuck:
        fail(stuck, called=called, cause="updates_subset", expected="a step for every parameter that has a gradient")
    agreeing = [look for look in looks if _agree(got, look.moves)]
    if agreeing:
        causes = {look.cause for look in agreeing}
        fail(
            f"The steps are not those of this rule: {agreeing[0].sentence}.",
            called=called,
            cause=causes.pop() if len(causes) == 1 else None,
        )
    _fail_moves(got, rules[0], called, alternatives or {}, hide_expected)


def _fail_moves(
    got: Moves, rule: Moves, called: str, alternatives: Mapping[str, Sequence[Moves]], hide_expected: bool
) -> NoReturn:
    """Show the first parameter that differs; a cause has to explain all of them, at every step. Raises CheckFailed."""
    forms = {slug: tuple(_joined(wrong) for wrong in found) for slug, found in alternatives.items()}
    cause = diagnose(_joined(got), _joined(rule), Context(alternatives=forms))
    step, index = _first_difference(got, rule)
    name = f"the change of a parameter after step {step + 1}"
    fail(
        f"{name} =\n{show(got[step][index])}",
        called=called,
        cause=cause.slug if cause else None,
        expected=None if hide_expected else f"{name} =\n{show(rule[step][index])}",
    )


def _joined(moves_: Moves) -> Array:
    """All entries of all parameters at all steps, one after the other."""
    return np.concatenate([array.ravel() for of_step in moves_ for array in of_step])


def _agree(got: Moves, rule: Moves) -> bool:
    return all(_close(a, b) for mine, wanted in zip(got, rule, strict=True) for a, b in zip(mine, wanted, strict=True))


def _close(got: Array, wanted: Array) -> bool:
    return bool(np.all(np.abs(got - wanted) <= RELATIVE * np.abs(wanted) + ABSOLUTE * max(1.0, np.abs(wanted).max())))


def _first_difference(got: Moves, rule: Moves) -> tuple[int, int]:
    for step, (mine, wanted) in enumerate(zip(got, rule, strict=True)):
        for index, (a, b) in enumerate(zip(mine, wanted, strict=True)):
            if not _close(a, b):
                return step, index
    return 0, 0


def _stuck(got: Moves, rule: Moves) -> str | None:
    """A sentence where some parameters never move and all others do what they should."""
    still = [not any(np.any(of_step[index]) for of_step in got) for index in range(len(got[0]))]
    wanted = [bool(np.any(rule[-1][index])) for index in range(len(got[0]))]
    frozen = [index for index in range(len(still)) if still[index] and wanted[index]]
    moving = [index for index in range(len(still)) if not still[index]]
    right = all(_close(mine[i], of_rule[i]) for mine, of_rule in zip(got, rule, strict=True) for i in moving)
    if not frozen or not moving or not right:
        return None
    shapes = ", ".join(str(got[0][index].shape) for index in frozen)
    return f"the parameters of shape {shapes} never moved"


def increments(of: Moves) -> Moves:
    """The change of each single step."""
    zero = [np.zeros_like(array) for array in of[0]]
    return [[a - b for a, b in zip(now, before, strict=True)] for now, before in zip(of, [zero, *of[:-1]], strict=True)]


def summed(steps: Sequence[Sequence[Array]]) -> Moves:
    """The inverse of `increments`."""
    return [list(of_step) for of_step in _running(steps)]


def _running(steps: Sequence[Sequence[Array]]) -> Iterator[list[Array]]:
    total = [np.zeros_like(array) for array in steps[0]]
    for of_step in steps:
        total = [a + b for a, b in zip(total, of_step, strict=True)]
        yield total


def by_entry(rule: Callable[[list[Array]], list[Array]], task: Task) -> Moves:
    """The moves of a rule for one parameter: `rule` takes its gradients by step and gives its changes by step."""
    columns = [
        rule([np.zeros_like(start) if (g := of_step[index]) is None else g for of_step in task.gradients])
        for index, start in enumerate(task.start)
    ]
    return summed([[column[step] for column in columns] for step in range(len(task.gradients))])
