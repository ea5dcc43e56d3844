"""Reading what `back_propagation` returned."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograder.checks.compare import as_array, fail, unpack

from .network import Answer, Array

BACK = "Model.back_propagation(image, probabilities, gt_label)"


def gradients_of(value: Any, answer: Answer) -> tuple[Any, Any]:
    """gradW and gradB as they came. Raises CheckFailed where they are not two, or come in the other order."""
    first, second = unpack(value, 2, "the result", called=BACK)
    shape = (answer.image.size, answer.classes)
    biases = ((answer.classes,), (1, answer.classes))
    came = tuple(part.shape if isinstance(part, np.ndarray) else None for part in (first, second))
    # A network of one pixel could not tell the two apart.
    if shape[0] > 1 and came[0] in biases and came[1] == shape:
        fail(
            f"the first of the two results has shape {came[0]} and the second {came[1]}",
            called=BACK,
            cause="wrong_order",
            expected=f"gradW of shape {shape}, then gradB",
        )
    return first, second


def as_bias_gradient(value: Any, classes: int) -> Array:
    """gradB as (1, C), from either of its two forms. Raises CheckFailed."""
    array = as_array(value, "gradB", called=BACK)
    if array.shape not in ((classes,), (1, classes)):
        fail(
            f"gradB has shape {array.shape}",
            called=BACK,
            cause="transposed" if array.shape == (classes, 1) else "wrong_shape",
            expected=f"gradB of shape {(1, classes)} or {(classes,)}",
        )
    return array.reshape(1, classes)


def other_labels(answer: Answer) -> list[int]:
    """The labels that a program with a wrong index takes for the true one: its neighbours, and the likeliest class."""
    label = int(answer.label)
    likeliest = int(np.argmax(answer.probabilities))
    candidates = ((label - 1) % answer.classes, (label + 1) % answer.classes, likeliest)
    return [candidate for candidate in candidates if candidate != label]
