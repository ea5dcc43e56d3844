"""Q6.3: forward_pass against the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.compare import as_array, assert_close, assert_unchanged
from autograder.checks.diagnose import Alternative, Context, examine

from ..public.network import CLASSES, Array, Layer, cases, layers, network_of
from ..public.probabilities import (
    FORWARD,
    LOOSE,
    as_row,
    probabilities_of,
    probabilities_of_large_logits,
    require_sum_of_one,
)
from .solution import softmax


def known_bugs(layer: Layer) -> dict[str, Alternative | tuple[Alternative, ...]]:
    """What programs with a known bug answer for small logits, by the bug's cause."""
    logits = layer.logits[np.newaxis]
    unshifted_denominator = np.sum(np.exp(logits - logits.max())) / np.sum(np.exp(logits))
    return {
        "missing_bias": softmax(logits - layer.b),
        "double_softmax": softmax(softmax(logits)),
        "missing_softmax": logits,
        "not_normalised": (np.exp(logits), np.exp(logits - logits.max())),
        "sign_flipped": softmax(-logits),
        "wrong_dtype": softmax(np.trunc(layer.image) @ layer.W + layer.b),
        "wrong_axis": np.ones_like(logits),
        "no_overflow_shift": softmax(logits) * unshifted_denominator,  # shifted in the numerator alone
    }


@number("Q6.3.6")
@weight(0.25)
@visibility("after_published")
@given(layer=layers())
def test_probabilities(submission, probes, layer):
    """forward_pass gives the probabilities of Eq. 1 and 2, for whole and for real pixels"""
    row = probabilities_of(submission, probes, layer)
    wanted, context = softmax(layer.logits)[np.newaxis], Context(alternatives=known_bugs(layer))
    found = examine(row, wanted, context)
    require_sum_of_one(row, cause=found.cause.slug if found.cause else None, fitting=found.fitting)
    assert_close(row, wanted, "the result", called=FORWARD, rtol=LOOSE, context=context, hide_expected=True)


def extreme_layers() -> st.SearchStrategy[Layer]:
    """Large logits, from the weights or from the biases: equal ones, close ones, only negative ones."""
    return cases(_make_extreme_layer, CLASSES, (False, True))


def _make_extreme_layer(classes: int, from_biases: bool, seed: int) -> Layer:
    logits = np.random.default_rng(seed).choice((1000.0, 999.0, 500.0, -999.5, -1000.0), (1, classes))
    nothing = np.zeros_like(logits)
    return Layer(nothing, logits, np.array([1.0])) if from_biases else Layer(logits, nothing, np.array([1.0]))


@number("Q6.3.7")
@weight(0.25)
@visibility("after_published")
@given(layer=extreme_layers())
def test_extreme_logits(submission, probes, layer):
    """Large logits, positive and negative, give the right probabilities"""
    row = probabilities_of_large_logits(submission, probes, layer)
    wanted = softmax(layer.logits)[np.newaxis]
    shifted = Context(alternatives={"not_normalised": np.exp(layer.logits - layer.logits.max())})
    assert_close(row, wanted, "the result", called=FORWARD, rtol=LOOSE, context=shifted, hide_expected=True)


@number("Q6.3.8")
@weight(0.25)
@visibility("after_published")
@given(layer=layers())
def test_no_traces(submission, probes, layer):
    """forward_pass changes neither the image nor W and b, and answers the same when asked again"""
    network = network_of(submission, probes, layer)
    first, image = network.call_and_return_argument(probes, "forward_pass", layer.image)
    require_kept(layer.image, image, "the image", "mutates_input")
    require_kept(layer.W, network.W(), "model.W", "mutates_state")
    require_kept(layer.b, network.b(), "model.b", "mutates_state")
    second = network.call("forward_pass", layer.image)
    once, again = as_row(first, layer.classes), as_row(second, layer.classes)
    require_kept(once, again, "the result of a second call", "mutates_state")


def require_kept(before: Array, after: Any, name: str, cause: str) -> None:
    """Raises CheckFailed with `cause` unless the numbers are the same, to the precision of float32."""
    now = as_array(after, name, called=FORWARD, finite=False)
    if now.shape != before.shape or not np.allclose(now, before, rtol=1e-6, atol=1e-6, equal_nan=True):
        assert_unchanged(before, now, name, called=FORWARD, cause=cause)
