"""3.1.1: the linear layer, by its properties and by numerical gradients."""

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given

from autograder.checks.compare import as_array, assert_close, assert_shape, fail, is_single
from autograder.checks.diagnose import Context
from autograder.checks.gradients import assert_gradient
from autograder.checks.layers import Layer, as_row, linear
from autograder.checks.strategies import linear_batches

FORWARD = "layer.forward(X)"
BACKWARD = "layer.forward(X), then layer.backward(X, grad)"
SIZES = ((3, 2), (2, 5), (4, 4), (1, 3), (6, 1))


def layer_for(submission, batch):
    """The student's layer with the parameters of the batch."""
    layer = Layer.make(submission, "linear_layer", batch.inputs, batch.outputs)
    layer.set_params(W=batch.W, b=batch.b)
    return layer


def loss_along(batch, **moved):
    """sum(grad * u), the loss whose gradient with respect to the output u is grad, with something moved.

    The handout's own u, not the student's: a bug in forward costs the checks of forward.
    """
    arrays = {"X": batch.X, "W": batch.W, "b": batch.b, **moved}
    return np.sum(batch.upstream * linear(arrays["X"], arrays["W"], arrays["b"]))


@number("3.1.1.1")
@weight(0.5)
@tags("public")
def test_new_layer(submission):
    """A new layer has parameters and zero gradients of the right sizes"""
    for inputs, outputs in SIZES:
        called = f"linear_layer({inputs}, {outputs})"
        layer = Layer.make(submission, "linear_layer", inputs, outputs)
        W = as_array(layer.param("W"), "params['W']", called=called)
        if W.shape == (outputs, inputs) != (inputs, outputs):
            expected = f"shape {(inputs, outputs)}: one row per input"
            fail(f"params['W'] has shape {W.shape}", called=called, expected=expected, cause="transposed")
        assert_shape(W, (inputs, outputs), "params['W']", called=called)
        as_row(layer.param("b"), outputs, "params['b']", called=called)
        gradients = {
            "gradient['W']": as_array(layer.gradient("W"), "gradient['W']", shape=(inputs, outputs), called=called),
            "gradient['b']": as_row(layer.gradient("b"), outputs, "gradient['b']", called=called),
        }
        for name, gradient in gradients.items():
            if np.any(gradient):
                fail(f"{name} of a new layer is not zero:\n{gradient}", called=called, expected="zeros")


@number("3.1.1.2")
@weight(0.5)
@tags("public")
def test_bias_is_a_row(submission):
    """The bias and its gradient are rows: shape (1, output_D)"""
    for inputs, outputs in SIZES:
        called = f"linear_layer({inputs}, {outputs})"
        layer = Layer.make(submission, "linear_layer", inputs, outputs)
        assert_shape(layer.param("b"), (1, outputs), "params['b']", called=called)
        assert_shape(layer.gradient("b"), (1, outputs), "gradient['b'] of a new layer", called=called)
        X, upstream = np.ones((3, inputs)), np.ones((3, outputs))
        layer.forward(X)
        layer.backward(X, upstream)
        assert_shape(layer.gradient("b"), (1, outputs), "gradient['b']", called=BACKWARD)


@number("3.1.1.3")
@weight(0.5)
@tags("public")
@given(batch=linear_batches())
def test_forward_adds_up(submission, batch):
    """forward: a row of zeros gives b, and rows that add up give outputs that add up"""
    layer = layer_for(submission, batch)
    # In one call: a row of zeros, each feature alone, and the rows of the batch.
    X = np.concatenate([np.zeros((1, batch.inputs)), np.eye(batch.inputs), batch.X])
    output = as_array(layer.forward(X), "forward(X)", shape=(len(X), batch.outputs), called=FORWARD)
    nothing, features, rows = np.split(output, [1, 1 + batch.inputs])
    if np.any(features) and not np.any(nothing):
        fail(f"forward of a row of zeros gives {nothing}", called=FORWARD, expected="b", cause="missing_bias")
    assert_close(nothing, batch.b, "forward of a row of zeros", called=FORWARD)
    assert_close(features - nothing, batch.W, "what each feature alone, set to 1, adds to b", called=FORWARD)
    assert_close(rows - nothing, batch.X @ batch.W, "what the features of each row add to b", called=FORWARD)


@number("3.1.1.4")
@weight(0.5)
@tags("public")
@given(batch=linear_batches())
def test_weight_gradient(submission, batch):
    """backward stores the gradient of the loss with respect to W"""
    layer = layer_for(submission, batch)
    layer.forward_and_backward(batch.X, batch.upstream, called=BACKWARD)
    gradient = layer.gradient("W")
    assert_gradient(
        gradient,
        lambda W: loss_along(batch, W=W),
        at=batch.W,
        name="gradient['W']",
        called=BACKWARD,
        context=Context(batch_size=batch.rows),
        single=is_single(gradient),
    )


@number("3.1.1.5")
@weight(0.25)
@tags("public")
@given(batch=linear_batches())
def test_bias_gradient(submission, batch):
    """backward stores the gradient of the loss with respect to b"""
    layer = layer_for(submission, batch)
    layer.forward_and_backward(batch.X, batch.upstream, called=BACKWARD)
    gradient = layer.gradient("b")
    assert_gradient(
        as_row(gradient, batch.outputs, "gradient['b']", called=BACKWARD),
        lambda b: loss_along(batch, b=b),
        at=batch.b,
        name="gradient['b']",
        called=BACKWARD,
        context=Context(batch_size=batch.rows),
        single=is_single(gradient),
    )


@number("3.1.1.6")
@weight(0.25)
@tags("public")
@given(batch=linear_batches())
def test_input_gradient(submission, batch):
    """backward returns the gradient of the loss with respect to X"""
    layer = layer_for(submission, batch)
    returned = layer.forward_and_backward(batch.X, batch.upstream, called=BACKWARD)
    assert_gradient(
        returned,
        lambda X: loss_along(batch, X=X),
        at=batch.X,
        name="the gradient that backward returns",
        called=BACKWARD,
        context=Context(batch_size=batch.rows),
        single=is_single(returned),
    )
