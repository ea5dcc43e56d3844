"""Q6.3: forward_pass gives the probabilities of one image: Eq. 1, then Eq. 2."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.compare import as_array, assert_close, assert_shape, fail, show
from autograder.sandbox.proxy import StudentError

from .network import CLASSES, Layer, cases, layers, network_of
from .probabilities import (
    FORWARD,
    LOOSE,
    adds_up_to_one,
    log_odds,
    probabilities_of,
    probabilities_of_large_logits,
    require_sum_of_one,
)


@number("Q6.3.1")
@weight(0.25)
@tags("public")
@given(layer=layers())
def test_shape(submission, probes, layer):
    """forward_pass returns one row with a probability for each class"""
    answer = network_of(submission, probes, layer).call("forward_pass", layer.image)
    assert_shape(answer, (1, layer.classes), "the result", called=FORWARD)


@number("Q6.3.2")
@weight(0.25)
@tags("public")
@given(layer=layers())
def test_distribution(submission, probes, layer):
    """The probabilities are not negative and add up to 1"""
    row = probabilities_of(submission, probes, layer)
    if np.min(row) < 0:
        fail(f"a probability is negative: {show(row)}", called=FORWARD, expected="numbers from 0 to 1")
    # One image is one row, so that sums over the wrong axis have a single term.
    require_sum_of_one(row, cause="wrong_axis" if np.all(row == 1) else None)


@number("Q6.3.3")
@weight(0.25)
@tags("public")
@given(layer=layers(classes=(4, 5, 6)))
def test_weights_decide(submission, probes, layer):
    """Without biases, ln(p_j / p_0) is the difference of the logits that the weights give"""
    unbiased = dataclasses.replace(layer, b=np.zeros_like(layer.b))
    odds = log_odds(probabilities_of(submission, probes, unbiased))
    wanted = unbiased.logits - unbiased.logits[0]
    assert_close(odds, wanted, "ln(p_j / p_0) for all j", called=FORWARD, rtol=LOOSE, atol=LOOSE)


@number("Q6.3.4")
@weight(0.25)
@tags("public")
@given(layer=layers())
def test_biases_decide(submission, probes, layer):
    """With weights of 0, ln(p_j / p_0) is the difference of the biases"""
    weightless = dataclasses.replace(layer, W=np.zeros_like(layer.W))
    row = probabilities_of(submission, probes, weightless)
    odds = log_odds(row)
    wanted = layer.b[0] - layer.b[0, 0]
    if np.any(wanted) and np.allclose(odds, 0, atol=1e-6) and adds_up_to_one(row):
        fail(
            f"every class gets the same probability, although the biases differ: {show(row)}",
            called=FORWARD,
            cause="missing_bias",
            expected="a larger probability where the bias is larger",
        )
    assert_close(odds, wanted, "ln(p_j / p_0) for all j", called=FORWARD, rtol=LOOSE, atol=LOOSE)


def large_layers() -> st.SearchStrategy[Layer]:
    """Networks with logits of 1000 and -1000: the exponential of 1000 is more than a float can hold."""
    return cases(_make_large_layer, CLASSES, ((1000.0, -1000.0, 0.0), (1000.0,), (-1000.0,)))


def _make_large_layer(classes: int, values: Sequence[float], seed: int) -> Layer:
    logits = np.random.default_rng(seed).choice(values, (1, classes))
    return Layer(logits, np.zeros_like(logits), np.array([1]))


@number("Q6.3.5")
@weight(0.25)
@tags("public")
@given(layer=large_layers())
def test_large_logits(submission, probes, layer):
    """Logits of 1000 and -1000 give probabilities, not NaN, and the largest logit wins"""
    row = probabilities_of_large_logits(submission, probes, layer)
    require_sum_of_one(row)
    largest = layer.logits == np.max(layer.logits)
    if np.min(row[0, largest]) < np.max(row[0, ~largest], initial=0):
        fail(
            f"with the logits {show(layer.logits)} the result is {show(row)}",
            called=FORWARD,
            expected="the largest probability for the largest logit",
        )


@number("Q6.3.9")
@weight(0)
@tags("public", "advice")
@given(layer=layers())
def test_several_images(submission, probes, layer):
    """Advice: forward_pass also takes several images at once"""
    images = np.stack([layer.image, 0 * layer.image, -layer.image])
    count = len(images)
    called, free = "model.forward_pass(images)", "This costs nothing: train_nn passes one image at a time."
    try:
        answer = network_of(submission, probes, layer).call("forward_pass", images)
    except StudentError as error:
        if error.type_name == "NotImplementedError":
            raise
        fail(f"forward_pass takes one image only: {count} images at once raise {error}. {free}", called=called)
    rows = as_array(answer, "the result", shape=(count, layer.classes), called=called)
    sums = np.sum(rows, axis=1)
    if np.any(np.abs(sums - 1) > LOOSE):
        fail(
            f"the probabilities of the {count} images add up to {show(sums)}. {free}",
            called=called,
            cause="only_batch_one" if abs(float(np.sum(rows)) - 1) < LOOSE else None,
            expected="a sum of 1 in each row",
        )
