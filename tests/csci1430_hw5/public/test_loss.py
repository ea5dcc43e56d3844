"""Q6.5: loss is the cross-entropy of one image: Eq. 3."""

from __future__ import annotations

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given

from autograder.checks.compare import as_scalar, assert_close, fail

from .losses import LOOSE, LOSS, known_bugs, losses_of
from .network import Answer, Array, answers, call_static


@number("Q6.5.1")
@weight(0.25)
@tags("public")
@given(answer=answers())
def test_one_number(submission, answer):
    """loss returns one number"""
    as_scalar(call_static(submission, "loss", answer.probabilities, answer.label), "the loss", called=LOSS)


@number("Q6.5.2")
@weight(0.5)
@tags("public")
@given(answer=answers())
def test_logarithm(submission, answer):
    """The loss is minus the natural logarithm of the true class's probability"""
    wanted = -np.log(answer.probabilities[0])
    losses = losses_of(submission, answer)
    assert_close(
        losses,
        wanted,
        "the loss for each label",
        called=LOSS,
        rtol=LOOSE,
        atol=LOOSE,
        context=known_bugs(answer),
    )


@number("Q6.5.3")
@weight(0.5)
@tags("public")
@given(answer=answers())
def test_true_class_alone(submission, answer):
    """The loss depends on the true class's probability alone, and grows as that falls"""
    probability = float(answer.probabilities[0, int(answer.label)])
    evened = with_probability(answer, probability, even=True)
    halved = with_probability(answer, probability / 2, even=False)
    first, mixed, less = (
        as_scalar(call_static(submission, "loss", row, answer.label), "the loss", called=LOSS)
        for row in (answer.probabilities, evened, halved)
    )
    if abs(first - mixed) > LOOSE * (1 + abs(first)):
        fail(
            f"the loss is {first:.6g}, and {mixed:.6g} when only the other classes' probabilities change",
            called=LOSS,
            expected="the same loss: in Eq. 3 every other class has y_j = 0",
        )
    if not less > first:
        fail(
            f"the loss is {first:.6g}, and {less:.6g} when the true class has half the probability",
            called=LOSS,
            cause="sign_flipped" if abs(less - first + np.log(2)) < LOOSE else None,
            expected="a larger loss where the true class is less probable",
        )


def with_probability(answer: Answer, probability: float, even: bool) -> Array:
    """Probabilities (1, C) that give the true class this one; the others share the rest evenly, or as they did."""
    label = int(answer.label)
    row = np.ones_like(answer.probabilities) if even else answer.probabilities.copy()
    row[0, label] = 0
    row *= (1 - probability) / row.sum()
    row[0, label] = probability
    return row
