"""3.1.1: the linear layer against the reference, its start values, and what it must leave alone."""

import dataclasses

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given

from autograder.checks.compare import as_array, assert_close, assert_unchanged, fail, unpack
from autograder.checks.diagnose import Context
from autograder.checks.layers import Layer, as_row
from autograder.checks.strategies import LINEAR_CASES, linear_batch, linear_batches

FORWARD = "layer.forward(X)"
BACKWARD = "layer.forward(X), then layer.backward(X, grad)"

# With this many draws the limits below are more than six standard errors away.
MANY = (120, 100)
MANY_BIASES = 5000
MEAN_LIMIT = 0.1  # times the standard deviation
DEVIATION_LIMITS = (0.09, 0.11)


def layer_for(submission, batch):
    """The student's layer with the parameters of the batch."""
    layer = Layer.make(submission, "linear_layer", batch.inputs, batch.outputs)
    layer.set_params(W=batch.W, b=batch.b)
    return layer


def backward_in(layer, batch):
    """Forward and backward as the course calls them; what backward returns."""
    return layer.forward_and_backward(batch.X, batch.upstream, called=BACKWARD)


def right_layer(reference, batch):
    """The reference's layer after forward and backward on the batch, and what its backward returns."""
    layer = reference.linear_layer(batch.inputs, batch.outputs)
    layer.params = {"W": batch.W, "b": batch.b}
    layer.forward(batch.X)
    return layer, layer.backward(batch.X, batch.upstream)


def assert_start_values(values, name, called):
    """Normal numbers of mean 0 and standard deviation 0.1, as far as that can be told without being unfair."""
    if not np.any(values):
        fail(f"{name} is all zero", called=called, cause="zero_init")
    mean, deviation = float(values.mean()), float(values.std())
    if abs(mean) > MEAN_LIMIT * max(deviation, 0.1):
        fail(f"{name} has a mean of {mean:.3f}", called=called, cause="wrong_init_mean")
    if not DEVIATION_LIMITS[0] < deviation < DEVIATION_LIMITS[1]:
        fail(f"{name} has a standard deviation of {deviation:.3f}", called=called, cause="wrong_init_scale")
    # Of normal numbers 4.6 % are beyond two standard deviations; of uniform ones none.
    far = float(np.mean(np.abs(values) > 2 * deviation))
    if not 0.025 < far < 0.07 or len(np.unique(values)) < values.size // 2:
        fail(f"{name} does not look like independent normal random numbers", called=called)


@number("3.1.1.7")
@weight(0.25)
@visibility("after_published")
def test_start_values(submission):
    """W and b start as normal random numbers of mean 0 and standard deviation 0.1"""
    called = "linear_layer({}, {})".format(*MANY)
    W = as_array(Layer.make(submission, "linear_layer", *MANY).param("W"), "params['W']", shape=MANY, called=called)
    assert_start_values(W, "params['W']", called)
    called = f"linear_layer(1, {MANY_BIASES})"
    b = Layer.make(submission, "linear_layer", 1, MANY_BIASES).param("b")
    assert_start_values(as_row(b, MANY_BIASES, "params['b']", called=called), "params['b']", called)


@number("3.1.1.8")
@weight(0.75)
@visibility("after_published")
@given(batch=linear_batches())
def test_forward(submission, reference, batch):
    """forward gives the right output for every row"""
    right = reference.linear_layer(batch.inputs, batch.outputs)
    right.params = {"W": batch.W, "b": batch.b}
    expected = right.forward(batch.X)
    context = Context(batch_size=batch.rows, alternatives={"missing_bias": expected - batch.b})
    output = layer_for(submission, batch).forward(batch.X)
    assert_close(output, expected, "forward(X)", called=FORWARD, context=context, hide_expected=True)


@number("3.1.1.9")
@weight(0.75)
@visibility("after_published")
@given(batch=linear_batches())
def test_weight_gradient(submission, reference, batch):
    """backward stores the right gradient['W']"""
    layer = layer_for(submission, batch)
    backward_in(layer, batch)
    expected = right_layer(reference, batch)[0].gradient["W"]
    ones = np.ones_like(batch.upstream)
    alternatives = {
        "ignores_upstream": lambda: batch.X.T @ ones,
        "only_batch_one": tuple(np.outer(batch.X[row], batch.upstream[row]) for row in (0, -1)),
    }
    context = Context(batch_size=batch.rows, alternatives=alternatives)
    assert_close(layer.gradient("W"), expected, "gradient['W']", called=BACKWARD, context=context, hide_expected=True)


@number("3.1.1.10")
@weight(0.5)
@visibility("after_published")
@given(batch=linear_batches())
def test_bias_gradient(submission, reference, batch):
    """backward stores the right gradient['b']"""
    layer = layer_for(submission, batch)
    backward_in(layer, batch)
    gradient = as_row(layer.gradient("b"), batch.outputs, "gradient['b']", called=BACKWARD, strict=False)
    expected = right_layer(reference, batch)[0].gradient["b"]
    alternatives = {
        "ignores_upstream": np.full_like(expected, batch.rows),
        "wrong_axis": (np.sum(batch.upstream, axis=1), np.full_like(expected, np.sum(batch.upstream))),
        "only_batch_one": (batch.upstream[:1], batch.upstream[-1:]),
    }
    context = Context(batch_size=batch.rows, alternatives=alternatives)
    assert_close(gradient, expected, "gradient['b']", called=BACKWARD, context=context, hide_expected=True)


@number("3.1.1.11")
@weight(0.5)
@visibility("after_published")
@given(batch=linear_batches())
def test_input_gradient(submission, reference, batch):
    """backward returns the right gradient with respect to X"""
    returned = backward_in(layer_for(submission, batch), batch)
    expected = right_layer(reference, batch)[1]
    ones = np.ones_like(batch.upstream)
    context = Context(batch_size=batch.rows, alternatives={"ignores_upstream": lambda: ones @ batch.W.T})
    name = "the gradient that backward returns"
    assert_close(returned, expected, name, called=BACKWARD, context=context, hide_expected=True)


@number("3.1.1.12")
@weight(0.25)
@visibility("after_published")
def test_forward_only_reads(submission, probes):
    """forward gives its output without changing X, W or b"""
    for case in LINEAR_CASES[:5]:
        batch = linear_batch(case, seed=1)
        layer = layer_for(submission, batch)
        output, arguments = probes.call_and_return_arguments(layer.method("forward"), batch.X)
        (X,) = unpack(arguments, 1, "the arguments")
        as_array(output, "forward(X)", shape=(batch.rows, batch.outputs), called=FORWARD)
        assert_unchanged(batch.X, X, "X", called=FORWARD)
        assert_unchanged(batch.W, layer.param("W"), "params['W']", called=FORWARD, cause="mutates_state")
        assert_unchanged(batch.b, layer.param("b"), "params['b']", called=FORWARD, cause="mutates_state")


@number("3.1.1.13")
@weight(0.5)
@visibility("after_published")
def test_backward_again(submission, reference):
    """backward on a second batch replaces the gradients of the first"""
    called = "layer.backward(...) on one batch, then on another"
    for case in LINEAR_CASES[:5]:
        first = linear_batch(case, seed=1)
        second = dataclasses.replace(first, X=first.X[:1] + 1.0, upstream=2.0 * first.upstream[:1])
        layer = layer_for(submission, first)
        backward_in(layer, first)
        backward_in(layer, second)
        gradients = {
            "W": layer.gradient("W"),
            "b": as_row(layer.gradient("b"), first.outputs, "gradient['b']", called=called, strict=False),
        }
        before, right = (right_layer(reference, batch)[0].gradient for batch in (first, second))
        for key, gradient in gradients.items():
            context = Context(alternatives={"accumulates_gradient": right[key] + before[key]})
            name = f"gradient[{key!r}]"
            assert_close(gradient, right[key], name, called=called, context=context, hide_expected=True)


@number("3.1.1.14")
@weight(0)
@visibility("after_published")
def test_backward_only_reads(submission, probes):
    """Backward should leave the gradient that it is given as it is"""
    X, upstream = np.array([[0.5, -1.0], [2.0, 0.3]]), np.array([[1.0, -2.0, 0.5], [0.1, 0.2, -0.3]])
    layer = Layer.make(submission, "linear_layer", 2, 3)
    layer.forward(X)
    _, arguments = probes.call_and_return_arguments(layer.method("backward"), X, upstream)
    _, after = unpack(arguments, 2, "the arguments")
    assert_unchanged(upstream, after, "grad", called=BACKWARD)
