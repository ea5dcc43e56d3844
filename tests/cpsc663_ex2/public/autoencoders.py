"""P5 and P6: what an autoencoder has to be, and how well it reconstructs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.checks import pictures
from autograder.checks.architecture import ACTIVATIONS, IGNORED, expect, outline, words
from autograder.checks.checkpoints import load_checkpoint
from autograder.checks.compare import fail
from autograder.checks.folding import Layer
from autograder.checks.image_data import ImageData
from autograder.checks.networks import Network, sample_images
from autograder.checks.training import standard_training
from autograder.sandbox.proxy import Probes, StudentError

from .common import pca_error, reconstruction_error

Array = NDArray[Any]

SHOWN = 8
SCALES = {"pixels from 0 to 1": (0.0, 1.0), "pixels from -1 to 1": (0.5, 0.5), "normalised pixels": (0.1307, 0.3081)}
"""(mean, deviation) that submissions subtract and divide by."""

# A checkpoint that was trained on other digits reconstructs these far better than a fresh network does.
LEARNT_ELSEWHERE = 0.7
SAME = 1e-4
"""Float32 outputs that should be equal differ by less, of numbers around 1."""

ENCODER = [
    expect("convolution", "Convolution (1 to 4 channels, kernel 3, stride 1, padding 1)",
           out_channels=4, kernel=3, stride=1, padding=1),
    expect("relu", "ReLU"),
    expect("max_pool", "Max pooling (kernel 2, stride 2)", kernel=2, stride=2, padding=0),
    expect("convolution", "Convolution (4 to 8 channels, kernel 3, stride 1, padding 1)",
           out_channels=8, kernel=3, stride=1, padding=1),
    expect("relu", "ReLU"),
    expect("max_pool", "Max pooling (kernel 2, stride 2)", kernel=2, stride=2, padding=0),
    expect("linear", "Linear (392 to 20)", out_features=20),
    expect("relu", "ReLU"),
    expect("linear", "Linear (20 to 2)", out_features=2),
]  # fmt: skip
# The handout leaves open with which kernel the decoder convolves, and a transposed convolution of stride 1 is one, too.
CONVOLUTIONS = ("convolution", "transposed_convolution")
DECODER = [
    expect("linear", "Linear (2 to 20)", out_features=20),
    expect("relu", "ReLU"),
    expect("linear", "Linear (20 to 392)", out_features=392),
    expect("relu", "ReLU"),
    expect("upsample_nearest", "Up-sampling (factor 2, nearest neighbour)", scale=2),
    expect(CONVOLUTIONS, "Convolution (8 to 4 channels)", out_channels=4, stride=1),
    expect("relu", "ReLU"),
    expect("upsample_nearest", "Up-sampling (factor 2, nearest neighbour)", scale=2),
    expect(CONVOLUTIONS, "Convolution (4 to 1 channel)", out_channels=1, stride=1),
    expect("sigmoid", "Sigmoid"),
]


# ---- The code -------------------------------------------------------------------------------------------------------


def assert_code_size(network: Network, *, where: str) -> None:
    """Raises CheckFailed (wrong_code_size) unless two numbers per image are all that the decoder is given."""
    size = network.trace().code_size
    if size != 2:
        fail(
            f"The narrowest place of your network has {size} numbers per image.",
            called=network.made,
            cause="wrong_code_size",
            expected=f"{where}: images are embedded into two dimensions",
        )


def assert_plain_code(network: Network, *, where: str) -> None:
    """Raises CheckFailed (activation_on_code) where a nonlinearity stands at the embedding, before it or after it.

    Where several places are equally narrow, one without a nonlinearity on either side will do.
    """
    trace = network.trace()
    layers = _without_ignored(trace.layers())
    at_code = [pair for pair in itertools.pairwise(layers) if trace.size(pair[0].value) == trace.code_size]
    found = [layer for pair in at_code for layer in pair if layer.name in ACTIVATIONS]
    if at_code and all(before.name in ACTIVATIONS or after.name in ACTIVATIONS for before, after in at_code):
        fail(
            f"There is a {words(found[0].name)} on the embedding itself.",
            called=network.made,
            cause="activation_on_code",
            expected=f"{where}: no nonlinearity when entering or exiting the embedding",
        )


def assert_depths(network: Network, *, where: str) -> None:
    """Raises CheckFailed (missing_relu) where linear layers follow each other with nothing between them.

    Together these are one linear layer. The embedding itself is such a place by the handout's own words.
    """
    trace = network.trace()
    layers = _without_ignored(trace.layers())
    for first, second in itertools.pairwise(layers):
        if first.name == second.name == "linear" and trace.size(first.value) != trace.code_size:
            fail(
                f"Two linear layers follow each other without a nonlinearity:\n{outline(layers)}",
                called=network.made,
                cause="missing_relu",
                expected=f"{where}: linear layers with ReLU nonlinearities between them",
            )


def _without_ignored(layers: Sequence[Layer]) -> list[Layer]:
    return [layer for layer in layers if layer.name not in (*IGNORED, "cat", "add")]


def reconstruct(network: Network, images: Array) -> Array:
    """The reconstructions, of the images' own shape. Raises CheckFailed (wrong_shape), StudentError."""
    outputs = network.reconstruct(images)
    if outputs.shape != images.shape:
        fail(
            f"For {len(images)} images there are {len(outputs)} reconstructions.",
            called=f"{network.made}(images)",
            cause="wrong_shape",
            expected="one reconstruction per image",
        )
    return outputs


def assert_any_batch(network: Network) -> None:
    """Raises CheckFailed (hard_coded_batch, only_batch_one) unless images are reconstructed one by one as together."""
    images = sample_images(network.role, 7)
    together = reconstruct(network, images)
    for count in (1, 3):
        try:
            alone = reconstruct(network, images[:count])
        except StudentError as error:
            fail(
                f"A batch of 7 images works, and one of {count} ends with {error}",
                called=f"{network.made}(images)",
                cause="hard_coded_batch",
                expected="a network that takes batches of any size",
            )
        if np.max(np.abs(alone - together[:count])) > SAME * max(1.0, float(np.max(np.abs(together)))):
            fail(
                f"An image is reconstructed differently when {count} images are given than when 7 are.",
                called=f"{network.made}(images) in evaluation mode",
                cause="only_batch_one",
                expected="reconstructions that do not depend on what else is in the batch",
            )


# ---- Learning -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Result:
    """A trained network: what it makes of the test images, on their scale, and its error per pixel; and its origin."""

    network: Network
    outputs: Array
    error: float
    origin: str
    scale: tuple[float, float] = (0.0, 1.0)
    losses: Array | None = None


def trained(
    probes: Probes,
    network: Network,
    file: str,
    digits: ImageData,
    bar: float,
    show: Any,
    *,
    steps: int,
    lr: float,
    batch: int,
) -> Result:
    """The network with the weights of the submitted checkpoint, or trained by a loop of ours where there is none.

    Raises CheckFailed for a checkpoint that does not fit, or that has not learnt.
    """
    if _is_submitted(probes, file):
        fresh = reconstruction_error(reconstruct(network, digits.test), digits.test)
        saved = load_checkpoint(network, file)
        if saved.remarks:
            show.text(f"About {file}", "\n".join(saved.remarks))
        result = _best_scale(saved.network, digits, f"your {file}")
        if result.error < bar or not digits.embedded:
            return result
        if result.error > LEARNT_ELSEWHERE * fresh:
            return result
        show.text(
            f"About {file}",
            f"Its reconstruction error is {result.error:.4f} on the digits used here, which are not those of MNIST. It "
            "has learnt, so your network was trained on these digits before it was judged.",
        )
        network = saved.network
    for rounds in (1, 2):  # a network that starts badly gets a second chance
        result = _standard(probes, network, digits, steps * rounds, lr, batch)
        if result.error < bar:
            break
    return result


def _is_submitted(probes: Probes, file: str) -> bool:
    try:
        return bool(probes.read_submitted_file(file))
    except StudentError:
        return False


def _best_scale(network: Network, digits: ImageData, origin: str) -> Result:
    """The checkpoint may have been trained on pixels of another scale: the one that suits it best counts."""
    results = []
    for mean, deviation in SCALES.values():
        outputs = reconstruct(network, ((digits.test - mean) / deviation).astype(np.float32))
        for back in {(mean, deviation), (0.0, 1.0)}:
            images = outputs * back[1] + back[0]
            error = reconstruction_error(images, digits.test)
            results.append(Result(network, images, error, origin, (mean, deviation)))
    return min(results, key=lambda result: result.error)


def _standard(probes: Probes, network: Network, digits: ImageData, steps: int, lr: float, batch: int) -> Result:
    done = standard_training(
        probes, network.handle, digits.train, held=digits.test, steps=steps, lr=lr, batch_size=batch, seconds=40.0
    )
    if done.outputs.size != digits.test.size:
        fail(f"The reconstructions have shape {done.outputs.shape}.", called=f"{network.made}(images)",
             cause="wrong_shape", expected=f"as many numbers as the images {digits.test.shape} have")  # fmt: skip
    outputs = done.outputs.reshape(digits.test.shape)
    origin = f"{done.steps} steps of a training of ours"
    return Result(network, outputs, reconstruction_error(outputs, digits.test), origin, losses=done.losses)


def assert_beats_pca(result: Result, digits: ImageData, bar: float, show: Any) -> None:
    """Show what was learnt. Raises CheckFailed unless the error is below that of two principal components."""
    show_reconstructions(result, digits, show)
    show.text(
        "Reconstruction error",
        f"{result.error:.4f} per pixel on held-out digits, after {result.origin}; with two principal components (PCA) "
        f"it is {bar:.4f}.",
    )
    if result.error >= bar:
        fail(
            f"the reconstructions have a mean squared error of {result.error:.4f} per pixel, after {result.origin}; "
            f"PCA has {bar:.4f}",
            called=f"{result.network.made}(images) on held-out digits",
            expected=f"less than {bar:.4f}, the error of PCA with two components, which is a linear autoencoder",
        )


def show_reconstructions(result: Result, digits: ImageData, show: Any) -> None:
    """Originals and reconstructions, the embedding by label, and the loss curve where there is one."""
    rows = {"original": digits.test[:SHOWN], "yours": result.outputs[:SHOWN]}
    show.figure(
        "Your reconstructions", lambda: pictures.image_rows(rows), f"eight held-out digits, after {result.origin}"
    )
    mean, deviation = result.scale
    codes = result.network.code(((digits.test - mean) / deviation).astype(np.float32))
    if codes.ndim == 2 and codes.shape[1] == 2:
        show.figure("Your embedding", lambda: pictures.embedding(codes, digits.test_labels),
                    "two-dimensional codes of held-out digits, coloured by label")  # fmt: skip
    if result.losses is not None and len(result.losses) > 1:
        losses = result.losses
        show.figure("Training loss", lambda: pictures.curves({"loss": losses}, "step", "mean squared error"),
                    "the loss of each step of our training")  # fmt: skip


def pca_bar(digits: ImageData) -> float:
    """The error of PCA with two components."""
    return pca_error(digits.train, digits.test)
