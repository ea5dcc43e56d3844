"""Q6.4: gradient_descent, several steps in a row and what must stay as it was."""

from __future__ import annotations

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given

from autograder.checks.compare import assert_shape, fail

from ..public.network import steps
from ..public.stepping import DESCENT, Stepped, judge_steps, require_move

# Gradients of changing sign and size, as in a real training.
FACTORS = (1.0, -0.5, 2.0)


@number("Q6.4.3")
@weight(0.25)
@visibility("after_published")
@given(step=steps())
def test_several_steps(submission, probes, step):
    """Each of several steps follows its own gradients, up and down"""

    def judge(stepped: Stepped) -> None:
        for name in ("W", "b"):
            require_move(stepped, name, sum(FACTORS), hide_expected=True)

    judge_steps(submission, probes, step, judge, FACTORS)


@number("Q6.4.4")
@weight(0.25)
@visibility("after_published")
@given(step=steps())
def test_shapes(submission, probes, step):
    """After a step W and b have changed and still have their shapes"""

    def judge(stepped: Stepped) -> None:
        if not (np.any(stepped.moved("W")) and np.any(stepped.moved("b"))):
            fail("model.W or model.b is the same after the step as before", called=DESCENT)
        assert_shape(stepped.W, step.W.shape, "model.W", called=DESCENT)
        assert_shape(stepped.b, step.b.shape, "model.b", called=DESCENT)

    judge_steps(submission, probes, step, judge)
