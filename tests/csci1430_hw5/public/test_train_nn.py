"""Q6.2: train_nn takes one step for each image in each epoch, in random order, and reports the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.compare import CheckFailed, as_scalar, call, fail, show
from autograder.sandbox.proxy import StudentError

from .network import Array, Settings, apply_settings, call_static, new_model
from .training import TRAIN, StepCounter, Task, Trained, counting_task, judge_counts, times_reported, train

SHOWN_TEXT = 600


@number("Q6.2.1")
@weight(0.5)
@tags("public")
def test_each_image_once(submission, probes):
    """In every epoch each training image is used for one step, with its own label"""
    task = counting_task()
    epochs = task.settings.num_epochs
    wanted = table_of_labels(task) * epochs

    def judge(counter: StepCounter, trained: Trained) -> None:
        table = counter.table(trained, task.settings.learning_rate)
        if not np.allclose(table, wanted):
            fail(
                f"{what_is_off(table, wanted, epochs)}\n"
                f"How often the images (rows) were used with the labels (columns):\n{show(table)}\n"
                "The last two rows are test images.",
                called=TRAIN,
                cause=cause_of(table, wanted, counter, task),
                expected=f"each training image {epochs} times with its own label:\n{show(wanted)}",
            )

    def computes_by_itself(counter: StepCounter) -> bool:
        return not counter.given and learns_own_labels(try_to_train(submission, probes, task), task)

    judge_counts(submission, probes, task, judge, computes_by_itself)


def what_is_off(table: Array, wanted: Array, epochs: int) -> str:
    """The first line of the message: where every image is off alike, by how much."""
    own = wanted != 0
    if np.any(table[~own]) or not np.allclose(table[own], table[own][0]) or not table[own][0]:
        return f"not every training image is used once in each of {epochs} epochs with its own label."
    return f"each training image counts {table[own][0]:g} times in {epochs} epochs instead of {epochs} times."


def try_to_train(submission: Any, probes: Any, task: Task) -> Trained | None:
    """The task trained with the submission's own methods, or None where one of those does not work."""
    try:
        return train(submission, probes, task)
    except (StudentError, CheckFailed):
        return None


def table_of_labels(task: Task) -> Array:
    """1 where a training image (row: its pixel) has the label (column)."""
    table = np.zeros(task.W.shape)
    table[np.arange(len(task.data.labels)), task.data.labels] = 1
    return table


def learns_own_labels(trained: Trained | None, task: Task) -> bool:
    """Whether the weights of each training image's pixel grew for its own label alone, and no others changed."""
    if trained is None:
        return False
    moved = trained.W - trained.W_before
    seen = np.any(task.data.images, axis=0)
    own = table_of_labels(task) == 1
    return bool(np.all(moved[own] > 0) and np.all(moved[seen][~own[seen]] < 0) and not np.any(moved[~seen]))


def cause_of(table: Array, wanted: Array, counter: StepCounter, task: Task) -> str | None:
    """The bug that the counts show, where they show one alone."""
    count = len(task.data.labels)
    epochs = task.settings.num_epochs
    if not np.any(table):
        return "no_step" if counter.given else None
    if np.any(table[count:]):
        return "trains_on_test"
    if counter.piles_up:
        return "accumulates_gradient"
    multiple = cause_of_multiple(table, wanted, task.settings)
    if multiple:
        return multiple
    per_image = table[:count].sum(axis=1)
    if np.allclose(per_image, epochs):
        return "wrong_label_index"
    only_own = not np.any(table[wanted == 0])
    if only_own and per_image.max() <= epochs and np.isclose(per_image.sum(), epochs * (count - 1)):
        return "off_by_one"
    return None


def cause_of_multiple(table: Array, wanted: Array, settings: Settings) -> str | None:
    """The bug where every count is the same multiple of what it should be."""
    epochs = settings.num_epochs
    factors = {
        "ascends": [-1.0],
        "learning_rate_twice": [settings.learning_rate],
        "off_by_one": [(epochs - 1) / epochs, (epochs + 1) / epochs],
        "scaled_by_constant": [2.0, 3.0],
    }
    fits = (slug for slug, values in factors.items() if any(np.allclose(table, value * wanted) for value in values))
    return next(fits, None)


@number("Q6.2.2")
@weight(0.25)
@tags("public")
def test_random_order(submission, probes):
    """The images come in random order"""
    task = counting_task()

    def judge(counter: StepCounter, _: Trained) -> None:
        order = counter.order or counter.looked_at
        if not order:
            fail("no image is used for training", called=TRAIN, expected="one step for each image, in random order")
        if all(epoch == sorted(epoch) for epoch in in_epochs(order, task)):
            fail(
                f"in every epoch the images come in the order in which they are stored: {order}",
                called=TRAIN,
                cause="wrong_order",
                expected="a random order: shuffle the indices before each epoch",
            )

    def computes_by_itself(counter: StepCounter) -> bool:
        return not counter.given and differs_by_seed(submission, probes, task)

    judge_counts(submission, probes, task, judge, computes_by_itself)


def differs_by_seed(submission: Any, probes: Any, task: Task) -> bool:
    """Whether training with the submission's own methods ends elsewhere after another seed."""
    ends = []
    for seed in (1, 2):
        probes.seed(seed)
        trained = try_to_train(submission, probes, task)
        if trained is None:
            return False
        ends.append(trained.W)
    return not np.array_equal(ends[0], ends[1])


def in_epochs(order: list[int], task: Task) -> list[list[int]]:
    """The images of each epoch, in the order in which they were used."""
    size = max(1, round(len(order) / task.settings.num_epochs))
    return [order[start : start + size] for start in range(0, len(order), size)]


@number("Q6.2.3")
@weight(0.25)
@tags("public")
def test_printed_loss(submission, probes):
    """After each epoch the total loss over the training images is printed"""
    task = counting_task()
    epochs = task.settings.num_epochs
    probes.printed()

    def judge(counter: StepCounter, _: Trained) -> None:
        text = probes.printed()
        losses = [counter.loss_of(int(label)) for label in task.data.labels]
        if times_reported(text, losses) < epochs:
            fail(
                f"the total loss is not printed after each of {epochs} epochs. Your train_nn printed:\n{shorten(text)}",
                called=TRAIN,
                expected=f"the sum of the losses of all images, {epochs} times: it is {sum(losses):g} each time, since"
                " made-up losses took the place of yours here",
            )

    def computes_by_itself(counter: StepCounter) -> bool:
        return not counter.losses and prints_own_losses(submission, probes, task)

    judge_counts(submission, probes, task, judge, computes_by_itself)


def prints_own_losses(submission: Any, probes: Any, task: Task) -> bool:
    """Whether the sum of the submission's own losses is printed for each epoch.

    With a learning rate of 0 nothing is learnt, so that every epoch has the same loss, in whatever order.
    """
    epochs = task.settings.num_epochs
    try:
        model = new_model(submission, task.data, apply_settings(probes, Settings(0.0, epochs)))
        model.W, model.b = np.cos(np.arange(task.W.size)).reshape(task.W.shape), task.b
        losses = []
        for image, label in zip(task.data.images, task.data.labels, strict=True):
            probabilities = call(model, "forward_pass", image, name="model")
            losses.append(as_scalar(call_static(submission, "loss", probabilities, label), "the loss", called="loss"))
        probes.printed()
        call(model, "train_nn", name="model")
    except (StudentError, CheckFailed):
        return False
    return times_reported(probes.printed(), losses) >= epochs


def shorten(text: str) -> str:
    """What was printed, if anything, cut to a few lines."""
    lines = text.strip().splitlines()
    return "\n".join([*lines[:8], "..."] if len(lines) > 8 else lines)[:SHOWN_TEXT] or "nothing"
