"""3.1.3: one step of gradient descent on layers of ours."""

import dataclasses

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given

from autograder.checks.compare import as_array, as_mapping, assert_close, call, fail
from autograder.checks.diagnose import Context
from autograder.checks.layers import as_row, held_params, linear_stand_in, loss_stand_in, relu_stand_in
from autograder.checks.strategies import descent_steps

STEP = "miniBatchGradientDescent(model, {})"


def network(example):
    """A model of our own layers, with the example's gradients in its two linear layers."""
    return {
        "L1": linear_stand_in(example.W1, example.b1, example.gradients["L1"]),
        "nonlinear1": relu_stand_in(),
        "L2": linear_stand_in(example.W2, example.b2, example.gradients["L2"]),
        "loss": loss_stand_in(),
    }


def movements(submission, example, called):
    """How far one step moves each parameter, by layer and name: before - after."""
    returned = call(submission, "miniBatchGradientDescent", network(example), example.rate, name="")
    model = as_mapping(returned, ["L1", "L2"], "the returned model", called=called)
    moved = {}
    for layer, entries in example.params.items():
        params = held_params(model[layer], f"model[{layer!r}]")
        for key, old in entries.items():
            name = f"model[{layer!r}].params[{key!r}]"
            new = as_row(params[key], old.size, name, called=called) if key == "b" else params[key]
            moved[layer, key] = old - as_array(new, name, shape=old.shape, called=called)
    return moved


@number("3.1.3.1")
@weight(0.5)
@tags("public")
@given(example=descent_steps())
def test_step(submission, example):
    """One step moves every parameter against its gradient, by the learning rate times the gradient"""
    rate, called = example.rate, STEP.format(example.rate)
    moved = movements(submission, example, called)
    still = [place for place, distance in moved.items() if not np.any(distance)]
    if still:
        names = ", ".join("model[{!r}].params[{!r}]".format(*place) for place in still)
        cause = "no_step" if len(still) == len(moved) else "updates_subset"
        fail(f"{names}: the same after the step as before", called=called, cause=cause)
    for (layer, key), distance in moved.items():
        gradient = example.gradients[layer][key]

        def with_other_rate(place=(layer, key)):
            return movements(submission, dataclasses.replace(example, rate=3 * rate), called)[place] / rate

        bugs = {"ascends": -gradient, "learning_rate_ignored": with_other_rate, "learning_rate_twice": gradient * rate}
        name = f"(before - after) / learning rate, for model[{layer!r}].params[{key!r}]"
        assert_close(distance / rate, gradient, name, called=called, atol=1e-4, context=Context(alternatives=bugs))


@number("3.1.3.2")
@weight(0.25)
@tags("public")
def test_returns_the_model(submission):
    """The step returns the model, with all of its layers, also those that have no parameters"""
    called = STEP.format(0.5)
    W, b = np.array([[0.5, -1.0], [2.0, 0.3]]), np.array([[0.1, -0.2]])
    gradient = {"W": np.ones((2, 2)), "b": np.ones((1, 2))}
    model = {
        "loss": loss_stand_in(),
        "L2": linear_stand_in(W, b, gradient),
        "nonlinear1": relu_stand_in(),
        "L1": linear_stand_in(W, b, gradient),
    }
    returned = call(submission, "miniBatchGradientDescent", model, 0.5, name="")
    after = as_mapping(returned, list(model), "the returned model", called=called)
    for layer in ("L1", "L2"):
        W_after = as_array(held_params(after[layer], f"model[{layer!r}]")["W"], "params['W']", shape=W.shape)
        if np.array_equal(W_after, W):
            fail(f"model[{layer!r}].params['W']: the same after the step as before", called=called)
