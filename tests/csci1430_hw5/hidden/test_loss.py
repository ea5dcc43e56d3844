"""Q6.5: loss against the formula, and at a probability of 0."""

from __future__ import annotations

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given

from autograder.checks.compare import as_scalar, assert_close, fail
from autograder.sandbox.proxy import StudentError

from ..public.losses import LOOSE, LOSS, known_bugs, losses_of
from ..public.network import Answer, Array, answers, call_static
from .solution import loss


def without_true_class(answer: Answer) -> Array:
    """The probabilities with 0 for the true class; the others share its part."""
    row = answer.probabilities.copy()
    row[0, int(answer.label)] = 0
    return row / row.sum()


@number("Q6.5.4")
@weight(0.5)
@visibility("after_published")
@given(answer=answers())
def test_losses(submission, answer):
    """loss gives the cross-entropy of Eq. 3 for each label"""
    wanted = [loss(answer.probabilities, label) for label in range(answer.classes)]
    losses = losses_of(submission, answer)
    assert_close(
        losses,
        wanted,
        "the loss for each label",
        called=LOSS,
        rtol=LOOSE,
        atol=LOOSE,
        context=known_bugs(answer),
        hide_expected=True,
    )


@number("Q6.5.5")
@weight(0.25)
@visibility("after_published")
@given(answer=answers())
def test_impossible_class(submission, answer):
    """A true class of probability 0 gives a large loss, not an infinite one"""
    row = without_true_class(answer)
    expected = "a large number: 1e-10 is added inside the logarithm"
    try:
        came = call_static(submission, "loss", row, answer.label)
    except StudentError as error:
        if error.type_name != "ValueError" or "math" not in error.message:
            raise
        fail(f"loss raises {error} at a probability of 0", called=LOSS, cause="missing_log_epsilon", expected=expected)
    value = as_scalar(came, "the loss", called=LOSS, finite=False)
    if not np.isfinite(value):
        fail(f"at a probability of 0 the loss is {value}", called=LOSS, cause="missing_log_epsilon", expected=expected)
    assert_close(value, loss(row, int(answer.label)), "the loss", called=LOSS, rtol=1e-3, hide_expected=True)
