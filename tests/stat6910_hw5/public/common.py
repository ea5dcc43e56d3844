"""What the checks of this homework share: the digits, the student's networks, and what is seen of a training."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from autograder.checks.architecture import ACTIVATIONS, describe_layer
from autograder.checks.compare import CheckFailed, as_scalar, fail
from autograder.checks.image_data import ImageData, load_image_data
from autograder.checks.networks import CLASSIFIER, Network, find_network, find_networks, sample_images
from autograder.checks.training import Observations, require_training
from autograder.checks.training_images import Gallery
from autograder.checks.training_records import Call, Records
from autograder.checks.training_records import Network as Seen
from autograder.sandbox.proxy import Probes, StudentError

Array = NDArray[Any]

FULLY_CONNECTED, ALEXNET, CNN = "prob3", "prob4", "prob5"
CLASSES = 10
MOST_NETWORKS = 8
RUN_BUDGET: dict[str, Any] = {"seconds": 15.0, "steps_per_loop": 6, "steps_per_pass": 6}
PART_OF_IMAGES = 1e-3  # an accuracy read off so many images is exact; a percentage is a hundred times that

PLAIN = msgspec.structs.replace(
    CLASSIFIER, sentence="a fully connected network: images (N, 1, 28, 28) in, (N, 10) out", names=("Net", "MLP")
)
NORMALISED = msgspec.structs.replace(
    CLASSIFIER,
    sentence="a network with batch normalization on its hidden layers: images (N, 1, 28, 28) in, (N, 10) out",
    names=("BatchNormNet", "NetBN", "BNNet"),
)
_NORMALISED_BY_NAME = re.compile(r"batch_?norm|bn|normali[sz]", re.IGNORECASE)


def load_digits(probes: Probes) -> ImageData:
    """The digits that submissions read, too."""
    return load_image_data(probes, "mnist")


@pytest.fixture(scope="session")
def watched(request: pytest.FixtureRequest) -> Observations:
    """The runs of this grading, the same for public and hidden checks."""
    return request.config.stash.setdefault(_RUNS, Observations())


_RUNS = pytest.StashKey[Observations]()


# ---- Networks -------------------------------------------------------------------------------------------------------


def find_cnn(probes: Probes, show: Any) -> Network:
    """The convolutional network of problem 5. Raises CheckFailed (hard_coded_batch), StudentError."""
    return find_network(probes, CLASSIFIER, [CNN]).shown(show)


def find_plain(probes: Probes, show: Any) -> Network:
    """The network of problem 3.1: of those in prob3.py the first without batch normalization.

    Raises CheckFailed, StudentError.
    """
    networks = find_networks(probes, PLAIN, [FULLY_CONNECTED])[:MOST_NETWORKS]
    plain = (n for n in networks if not _NORMALISED_BY_NAME.search(n.name) and not normalises(n))
    network = next(plain, None)
    if network is None:
        fail(
            f"The only networks in {FULLY_CONNECTED}.py ({_names(networks)}) normalize batches.",
            called="looking for your network",
            expected="the network of problem 3.1, without batch normalization",
        )
    return network.shown(show)


def find_normalised(probes: Probes, show: Any) -> Network:
    """The network of problem 3.2: of those in prob3.py the one with batch normalization.

    It is told by what it does, and where none does it by its name. Raises CheckFailed, StudentError.
    """
    networks = find_networks(probes, NORMALISED, [FULLY_CONNECTED])[:MOST_NETWORKS]
    named = [network for network in networks if _NORMALISED_BY_NAME.search(network.name)]
    network = next((n for n in (*named, *networks) if normalises(n)), next(iter(named), None))
    if network is None:
        fail(
            f"None of the networks in {FULLY_CONNECTED}.py ({_names(networks)}) normalizes batches.",
            called="looking for your network",
            expected="the network of problem 3.2, with batch normalization of its two hidden layers",
        )
    return network.shown(show)


def normalises(network: Network) -> bool:
    """Whether it has a batch normalization, or what it says of an image in training depends on the others."""
    images = sample_images(network.role)
    others = np.concatenate([images[:1], 1 - images[1:]])
    try:
        if any(layer.name == "batch_norm" for layer in network.trace(training=True).layers()):
            return True
        first, second = network.run(images, training=True)[0], network.run(others, training=True)[0]
    except (CheckFailed, StudentError):
        return False  # what is wrong with it is told where it is asked to do something
    return not np.allclose(first, second, rtol=1e-4, atol=1e-5)


def assert_activations(network: Network) -> None:
    """An activation stands between any two linear layers. Raises CheckFailed (missing_activation)."""
    linear = [layer for layer in network.trace().layers() if layer.name == "linear"]
    for before, after in itertools.pairwise(linear):
        between = network.trace().between(before.value, after.inputs[0])
        if not any(layer.name in ACTIVATIONS for layer in between):
            fail(
                f"No activation stands behind the {describe_layer(before)}, so that it is one with the next layer.",
                called=network.made,
                cause="missing_activation",
                expected="an activation behind each of the hidden layers",
            )


def assert_ten_scores(network: Network) -> None:
    """It gives a row of ten numbers for each image. Raises CheckFailed (wrong_shape), StudentError."""
    shape = network.run(sample_images(network.role, 7)).shape
    if shape != (7, CLASSES):
        fail(f"for 7 images the output has shape {shape}", called=f"{network.made}(images)", cause="wrong_shape",
             expected=f"(N, {CLASSES}): one score per class for each image")  # fmt: skip


def _names(networks: list[Network]) -> str:
    return ", ".join(dict.fromkeys(network.made for network in networks))


# ---- Watched trainings ----------------------------------------------------------------------------------------------


def has_function(probes: Probes, module: str, name: str) -> bool:
    """Whether the file defines it, at module level."""
    try:
        getattr(probes.module(module), name)
    except StudentError as error:
        if error.type_name == "AttributeError":
            return False
        raise
    return True


def trained_in(records: Records, called: str) -> tuple[Seen, Records]:
    """The network that is trained, and what was seen of it alone. Raises CheckFailed, StudentError."""
    network = require_training(records, called=called)
    return network, records.only(network)


def images_seen(calls: list[Call], gallery: Gallery) -> tuple[int, int]:
    """(recognised inputs of the calls, how many of these are of the test split)."""
    matches = [match for call in calls for match in gallery.matches(call.rows)]
    return len(matches), sum(gallery.is_test(match) for match in matches)


# ---- Accuracies -----------------------------------------------------------------------------------------------------


UNWEIGHTED = "the mean of the batches' accuracies, of which the last batch is smaller,"


def assert_accuracy(
    got: Any,
    expected: float,
    called: str,
    others: Sequence[tuple[str, str, float]],
    name: str = "the accuracy",
) -> None:
    """A share of images, as a number from 0 to 1 or in percent.

    others: (cause, what, share) of wrong ways of counting; where several give the answer, no cause is named. Raises
    CheckFailed.
    """
    value = as_scalar(got, name, called=called)
    if _is_share(value, expected):
        return
    like = [(cause, what) for cause, what, share in others if _is_share(value, share)]
    causes = {cause for cause, _ in like}
    fail(
        f"{name} is {value:.4f}" + (f"; {like[0][1]} would give this" if like else ""),
        called=called,
        cause=causes.pop() if len(causes) == 1 else None,
        expected="the number of images that are classified rightly, divided by the number of images",
    )


def _is_share(value: float, share: float) -> bool:
    return abs(value - share) < PART_OF_IMAGES or abs(value - 100 * share) < 100 * PART_OF_IMAGES
