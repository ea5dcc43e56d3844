"""3.1.4: the student's backward_pass on layers of ours, against the reference's."""

import dataclasses
from collections import defaultdict

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given

from autograder.checks.compare import (
    as_array,
    as_mapping,
    assert_close,
    assert_unchanged,
    attribute,
    call,
    fail,
    require_object,
    unpack,
)
from autograder.checks.diagnose import Context
from autograder.checks.layers import held_params, linear_stand_in, loss_stand_in, relu_stand_in
from autograder.checks.strategies import MLP_CASES, mlp_batch, mlp_batches

BACKWARD_PASS = "backward_pass(model, x, a1, h1, a2, y)"
PLACES = (("L2", "W"), ("L2", "b"), ("L1", "W"), ("L1", "b"))


def right_model(reference, batch):
    """The reference's network with the parameters of the batch."""
    model = {
        "L1": reference.linear_layer(batch.inputs, batch.hidden),
        "nonlinear1": reference.relu(),
        "L2": reference.linear_layer(batch.hidden, batch.classes),
        "loss": reference.softmax_cross_entropy(),
    }
    model["L1"].params = {"W": batch.W1, "b": batch.b1}
    model["L2"].params = {"W": batch.W2, "b": batch.b2}
    return model


def right_gradients(reference, batch):
    """The gradients by layer and name, and the outputs (a1, h1, a2) of the forward pass."""
    model = right_model(reference, batch)
    *outputs, _ = reference.forward_pass(model, batch.x, batch.y)
    reference.backward_pass(model, batch.x, *outputs, batch.y)
    return {(layer, key): model[layer].gradient[key] for layer, key in PLACES}, outputs


def our_model(batch, a1, calls=None):
    """Our own layers, as they are after the forward pass; `calls` learns which methods of a layer are called."""
    noted = defaultdict(list) if calls is None else calls
    return {
        "L1": linear_stand_in(batch.W1, batch.b1, calls=noted["L1"]),
        "nonlinear1": relu_stand_in(a1, noted["nonlinear1"]),
        "L2": linear_stand_in(batch.W2, batch.b2, calls=noted["L2"]),
        "loss": loss_stand_in(),
    }


def gradients_in(model):
    """What stands in the two linear layers now, by layer and name."""
    found = {}
    for layer in ("L2", "L1"):
        value = getattr(model[layer].fields, "gradient", None)
        gradient = as_mapping(value, ["W", "b"], f"model[{layer!r}].gradient", called=BACKWARD_PASS)
        found |= {(layer, key): gradient[key] for key in ("W", "b")}
    return found


def chained(reference, batch, outputs, *, labels=None, second_input=None, scores_as_gradient=False, relu=None):
    """The gradients by layer and name, with one link of the chain exchanged.

    labels and second_input are handed to the loss and to the second layer; relu(a1, gradient) is the ReLU's part.
    """
    a1, h1, a2 = outputs
    model = right_model(reference, batch)
    gradient = a2 if scores_as_gradient else model["loss"].backward(a2, batch.y if labels is None else labels)
    gradient = model["L2"].backward(h1 if second_input is None else second_input, gradient)
    model["L1"].backward(batch.x, np.where(a1 > 0, gradient, 0.0) if relu is None else relu(a1, gradient))
    return {(layer, key): model[layer].gradient[key] for layer, key in PLACES}


def known_bugs(reference, batch, outputs, calls, place):
    """What the known bugs would leave at a place, by cause."""
    a1, _, a2 = outputs

    def left_by(**exchanged):
        return lambda: chained(reference, batch, outputs, **exchanged)[place]

    # The first layer did not get what the ReLU returned: was it asked too late, or not at all?
    unmasked = "wrong_order" if "backward" in calls["nonlinear1"] else "missing_mask"
    bugs = {
        "wrong_argument": (left_by(second_input=a1),),
        "ignores_upstream": (left_by(scores_as_gradient=True),),
        "wrong_label_index": (left_by(labels=np.argmax(a2, axis=1)[:, np.newaxis]),),
        "wrong_order": (left_by(relu=lambda a1, gradient: np.where(gradient > 0, a1, 0.0)),),
    }
    return {**bugs, unmasked: (*bugs.get(unmasked, ()), left_by(relu=lambda a1, gradient: gradient))}


def assert_gradients(reference, batch, model, calls, called):
    """What stands in the layers is what the reference computes."""
    expected, outputs = right_gradients(reference, batch)
    for place, gradient in gradients_in(model).items():
        name = "model[{!r}].gradient[{!r}]".format(*place)
        if "backward" not in calls[place[0]] and not np.any(as_array(gradient, name, called=called)):
            fail(f"{name} is all zero: backward of this layer is not called", called=called, cause="no_backward")
        assert_close(
            gradient,
            expected[place],
            name,
            called=called,
            context=Context(batch.rows, known_bugs(reference, batch, outputs, calls, place)),
            hide_expected=True,
        )


@number("3.1.4.3")
@weight(1.5)
@visibility("after_published")
@given(batch=mlp_batches())
def test_gradients(submission, reference, batch):
    """backward_pass leaves the right gradients in both linear layers"""
    _, outputs = right_gradients(reference, batch)
    calls = defaultdict(list)
    model = our_model(batch, outputs[0], calls)
    call(submission, "backward_pass", model, batch.x, *outputs, batch.y, name="")
    assert_gradients(reference, batch, model, calls, BACKWARD_PASS)


@number("3.1.4.4")
@weight(0.5)
@visibility("after_published")
def test_next_batch(submission, reference):
    """backward_pass on a second batch leaves the gradients of that batch alone"""
    for case in MLP_CASES[:4]:
        first = mlp_batch(case, seed=1)
        second = dataclasses.replace(first, x=first.x[:1], y=(first.y[:1] + 1.0) % first.classes)
        calls = defaultdict(list)
        model = our_model(first, None, calls)
        for batch in (first, second):
            _, outputs = right_gradients(reference, batch)
            model["nonlinear1"].fields.mask = outputs[0] > 0
            call(submission, "backward_pass", model, batch.x, *outputs, batch.y, name="")
        assert_gradients(reference, second, model, calls, "backward_pass(...) on one batch, then on another")


@number("3.1.4.5")
@weight(0.5)
@visibility("after_published")
def test_only_gradients_change(submission, probes, reference):
    """backward_pass computes gradients, and changes no parameter and none of its arguments"""
    function = require_object(attribute(submission, "backward_pass", "the submission"), "backward_pass")
    for case in MLP_CASES[:4]:
        batch = mlp_batch(case, seed=2)
        _, outputs = right_gradients(reference, batch)
        model = our_model(batch, outputs[0])
        given_arrays = (batch.x, *outputs, batch.y)
        _, arguments = probes.call_and_return_arguments(function, model, *given_arrays)
        _, *after = unpack(arguments, 6, "the arguments")
        assert_some_gradient(model)
        for name, before, array in zip(("x", "a1", "h1", "a2", "y"), given_arrays, after, strict=True):
            assert_unchanged(before, array, name, called=BACKWARD_PASS)
        for layer, before in (("L1", (batch.W1, batch.b1)), ("L2", (batch.W2, batch.b2))):
            params = held_params(model[layer], f"model[{layer!r}]")
            for key, array in zip(("W", "b"), before, strict=True):
                name = f"model[{layer!r}].params[{key!r}]"
                assert_unchanged(array, params[key], name, called=BACKWARD_PASS, cause="mutates_state")


def assert_some_gradient(model):
    """Every gradient is there, right or wrong: where nothing is computed, nothing can be changed either."""
    for place, gradient in gradients_in(model).items():
        name = "model[{!r}].gradient[{!r}]".format(*place)
        if not np.any(as_array(gradient, name, called=BACKWARD_PASS)):
            fail(f"{name} is all zero", called=BACKWARD_PASS, expected="the gradient of the loss")
