"""3.2: where a network normalizes batches, found in the numbers that it computes, however that is written."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.checks.architecture import outline
from autograder.checks.compare import as_array, fail
from autograder.checks.folding import Layer, Operation
from autograder.checks.networks import Network
from autograder.checks.traces import Trace
from autograder.sandbox.proxy import StudentError

Array = NDArray[np.float64]
Images = NDArray[np.float32]

HIDDEN = 2
BATCH = 256
BRIGHTNESS = 4.0  # so that what is not normalized is far from mean 0 and deviation 1
SEED = 20190401

# A normalized column has mean 0 and deviation 1 but for the small constant below the root, and n or n - 1.
MEAN, DEVIATION = 0.05, 0.06
MOST_COLUMNS = 0.8
"""Some units may be dead."""
SETTLED = 0.35
"""Statistics over some batches are off by far less than this, in deviations; those of another layer by more."""
PASSES = 500

ORDER = "linear layer, batch normalization, activation (or activation, batch normalization), for both hidden layers"


@dataclasses.dataclass(frozen=True)
class Place:
    """What stands behind one linear layer.

    number: of the linear layer, from 1. normalised: the operation that gives values of mean 0 and deviation 1 over the
    batch; None where none does. along_rows: an operation that normalizes each image over its units. by_variance: one
    that divides what has mean 0 by its variance.
    """

    number: int
    operations: tuple[Operation, ...]
    normalised: Operation | None
    along_rows: bool
    by_variance: bool


def sample_batch(count: int = BATCH) -> Images:
    """Random images, brighter than real ones; the same every time."""
    images = BRIGHTNESS * np.random.default_rng(SEED).random((count, 1, 28, 28), dtype=np.float32)
    return images.astype(np.float32)


def places(network: Network) -> tuple[list[Place], Place]:
    """In training mode: what stands behind each hidden layer, and what behind the output layer.

    Raises CheckFailed where there are not at least two hidden layers, StudentError.
    """
    trace = network.trace(training=True)
    linear = linear_layers(trace, network)
    values = values_of(network, trace, training=True)
    ends = [*linear[1:], None]
    found = [
        _place(number, _between(trace, before, after), values)
        for number, (before, after) in enumerate(zip(linear, ends, strict=True), 1)
    ]
    return found[:-1], found[-1]


def linear_layers(trace: Trace, network: Network) -> list[Layer]:
    """The linear layers, of which the last one gives the scores. Raises CheckFailed."""
    linear = [layer for layer in trace.layers() if layer.name == "linear"]
    if len(linear) <= HIDDEN:
        fail(
            f"Your network computes:\n{outline(trace.layers())}",
            called=network.made,
            expected="the network of 3.1, with two hidden layers and the output layer",
        )
    return linear


def _between(trace: Trace, before: Layer, after: Layer | None) -> tuple[Operation, ...]:
    """The operations between two layers, or behind the last one."""
    later = trace.downstream(before.value)
    needed = trace.upstream(after.inputs[0] if after is not None else trace.output)
    return tuple(o for o in trace.used if o.output in later and o.output in needed and o.output != before.value)


def values_of(network: Network, trace: Trace, *, training: bool) -> dict[int, Array]:
    """What every operation gives for the sample batch, by its output's number. Raises CheckFailed, StudentError."""
    called = f"{network.made}(images)"
    positions = sorted({operation.position for operation in trace.used if len(operation.output_shape) == 2})
    answer = network.probes.run(
        "networks", "values_at", network.handle, network.inputs(sample_batch()), positions, training, called=called
    )
    if not isinstance(answer, dict):
        fail("What your network computes cannot be read.", called=called)
    kept = {operation.position: operation.output for operation in trace.used}
    return {
        kept[position]: as_array(value, "what a layer gives", called=called)
        for position, value in answer.items()
        if position in kept
    }


def _place(number: int, operations: tuple[Operation, ...], values: dict[int, Array]) -> Place:
    shown = [(operation, values[operation.output]) for operation in operations if _is_batch(values, operation)]
    normal = [o for o, value in shown if o.settings.get("uses_batch_statistics") or _is_normal(value)]
    rows = any(_is_normal(value.T) for _, value in shown)
    squared = any(_is_divided_by_variance(value, before) for _, value in shown for _, before in shown)
    return Place(number, operations, normal[0] if normal else None, rows and not normal, squared and not normal)


def _is_batch(values: dict[int, Array], operation: Operation) -> bool:
    value = values.get(operation.output)
    return value is not None and value.ndim == 2 and value.shape[0] == BATCH and value.shape[1] > 1


def _is_divided_by_variance(value: Array, before: Array) -> bool:
    """Whether the columns are those of `before` less their mean, divided by their variance: 1 / deviation in size."""
    if value.shape != before.shape:
        return False
    spread = before.std(axis=0)
    right = (np.abs(value.mean(axis=0)) < MEAN * (1 + value.std(axis=0))) & (
        np.abs(value.std(axis=0) * spread - 1) < DEVIATION
    )
    return bool(right.mean() >= MOST_COLUMNS and np.mean(np.abs(spread - 1) > 2 * DEVIATION) >= MOST_COLUMNS)


def _is_normal(value: Array) -> bool:
    """Whether the columns have mean 0 and deviation 1."""
    right = (np.abs(value.mean(axis=0)) < MEAN) & (np.abs(value.std(axis=0) - 1) < DEVIATION)
    return bool(right.mean() >= MOST_COLUMNS)


def assert_normalised(network: Network) -> list[Place]:
    """Both hidden layers are normalized over the batch, the scores are not.

    Raises CheckFailed (missing_normalization, missing_root, wrong_axis, superfluous_layer, shared_layer).
    """
    hidden, last = places(network)
    for place in hidden:
        if place.normalised is None:
            cause, sentence = _slip_at(place)
            fail(
                f"Behind linear layer {place.number} the values of a batch do not have mean 0 and deviation 1 in "
                f"training.{sentence}",
                called=network.made,
                cause=cause,
                expected=ORDER,
            )
    if last.normalised is not None:
        fail("The scores of the output layer are normalized, too.", called=network.made, cause="superfluous_layer",
             expected=ORDER)  # fmt: skip
    _assert_apart(network, hidden)
    return hidden


def _slip_at(place: Place) -> tuple[str, str]:
    """(cause, a sentence about it) where a layer is not normalized."""
    if place.along_rows:
        return "wrong_axis", (
            " The values of each single image have: mean and deviation are taken over the units, and not over the "
            "batch."
        )
    if place.by_variance:
        return "missing_root", " They are divided by their variance, and not by its root."
    return "missing_normalization", ""


def _assert_apart(network: Network, hidden: list[Place]) -> None:
    """No layer's statistics and parameters are shared with another's. Raises CheckFailed."""
    names = [set(place.normalised.parameters.values()) for place in hidden if place.normalised is not None]
    for first, second in itertools.combinations(names, 2):
        if first & second:
            fail(
                f"One and the same normalization ({', '.join(sorted(first & second))}) serves both hidden layers, so "
                "that their statistics are mixed.",
                called=network.made,
                cause="shared_layer",
                expected="a batch normalization of its own for each hidden layer",
            )


def assert_settles(network: Network) -> None:
    """After many batches in training mode, evaluation uses the same mean and deviation. Raises CheckFailed.

    Statistics may follow the batches in any way, as long as they have arrived after some hundreds of them.
    """
    hidden = assert_normalised(network)
    images = network.inputs(sample_batch(2 * BATCH))
    network.probes.run("training", "pass_in_training_mode", network.handle, images, PASSES, 64,
                       called=f"{PASSES} batches in training mode")  # fmt: skip
    training = values_of(network, network.trace(training=True), training=True)
    trace = network.trace()
    evaluated = values_of(network, trace, training=False)
    linear = linear_layers(trace, network)
    for place, before, after in zip(hidden, linear[:-1], linear[1:], strict=False):
        assert place.normalised is not None
        wanted = training.get(place.normalised.output)
        here = [evaluated[o.output] for o in _between(trace, before, after) if o.output in evaluated]
        if wanted is None or not any(_distance(value, wanted) < SETTLED for value in here):
            fail(
                f"After {PASSES} batches in training mode, what is behind linear layer {place.number} is still not "
                "normalized in evaluation mode.",
                called=f"model = {network.made}; model.eval(); model(images)",
                cause="statistics_not_kept",
                expected="evaluation with the running mean and variance of the training batches, of each layer",
            )


def _distance(value: Array, wanted: Array) -> float:
    """Root mean square of the difference, in deviations."""
    if value.shape != wanted.shape:
        return np.inf
    return float(np.sqrt(np.mean((value - wanted) ** 2)) / max(float(wanted.std()), 1e-12))


def assert_alone(network: Network, images: Images) -> None:
    """In evaluation mode an image gets the same scores alone as in a batch.

    Raises CheckFailed (ignores_mode), StudentError.
    """
    together = network.run(images)
    called = f"model = {network.made}; model.eval(); model(images)"
    expected = "in evaluation mode the running statistics, and not those of the images that are evaluated"
    for count in (3, 1):
        try:
            alone: Any = network.run(images[:count])
        except StudentError as error:
            if "more than 1 value per channel" not in error.message:
                raise
            fail(f"One image alone has no mean and variance of its own: {error.message[:200]}", called=called,
                 cause="ignores_mode", expected=expected)  # fmt: skip
        if not np.allclose(alone, together[:count], rtol=1e-3, atol=1e-4):
            fail(
                f"An image gets other scores when {count} of the images are evaluated than when all {len(images)} are.",
                called=called,
                cause=None if _mixes_images(network) else "ignores_mode",
                expected=expected,
            )


def _mixes_images(network: Network) -> bool:
    """Whether a softmax runs over the images, which has nothing to do with normalization."""
    softmaxes = [layer for layer in network.trace().layers() if "softmax" in layer.name]
    return any(layer.settings.get("dim") not in (1, -1, None) for layer in softmaxes)
