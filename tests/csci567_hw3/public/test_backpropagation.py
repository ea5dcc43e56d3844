"""3.1.4: the student's backward_pass on layers of ours, against numerical gradients of the whole network."""

from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given

from autograder.checks.compare import as_mapping, call
from autograder.checks.diagnose import Context
from autograder.checks.gradients import assert_gradient
from autograder.checks.layers import (
    cross_entropy,
    linear,
    linear_stand_in,
    loss_stand_in,
    rectified,
    relu_stand_in,
)
from autograder.checks.strategies import mlp_batches

BACKWARD_PASS = "backward_pass(model, x, a1, h1, a2, y)"


def loss_of(batch, **moved):
    """The network's loss, with some of its parameters moved."""
    params = {"W1": batch.W1, "b1": batch.b1, "W2": batch.W2, "b2": batch.b2, **moved}
    hidden = rectified(linear(batch.x, params["W1"], params["b1"]))
    return cross_entropy(linear(hidden, params["W2"], params["b2"]), batch.y)


def layers_after_backward_pass(submission, batch):
    """The two linear layers after the student's backward_pass."""
    a1 = linear(batch.x, batch.W1, batch.b1)
    h1 = rectified(a1)
    a2 = linear(h1, batch.W2, batch.b2)
    model = {
        "L1": linear_stand_in(batch.W1, batch.b1),
        "nonlinear1": relu_stand_in(a1),
        "L2": linear_stand_in(batch.W2, batch.b2),
        "loss": loss_stand_in(),
    }
    call(submission, "backward_pass", model, batch.x, a1, h1, a2, batch.y, name="")
    return model["L1"], model["L2"]


def assert_layer_gradient(layer, name, parameters, batch):
    """The gradients in a layer are those of the network's loss; `parameters` are what the batch calls W and b."""
    gradient = as_mapping(getattr(layer.fields, "gradient", None), ["W", "b"], f"model[{name!r}].gradient")
    for key, parameter in zip(("W", "b"), parameters, strict=True):
        assert_gradient(
            gradient[key],
            lambda moved, parameter=parameter: loss_of(batch, **{parameter: moved}),
            at=getattr(batch, parameter),
            name=f"model[{name!r}].gradient[{key!r}]",
            called=BACKWARD_PASS,
            context=Context(batch_size=batch.rows),
        )


@number("3.1.4.1")
@weight(0.75)
@tags("public")
@given(batch=mlp_batches())
def test_last_layer(submission, batch):
    """After backward_pass the last linear layer holds the gradient of the loss"""
    _, last = layers_after_backward_pass(submission, batch)
    assert_layer_gradient(last, "L2", ("W2", "b2"), batch)


@number("3.1.4.2")
@weight(0.75)
@tags("public")
@given(batch=mlp_batches())
def test_first_layer(submission, batch):
    """After backward_pass the first linear layer holds the gradient of the loss"""
    first, _ = layers_after_backward_pass(submission, batch)
    assert_layer_gradient(first, "L1", ("W1", "b1"), batch)
