"""3.1.2: the ReLU, by its properties and by numerical gradients."""

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given

from autograder.checks.compare import as_array, assert_close, is_single
from autograder.checks.diagnose import Context
from autograder.checks.gradients import assert_gradient
from autograder.checks.layers import Layer, rectified
from autograder.checks.strategies import relu_batches

FORWARD = "relu().forward(X)"
BACKWARD = "layer = relu(); layer.forward(X); layer.backward(X, grad)"
RETURNED = "the gradient that backward returns"


@number("3.1.2.1")
@weight(0.75)
@tags("public")
@given(batch=relu_batches())
def test_forward(submission, batch):
    """forward keeps positive entries and sets negative ones to 0"""
    output = as_array(
        Layer.make(submission, "relu").forward(batch.X), "forward(X)", shape=batch.X.shape, called=FORWARD
    )
    positive = batch.X > 0
    bugs = Context(alternatives={"missing_relu": batch.X, "inverted_mask": np.minimum(batch.X, 0.0)})
    expected = np.zeros_like(batch.X)
    expected[positive] = batch.X[positive]
    assert_close(output, expected, "forward(X)", called=FORWARD, context=bugs)


@number("3.1.2.2")
@weight(0.75)
@tags("public")
@given(batch=relu_batches())
def test_gradient(submission, batch):
    """backward returns the gradient of the loss with respect to X"""
    layer = Layer.make(submission, "relu")
    layer.do_forward(batch.X)
    returned = layer.backward(batch.X, batch.upstream)
    assert_gradient(
        returned,
        lambda X: np.sum(batch.upstream * rectified(X)),
        at=batch.X,
        name=RETURNED,
        called=BACKWARD,
        context=Context(batch_size=batch.rows, alternatives={"missing_mask": batch.upstream}),
        single=is_single(returned),
    )
