"""Q6.3: forward_pass against the worked solution."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.compare import as_array, assert_close, assert_unchanged
from autograder.checks.diagnose import Context

from ..public.network import Array, Layer, layers, network_of
from ..public.probabilities import FORWARD, as_row, probabilities_of, probabilities_of_large_logits

# As wide as float32 needs.
LOOSE = 1e-4


def solution(reference, layer: Layer) -> Array:
    """The worked solution's probabilities, (1, C)."""
    return np.asarray(reference.Model.forward_pass(SimpleNamespace(W=layer.W, b=layer.b), layer.image))


def known_bugs(layer: Layer) -> Context:
    """What programs with a known bug answer for small logits."""
    exponentials = np.exp(layer.logits)
    softmax = exponentials / exponentials.sum()
    unbiased = np.exp(layer.logits - layer.b[0])
    shifted = np.exp(layer.logits - layer.logits.max())
    return Context(
        alternatives={
            "missing_bias": np.array([unbiased / unbiased.sum()]),
            "double_softmax": np.array([np.exp(softmax) / np.exp(softmax).sum()]),
            "wrong_axis": np.ones((1, layer.classes)),
            "no_overflow_shift": np.array([shifted / exponentials.sum()]),  # shifted in the numerator alone
        }
    )


@number("Q6.3.6")
@weight(0.25)
@visibility("after_published")
@given(layer=layers())
def test_probabilities(submission, probes, reference, layer):
    """forward_pass gives the probabilities of Eq. 1 and 2, for whole and for real pixels"""
    row = probabilities_of(submission, probes, layer)
    wanted = solution(reference, layer)
    context = known_bugs(layer)
    assert_close(row, wanted, "the result", called=FORWARD, rtol=LOOSE, context=context, hide_expected=True)


def extreme_layers() -> st.SearchStrategy[Layer]:
    """Large logits, from the weights or from the biases: equal ones, close ones, only negative ones."""
    rows = st.lists(st.sampled_from((1000.0, 999.0, 500.0, -999.5, -1000.0)), min_size=2, max_size=5)
    return st.builds(_extreme_layer, rows, st.booleans())


def _extreme_layer(row: list[float], from_biases: bool) -> Layer:
    logits = np.array([row])
    nothing = np.zeros_like(logits)
    return Layer(nothing, logits, np.array([1.0])) if from_biases else Layer(logits, nothing, np.array([1.0]))


@number("Q6.3.7")
@weight(0.25)
@visibility("after_published")
@given(layer=extreme_layers())
def test_extreme_logits(submission, probes, reference, layer):
    """Large logits, positive and negative, give the right probabilities"""
    row = probabilities_of_large_logits(submission, probes, layer)
    assert_close(row, solution(reference, layer), "the result", called=FORWARD, rtol=LOOSE, hide_expected=True)


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
