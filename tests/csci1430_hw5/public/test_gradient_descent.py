"""Q6.4: gradient_descent takes one step: Eq. 4 and 5."""

from __future__ import annotations

from gradescope_utils.autograder_utils.decorators import number, tags, weight
from hypothesis import given

from .network import steps
from .stepping import judge_steps, require_move


@number("Q6.4.1")
@weight(0.25)
@tags("public")
@given(step=steps())
def test_weights(submission, probes, step):
    """A step moves W down its gradient, by the learning rate times that"""
    judge_steps(submission, probes, step, lambda stepped: require_move(stepped, "W"))


@number("Q6.4.2")
@weight(0.25)
@tags("public")
@given(step=steps())
def test_biases(submission, probes, step):
    """A step moves b down its gradient, by the learning rate times that"""
    judge_steps(submission, probes, step, lambda stepped: require_move(stepped, "b"))
