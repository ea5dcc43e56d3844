"""Reading what `loss` returned."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograder.checks.compare import as_scalar
from autograder.checks.diagnose import Context

from .network import Answer, Array, call_static

LOSS = "Model.loss(probabilities, gt_label)"

# For losses that a submission may have computed in float32.
LOOSE = 1e-4


def losses_of(submission: Any, answer: Answer) -> Array:
    """The loss for every label that the image could have, (C,). Raises CheckFailed."""
    labels = np.arange(answer.classes, dtype=answer.label.dtype)
    losses = (call_static(submission, "loss", answer.probabilities, label) for label in labels)
    return np.array([as_scalar(loss, "the loss", called=LOSS) for loss in losses])


def known_bugs(answer: Answer) -> Context:
    """What programs with a known bug answer for every label, (C,)."""
    right = -np.log(answer.probabilities[0])
    return Context(
        alternatives={
            "wrong_log_base": (right / np.log(10), right / np.log(2)),
            "double_softmax": np.log(np.sum(np.exp(answer.probabilities))) - answer.probabilities[0],
            "wrong_label_index": (np.roll(right, 1), np.roll(right, -1), np.full_like(right, right.min())),
        }
    )
