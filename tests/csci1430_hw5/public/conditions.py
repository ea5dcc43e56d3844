"""The four conditions of the handout's report: the network alone and with the SVM, on two data sets.

The submission trains; losses and accuracies are computed here, from its W and b and from the SVM's coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autograder.checks.compare import as_array, attribute, call, fail
from autograder.data import IDX_FILES, read_idx

from .network import Array, DataSet, Settings, apply_settings, new_model

EPOCHS = 10
LEARNING_RATE = 0.01

# Data sets may be larger than a check has time for: of those, this many pictures are used, spread over the whole.
MOST_TRAINING, MOST_TEST = 600, 300

FEATURES = {"mnist": "binary_pixels", "scenerec": "gradient_directions"}
"""The function of the given datasets.py that turns the pictures of a data set into images."""


@dataclass(frozen=True)
class Stage:
    """The network after an epoch: W (D, C), b (1, C)."""

    epoch: int
    W: Array
    b: Array

    def logits(self, images: NDArray[Any]) -> Array:
        """Eq. 1 for images (N, D): (N, C)."""
        return np.asarray(images @ self.W + self.b)

    def mean_loss(self, data: DataSet) -> float:
        """The mean of Eq. 3 over the training images."""
        logits = self.logits(data.images)
        own = logits[np.arange(len(logits)), data.labels]
        return float(np.mean(np.logaddexp.reduce(logits, axis=1) - own))

    def accuracy(self, data: DataSet) -> float:
        """The share of test images whose largest logit is that of their label."""
        return float(np.mean(np.argmax(self.logits(data.test_images), axis=1) == data.test_labels))


@dataclass(frozen=True)
class Course:
    """A finished training of the network: its data, and the stages after the first and after the last epoch."""

    data: DataSet
    first: Stage
    last: Stage


def load(probes: Any, name: str) -> DataSet:
    """The data set as the given datasets.py reads it, cut to a size that can be trained within a check's time."""
    folder = Path(probes.data_folder) / name
    if not all((folder / file).is_file() for file in IDX_FILES):
        pytest.skip(f"the data set {name} is not here")
    pictures, labels, test_pictures, test_labels = (read_idx(folder / file) for file in IDX_FILES)
    classes = int(labels.max()) + 1
    few, few_tests = _spread(len(labels), MOST_TRAINING), _spread(len(test_labels), MOST_TEST)
    given = probes.module("datasets")
    images, test_images = (
        as_array(call(given, FEATURES[name], rows, name="datasets"), "the images", ndim=2)
        for rows in (pictures[few], test_pictures[few_tests])
    )
    if name == "mnist":
        images, test_images = images.astype(int), test_images.astype(int)
    return DataSet(images, labels[few], classes, test_images, test_labels[few_tests])


def _spread(count: int, most: int) -> NDArray[Any]:
    """At most `most` of `count` indices, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def train_network(submission: Any, probes: Any, name: str) -> Course:
    """Train the network of a submission for EPOCHS epochs. Raises StudentError and CheckFailed."""
    data = load(probes, name)
    model = new_model(submission, data, apply_settings(probes, Settings(LEARNING_RATE, 1)))
    call(model, "train_nn", name="model")
    first = _stage(model, 0, data)
    # Gradient descent remembers nothing but W and b, so another model can take over from here.
    model = new_model(submission, data, apply_settings(probes, Settings(LEARNING_RATE, EPOCHS - 1)))
    model.W, model.b = first.W, first.b
    call(model, "train_nn", name="model")
    return Course(data, first, _stage(model, EPOCHS - 1, data))


def _stage(model: Any, epoch: int, data: DataSet) -> Stage:
    W = as_array(model.W, "model.W", shape=(data.pixels, data.classes), called="model.train_nn()")
    b = as_array(model.b, "model.b", called="model.train_nn()")
    if b.size != data.classes:
        fail(f"model.b has shape {b.shape}", called="model.train_nn()", cause="wrong_shape")
    return Stage(epoch, W, b.reshape(1, data.classes))


def svm_accuracies(submission: Any, probes: Any, course: Course) -> tuple[float, float]:
    """The accuracy of an SVM on the logits of the first and the last stage. Raises StudentError and CheckFailed."""
    data = course.data
    model = new_model(submission, data, apply_settings(probes, Settings(LEARNING_RATE, EPOCHS)))
    accuracies = []
    for stage in (course.first, course.last):
        model.W, model.b = stage.W, stage.b
        call(model, "train_svm", name="model")
        coefficients, intercepts = (
            as_array(attribute(model.clf, name, "model.clf"), f"model.clf.{name}", shape=shape)
            for name, shape in (("coef_", (data.classes, data.classes)), ("intercept_", (data.classes,)))
        )
        scores = stage.logits(data.test_images) @ coefficients.T + intercepts
        accuracies.append(float(np.mean(np.argmax(scores, axis=1) == data.test_labels)))
    return accuracies[0], accuracies[1]
