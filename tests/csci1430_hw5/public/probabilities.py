"""Reading what `forward_pass` returned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograder.checks.compare import as_array, fail, show
from autograder.sandbox.proxy import StudentError

from .network import Array, Layer, network_of

FORWARD = "model.forward_pass(image)"

# For sums and logarithms of probabilities that a submission may have computed in float32.
LOOSE = 1e-4


def as_row(value: Any, classes: int, called: str = FORWARD) -> Array:
    """One number for each class as (1, C), also where (C,) came: whether the shape is right is one check's business.

    NaN and infinite numbers pass. Raises CheckFailed.
    """
    array = as_array(value, "the result", called=called, finite=False)
    if array.shape not in ((classes,), (1, classes)):
        fail(
            f"the result has shape {array.shape}",
            called=called,
            cause="wrong_shape",
            expected=f"the result of shape {(1, classes)}",
        )
    return array.reshape(1, classes)


def probabilities_of(submission: Any, probes: Any, layer: Layer) -> Array:
    """What `forward_pass` says of the layer's image, (1, C): finite numbers. Raises CheckFailed."""
    answer = network_of(submission, probes, layer).call("forward_pass", layer.image)
    as_array(answer, "the result", called=FORWARD)
    return as_row(answer, layer.classes)


def probabilities_of_large_logits(submission: Any, probes: Any, layer: Layer) -> Array:
    """The same where the logits are large, (1, C). Raises CheckFailed, with the cause where it is their size."""
    row = as_row(network_of(submission, probes, layer).call("forward_pass", layer.image), layer.classes)
    if not is_sound(row):
        small = dataclasses.replace(layer, W=layer.W / 1000, b=layer.b / 1000)
        fail(
            f"with the logits {show(layer.logits)} the result is {show(row)}",
            called=FORWARD,
            cause="no_overflow_shift" if _answers_soundly(submission, probes, small) else None,
            expected="probabilities that add up to 1",
        )
    return row


def _answers_soundly(submission: Any, probes: Any, layer: Layer) -> bool:
    try:
        row = as_row(network_of(submission, probes, layer).call("forward_pass", layer.image), layer.classes)
    except StudentError:
        return False
    return is_sound(row) and adds_up_to_one(row)  # else something is wrong whatever the logits' size


def is_sound(row: Array) -> bool:
    """Whether the numbers are finite and not all 0."""
    return bool(np.isfinite(row).all() and np.any(row))


def adds_up_to_one(row: Array) -> bool:
    """Whether the sum is 1, to the precision of float32."""
    return bool(abs(np.sum(row) - 1) <= LOOSE)


def require_sum_of_one(row: Array, cause: str | None = None, fitting: Sequence[str] = ()) -> None:
    """Raises CheckFailed, with the cause and the causes that fit, unless the row adds up to 1."""
    if not adds_up_to_one(row):
        fail(
            f"the probabilities add up to {np.sum(row):.6g}: {show(row)}",
            called=FORWARD,
            cause=cause,
            expected="probabilities that add up to 1",
            fitting=fitting,
        )


def log_odds(row: Array) -> Array:
    """ln(p_j / p_0) for every class j, (C,): by Eq. 2 the differences of the logits, whatever the denominator was."""
    smallest = float(np.min(row))
    if smallest <= 0:
        fail(
            f"a probability is {smallest:.4g}: {show(row)}",
            called=FORWARD,
            expected="positive numbers, as the exponentials of small logits are",
        )
    logarithms = np.log(row[0])
    return np.asarray(logarithms - logarithms[0])
