"""Layers in checks: a student's is held safely, and ours compute what the handout says."""

import types

import numpy as np
import pytest

from autograder.checks.compare import CheckFailed
from autograder.checks.gradients import assert_gradient
from autograder.checks.layers import (
    Layer,
    as_row,
    cross_entropy,
    held_params,
    linear,
    linear_stand_in,
    loss_stand_in,
    pull_back,
    rectified,
    relu_stand_in,
)
from autograder.checks.strategies import MLP_CASES, mlp_batch
from autograder.sandbox.proxy import StudentError

BATCH = mlp_batch(MLP_CASES[0], 3)
LABELS = np.array([[0.0], [2.0], [1.0]])


def called(stand_in, method, *arguments):
    """A stand-in's method, called as the worker would."""
    return stand_in.methods[method](stand_in.fields, *arguments)


def only_for(takes):
    """A backward method that raises an error unless it takes so many rows."""

    def backward(X, grad):
        if not takes(len(X)):
            raise StudentError("ValueError", "shapes do not fit")
        return grad

    return backward


class TestHeldLayer:
    @pytest.mark.parametrize("made", [None, 3, "layer", {"params": {}}, np.ones(2)])
    def test_a_class_that_makes_no_object_is_explained(self, made):
        submission = types.SimpleNamespace(linear_layer=lambda inputs, outputs: made)
        with pytest.raises(CheckFailed, match=r"linear_layer\(3, 2\)"):
            Layer.make(submission, "linear_layer", 3, 2)

    @pytest.mark.parametrize("wrong", [None, 5, "forward", {"W": 1}])
    def test_data_in_place_of_a_class_or_method_is_explained(self, wrong):
        with pytest.raises(CheckFailed, match="linear_layer"):
            Layer.make(types.SimpleNamespace(linear_layer=wrong), "linear_layer", 3, 2)
        layer = Layer(types.SimpleNamespace(forward=wrong, backward=wrong), "relu")
        for use in (lambda: layer.forward(1), lambda: layer.backward(1, 2), lambda: layer.method("forward")):
            with pytest.raises(CheckFailed, match="relu"):
                use()

    @pytest.mark.parametrize("wrong", [None, 5, [1.0], {"w": 1.0}, types.SimpleNamespace(W=1)])
    def test_data_in_place_of_a_dict_is_explained(self, wrong):
        layer = Layer(types.SimpleNamespace(params=wrong, gradient=wrong), "linear_layer")
        for use in (layer.param, layer.gradient):
            with pytest.raises(CheckFailed, match="linear_layer"):
                use("W")

    def test_parameters_are_set_as_one_dict(self):
        layer = Layer(types.SimpleNamespace(), "linear_layer")
        layer.set_params(W=1.0, b=2.0)
        assert (layer.param("W"), layer.param("b")) == (1.0, 2.0)

    @pytest.mark.parametrize(
        ("takes", "named"),
        [(lambda rows: rows == 5, True), (lambda rows: rows < 3, False), (lambda rows: False, False)],
    )
    def test_a_batch_size_is_named_where_it_is_the_only_one_that_works(self, takes, named):
        layer = Layer(types.SimpleNamespace(forward=lambda X: X, backward=only_for(takes)), "linear_layer")
        with pytest.raises(CheckFailed if named else StudentError) as caught:
            layer.forward_and_backward(np.ones((4, 2)), np.ones((4, 3)))
        if named:
            assert caught.value.explanation.cause == "hard_coded_batch"
            assert "a batch of 5 alone" in str(caught.value)

    def test_a_layer_that_takes_the_batch_is_not_asked_again(self):
        asked = []
        held = types.SimpleNamespace(forward=lambda X: X, backward=lambda X, grad: asked.append(len(X)) or grad)
        Layer(held, "linear_layer").forward_and_backward(np.ones((4, 2)), np.ones((4, 3)))
        assert asked == [4]

    def test_an_entry_of_none_is_no_answer_of_a_function(self):
        layer = Layer(types.SimpleNamespace(gradient={"b": None}), "linear_layer")
        with pytest.raises(CheckFailed, match="gradient") as caught:
            layer.gradient("b")
        assert caught.value.explanation.cause == "wrong_type"

    def test_a_flat_row_is_a_row(self):
        np.testing.assert_array_equal(as_row([1, 2], 2, "b"), [[1, 2]])
        np.testing.assert_array_equal(as_row([[1, 2]], 2, "b"), [[1, 2]])
        assert as_row(np.ones((2, 1)), 2, "b", strict=False).shape == (2, 1)
        for wrong in (np.ones((2, 1)), np.ones(3), 1.0, None):
            with pytest.raises(CheckFailed):
                as_row(wrong, 2, "b")


class TestStandIns:
    def test_a_pull_back_is_a_gradient(self):
        upstream = np.arange(6.0).reshape(3, 2)
        W = np.array([[1.0, -2.0], [0.5, 3.0]])
        X = np.array([[1.0, 2.0], [-1.0, 0.5], [0.1, 0.2]])
        np.testing.assert_allclose(pull_back(lambda moved: X @ moved, W, upstream), X.T @ upstream, atol=1e-10)

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("case", MLP_CASES)
    def test_back_propagation_through_all_of_them_is_the_gradient_of_the_loss(self, case, seed):
        batch = mlp_batch(case, seed)
        first, last = linear_stand_in(batch.W1, batch.b1), linear_stand_in(batch.W2, batch.b2)
        relu, loss = relu_stand_in(), loss_stand_in()
        a1 = called(first, "forward", batch.x)
        h1 = called(relu, "forward", a1)
        a2 = called(last, "forward", h1)
        upstream = called(loss, "backward", a2, batch.y)
        called(first, "backward", batch.x, called(relu, "backward", a1, called(last, "backward", h1, upstream)))

        def loss_with(**moved):
            params = {"W1": batch.W1, "b1": batch.b1, "W2": batch.W2, "b2": batch.b2, **moved}
            hidden = rectified(linear(batch.x, params["W1"], params["b1"]))
            return cross_entropy(linear(hidden, params["W2"], params["b2"]), batch.y)

        assert called(loss, "forward", a2, batch.y) == loss_with()
        for layer, key, name in ((first, "W", "W1"), (first, "b", "b1"), (last, "W", "W2"), (last, "b", "b2")):
            assert_gradient(
                layer.fields.gradient[key],
                lambda moved, name=name: loss_with(**{name: moved}),
                at=getattr(batch, name),
                name=name,
            )

    def test_the_loss_is_a_mean_that_survives_large_scores(self):
        assert cross_entropy(np.zeros((3, 4)), LABELS) == pytest.approx(np.log(4))
        assert cross_entropy(np.array([[1000.0, 0.0]]), np.array([[1.0]])) == pytest.approx(1000)

    def test_arguments_of_a_student_are_never_trusted(self):
        layer = linear_stand_in(BATCH.W1, BATCH.b1)
        for wrong in (None, "X", [[1.0], [2.0, 3.0]], np.ones(2), np.full((3, 2), np.nan)):
            with pytest.raises((CheckFailed, ValueError)):
                called(layer, "forward", wrong)
        with pytest.raises(CheckFailed, match="shape"):
            called(layer, "backward", BATCH.x, np.ones((1, 1)))
        with pytest.raises(CheckFailed, match="shape"):
            called(relu_stand_in(), "backward", BATCH.x, BATCH.x.T)

    def test_a_broken_parameter_is_seen_when_it_is_used(self):
        layer = linear_stand_in(BATCH.W1, BATCH.b1)
        for wrong in (None, {"W": BATCH.W1}, {"W": None, "b": BATCH.b1}):
            layer.fields.params = wrong
            with pytest.raises(CheckFailed):
                called(layer, "forward", BATCH.x)

    def test_gradients_can_be_given_and_start_at_zero(self):
        assert not np.any(linear_stand_in(BATCH.W1, BATCH.b1).fields.gradient["W"])
        given = {"W": np.ones((2, 4)), "b": np.ones((1, 4))}
        assert linear_stand_in(BATCH.W1, BATCH.b1, given).fields.gradient == given

    def test_params_are_read_from_a_stand_in_or_a_copy_of_it(self):
        layer = linear_stand_in(BATCH.W1, BATCH.b1)
        assert held_params(layer, "model['L1']")["W"] is BATCH.W1
        assert held_params(types.SimpleNamespace(params={"W": 1, "b": 2}), "model['L1']")["b"] == 2
        del layer.fields.params
        for wrong in (layer, None, {"params": 1}, types.SimpleNamespace(params=3)):
            with pytest.raises(CheckFailed, match="L1"):
                held_params(wrong, "model['L1']")
