"""What the checks of this homework share: the pictures, the network that counts, and what each grading sees once."""

from __future__ import annotations

from typing import Any

import pytest
from numpy.typing import NDArray

from autograder.checks.compare import fail
from autograder.checks.image_data import ImageData, load_image_data
from autograder.checks.networks import CLASSIFIER, Network, find_network
from autograder.checks.once import Once
from autograder.sandbox.proxy import Probes

Array = NDArray[Any]

FILE = "hw4"
CLASSES = 10
CLASS_NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
               "Ankle boot")  # fmt: skip


def load_clothes(probes: Probes) -> ImageData:
    """The pictures that submissions read, too."""
    return load_image_data(probes, "fashion_mnist")


def class_names(clothes: ImageData) -> tuple[str, ...]:
    """What the ten classes are called: the embedded data are digits that stand in for the clothes."""
    return tuple(str(digit) for digit in range(CLASSES)) if clothes.embedded else CLASS_NAMES


def find_classifier(probes: Probes, show: Any) -> Network:
    """The network of the submission; which one it is is told."""
    return find_network(probes, CLASSIFIER, [FILE]).shown(show)


def scores_of(network: Network, images: Array) -> Array:
    """The network's answers in evaluation mode, (N, classes). Raises CheckFailed (wrong_shape), StudentError."""
    return as_scores(network.run(images), len(images), f"{network.made}(pictures)")


def as_scores(outputs: Array, count: int, called: str) -> Array:
    """`outputs` as they are, which must be a row of scores for each of `count` pictures. Raises CheckFailed."""
    if outputs.ndim != 2 or outputs.shape[0] != count or outputs.shape[1] < 2:
        fail(f"for {count} picture(s) the output has shape {outputs.shape}", called=called, cause="wrong_shape",
             expected=f"({count}, {CLASSES})")  # fmt: skip
    return outputs


_SEEN = pytest.StashKey[Once]()


@pytest.fixture(scope="session")
def seen(request: pytest.FixtureRequest) -> Once:
    """What this grading has seen so far, the same for public and hidden checks."""
    return request.config.stash.setdefault(_SEEN, Once())
