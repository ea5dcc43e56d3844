"""Q6.2: where train_nn ends, compared with gradient descent in every possible order, and that it learns."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.compare import CheckFailed, as_array, as_scalar, fail, show
from autograder.sandbox.proxy import StudentError

from ..public.network import KINDS, PIXELS, Array, DataSet, Settings, cases, make_data, random_numbers
from ..public.training import (
    TRAIN,
    Methods,
    Task,
    Trained,
    least_surprising,
    train,
    train_with,
    ways_to_replace,
)
from .solution import accuracy, ends_of_all_orders, gradients, loss, mean_loss, softmax

LOOSE = 1e-4
LOOSE_SINGLE = 2e-3


def right_methods(task: Task, bias_shape: tuple[int, ...]) -> Methods:
    """The handout's formulas as methods, working on the W and b of the object that they are called on."""

    def forward_pass(fields: SimpleNamespace, inputs: Any) -> Array:
        W, b = as_array(fields.W, "model.W"), as_array(fields.b, "model.b")
        return softmax(np.atleast_2d(as_array(inputs, "the image") @ W + b))

    def loss_of_one(fields: SimpleNamespace, probabilities: Any, gt_label: Any) -> float:
        return loss(as_array(probabilities, "the probabilities", ndim=2), int(as_scalar(gt_label, "the label")))

    def back_propagation(fields: SimpleNamespace, img: Any, probabilities: Any, gt_label: Any) -> tuple[Array, Array]:
        row = as_array(probabilities, "the probabilities", ndim=2)
        gradW, gradB = gradients(as_array(img, "the image").reshape(-1), row, int(as_scalar(gt_label, "the label")))
        return gradW, gradB.reshape(bias_shape)

    def gradient_descent(fields: SimpleNamespace, gradW: Any, gradB: Any) -> None:
        rate = task.settings.learning_rate
        fields.W = as_array(fields.W, "model.W") - rate * as_array(gradW, "gradW")
        fields.b = as_array(fields.b, "model.b") - rate * as_array(gradB, "gradB")

    return {
        "forward_pass": forward_pass,
        "loss": loss_of_one,
        "back_propagation": back_propagation,
        "gradient_descent": gradient_descent,
    }


def require_training(submission: Any, probes: Any, task: Task, judge: Callable[[Trained], None]) -> None:
    """Raises what `judge` raises, unless train_nn satisfies it with our methods in the others' place, or as it is.

    With ours a bug in another method does no harm; as it is a train_nn need not call them at all.
    """
    first, *others = (
        functools.partial(
            train_with, submission, probes, task, right_methods(task, bias_shape), through_class=through_class
        )
        for through_class, bias_shape in ways_to_replace(task)
    )
    failures: list[CheckFailed | StudentError] = []
    for run in (first, functools.partial(train, submission, probes, task), *others):
        try:
            return judge(run())
        except (CheckFailed, StudentError) as failure:
            failures.append(failure)
    raise least_surprising(failures)


def small_tasks() -> st.SearchStrategy[Task]:
    """Up to three images and two epochs, so that all orders can be tried."""
    return cases(_make_task, (2, 1, 3), PIXELS, (3, 2, 4), KINDS, (1, 2), (0.5, 0.1, 2.0))


def _make_task(count: int, pixels: int, classes: int, kind: str, epochs: int, rate: float, seed: int) -> Task:
    generator = np.random.default_rng(seed)
    data = make_data(count, pixels, classes, kind, seed)
    W, b = random_numbers(generator, (pixels, classes)), random_numbers(generator, (1, classes))
    return Task(data, Settings(rate, epochs), W, b)


@number("Q6.2.4")
@weight(0.5)
@visibility("after_published")
@given(task=small_tasks())
def test_gradient_descent(submission, probes, task):
    """train_nn ends where one step for each image and epoch leads, in some order"""

    def judge(trained: Trained) -> None:
        tolerance = LOOSE_SINGLE if trained.single else LOOSE
        W, b = ends_of_all_orders(task)
        distances = np.abs(W - trained.W).max(axis=(1, 2)) + np.abs(b - trained.b).max(axis=(1, 2))
        if np.min(distances) > tolerance:
            fail(
                "the training does not end where gradient descent leads.\n"
                f"W =\n{show(trained.W)}\nb = {show(trained.b)}",
                called=TRAIN,
                expected="the W and b to which one step for each image and epoch leads, in any order",
            )

    require_training(submission, probes, task, judge)


def separable_task() -> Task:
    """Three clusters of images that a line can tell apart, and a network that does not know them yet."""
    generator = np.random.default_rng(7)
    labels = np.arange(17) % 3
    centres = np.array([[2, 0, 0, 1], [0, 2, 0, 1], [0, 0, 2, 1]])
    images = np.round(centres[labels] + generator.normal(0, 0.2, (17, 4)), 1)
    data = DataSet(images[:15], labels[:15].astype(np.uint8), 3, images[15:], labels[15:].astype(np.uint8))
    return Task(data, Settings(0.4, 4), np.zeros((4, 3)), np.zeros((1, 3)))


@number("Q6.2.5")
@weight(0.5)
@visibility("after_published")
def test_learns(submission, probes):
    """train_nn learns: the loss falls, and the network knows images that are easy to tell apart"""
    task = separable_task()
    images, labels = task.data.images, task.data.labels
    before = mean_loss(task.W, task.b, images, labels)

    def judge(trained: Trained) -> None:
        after = mean_loss(trained.W, trained.b, images, labels)
        known = accuracy(trained.W, trained.b, images, labels)
        if after > before / 3 or known < 0.9:
            fail(
                f"the mean loss of the training images is {before:.3g} before and {after:.3g} after"
                f" {task.settings.num_epochs} epochs, and {known:.0%} of them are classified as they should",
                called=TRAIN,
                expected="a loss that falls to a third or less, and at least 90% of these easy images known",
            )

    require_training(submission, probes, task, judge)
