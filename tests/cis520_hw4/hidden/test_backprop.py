"""Problem 1 as code: the handout's size, extreme numbers, and arguments left alone."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks.compare import assert_close, assert_unchanged
from autograder.checks.diagnose import Context

from ..public.two_layers import (
    FILE,
    FORWARD,
    GRADIENTS,
    LARGE,
    NAMES,
    arguments_afterwards,
    in_shape,
    make_example,
    outputs,
    student_gradients,
    student_outputs,
    wrong_loss_gradients,
    wrong_outputs,
)


@number("1.7")
@weight(2)
@visibility("after_published")
@pytest.mark.needs_file(FILE)
def test_five_hundred_units(probes):
    """With 500 hidden units, as in the handout, the values and all four gradients are right"""
    for seed in (1, 2, 3):
        example = make_example(LARGE, seed)
        a1 = np.tanh(example.x @ example.W1 + example.b1)
        a2 = outputs(example.x, *example.parameters)
        context = Context(alternatives=wrong_outputs(example))
        assert_close(student_outputs(probes, example), a2, "a2", called=FORWARD, context=context)
        error2 = example.y - a2
        error1 = (example.W2 @ error2) * (1 - a1**2)
        wanted = {"W1": np.outer(example.x, error1), "b1": error1, "W2": np.outer(a1, error2), "b2": error2}
        found, slips = student_gradients(probes, example), wrong_loss_gradients(example)
        for name in NAMES:
            got = in_shape(found[name], getattr(example, name), name)
            assert_close(got, wanted[name], f"gradients[{name!r}]", called=GRADIENTS, hide_expected=True,
                         context=Context(alternatives=slips[name]))  # fmt: skip


@number("1.8")
@weight(1)
@visibility("after_published")
@pytest.mark.needs_file(FILE)
def test_large_numbers(probes):
    """Scores of +-30 give probabilities near 0 and 1, and finite gradients"""
    example = make_example((2, 3, 2), 5)
    example = type(example)(
        example.x, np.array([0.0, 1.0]), example.W1, example.b1, example.W2, np.array([30.0, -30.0])
    )
    a2 = outputs(example.x, *example.parameters)
    assert_close(student_outputs(probes, example), a2, "a2", called=FORWARD)
    found = student_gradients(probes, example)
    assert_close(in_shape(found["b2"], example.b2, "b2"), example.y - a2, "gradients['b2']", called=GRADIENTS,
                 rtol=1e-3, atol=1e-3)  # fmt: skip


@number("1.9")
@weight(1)
@visibility("after_published")
@pytest.mark.needs_file(FILE)
def test_arguments_are_left_alone(probes):
    """gradients changes none of its arguments"""
    example = make_example((2, 3, 2), 7)
    after = arguments_afterwards(probes, example)
    for name in ("x", "y", *NAMES):
        before = getattr(example, name)
        now = after.get(name)
        if isinstance(now, np.ndarray) and now.size == before.size:
            now = now.reshape(before.shape)
        assert_unchanged(before, now, name, called=GRADIENTS)
