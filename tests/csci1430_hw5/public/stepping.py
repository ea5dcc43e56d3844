"""Taking steps with a submission's `gradient_descent`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.checks.compare import CheckFailed, as_array, assert_close, fail
from autograder.checks.diagnose import Alternative, Context
from autograder.sandbox.proxy import StudentError

from .network import Array, Network, Settings, Step, apply_settings, plain_data

DESCENT = "model.gradient_descent(gradW, gradB)"

# For differences of parameters that a submission may keep in float32.
LOOSE = 1e-4


@dataclass(frozen=True)
class Stepped:
    """What came of a step: W and b as they are then, whatever they are, and how to take it with another rate."""

    step: Step
    W: Any
    b: Any
    with_rate: Callable[[float], Stepped]

    def moved(self, name: str) -> Array:
        """By how much "W" (D, C) or "b" (1, C) went down. Raises CheckFailed.

        A b that has become (C,) counts: another check looks at the shape.
        """
        before = getattr(self.step, name)
        array = as_array(getattr(self, name), f"model.{name}", called=DESCENT)
        if name == "b" and array.shape == before[0].shape:
            array = array[np.newaxis]
        if array.shape != before.shape:
            fail(
                f"model.{name} has shape {array.shape}",
                called=DESCENT,
                cause="wrong_shape",
                expected=f"model.{name} of shape {before.shape}",
            )
        return np.asarray(before - array)


def judge_steps(
    submission: Any, probes: Any, step: Step, judge: Callable[[Stepped], None], factors: Sequence[float] = (1.0,)
) -> None:
    """Take one step for each factor, with the gradients times that factor, and let `judge` look at what came.

    gradB is handed over as (1, C) and, where that raises or fails, as (C,): a submission's gradient_descent may count
    on the one form that its own back_propagation returns. Raises the first failure, or else the first error.
    """
    failures: list[CheckFailed | StudentError] = []
    for shape in (step.gradB.shape, step.gradB[0].shape):
        try:
            return judge(take(submission, probes, step, factors, shape))
        except (CheckFailed, StudentError) as failure:
            failures.append(failure)
    raise min(failures, key=lambda failure: isinstance(failure, StudentError))


def take(submission: Any, probes: Any, step: Step, factors: Sequence[float], bias_shape: tuple[int, ...]) -> Stepped:
    """Take the steps on a new model whose W and b are set to the step's."""
    settings = Settings(step.learning_rate)
    data = plain_data(*step.W.shape)
    network = Network(submission, data, apply_settings(probes, settings), settings, step.W, step.b)
    for factor in factors:
        network.call("gradient_descent", step.gradW * factor, step.gradB.reshape(bias_shape) * factor)

    def with_rate(rate: float) -> Stepped:
        return take(submission, probes, dataclasses.replace(step, learning_rate=rate), factors, bias_shape)

    return Stepped(step, network.W(), network.b(), with_rate)


def require_move(stepped: Stepped, name: str, factor: float = 1.0, hide_expected: bool = False) -> None:
    """Raises CheckFailed unless "W" or "b" went down by the learning rate times its gradient times `factor`."""
    step = stepped.step
    wanted = step.learning_rate * factor * getattr(step, f"grad{name.upper()}")
    moved = stepped.moved(name)
    if not np.any(moved):
        other = "b" if name == "W" else "W"
        fail(
            f"model.{name} is the same after the step as before",
            called=DESCENT,
            cause="updates_subset" if np.any(stepped.moved(other)) else "no_step",
            expected=f"another model.{name}: its gradient is not 0",
        )

    def with_other_rate() -> Array:
        return stepped.with_rate(3 * step.learning_rate).moved(name)

    bugs: dict[str, Alternative] = {
        "ascends": -wanted,
        "learning_rate_ignored": with_other_rate,
        "learning_rate_twice": step.learning_rate * wanted,
    }
    if name == "b":
        bugs["wrong_axis"] = np.full_like(wanted, np.sum(wanted))
    assert_close(
        moved,
        wanted,
        f"the way that model.{name} went down",
        called=DESCENT,
        rtol=LOOSE,
        atol=LOOSE,
        context=Context(alternatives=bugs),
        hide_expected=hide_expected,
    )
