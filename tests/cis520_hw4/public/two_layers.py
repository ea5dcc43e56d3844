"""Problem 1: examples for the network with one hidden layer, its loss, and calls of the student's two functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from autograder.checks.compare import as_array, as_mapping, call
from autograder.checks.strategies import examples, filled
from autograder.sandbox.proxy import Probes, StudentError

Array = NDArray[np.float64]

MODULE, FILE = "backprop", "backprop.py"
FORWARD = "forward(x, W1, b1, W2, b2)"
GRADIENTS = "gradients(x, y, W1, b1, W2, b2)"
NAMES = ("W1", "b1", "W2", "b2")

# Inputs, hidden units, outputs: the sizes come from the arrays, and 500 hidden units are the handout's.
CASES = ((2, 3, 2), (2, 4, 2), (2, 5, 2), (2, 1, 2))
LARGE = (2, 500, 2)
SMALL_WEIGHTS = 0.5  # so that neither the tanh nor the sigmoid is flat


@dataclass(frozen=True, eq=False)
class Example:
    """x (2,), y (2,) of zeros and ones, W1 (2, H), b1 (H,), W2 (H, 2), b2 (2,): float64."""

    x: Array
    y: Array
    W1: Array
    b1: Array
    W2: Array
    b2: Array

    @property
    def parameters(self) -> tuple[Array, ...]:
        return self.W1, self.b1, self.W2, self.b2

    def changed(self, name: str, value: Array) -> tuple[Array, ...]:
        """The parameters with another value for one of them."""
        return tuple(value if one == name else getattr(self, one) for one in NAMES)


def make_example(case: tuple[int, int, int], seed: int) -> Example:
    """An example of these sizes."""
    inputs, hidden, outputs = case
    random = np.random.default_rng(seed)
    x, W1, b1, W2, b2 = filled(
        random, (inputs,), (inputs, hidden), (hidden,), (hidden, outputs), (outputs,), largest=1.0
    )
    y = random.integers(0, 2, outputs).astype(np.float64)
    scale = SMALL_WEIGHTS * min(1.0, (8 / hidden) ** 0.5)
    return Example(x, y, W1, b1 * SMALL_WEIGHTS, W2 * scale, b2 * SMALL_WEIGHTS)


def network_examples(cases: Any = CASES) -> st.SearchStrategy[Example]:
    """Examples of several numbers of hidden units."""
    return examples(make_example, cases)


def outputs(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    """Equations 1 to 4."""
    z2 = np.tanh(x @ W1 + b1) @ W2 + b2
    return 0.5 * (1 + np.tanh(0.5 * z2))


def loss(example: Example, parameters: tuple[Array, ...]) -> float:
    """Equation 5 with the sign that is printed, summed over the outputs."""
    a2 = outputs(example.x, *parameters)
    return float(np.sum(example.y * np.log(a2) + (1 - example.y) * np.log(1 - a2)))


def wrong_loss_gradients(example: Example) -> dict[str, dict[str, Array]]:
    """By parameter, the gradients that usual mistakes give, by their cause."""
    a1 = np.tanh(example.x @ example.W1 + example.b1)
    a2 = outputs(example.x, *example.parameters)
    right = _from_errors(example, a1, example.y - a2)
    return {name: {"sign_flipped": -right[name]} for name in NAMES}


def _from_errors(example: Example, a1: Array, error2: Array) -> dict[str, Array]:
    error1 = (example.W2 @ error2) * (1 - a1**2)
    return {"W1": np.outer(example.x, error1), "b1": error1, "W2": np.outer(a1, error2), "b2": error2}


def student_outputs(probes: Probes, example: Example) -> Array:
    """What `forward` gives, (2,); as a row (1, 2) is fine. Raises CheckFailed, StudentError."""
    module = probes.module(MODULE)
    value = _vector_or_row(lambda x, _: call(module, "forward", x, *_copies(example), name=MODULE), example)
    array = as_array(value, "a2", called=FORWARD)
    return array.reshape(-1) if array.shape == (1, len(example.y)) else array


def student_gradients(probes: Probes, example: Example) -> dict[str, Any]:
    """The dict that `gradients` gives. Raises CheckFailed, StudentError."""
    module = probes.module(MODULE)
    value = _vector_or_row(lambda x, y: call(module, "gradients", x, y, *_copies(example), name=MODULE), example)
    return as_mapping(value, NAMES, "the gradients", called=GRADIENTS)


def arguments_afterwards(probes: Probes, example: Example) -> dict[str, Any]:
    """The arguments of `gradients` by name, as they are after a call."""
    function = probes.module(MODULE).gradients

    def ask(x: Array, y: Array) -> Any:
        return probes.call_and_return_arguments(function, x, y, *_copies(example))[1]

    return dict(zip(("x", "y", *NAMES), _vector_or_row(ask, example), strict=False))


def _copies(example: Example) -> list[Array]:
    return [parameter.copy() for parameter in example.parameters]


def _vector_or_row(ask: Any, example: Example) -> Any:
    """The answer for x (2,), or for x (1, 2) where only that works: Eq. 1 reads as both."""
    try:
        return ask(example.x.copy(), example.y.copy())
    except StudentError as first:
        if first.type_name == "NotImplementedError":
            raise
        try:
            return ask(example.x[None].copy(), example.y[None].copy())
        except StudentError:
            raise first from None


def in_shape(value: Any, like: Array, name: str) -> Array:
    """A gradient in the shape of its parameter; a bias's may be a row or a column. Raises CheckFailed."""
    array = as_array(value, f"gradients[{name!r}]", called=GRADIENTS)
    return array.reshape(like.shape) if like.ndim == 1 and array.size == like.size else array
