"""Problem 1 as code: the forward pass and the gradients, against numerical ones."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given

from autograder.checks.compare import assert_close, assert_shape
from autograder.checks.diagnose import Context
from autograder.checks.gradients import assert_gradient

from .two_layers import (
    CASES,
    FILE,
    FORWARD,
    GRADIENTS,
    NAMES,
    in_shape,
    loss,
    make_example,
    network_examples,
    outputs,
    student_gradients,
    student_outputs,
    wrong_loss_gradients,
    wrong_outputs,
)


def assert_gradient_of(probes, example, name):
    """One of the four, against differences of the loss."""
    at = getattr(example, name)
    assert_gradient(
        in_shape(student_gradients(probes, example)[name], at, name),
        lambda value: loss(example, example.changed(name, value)),
        at=at,
        name=f"gradients[{name!r}]",
        called=GRADIENTS,
        context=Context(alternatives=wrong_loss_gradients(example)[name]),
    )


@number("1.1")
@weight(2)
@tags("public")
@pytest.mark.needs_file(FILE)
@given(example=network_examples())
def test_forward(probes, example):
    """forward gives a2 = sigmoid(tanh(x W1 + b1) W2 + b2)"""
    wanted = outputs(example.x, *example.parameters)
    context = Context(alternatives=wrong_outputs(example))
    assert_close(student_outputs(probes, example), wanted, "a2", called=FORWARD, context=context)


@number("1.2")
@weight(1)
@tags("public")
@pytest.mark.needs_file(FILE)
def test_shapes(probes):
    """Each gradient has the shape of its parameter"""
    example = make_example(CASES[0], 0)
    found = student_gradients(probes, example)
    for name in NAMES:
        assert_shape(found[name], getattr(example, name).shape, f"gradients[{name!r}]", called=GRADIENTS)


@number("1.3")
@weight(2)
@tags("public")
@pytest.mark.needs_file(FILE)
@given(example=network_examples())
def test_W2(probes, example):
    """dLoss/dW2 is the slope of the loss as printed in equation 5"""
    assert_gradient_of(probes, example, "W2")


@number("1.4")
@weight(2)
@tags("public")
@pytest.mark.needs_file(FILE)
@given(example=network_examples())
def test_b2(probes, example):
    """dLoss/db2 is the slope of the loss as printed in equation 5"""
    assert_gradient_of(probes, example, "b2")


@number("1.5")
@weight(2)
@tags("public")
@pytest.mark.needs_file(FILE)
@given(example=network_examples())
def test_W1(probes, example):
    """dLoss/dW1 is the slope of the loss as printed in equation 5"""
    assert_gradient_of(probes, example, "W1")


@number("1.6")
@weight(2)
@tags("public")
@pytest.mark.needs_file(FILE)
@given(example=network_examples())
def test_b1(probes, example):
    """dLoss/db1 is the slope of the loss as printed in equation 5"""
    assert_gradient_of(probes, example, "b1")
