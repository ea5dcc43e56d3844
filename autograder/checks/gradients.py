"""Numerical gradients, and the comparison of a student's gradient with them.

Central differences in float64 with a step of 1e-5 scaled to each entry: the error of the formula is about step² and
that of the rounding about 1e-16/step, which leaves some ten right digits for the small numbers our examples hold.
A loss with corners (ReLU, max) is smooth almost everywhere; a second step size shows the entries where it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograder.checks.compare import as_array, as_scalar, fail, fail_difference, is_single
from autograder.checks.diagnose import Context

Array = NDArray[np.float64]
Loss = Callable[[Array], Any]

STEP = 1e-5
# In float32 a loss has seven digits, so a step this large is what balances rounding and curvature.
SINGLE_STEP = 1e-2
SINGLE_TOLERANCE = 5e-3

# Estimates from two step sizes that differ by more than this times the largest entry sit on a corner.
UNSETTLED = 1e-4
# A loss with more corners than this is not one that our inputs keep away from them.
UNSETTLED_SHARE = 0.25

# What rounding leaves of a derivative that is exactly zero, relative to the loss.
ROUNDING = 1e-9


def numerical_gradient(loss: Loss, at: ArrayLike, *, step: float = STEP) -> Array:
    """The gradient of the scalar function `loss` at the array `at`, entry by entry.

    `loss` receives float64 arrays of the shape of `at`. Formula: (f(x + h e) - f(x - h e)) / 2h with
    h = step * max(1, |x|).
    Raises CheckFailed where `loss` returns anything but one finite number.
    """
    point = np.array(at, dtype=np.float64)
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        direction = np.zeros_like(point)
        direction[index] = 1.0
        size = step * max(1.0, abs(float(point[index])))
        gradient[index] = _difference(loss, point, direction, size)[0]
    return gradient


def directional_derivative(loss: Loss, at: ArrayLike, direction: ArrayLike, *, step: float = STEP) -> float:
    """The derivative of `loss` at `at` along `direction` (of the same shape), by the same central difference."""
    point = np.array(at, dtype=np.float64)
    scaled = np.asarray(direction, dtype=np.float64)
    size = step * max(1.0, float(np.max(np.abs(point), initial=0.0)))
    return _difference(loss, point, scaled, size)[0]


def relative_error(gradient: ArrayLike, numerical: ArrayLike) -> float:
    """‖a - n‖ / (‖a‖ + ‖n‖); 0 where both are zero."""
    left, right = np.asarray(gradient, dtype=np.float64), np.asarray(numerical, dtype=np.float64)
    with np.errstate(all="ignore"):
        size = float(np.linalg.norm(left) + np.linalg.norm(right))
        return float(np.linalg.norm(left - right)) / size if size else 0.0


def assert_gradient(
    got: Any,
    loss: Loss,
    *,
    at: ArrayLike,
    name: str,
    called: str = "",
    context: Context | None = None,
    tolerance: float = 1e-5,
    hide_expected: bool = False,
    single: bool = False,
) -> None:
    """Raises CheckFailed unless `got` is the gradient of `loss` at `at`: same shape, relative error within `tolerance`.

    One random direction is compared first, which costs two evaluations; only if it disagrees is every entry estimated,
    so that the message can show them. `single` says that the loss is computed in float32: steps and tolerance widen.
    Entries where the loss has a corner are left out; if they are more than a quarter, the loss itself is at fault.
    """
    point = np.array(at, dtype=np.float64)
    single = single or is_single(got)
    step, tolerance = (SINGLE_STEP, max(tolerance, SINGLE_TOLERANCE)) if single else (STEP, tolerance)
    gradient = as_array(got, name, called=called)
    if gradient.shape == point.shape and _agrees_along_a_direction(gradient, loss, point, step, tolerance):
        return
    numerical = numerical_gradient(loss, point, step=step)
    if gradient.shape != point.shape:
        fail_difference(gradient, numerical, name, called=called, context=context, hide_expected=hide_expected)
    corners = _corners(loss, point, numerical, step, name, called)
    if relative_error(gradient[~corners], numerical[~corners]) <= tolerance:
        return
    if np.max(np.abs(gradient - numerical)[~corners], initial=0.0) <= ROUNDING * _size(loss, point) / step * STEP:
        return
    fail_difference(
        np.where(corners, 0.0, gradient) if corners.any() else gradient,
        np.where(corners, 0.0, numerical) if corners.any() else numerical,
        name,
        called=called,
        context=context,
        hide_expected=hide_expected,
    )


def _agrees_along_a_direction(gradient: Array, loss: Loss, point: Array, step: float, tolerance: float) -> bool:
    # Any fixed direction without symmetry will do; a wrong gradient that happens to be orthogonal to it in every one of
    # fifty examples does not exist.
    direction = np.random.default_rng(point.size).uniform(0.5, 1.5, point.shape)
    direction *= np.where(np.arange(point.size).reshape(point.shape) % 3 == 1, -1.0, 1.0)
    size = step * max(1.0, float(np.max(np.abs(point), initial=0.0)))
    numerical, level = _difference(loss, point, direction, size)
    with np.errstate(all="ignore"):
        claimed = float(np.vdot(gradient, direction))
        allowed = tolerance * (abs(claimed) + abs(numerical)) + ROUNDING * level
        return bool(abs(claimed - numerical) <= allowed)


def _difference(loss: Loss, point: Array, direction: Array, size: float) -> tuple[float, float]:
    """The central difference, and how large the loss is there (at least 1), which sets the rounding error."""
    above = as_scalar(loss(point + size * direction), "the loss")
    below = as_scalar(loss(point - size * direction), "the loss")
    return (above - below) / (2.0 * size), max(1.0, abs(above), abs(below))


def _size(loss: Loss, point: Array) -> float:
    return max(1.0, abs(as_scalar(loss(point), "the loss")))


def _corners(loss: Loss, point: Array, numerical: Array, step: float, name: str, called: str) -> NDArray[np.bool_]:
    """Where the estimate does not settle as the step halves. Raises CheckFailed if that is more than a quarter."""
    finer = numerical_gradient(loss, point, step=step / 2)
    scale = float(np.max(np.abs(numerical), initial=0.0)) or 1.0
    limit = (SINGLE_TOLERANCE if step == SINGLE_STEP else UNSETTLED) * scale
    unsettled: NDArray[np.bool_] = np.abs(finer - numerical) > limit
    count = int(np.count_nonzero(unsettled))
    if count > UNSETTLED_SHARE * point.size:
        fail(
            f"the loss does not change smoothly: {count} of the {point.size} slopes behind {name} depend on how small "
            "a step is taken",
            called=called,
            expected="the same answer whenever the forward pass gets the same numbers",
        )
    return unsettled
