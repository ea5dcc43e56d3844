"""Hypothesis strategies for the homeworks' inputs: cheap to draw, and readable when they come back as counterexamples.

Only a case, which is a shape with what is special about it, and a seed are drawn; the arrays are filled from the seed
with numbers of one decimal. The first case of each list is small, and no two of its sizes are equal: hypothesis shrinks
towards it, so that a counterexample is special only where the bug needs it to be, and a diagnosis rarely has to choose
between two sizes that happen to be the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Array = NDArray[np.float64]
Example = TypeVar("Example")

SEEDS = 10_000

# How arrays lie in memory: C order, Fortran order, or every second entry of a larger array.
LAYOUTS = ("C", "F", "strided")


def filled(random: np.random.Generator, *shapes: tuple[int, ...], largest: float = 2.0) -> tuple[Array, ...]:
    """An array for each shape: random numbers of one decimal between -`largest` and `largest`, none of them 0."""
    sizes = [math.prod(shape) for shape in shapes]
    limit = round(largest * 10)
    tenths = random.integers(-limit, limit, sum(sizes))
    tenths += tenths >= 0  # leaves out 0
    parts, start = [], 0
    for shape, size in zip(shapes, sizes, strict=True):
        parts.append((tenths[start : start + size] / 10.0).reshape(shape))
        start += size
    return tuple(parts)


def laid_out(array: Array, layout: str) -> Array:
    """A copy of a matrix with the same values in another memory layout (see LAYOUTS)."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided":
        wider = np.zeros((array.shape[0], 2 * array.shape[1]))
        wider[:, ::2] = array
        return wider[:, ::2]
    return array.copy()


def examples(make: Callable[[Any, int], Example], cases: Sequence[Any]) -> st.SearchStrategy[Example]:
    """Examples `make(case, seed)`; hypothesis shrinks towards the first case and seed 0."""
    return st.builds(make, st.sampled_from(list(cases)), st.integers(0, SEEDS))


def seeds() -> st.SearchStrategy[int]:
    """A seed for what the student's code draws itself."""
    return st.integers(0, SEEDS)


# ---- Layers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LinearBatch:
    """A linear layer U = X W + b and a batch for it.

    X (rows, inputs), W (inputs, outputs), b (1, outputs), upstream (rows, outputs): the gradient from the layer above.
    All float64.
    """

    X: Array
    W: Array
    b: Array
    upstream: Array

    @property
    def rows(self) -> int:
        return self.X.shape[0]

    @property
    def inputs(self) -> int:
        return self.W.shape[0]

    @property
    def outputs(self) -> int:
        return self.W.shape[1]


# (rows, inputs, outputs, layout of X)
LINEAR_CASES = (
    (3, 2, 4, "C"),
    (4, 3, 2, "C"),
    (5, 4, 3, "C"),
    (2, 5, 3, "F"),
    (4, 2, 5, "strided"),
    (3, 3, 3, "C"),  # square
    (1, 3, 2, "C"),  # one row
    (3, 4, 1, "C"),  # one output
    (4, 1, 3, "C"),  # one input
    (1, 1, 1, "C"),
    (7, 6, 5, "C"),
)


def linear_batches(cases: Sequence[tuple[int, int, int, str]] = LINEAR_CASES) -> st.SearchStrategy[LinearBatch]:
    """Batches for a linear layer; also square, one row, one column and non-contiguous."""
    return examples(linear_batch, cases)


def linear_batch(case: tuple[int, int, int, str], seed: int) -> LinearBatch:
    """The batch of one of LINEAR_CASES."""
    rows, inputs, outputs, layout = case
    random = np.random.default_rng(seed)
    X, W, b, upstream = filled(random, (rows, inputs), (inputs, outputs), (1, outputs), (rows, outputs))
    return LinearBatch(laid_out(X, layout), W, b, upstream)


@dataclass(frozen=True, eq=False)
class ReluBatch:
    """Inputs X of a ReLU and the upstream gradient, both (rows, units) float64. No entry of X is within 0.1 of 0,
    unless the case asks for exact zeros."""

    X: Array
    upstream: Array

    @property
    def rows(self) -> int:
        return self.X.shape[0]


# (rows, units, what is special)
RELU_CASES = (
    (3, 2, "mixed"),
    (2, 3, "mixed"),
    (4, 5, "mixed"),
    (3, 4, "F"),
    (2, 5, "strided"),
    (1, 4, "mixed"),
    (4, 1, "mixed"),
    (3, 3, "mixed"),
    (3, 4, "negative"),
    (2, 4, "positive"),
    (2, 3, "large"),
)


def relu_batches(cases: Sequence[tuple[int, int, str]] = RELU_CASES) -> st.SearchStrategy[ReluBatch]:
    """Batches for a ReLU: mixed signs, all negative, all positive, large, non-contiguous; never at the corner."""
    return examples(relu_batch, cases)


def relu_batch(case: tuple[int, int, str], seed: int) -> ReluBatch:
    """The batch of one of RELU_CASES; "zeros" puts 0.0 and -0.0 among the entries."""
    rows, units, special = case
    random = np.random.default_rng(seed)
    X, upstream = filled(random, (rows, units), (rows, units))
    if special == "mixed" and X.size > 1:
        X.flat[0], X.flat[1] = abs(X.flat[0]), -abs(X.flat[1])
    elif special == "negative":
        X = -np.abs(X)
    elif special == "positive":
        X = np.abs(X)
    elif special == "large":
        X = X * 1e6
    elif special == "zeros":
        X.flat[::2] = 0.0
        X.flat[::4] = -0.0
    return ReluBatch(laid_out(X, special), upstream)


@dataclass(frozen=True, eq=False)
class MlpBatch:
    """A two-layer perceptron with ReLU and softmax cross-entropy, and a labelled batch for it.

    x (rows, inputs), y (rows, 1) float labels, W1 (inputs, hidden), b1 (1, hidden), W2 (hidden, classes),
    b2 (1, classes). No hidden unit is within 0.01 of its corner, and on each row one is on and one is off.
    """

    x: Array
    y: Array
    W1: Array
    b1: Array
    W2: Array
    b2: Array

    @property
    def rows(self) -> int:
        return self.x.shape[0]

    @property
    def inputs(self) -> int:
        return self.W1.shape[0]

    @property
    def hidden(self) -> int:
        return self.W1.shape[1]

    @property
    def classes(self) -> int:
        return self.W2.shape[1]


# (rows, inputs, hidden, classes, labels)
MLP_CASES = (
    (3, 2, 4, 5, "mixed"),
    (4, 3, 5, 2, "mixed"),
    (2, 5, 3, 4, "mixed"),
    (5, 4, 6, 3, "mixed"),
    (1, 3, 4, 2, "mixed"),
    (4, 2, 3, 5, "repeated"),
    (3, 3, 3, 3, "mixed"),
)
CORNER_DISTANCE = 0.005
ATTEMPTS = 50


def mlp_batches(cases: Sequence[tuple[int, int, int, int, str]] = MLP_CASES) -> st.SearchStrategy[MlpBatch]:
    """Networks with batches; also one row, all sizes equal, and one label for all rows."""
    return examples(mlp_batch, cases)


def mlp_batch(case: tuple[int, int, int, int, str], seed: int) -> MlpBatch:
    """The batch of one of MLP_CASES."""
    rows, inputs, hidden, classes, labels = case
    random = np.random.default_rng(seed)
    x, W1, b1 = _lively_first_layer(random, rows, inputs, hidden)
    y = random.integers(0, classes, (rows, 1)).astype(np.float64)
    W2, b2 = filled(random, (hidden, classes), (1, classes), largest=1.0)
    return MlpBatch(x, np.full_like(y, y[0, 0]) if labels == "repeated" else y, W1, b1, W2, b2)


def _lively_first_layer(random: np.random.Generator, rows: int, inputs: int, hidden: int) -> tuple[Array, Array, Array]:
    """Inputs, weights and biases whose sums are on both sides of 0 in every row, and never near it."""
    for _ in range(ATTEMPTS):
        x, W, b = filled(random, (rows, inputs), (inputs, hidden), (1, hidden))
        sums = x @ W + b
        if np.abs(sums).min() > CORNER_DISTANCE and (sums > 0).any(axis=1).all() and (sums < 0).any(axis=1).all():
            return x, W, b
    raise ValueError(f"no lively layer of {inputs} inputs and {hidden} units found: give it at least two units")


@dataclass(frozen=True, eq=False)
class DescentStep:
    """Two linear layers before a step of gradient descent: their parameters, gradients, and the learning rate.

    W1 and its gradient dW1 (inputs, hidden), b1 and db1 (1, hidden), W2 and dW2 (hidden, classes), b2 and db2
    (1, classes): float64, no gradient entry is 0. `next_gradients` are four others for a second step.
    """

    W1: Array
    b1: Array
    W2: Array
    b2: Array
    dW1: Array
    db1: Array
    dW2: Array
    db2: Array
    rate: float
    next_gradients: tuple[Array, ...] = field(repr=False)

    @property
    def params(self) -> dict[str, dict[str, Array]]:
        """The parameters by layer and name."""
        return {"L1": {"W": self.W1, "b": self.b1}, "L2": {"W": self.W2, "b": self.b2}}

    @property
    def gradients(self) -> dict[str, dict[str, Array]]:
        """The gradients by layer and name."""
        return {"L1": {"W": self.dW1, "b": self.db1}, "L2": {"W": self.dW2, "b": self.db2}}

    @property
    def later_gradients(self) -> dict[str, dict[str, Array]]:
        """The gradients for a second step, by layer and name."""
        W1, b1, W2, b2 = self.next_gradients
        return {"L1": {"W": W1, "b": b1}, "L2": {"W": W2, "b": b2}}


# (inputs, hidden, classes, rate); no rate is 1, where a step that forgets the rate, or takes it twice, would be right.
DESCENT_CASES = (
    (2, 3, 4, 0.5),
    (3, 4, 2, 0.5),
    (4, 3, 2, 0.2),
    (2, 4, 3, 3.0),
    (3, 3, 3, 0.5),
    (1, 2, 3, 0.01),
    (3, 1, 2, 0.2),
)


def descent_steps(cases: Sequence[tuple[int, int, int, float]] = DESCENT_CASES) -> st.SearchStrategy[DescentStep]:
    """Steps of gradient descent, with learning rates below and above 1."""
    return examples(descent_step, cases)


def descent_step(case: tuple[int, int, int, float], seed: int) -> DescentStep:
    """The step of one of DESCENT_CASES."""
    inputs, hidden, classes, rate = case
    random = np.random.default_rng(seed)
    shapes = ((inputs, hidden), (1, hidden), (hidden, classes), (1, classes))
    W1, b1, W2, b2, dW1, db1, dW2, db2, *later = filled(random, *shapes * 3)
    return DescentStep(W1, b1, W2, b2, dW1, db1, dW2, db2, rate, tuple(later))


# ---- Classifiers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One flat image with its label, and a linear classifier for it.

    image (features,) float64 or int64, label int, W (features, classes) and b (1, classes) float64.
    """

    image: NDArray[Any]
    label: int
    W: Array
    b: Array

    @property
    def features(self) -> int:
        return self.W.shape[0]

    @property
    def classes(self) -> int:
        return self.W.shape[1]


# (features, classes, what is special)
IMAGE_CASES = (
    (3, 2, "float"),
    (4, 3, "float"),
    (2, 5, "float"),
    (6, 4, "binary"),
    (3, 3, "float"),
    (1, 2, "float"),
    (5, 10, "binary"),
)
LARGE_LOGIT_CASES = ((3, 2, "large"), (4, 3, "large"), (2, 5, "large"))


def labelled_images(cases: Sequence[tuple[int, int, str]] = IMAGE_CASES) -> st.SearchStrategy[LabelledImage]:
    """One image, its label and a classifier: float pixels, or the whole numbers 0 and 1.

    With LARGE_LOGIT_CASES the scores reach from about -1000 to 1000, so that an unshifted exponential overflows.
    """
    return examples(labelled_image, cases)


def labelled_image(case: tuple[int, int, str], seed: int) -> LabelledImage:
    """The image of one of IMAGE_CASES or LARGE_LOGIT_CASES."""
    features, classes, special = case
    random = np.random.default_rng(seed)
    image: NDArray[Any] = random.integers(1, 10, features, endpoint=True) / 10.0
    if special == "binary":
        image = random.integers(0, 1, features, endpoint=True)
        image[0] = 1
    W, b = filled(random, (features, classes), (1, classes))
    if special == "large":
        b[0] = 1000.0 * random.permutation(np.linspace(-1.0, 1.0, classes).round(1))
    return LabelledImage(image, int(random.integers(0, classes)), W, b)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a classifier says about one image: probabilities (1, classes) float64 of sum 1, and the true label.

    image (features,) float64 or int64 is the classifier's input.
    """

    image: NDArray[Any]
    probabilities: Array
    label: int

    @property
    def classes(self) -> int:
        return self.probabilities.shape[1]


PREDICTION_CASES = (
    (3, 2, "float"),
    (2, 4, "float"),
    (4, 3, "binary"),
    (3, 3, "float"),
    (1, 5, "float"),
    (5, 10, "binary"),
)
CERTAIN_CASES = ((3, 2, "right"), (2, 4, "wrong"), (3, 3, "right"), (4, 3, "wrong"))


def predictions(cases: Sequence[tuple[int, int, str]] = PREDICTION_CASES) -> st.SearchStrategy[Prediction]:
    """Probabilities with a label; with CERTAIN_CASES they are exactly 1 and 0, the 1 perhaps at a wrong label."""
    return examples(prediction, cases)


def prediction(case: tuple[int, int, str], seed: int) -> Prediction:
    """The prediction of one of PREDICTION_CASES or CERTAIN_CASES."""
    features, classes, special = case
    random = np.random.default_rng(seed)
    image: NDArray[Any] = random.integers(1, 10, features, endpoint=True) / 10.0
    if special == "binary":
        image = random.integers(0, 1, features, endpoint=True)
    label = int(random.integers(0, classes))
    weights = random.integers(1, 20, classes).astype(np.float64)
    probabilities = (weights / weights.sum()).reshape(1, classes)
    if special in ("right", "wrong"):
        probabilities = np.zeros((1, classes))
        probabilities[0, label if special == "right" else (label + 1) % classes] = 1.0
    return Prediction(image, probabilities, label)


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """A small set that a linear classifier can learn: images (count, features), labels (count,) uint8 or int8.

    Each class has its own bright pixel, so one pass of gradient descent already lowers the loss.
    """

    images: Array
    labels: NDArray[Any]
    classes: int = field(default=2)

    @property
    def features(self) -> int:
        return self.images.shape[1]


# (count, classes, dtype of the labels)
IMAGE_SET_CASES = ((6, 2, "uint8"), (9, 3, "uint8"), (8, 4, "int8"), (12, 3, "int8"))


def image_sets(cases: Sequence[tuple[int, int, str]] = IMAGE_SET_CASES) -> st.SearchStrategy[LabelledImages]:
    """Small labelled sets with every class in them, in random order."""
    return examples(image_set, cases)


def image_set(case: tuple[int, int, str], seed: int) -> LabelledImages:
    """The set of one of IMAGE_SET_CASES."""
    count, classes, dtype = case
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % classes)
    images = random.integers(0, 3, (count, classes + 1), endpoint=True) / 10.0
    images[np.arange(count), labels] = 1.0
    return LabelledImages(images, labels.astype(dtype), classes)
