"""3.1.3: gradient descent on layers of ours, against the update rule."""

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given

from autograder.checks.compare import as_array, as_mapping, assert_close, call, fail
from autograder.checks.diagnose import Context, same
from autograder.checks.layers import as_row, held_params, linear_stand_in, loss_stand_in, relu_stand_in
from autograder.checks.strategies import DESCENT_CASES, descent_step, descent_steps
from autograder.sandbox.proxy import StandIn

ORDER = (("L1", "W"), ("L1", "b"), ("L2", "W"), ("L2", "b"))


def network(example):
    """A model of our own layers, with the example's gradients in its two linear layers."""
    return {
        "L1": linear_stand_in(example.W1, example.b1, example.gradients["L1"]),
        "nonlinear1": relu_stand_in(),
        "L2": linear_stand_in(example.W2, example.b2, example.gradients["L2"]),
        "loss": loss_stand_in(),
    }


def step(submission, model, rate, called):
    """The model after one step, and its parameters by layer and name."""
    returned = call(submission, "miniBatchGradientDescent", model, rate, name="")
    model = as_mapping(returned, ["L1", "L2"], "the returned model", called=called)
    after = {layer: held_params(model[layer], f"model[{layer!r}]") for layer in ("L1", "L2")}
    for layer, params in after.items():
        params["W"] = as_array(params["W"], f"model[{layer!r}].params['W']", ndim=2, called=called)
        name = f"model[{layer!r}].params['b']"
        params["b"] = as_row(params["b"], params["W"].shape[1], name, called=called)
    return model, after


def assert_stepped(after, before, gradients, rate, called, ignores_rate):
    """Every parameter is where the rule puts it; the message names the bug that the whole network shows.

    `ignores_rate` says whether a step with another rate is as long as this one; it is asked only of a wrong step.
    """
    right = {(layer, key): before[layer][key] - rate * gradients[layer][key] for layer, key in ORDER}
    stuck = [place for place in ORDER if same(after[place[0]][place[1]], before[place[0]][place[1]])]
    if stuck:
        names = ", ".join("model[{!r}].params[{!r}]".format(*place) for place in stuck)
        cause = "no_step" if len(stuck) == len(ORDER) else "updates_subset"
        fail(f"{names}: the same after the step as before", called=called, cause=cause)
    for layer, key in ORDER:
        old, gradient = before[layer][key], gradients[layer][key]

        def without_rate(came=after[layer][key]):
            return came if ignores_rate() else np.full_like(came, np.nan)

        alternatives = {
            "ascends": old + rate * gradient,
            "learning_rate_ignored": without_rate,
            "learning_rate_twice": old - rate * rate * gradient,
        }
        assert_close(
            after[layer][key],
            right[layer, key],
            f"model[{layer!r}].params[{key!r}] after the step",
            called=called,
            context=Context(alternatives=alternatives),
            hide_expected=True,
        )


def share_of_gradient(before, after, gradients):
    """The factor k of a step `after = before - k * gradient`, or None where the step is no multiple of the gradient."""
    moved = np.concatenate([(before[layer][key] - after[layer][key]).ravel() for layer, key in ORDER])
    gradient = np.concatenate([gradients[layer][key].ravel() for layer, key in ORDER])
    factor = float(np.vdot(moved, gradient) / np.vdot(gradient, gradient))
    return factor if factor and same(moved, factor * gradient) else None


@number("3.1.3.3")
@weight(0.75)
@visibility("after_published")
@given(example=descent_steps())
def test_step(submission, example):
    """One step puts every parameter where the update rule says"""
    called = f"miniBatchGradientDescent(model, {example.rate})"
    _, after = step(submission, network(example), example.rate, called)

    def ignores_rate():
        _, elsewhere = step(submission, network(example), 3 * example.rate, called)
        return all(same(elsewhere[layer][key], after[layer][key]) for layer, key in ORDER)

    assert_stepped(after, example.params, example.gradients, example.rate, called, ignores_rate)


@number("3.1.3.4")
@weight(0.5)
@visibility("after_published")
def test_second_step(submission):
    """A second step starts from the first, and depends on the new gradient and rate alone"""
    for case in DESCENT_CASES[:5]:
        example = descent_step(case, seed=1)
        rates = example.rate, example.rate / 2
        called = "miniBatchGradientDescent(model, {}), new gradients, then with rate {}".format(*rates)
        first, second = example.gradients, example.later_gradients
        model, between = step(submission, network(example), rates[0], called)
        for layer in ("L1", "L2"):
            holder = model[layer].fields if isinstance(model[layer], StandIn) else model[layer]
            holder.gradient = second[layer]
        _, after = step(submission, model, rates[1], called)
        factors = share_of_gradient(example.params, between, first), share_of_gradient(between, after, second)

        # The second rate is half of the first: a step that is as long as the first does not depend on it.
        def ignores_rate(factors=factors):
            return None not in factors and same(factors[0], factors[1])

        assert_stepped(after, between, second, rates[1], called, ignores_rate)
