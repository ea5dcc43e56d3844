"""What the checks of this homework share: the pictures, the network that counts, and what each grading sees once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autograder.checks.compare import CheckFailed, fail
from autograder.checks.networks import CLASSIFIER, Network, find_network
from autograder.data import EMBEDDED_TRAIN, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, read_idx
from autograder.sandbox.proxy import Probes, SubmissionProblem

Array = NDArray[Any]

FILE = "hw4"
CLASSES = 10
CLASS_NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
               "Ankle boot")  # fmt: skip

MOST_TRAINING, MOST_TEST = 1500, 300
"""More pictures than these would take a training here too long; of larger sets the first ones are used."""


@dataclasses.dataclass(frozen=True)
class Clothes:
    """Pictures float32 (N, 1, 28, 28) from 0 to 1 and labels int64 (N,), of both splits.

    `embedded`: they are the digits that stand in for Fashion-MNIST where the real files are not there.
    """

    train: Array
    train_labels: Array
    test: Array
    test_labels: Array
    embedded: bool

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(str(digit) for digit in range(CLASSES)) if self.embedded else CLASS_NAMES


def load_clothes(probes: Probes) -> Clothes:
    """The pictures that submissions read, too."""
    folder = Path(probes.data_folder) / "fashion_mnist"
    images, labels, test, test_labels = (
        read_idx(folder / name) for name in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
    )
    return Clothes(
        _scaled(images[:MOST_TRAINING]), labels[:MOST_TRAINING].astype(np.int64),
        _scaled(test[:MOST_TEST]), test_labels[:MOST_TEST].astype(np.int64), len(images) == EMBEDDED_TRAIN,
    )  # fmt: skip


def _scaled(images: Array) -> Array:
    return (images.astype(np.float32) / 255.0)[:, None]


def find_classifier(probes: Probes, show: Any) -> Network:
    """The network of the submission; which one it is is told."""
    network = find_network(probes, CLASSIFIER, [FILE])
    show.text("The network that was graded", "\n".join([network.reason, *network.remarks]))
    return network


def scores_of(network: Network, images: Array) -> Array:
    """The network's answers in evaluation mode, (N, classes). Raises CheckFailed (wrong_shape), StudentError."""
    return as_scores(network.run(images), len(images), f"{network.made}(pictures)")


def as_scores(outputs: Array, count: int, called: str) -> Array:
    """`outputs` as they are, which must be a row of scores for each of `count` pictures. Raises CheckFailed."""
    if outputs.ndim != 2 or outputs.shape[0] != count or outputs.shape[1] < 2:
        fail(f"for {count} picture(s) the output has shape {outputs.shape}", called=called, cause="wrong_shape",
             expected=f"({count}, {CLASSES})")  # fmt: skip
    return outputs


class Seen:
    """What takes long and is the same every time: each done by the first check that asks, for all of them.

    What went wrong is kept as well, so that every check tells the same.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once. Raises the problem of the submission that kept it from being made."""
        if name not in self._kept:
            try:
                self._kept[name] = make()
            except (SubmissionProblem, CheckFailed) as problem:
                self._kept[name] = problem
        found = self._kept[name]
        if isinstance(found, SubmissionProblem | CheckFailed):
            raise found
        return found


_SEEN = pytest.StashKey[Seen]()


@pytest.fixture(scope="session")
def seen(request: pytest.FixtureRequest) -> Seen:
    """What this grading has seen so far, the same for public and hidden checks."""
    return request.config.stash.setdefault(_SEEN, Seen())
