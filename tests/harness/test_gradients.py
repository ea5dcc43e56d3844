"""Numerical gradients: right to many digits, cheap when all is well, careful at corners and in float32."""

import numpy as np
import pytest

from autograder.checks.compare import CheckFailed
from autograder.checks.diagnose import Context
from autograder.checks.gradients import (
    assert_gradient,
    directional_derivative,
    numerical_gradient,
    relative_error,
)

AT = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])


def smooth(x):
    return np.sum(np.sin(x) * x**2)


def smooth_gradient(x):
    return np.cos(x) * x**2 + 2 * x * np.sin(x)


def failure_of(*arguments, **keywords):
    with pytest.raises(CheckFailed) as caught:
        assert_gradient(*arguments, name="gradient", **keywords)
    return caught.value.explanation


class Counted:
    """A loss that counts its evaluations."""

    def __init__(self, loss):
        self.loss = loss
        self.count = 0

    def __call__(self, x):
        self.count += 1
        return self.loss(x)


def test_the_numerical_gradient_has_ten_digits():
    np.testing.assert_allclose(numerical_gradient(smooth, AT), smooth_gradient(AT), rtol=1e-8, atol=1e-9)


def test_large_entries_have_larger_steps():
    points = []
    numerical_gradient(lambda x: points.append(float(x[0])) or x[0] ** 2, np.array([1e6]))
    assert points[0] - points[1] == pytest.approx(2 * 1e-5 * 1e6)


def test_a_direction_is_the_gradient_along_it():
    direction = np.array([[1.0, 0.0, -2.0], [0.5, 0.0, 0.0]])
    expected = np.sum(smooth_gradient(AT) * direction)
    assert directional_derivative(smooth, AT, direction) == pytest.approx(expected, rel=1e-8)


def test_the_point_is_not_changed():
    at = AT.copy()
    numerical_gradient(smooth, at)
    np.testing.assert_array_equal(at, AT)


def test_the_relative_error_of_two_zeros_is_zero():
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.ones(3), np.zeros(3)) == 1
    assert relative_error([1e308], [-1e308]) in (1.0, np.inf) or np.isnan(relative_error([1e308], [-1e308]))


def test_a_right_gradient_costs_two_evaluations():
    loss = Counted(smooth)
    assert_gradient(smooth_gradient(AT), loss, at=AT, name="gradient")
    assert loss.count == 2


@pytest.mark.parametrize("at", [np.array([[0.7]]), np.array([1.5, -0.5]), np.ones((3, 4)) * 0.3])
def test_any_shape_is_checked(at):
    assert_gradient(smooth_gradient(at), smooth, at=at, name="gradient")
    for index in np.ndindex(at.shape):
        wrong = smooth_gradient(at)
        wrong[index] += 1e-3
        failure_of(wrong, smooth, at=at)


def test_the_wrong_entry_is_named():
    wrong = smooth_gradient(AT)
    wrong[1, 2] += 0.25
    explanation = failure_of(wrong, smooth, at=AT, called="layer.backward(X, grad)")
    assert explanation.worst.startswith("entry [1, 2]")
    assert explanation.called == "layer.backward(X, grad)"


def test_a_bug_is_named():
    right = smooth_gradient(AT)
    assert failure_of(-right, smooth, at=AT).cause == "sign_flipped"
    assert failure_of(right.T, smooth, at=AT).cause == "transposed"
    assert failure_of(right * 2, smooth, at=AT, context=Context(batch_size=2)).cause == "missing_batch_mean"
    assert failure_of(right.ravel(), smooth, at=AT).cause == "wrong_shape"


def test_expected_values_can_stay_hidden():
    assert failure_of(np.zeros_like(AT), smooth, at=AT, hide_expected=True).expected is None


@pytest.mark.parametrize("got", [None, "gradient", [[1.0], [2.0, 3.0]], np.full((2, 3), np.nan)])
def test_what_is_no_gradient_is_explained(got):
    assert failure_of(got, smooth, at=AT, called="backward()").cause in ("returns_none", "wrong_type", "nan_or_inf")


@pytest.mark.parametrize("value", [None, np.nan, "loss", [1.0, 2.0]])
def test_a_loss_that_is_no_number_is_explained(value):
    assert "the loss" in failure_of(np.ones((2, 3)), lambda x: value, at=AT).got


def test_a_gradient_of_zero_may_be_zero_up_to_rounding():
    assert_gradient(np.zeros((2, 3)), lambda x: 5.0, at=AT, name="gradient")
    assert_gradient(np.full((2, 3), 1e-14), lambda x: 5.0, at=AT, name="gradient")
    failure_of(np.full((2, 3), 1e-3), lambda x: 5.0, at=AT)


def test_a_corner_is_left_out():
    at = np.array([0.0, 1.0, -2.0, 0.5, 3.0])

    def bent(x):
        return np.sum(np.maximum(x, 0.0) * np.array([3.0, 1.0, 1.0, 2.0, 1.0]) + np.abs(x - 2e-6))

    gradient = np.array([0.0, 2.0, -1.0, 3.0, 2.0])
    gradient[0] = 77.0  # at the corner, nobody knows
    assert_gradient(gradient, bent, at=at, name="gradient")
    gradient[1] = 2.5
    assert failure_of(gradient, bent, at=at).worst.startswith("entry [1]")


def test_a_loss_of_chance_is_at_fault_itself():
    random = np.random.default_rng(0)
    explanation = failure_of(np.ones((2, 3)), lambda x: random.normal(), at=AT)
    assert "smoothly" in explanation.got


def test_float32_has_room_and_still_finds_bugs():
    def coarse(x):
        return np.float32(np.sum(np.sin(x.astype(np.float32)) * x.astype(np.float32) ** 2))

    right = smooth_gradient(AT).astype(np.float32)
    assert_gradient(right, coarse, at=AT, name="gradient")
    assert_gradient(smooth_gradient(AT), coarse, at=AT, name="gradient", single=True)
    failure_of((right * 1.2).astype(np.float32), coarse, at=AT)
    failure_of(smooth_gradient(AT) * 1.2, coarse, at=AT, single=True)
