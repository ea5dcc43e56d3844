"""Q6.6: back_propagation gives the gradients of the loss: Eq. 6 and 7."""

from __future__ import annotations

import functools

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given

from autograder.checks.compare import as_array, assert_unchanged, attribute, fail
from autograder.checks.diagnose import Context
from autograder.checks.gradients import assert_gradient, numerical_gradient
from autograder.sandbox.proxy import Remote

from .gradients import BACK, as_bias_gradient, gradients_of, other_labels
from .network import Answer, Array, answers, call_static, with_or_without_object


class SmoothLoss:
    """The loss of one image as a function of the parameters, Eq. 1 to 3 in one: ln(sum of e^l_j) - l_y.

    Its W (D, C) is arbitrary; its b (1, C) is such that the network gives just the answer's probabilities.
    """

    def __init__(self, answer: Answer, label: int) -> None:
        self.image = answer.image
        self.label = label
        shape = (answer.image.size, answer.classes)
        self.W = np.linspace(-1, 1, answer.image.size * answer.classes).reshape(shape)
        self.b = np.log(answer.probabilities) - answer.image @ self.W

    def of_weights(self, W: Array) -> float:
        return self._of_logits(self.image @ W + self.b)

    def of_biases(self, b: Array) -> float:
        return self._of_logits(self.image @ self.W + b)

    def _of_logits(self, logits: Array) -> float:
        return float(np.logaddexp.reduce(logits[0]) - logits[0, self.label])


def wrong_label(answer: Answer, of_weights: bool) -> Context:
    """The gradients that programs with another label give, for the diagnosis."""

    def gradient(label: int) -> Array:
        loss = SmoothLoss(answer, label)
        function, at = (loss.of_weights, loss.W) if of_weights else (loss.of_biases, loss.b)
        return numerical_gradient(function, at)

    forms = tuple(functools.partial(gradient, label) for label in other_labels(answer))
    return Context(alternatives={"wrong_label_index": forms})


@number("Q6.6.1")
@weight(0.25)
@tags("public")
@given(answer=answers())
def test_shapes(submission, answer):
    """back_propagation returns gradW and gradB in the shapes of W and b"""
    result = call_static(submission, "back_propagation", answer.image, answer.probabilities, answer.label)
    gradW, gradB = gradients_of(result, answer)
    shape = (answer.image.size, answer.classes)
    array = as_array(gradW, "gradW", called=BACK, finite=False)
    if array.shape != shape:
        fail(
            f"gradW has shape {array.shape}",
            called=BACK,
            cause="transposed" if array.shape == shape[::-1] else "wrong_shape",
            expected=f"gradW of shape {shape}",
        )
    as_bias_gradient(gradB, answer.classes)


@number("Q6.6.2")
@weight(0.5)
@tags("public")
@given(answer=answers())
def test_weight_gradient(submission, answer):
    """gradW is the slope of the loss in each weight"""
    result = call_static(submission, "back_propagation", answer.image, answer.probabilities, answer.label)
    gradW, _ = gradients_of(result, answer)
    loss = SmoothLoss(answer, int(answer.label))
    context = wrong_label(answer, of_weights=True)
    assert_gradient(
        as_array(gradW, "gradW", called=BACK), loss.of_weights, at=loss.W, name="gradW", called=BACK, context=context
    )


@number("Q6.6.3")
@weight(0.25)
@tags("public")
@given(answer=answers())
def test_bias_gradient(submission, answer):
    """gradB is the slope of the loss in each bias"""
    result = call_static(submission, "back_propagation", answer.image, answer.probabilities, answer.label)
    _, gradB = gradients_of(result, answer)
    loss = SmoothLoss(answer, int(answer.label))
    row = as_bias_gradient(gradB, answer.classes)
    context = wrong_label(answer, of_weights=False)
    assert_gradient(row, loss.of_biases, at=loss.b, name="gradB", called=BACK, context=context)


@number("Q6.6.9")
@weight(0)
@tags("public", "advice")
@given(answer=answers())
def test_probabilities_kept(submission, probes, answer):
    """Advice: back_propagation leaves the probabilities that it is given as they are"""
    function = attribute(attribute(submission, "Model", "the submission"), "back_propagation", "Model")
    if not isinstance(function, Remote):
        fail("Model.back_propagation is not a function", cause="wrong_type")
    arguments = (answer.image, answer.probabilities, answer.label)
    _, after = with_or_without_object(lambda *given: probes.call_and_return_arguments(function, *given), *arguments)
    probabilities = after[-2] if len(after) > 2 else None
    assert_unchanged(answer.probabilities, probabilities, "the array of probabilities", called=BACK)
