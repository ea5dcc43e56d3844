"""Watching `train_nn` without asking how it is written.

`train_nn` is run on an object of ours that has everything which the model's constructor set, and the student's own
methods, except for the four that other items are about: those are ours. So `train_nn` is judged alone, whatever bugs
the others have. One that does not call them, because it computes everything by itself, is run as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograder.checks.checkers import printed_numbers, times_printed
from autograder.checks.compare import CheckFailed, as_array, as_mapping, as_scalar, attribute, call, fail, is_single
from autograder.sandbox.proxy import StandIn, StudentError

from .network import Array, DataSet, Settings, apply_settings, new_model, stencil_fields

TRAIN = "model.train_nn()"


@dataclass(frozen=True)
class Trained:
    """A finished training: W (D, C) and b (1, C) before and after, and whether numbers were cut to float32."""

    W_before: Array
    b_before: Array
    W: Array
    b: Array
    single: bool


@dataclass(frozen=True)
class Task:
    """A training to run: the data, the settings, and the W (D, C) and b (1, C) to start from."""

    data: DataSet
    settings: Settings
    W: Array
    b: Array

    def result(self, W: Any, b: Any) -> Trained:
        """What came of it. Raises CheckFailed for anything but arrays of the right shapes."""
        biases = as_array(b, "model.b", called=TRAIN)
        if biases.size != self.b.size:
            fail(
                f"model.b has shape {biases.shape}",
                called=TRAIN,
                cause="wrong_shape",
                expected=f"model.b of shape {self.b.shape}",
            )
        weights = as_array(W, "model.W", shape=self.W.shape, called=TRAIN)
        return Trained(self.W, self.b, weights, biases.reshape(self.b.shape), is_single(W, b))


Methods = dict[str, Callable[..., Any]]


def train(submission: Any, probes: Any, task: Task) -> Trained:
    """Run `train_nn` as it is. Raises StudentError or CheckFailed."""
    model = new_model(submission, task.data, apply_settings(probes, task.settings))
    model.W = task.W
    model.b = task.b
    call(model, "train_nn", name="model")
    return task.result(model.W, model.b)


def train_with(submission: Any, probes: Any, task: Task, methods: Methods, *, through_class: bool) -> Trained:
    """Run `train_nn` on an object whose methods named in `methods` are those. Raises StudentError or CheckFailed.

    The object holds what the model's own constructor set; where that raises, what the stencil's would have set.
    `through_class` makes calls like `Model.loss(...)` reach the same methods.
    """
    hp = apply_settings(probes, task.settings)
    fields = {**_fields_of_a_model(submission, probes, task, hp), "W": task.W, "b": task.b}
    name = KEPT_NAME if through_class else "Model"
    stand_in = StandIn("Model", fields, dict(methods), imitates=name)
    if through_class:
        setattr(submission, KEPT_NAME, attribute(submission, "Model", "the submission"))
        by_class = {method_name: _on(stand_in, method) for method_name, method in methods.items()}
        submission.Model = StandIn("Model", methods=by_class)
    try:
        call(attribute(submission, name, "the submission"), "train_nn", stand_in, name="Model")
    finally:
        if through_class:
            submission.Model = getattr(submission, KEPT_NAME)
    after = vars(stand_in.fields)
    return task.result(after.get("W"), after.get("b"))


# Under this name of the submission's module its class stays within reach while ours has the name `Model`.
KEPT_NAME = "Model_of_the_submission"


def ways_to_replace(task: Task) -> tuple[tuple[bool, tuple[int, ...]], ...]:
    """In which ways to try `train_with`: through_class, and the form of gradB, which a train_nn may count on."""
    row, flat = (1, task.data.classes), (task.data.classes,)
    return (False, row), (True, row), (True, flat)


def _fields_of_a_model(submission: Any, probes: Any, task: Task, hp: Any) -> dict[str, Any]:
    try:
        model = new_model(submission, task.data, hp)
        return as_mapping(call(probes.module("builtins"), "vars", model, name=""), (), "vars(model)")
    except StudentError:
        return stencil_fields(task.data, hp, task.settings)


def _on(stand_in: StandIn, method: Callable[..., Any]) -> Callable[..., Any]:
    """`method` as the class has it: called with the object, `Model.forward_pass(self, x)`, or without."""

    def called(_: SimpleNamespace, *arguments: Any, **keywords: Any) -> Any:
        rest = arguments[1:] if arguments and arguments[0] is stand_in else arguments
        return method(stand_in.fields, *rest, **keywords)

    return called


# ---- Counting steps -------------------------------------------------------------------------------------------------


def counting_task() -> Task:
    """A task in which every image is told by its own pixel, so that W can hold a table: images down, labels across.

    No image has the label 0, which is what the stand-in for `forward_pass` predicts.
    """
    count, tests, classes = 7, 2, 4
    images = np.eye(count + tests, dtype=int)
    labels = np.array([1, 2, 3, 1, 2, 3, 3, 1, 2], dtype=np.uint8)
    data = DataSet(images[:count], labels[:count], classes, images[count:], labels[count:])
    # The rate is no share of the epochs: counts that are off tell whether it was taken twice.
    return Task(data, Settings(0.3, 3), np.zeros((count + tests, classes)), np.zeros((1, classes)))


class StepCounter:
    """Methods for `train_nn` to call: they learn nothing, and count which image was trained with which label.

    The "gradients" of an image are a table with a 1 in the row of its pixel and the column of its label, so that the
    gradients of all steps add up to the counts. Images are known by their pixel alone.
    """

    def __init__(self, task: Task, bias_shape: tuple[int, ...]) -> None:
        self._shape = task.W.shape
        self._bias_shape = bias_shape
        self.looked_at: list[int] = []
        self.given: list[Array] = []
        self.taken: list[Array] = []
        self.order: list[int] = []
        self.losses = 0
        self.exchanged = False

    def methods(self) -> Methods:
        """The stand-ins for the four methods of the handout's steps 3 to 6."""
        return {
            "forward_pass": self._forward_pass,
            "loss": self._loss,
            "back_propagation": self._back_propagation,
            "gradient_descent": self._gradient_descent,
        }

    def loss_of(self, label: int) -> float:
        """The made-up loss of an image with this label."""
        return 11.37 + 0.25 * label

    def _forward_pass(self, fields: SimpleNamespace, inputs: Any) -> Array:
        rows = np.atleast_2d(as_array(inputs, "the image"))
        if len(rows) == 1:
            self.looked_at.append(int(np.argmax(rows[0])))
        classes = self._shape[1]
        parts = np.arange(classes, 0, -1.0)
        return np.tile(parts / parts.sum(), (len(rows), 1))

    def _loss(self, fields: SimpleNamespace, probabilities: Any, gt_label: Any) -> float:
        self.losses += 1
        return self.loss_of(self._label(gt_label))

    def _back_propagation(
        self, fields: SimpleNamespace, img: Any, probabilities: Any, gt_label: Any
    ) -> tuple[Array, Array]:
        one_hot = np.zeros(self._shape[1])
        one_hot[self._label(gt_label)] = 1.0
        pixels = as_array(img, "the image").reshape(self._shape[0])
        self.given.append(np.asarray(np.outer(pixels, one_hot), dtype=np.float64))
        self.order.append(int(np.argmax(pixels)))
        return self.given[-1], one_hot.reshape(self._bias_shape)

    def _gradient_descent(self, fields: SimpleNamespace, gradW: Any, gradB: Any) -> None:
        first, second = as_array(gradW, "gradW"), as_array(gradB, "gradB")
        self.exchanged = first.shape == self._bias_shape and second.shape == self._shape
        self.taken.append(as_array(first, "gradW", shape=self._shape))

    def _label(self, value: Any) -> int:
        label = int(as_scalar(value, "the label"))
        if not 0 <= label < self._shape[1]:
            fail(f"the label is {label}, and the classes are 0 to {self._shape[1] - 1}")
        return label

    def table(self, trained: Trained, learning_rate: float) -> Array:
        """How often each image (row) was trained with each label (column): by gradient_descent and by hand."""
        return np.sum([np.zeros(self._shape), *self.taken], axis=0) + (trained.W_before - trained.W) / learning_rate

    @property
    def piles_up(self) -> bool:
        """Whether each step was taken with the sum of all gradients so far."""
        sums = np.cumsum(self.given, axis=0) if self.given else np.zeros((0, *self._shape))
        return len(self.taken) == len(self.given) > 1 and np.allclose(self.taken, sums)


def judge_counts(
    submission: Any,
    probes: Any,
    task: Task,
    judge: Callable[[StepCounter, Trained], None],
    instead: Callable[[StepCounter], bool],
) -> None:
    """Let `judge` look at what a StepCounter saw of `train_nn`. Raises what it raises, or StudentError.

    A `train_nn` that does not call the methods, but computes by itself what they do, shows a StepCounter too little.
    `instead` says whether that is so, and the training with the submission's own methods is as it should be.
    """
    failures: list[CheckFailed | StudentError] = []
    for through_class, bias_shape in ways_to_replace(task):
        counter = StepCounter(task, bias_shape)
        try:
            trained = train_with(submission, probes, task, counter.methods(), through_class=through_class)
            return judge(counter, trained)
        except (CheckFailed, StudentError) as failure:
            failures.append(failure)
        if counter.exchanged:
            fail(
                f"gradient_descent is given gradB (shape {bias_shape}) first and gradW second",
                called=TRAIN,
                cause="wrong_order",
                expected="gradient_descent(gradW, gradB), as back_propagation returns them",
            )
        if not through_class and instead(counter):
            return None
    raise least_surprising(failures)


def least_surprising(failures: Sequence[CheckFailed | StudentError]) -> CheckFailed | StudentError:
    """The failure to show: the first that is about what train_nn did, or else the first error."""
    return min(failures, key=lambda failure: isinstance(failure, StudentError))


# ---- Reading what was printed ---------------------------------------------------------------------------------------

FLOAT32 = 1e-5


def times_reported(text: str, losses: Sequence[float]) -> int:
    """How often the sum of the losses, or their mean, stands in a printed text."""
    numbers = printed_numbers(text)
    values = (float(np.sum(losses)), float(np.mean(losses)))
    return sum(times_printed(value, numbers, slack=FLOAT32 * abs(value)) for value in values)
