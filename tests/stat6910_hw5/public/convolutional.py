"""5.2: what the convolutional network has to be, and seeing how it is trained and tested."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from autograder.checks.architecture import outline
from autograder.checks.compare import fail
from autograder.checks.folding import Layer
from autograder.checks.networks import Network, sample_images
from autograder.checks.traces import Trace
from autograder.checks.training import Observations, call_watched, make_loader, make_optimizer
from autograder.checks.training_records import Records
from autograder.sandbox.proxy import Probes, StudentError

from .common import CLASSES, CNN, RUN_BUDGET, assert_ten_scores, has_function, load_digits

TRAIN, ACCURACY = "train(model, optimizer, train_loader, epochs)", "accuracy(model, loader)"
RUN = f"python {CNN}.py"
BATCH, BATCHES = 16, 3
CONVOLUTIONS = 2
ORDER = "at least two convolutional layers, each followed by a max-pooling layer"
SAME = 1e-3


def assert_scores(network: Network) -> None:
    """(N, 10) for any N, each image by itself. Raises CheckFailed (wrong_shape, hard_coded_batch), StudentError."""
    assert_ten_scores(network)
    for count in (1, 2, 33):
        try:
            shape = network.run(sample_images(network.role, count)).shape
        except StudentError as error:
            fail(f"7 images work, and {count} end with {error}", called=f"{network.made}(images)",
                 cause="hard_coded_batch", expected="a network that takes any number of images")  # fmt: skip
        if shape != (count, CLASSES):
            fail(f"for {count} images the output has shape {shape}", called=f"{network.made}(images)",
                 cause="hard_coded_batch", expected=f"({count}, {CLASSES})")  # fmt: skip


def assert_deterministic(network: Network) -> None:
    """In evaluation mode nothing is left to chance, or to the other images. Raises CheckFailed."""
    called = f"model = {network.made}; model.eval(); model(images)"
    chance = [layer for layer in network.trace().layers() if layer.name in ("dropout", "noise")]
    if chance:
        fail("Entries are dropped, or noise is added, in evaluation mode, too.", called=called, cause="ignores_mode",
             expected="nn.Dropout, or F.dropout(x, p, training=self.training)")  # fmt: skip
    images = sample_images(network.role, 6)
    together = network.run(images)
    for count in (1, 2):
        alone = network.run(images[:count])
        if not np.allclose(alone, together[:count], rtol=SAME, atol=SAME):
            fail(f"An image gets other scores among {count} than among 6 images.", called=called,
                 cause="ignores_mode" if _normalises_over_batch(network) else None,
                 expected="scores that depend on the image alone")  # fmt: skip


def _normalises_over_batch(network: Network) -> bool:
    """Whether a batch normalization uses the batch's own statistics in evaluation mode."""
    return any(layer.settings.get("uses_batch_statistics") is True for layer in network.trace().layers())


def assert_softmax_over_classes(trace: Trace, network: Network) -> None:
    """Raises CheckFailed (wrong_axis) for a softmax over the images of the batch."""
    for layer in trace.layers():
        if layer.name in ("softmax", "log_softmax") and layer.settings.get("dim") not in (1, None):
            fail(f"The {layer.name.replace('_', '-')} runs along axis {layer.settings.get('dim')}, over the images.",
                 called=network.made, cause="wrong_axis", expected="a softmax over the classes: dim=1")  # fmt: skip


def assert_pooled_convolutions(network: Network) -> None:
    """Two convolutions or more, and a max-pooling between each and the next layer with weights.

    Activations, normalizations and dropout may stand in between, before or after the pooling. Raises CheckFailed
    (missing_pooling).
    """
    layers = network.trace().layers()
    convolutions = [layer for layer in layers if layer.name == "convolution"]
    told = f"Your network, in the order in which it computes:\n{outline(layers)}"
    if len(convolutions) < CONVOLUTIONS:
        fail(f"There {'is one convolution' if convolutions else 'is no convolution'}.\n{told}", called=network.made,
             cause="missing_layer", expected=ORDER)  # fmt: skip
    unpooled = [number for number, layer in enumerate(convolutions, 1) if not _is_pooled(layer, layers)]
    # A third convolution without one is not against the handout; of two, each has its own.
    if len(convolutions) - len(unpooled) < CONVOLUTIONS:
        averaged = any(layer.name == "avg_pool" for layer in layers)
        numbers = " and ".join(str(number) for number in unpooled)
        fail(
            f"No max-pooling follows convolution {numbers}.\n{told}",
            called=network.made,
            cause="wrong_pooling" if averaged else "missing_pooling",
            expected=ORDER,
        )


def _is_pooled(convolution: Layer, layers: tuple[Layer, ...]) -> bool:
    later = layers[layers.index(convolution) + 1 :]
    for layer in later:
        if layer.name == "max_pool":
            return True
        if layer.name in ("convolution", "linear"):
            return False
    return False


# ---- What is seen ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Seen:
    """Records of a training or a test: of `called`, which is the function itself (direct) or the whole file."""

    called: str
    records: Records
    direct: bool


def watch_training(probes: Probes, network: Network, watched: Observations) -> Seen:
    """What train() does for three batches; what the file does where it has no such function."""
    if not has_function(probes, CNN, "train"):
        return _watch_run(probes, watched)
    function = probes.module(CNN).train
    network.handle.eval()
    optimizer = make_optimizer(probes, "SGD", network.handle, lr=0.05)
    _, records = call_watched(probes, function, network.handle, optimizer, small_loader(probes), 1, called=TRAIN)
    return Seen(TRAIN, records, True)


def watch_test(probes: Probes, network: Network, watched: Observations) -> Seen:
    """What accuracy() does from training mode; what the file does where it has no such function."""
    if not has_function(probes, CNN, "accuracy"):
        return _watch_run(probes, watched)
    network.handle.train()
    function = probes.module(CNN).accuracy
    _, records = call_watched(probes, function, network.handle, small_loader(probes), called=ACCURACY)
    return Seen(ACCURACY, records, True)


def _watch_run(probes: Probes, watched: Observations) -> Seen:
    return Seen(RUN, watched.run_entry(probes, CNN, **RUN_BUDGET), False)


def small_loader(probes: Probes) -> Any:
    """Three batches of digits."""
    digits, count = load_digits(probes), BATCH * BATCHES
    return make_loader(probes, digits.train[:count], digits.train_labels[:count], BATCH)
