"""3.1.2: the ReLU against the reference, at exactly 0, and on one batch after another."""

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given

from autograder.checks.compare import as_array, assert_close, assert_unchanged, fail, unpack
from autograder.checks.diagnose import Context
from autograder.checks.layers import Layer
from autograder.checks.strategies import RELU_CASES, relu_batch, relu_batches

FORWARD = "relu().forward(X)"
BACKWARD = "layer = relu(); layer.forward(X); layer.backward(X, grad)"
RETURNED = "the gradient that backward returns"
# Most entries of these are exactly 0.0 or -0.0.
ZERO_CASES = ((3, 2, "zeros"), (2, 3, "zeros"), (4, 5, "zeros"), (1, 4, "zeros"))


def right_gradient(reference, X, upstream):
    """What the reference's ReLU gives back for this batch."""
    layer = reference.relu()
    layer.forward(X)
    return layer.backward(X, upstream)


def bugs_of_backward(X, upstream):
    """What the known bugs would give back."""
    positive = X > 0
    return {
        "missing_mask": upstream,
        "inverted_mask": np.where(positive, 0.0, upstream),
        "wrong_mask": (np.where(upstream > 0, upstream, 0.0), np.where(positive, X * upstream, 0.0), X * upstream),
        "ignores_upstream": np.where(positive, 1.0, 0.0),
    }


@number("3.1.2.3")
@weight(0.75)
@visibility("after_published")
@given(batch=relu_batches())
def test_forward(submission, reference, batch):
    """forward gives max(0, X) for every entry"""
    alternatives = {"missing_relu": batch.X, "inverted_mask": np.minimum(batch.X, 0.0)}
    assert_close(
        Layer.make(submission, "relu").forward(batch.X),
        reference.relu().forward(batch.X),
        "forward(X)",
        called=FORWARD,
        context=Context(alternatives=alternatives),
        hide_expected=True,
    )


@number("3.1.2.4")
@weight(0.75)
@visibility("after_published")
@given(batch=relu_batches())
def test_gradient(submission, reference, batch):
    """backward gives the right gradient for every entry"""
    layer = Layer.make(submission, "relu")
    layer.do_forward(batch.X)
    returned = layer.backward(batch.X, batch.upstream)
    expected = right_gradient(reference, batch.X, batch.upstream)
    context = Context(batch.rows, bugs_of_backward(batch.X, batch.upstream))
    assert_close(returned, expected, RETURNED, called=BACKWARD, context=context, hide_expected=True)


@number("3.1.2.5")
@weight(0.5)
@visibility("after_published")
@given(batch=relu_batches(ZERO_CASES))
def test_at_zero(submission, reference, batch):
    """At exactly 0 the output is 0 and the derivative a number between 0 and 1"""
    layer = Layer.make(submission, "relu")
    output = layer.forward(batch.X)
    assert_close(output, reference.relu().forward(batch.X), "forward(X)", called=FORWARD, hide_expected=True)
    returned = as_array(layer.backward(batch.X, batch.upstream), RETURNED, shape=batch.upstream.shape, called=BACKWARD)
    corner = batch.X == 0
    share = returned[corner] / batch.upstream[corner]
    if np.any(share < 0) or np.any(share > 1):
        fail(
            f"where X is exactly 0, backward multiplies grad by {share[(share < 0) | (share > 1)][0]:g}",
            called=BACKWARD,
            expected="a factor between 0 and 1",
        )
    expected = right_gradient(reference, batch.X, batch.upstream)
    assert_close(
        np.where(corner, 0.0, returned),
        np.where(corner, 0.0, expected),
        f"{RETURNED}, away from 0",
        called=BACKWARD,
        hide_expected=True,
    )


@number("3.1.2.6")
@weight(0.5)
@visibility("after_published")
def test_next_batch(submission, reference):
    """The same ReLU serves the next batch, of another size, just as well"""
    called = "layer.forward(X), layer.backward(X, grad) for one batch after another"
    for seed in range(3):
        layer = Layer.make(submission, "relu")
        for case in RELU_CASES[:5]:
            batch = relu_batch(case, seed)
            output = layer.forward(batch.X)
            returned = layer.backward(batch.X, batch.upstream)
            assert_close(output, reference.relu().forward(batch.X), "forward(X)", called=called, hide_expected=True)
            expected = right_gradient(reference, batch.X, batch.upstream)
            context = Context(batch.rows, bugs_of_backward(batch.X, batch.upstream))
            assert_close(returned, expected, RETURNED, called=called, context=context, hide_expected=True)


@number("3.1.2.7")
@weight(0)
@visibility("after_published")
def test_only_reads(submission, probes):
    """Forward and backward should leave X and grad as they are"""
    X, upstream = np.array([[0.5, -1.0], [-2.0, 0.3]]), np.array([[1.0, -2.0], [0.1, 0.2]])
    layer = Layer.make(submission, "relu")
    _, arguments = probes.call_and_return_arguments(layer.method("forward"), X)
    (after,) = unpack(arguments, 1, "the arguments")
    assert_unchanged(X, after, "X", called=FORWARD)
    _, arguments = probes.call_and_return_arguments(layer.method("backward"), X, upstream)
    after_X, after_upstream = unpack(arguments, 2, "the arguments")
    assert_unchanged(X, after_X, "X", called=BACKWARD)
    assert_unchanged(upstream, after_upstream, "grad", called=BACKWARD)


@number("3.1.2.8")
@weight(0)
@visibility("after_published")
def test_any_dimensions(submission, reference):
    """A ReLU that works for any number of dimensions can be used again elsewhere"""
    for shape in ((4,), (2, 3, 2)):
        X = np.linspace(-1.0, 1.0, int(np.prod(shape))).reshape(shape)
        upstream = X[::-1] + 0.5
        layer = Layer.make(submission, "relu")
        output = layer.forward(X)
        returned = layer.backward(X, upstream)
        called = f"relu on an array of shape {shape}"
        assert_close(output, reference.relu().forward(X), "forward(X)", called=called, hide_expected=True)
        assert_close(returned, right_gradient(reference, X, upstream), RETURNED, called=called, hide_expected=True)
