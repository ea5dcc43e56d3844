"""Q6.6: back_propagation against the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.compare import CheckFailed, as_array, assert_close, fail, show
from autograder.checks.diagnose import Context, same
from autograder.sandbox.proxy import StudentError

from ..public.gradients import BACK, as_bias_gradient, gradients_of, other_labels
from ..public.network import Answer, Array, answers, call_static
from .solution import gradients

# As wide as float32 needs.
LOOSE = 1e-4


def right_gradients(answer: Answer) -> tuple[Array, Array]:
    """gradW (D, C) and gradB (1, C)."""
    return gradients(answer.image, answer.probabilities, int(answer.label))


def wrong_labels(answer: Answer, part: int) -> Context:
    """gradW (part 0) or gradB (part 1) as programs with another label give it."""
    forms = tuple(gradients(answer.image, answer.probabilities, label)[part] for label in other_labels(answer))
    return Context(alternatives={"wrong_label_index": forms})


def right_for_real_pixels(submission: Any, answer: Answer) -> bool:
    """Whether gradW is as it should be for the same image with real numbers for pixels."""
    image = answer.image.astype(np.float64)
    try:
        result = call_static(submission, "back_propagation", image, answer.probabilities, answer.label)
        came = as_array(gradients_of(result, answer)[0], "gradW", called=BACK)
    except (CheckFailed, StudentError):
        return False
    return same(came, right_gradients(answer)[0])


@number("Q6.6.4")
@weight(0.5)
@visibility("after_published")
@given(answer=answers())
def test_weight_gradient(submission, answer):
    """gradW holds x_i (p_j - y_j), for whole and for real pixels"""
    result = call_static(submission, "back_propagation", answer.image, answer.probabilities, answer.label)
    came = as_array(gradients_of(result, answer)[0], "gradW", called=BACK)
    wanted, _ = right_gradients(answer)
    context = wrong_labels(answer, part=0)
    if answer.image.dtype.kind in "iu" and not same(came, wanted) and right_for_real_pixels(submission, answer):
        fail(
            f"gradW is right for real pixels, but not for the same pixels as integers:\n{show(came)}",
            called=BACK,
            cause="wrong_dtype",
        )
    assert_close(came, wanted, "gradW", called=BACK, rtol=LOOSE, context=context, hide_expected=True)


@number("Q6.6.5")
@weight(0.25)
@visibility("after_published")
@given(answer=answers())
def test_bias_gradient(submission, answer):
    """gradB holds p_j - y_j"""
    result = call_static(submission, "back_propagation", answer.image, answer.probabilities, answer.label)
    came = as_bias_gradient(gradients_of(result, answer)[1], answer.classes)
    _, wanted = right_gradients(answer)
    context = wrong_labels(answer, part=1)
    assert_close(came, wanted, "gradB", called=BACK, rtol=LOOSE, context=context, hide_expected=True)


def sure_answers() -> st.SearchStrategy[Answer]:
    """Images of which the network is sure, rightly or not: one probability is 1 and all others are 0."""
    return answers().map(_make_sure)


def _make_sure(answer: Answer) -> Answer:
    row = np.zeros_like(answer.probabilities)
    row[0, np.argmax(answer.probabilities)] = 1
    return Answer(answer.image, row, answer.label)


@number("Q6.6.6")
@weight(0.25)
@visibility("after_published")
@given(answer=sure_answers())
def test_sure_network(submission, answer):
    """A network that is sure and right has no gradient; one that is sure and wrong has that of the two classes"""
    result = call_static(submission, "back_propagation", answer.image, answer.probabilities, answer.label)
    gradW, gradB = gradients_of(result, answer)
    wantedW, wantedB = right_gradients(answer)
    assert_close(gradW, wantedW, "gradW", called=BACK, rtol=LOOSE, hide_expected=True)
    row = as_bias_gradient(gradB, answer.classes)
    assert_close(row, wantedB, "gradB", called=BACK, rtol=LOOSE, hide_expected=True)
