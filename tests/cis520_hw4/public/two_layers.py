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
    return _sigmoid(np.tanh(x @ W1 + b1) @ W2 + b2)


def loss(example: Example, parameters: tuple[Array, ...]) -> float:
    """Equation 5 with the sign that is printed, summed over the outputs."""
    a2 = outputs(example.x, *parameters)
    return float(np.sum(example.y * np.log(a2) + (1 - example.y) * np.log(1 - a2)))


def wrong_outputs(example: Example) -> dict[str, tuple[Array, ...]]:
    """What `forward` gives with usual mistakes, by their cause."""
    x, (W1, b1, W2, b2) = example.x, example.parameters
    hidden, no_first = np.tanh(x @ W1 + b1), np.tanh(x @ W1)
    z2 = hidden @ W2 + b2
    others = (_sigmoid(x @ W1 + b1), np.maximum(x @ W1 + b1, 0))
    powers = np.exp(z2)
    return {
        "missing_bias": (_sigmoid(no_first @ W2 + b2), _sigmoid(hidden @ W2), _sigmoid(no_first @ W2)),
        "missing_sigmoid": (z2,),
        "wrong_dtype": (np.rint(_sigmoid(z2)),),
        "missing_activation": (_sigmoid((x @ W1 + b1) @ W2 + b2),),
        "wrong_activation": (*(_sigmoid(other @ W2 + b2) for other in others), powers / powers.sum(), np.tanh(z2)),
    }


def wrong_loss_gradients(example: Example) -> dict[str, dict[str, tuple[Array, ...]]]:
    """By parameter, the gradients that usual mistakes give, by their cause."""
    z1 = example.x @ example.W1 + example.b1
    a1, a2 = np.tanh(z1), outputs(example.x, *example.parameters)
    error2, slope = example.y - a2, 1 - np.tanh(z1) ** 2
    back = example.W2 @ error2
    slips: dict[str, list[dict[str, Array]]] = {
        "sign_flipped": [_from_errors(example, a1, -error2, -back * slope)],
        "missing_derivative": [_from_errors(example, a1, error2, back)],
        "wrong_derivative": [
            _from_errors(example, a1, error2, back * other)
            for other in (1 - z1**2, a1 * (1 - a1), z1 * (1 - z1), 1 - a1)
        ],
        "extra_derivative": [_through(example, a1, error2 * a2 * (1 - a2), slope)],
        "missing_term": [
            _through(example, a1, part, slope) for part in (example.y * (1 - a2), -(1 - example.y) * a2)
        ],
        "ignores_upstream": [
            _from_errors(example, a1, error2, error * slope)
            for error in (example.W2.sum(axis=1), np.ones_like(slope))
        ],
        "missing_activation": [_from_errors(example, z1, error2, back * slope)],
    }  # fmt: skip
    return {name: {cause: tuple(one[name] for one in made) for cause, made in slips.items()} for name in NAMES}


def _through(example: Example, a1: Array, error2: Array, slope: Array) -> dict[str, Array]:
    """The gradients where the error at the output is this one."""
    return _from_errors(example, a1, error2, (example.W2 @ error2) * slope)


def _sigmoid(z: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))


def _from_errors(example: Example, a1: Array, error2: Array, error1: Array) -> dict[str, Array]:
    W1, W2 = np.asarray(np.outer(example.x, error1), np.float64), np.asarray(np.outer(a1, error2), np.float64)
    return {"W1": W1, "b1": error1, "W2": W2, "b2": error2}


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
