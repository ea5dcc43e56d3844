"""Layers with `forward`, `backward`, `params` and `gradient`: the student's, held safely, and ours that stand in.

`Layer` uses a student's layer as the course does, and ends in an explanation wherever there is plain data in place of a
method or a dict. The stand-ins let a function that uses layers be checked whatever the student's own layers do. They
get their gradients by moving each input a little and looking at the output, so they hold no formula of a solution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.checks.compare import as_array, as_mapping, attribute, call, fail, function_of, require_object
from autograder.sandbox.proxy import StandIn, StudentError, call_unanswered, make

Array = NDArray[np.float64]
Forward = Callable[..., Array]

# The stand-ins are linear between the corners that our inputs keep away from: there any small step is exact.
STEP = 1e-3

# Batch sizes to try where a layer fails for one: the handout's own, 5, is among them.
BATCH_SIZES = range(1, 11)


class Layer:
    """A student's layer. `name` is what the student calls its class, for messages."""

    def __init__(self, held: Any, name: str) -> None:
        self.held = held
        self.name = name

    @classmethod
    def make(cls, submission: Any, class_name: str, *sizes: int) -> Layer:
        """A new `class_name(*sizes)` of the submission. Raises CheckFailed where that is no class."""
        held = make(function_of(submission, class_name, ""), *sizes)
        made = f"{class_name}({', '.join(map(str, sizes))})"
        return cls(require_object(held, made, called=made), class_name)

    def set_params(self, **params: Array) -> None:
        """Gives the layer these parameters."""
        self.held.params = params

    def param(self, key: str) -> Any:
        """What stands in `params[key]`. Raises CheckFailed where there is no such dict or key."""
        return self._entry("params", key)

    def gradient(self, key: str) -> Any:
        """What stands in `gradient[key]`. Raises CheckFailed where there is no such dict or key."""
        return self._entry("gradient", key)

    def method(self, method_name: str) -> Any:
        """The method itself, to be called by a probe. Raises CheckFailed where there is plain data instead."""
        path = f"{self.name}.{method_name}"
        return require_object(attribute(self.held, method_name, self.name), path, expected="a method")

    def forward(self, X: Array) -> Any:
        """What `forward` returns for a copy of X."""
        return call(self.held, "forward", X, name=self.name)

    def do_forward(self, X: Array) -> None:
        """Calls `forward` for a copy of X, as the course does before `backward`; what it returns is not looked at."""
        call_unanswered(function_of(self.held, "forward", self.name), X)

    def backward(self, X: Array, upstream: Array) -> Any:
        """What `backward` returns for copies of X and the upstream gradient."""
        return call(self.held, "backward", X, upstream, name=self.name)

    def forward_and_backward(self, X: Array, upstream: Array, *, called: str = "") -> Any:
        """What `backward` returns after `forward`, as the course calls them.

        Raises CheckFailed where an array of another batch size would have fitted, and that one alone.
        """
        self.do_forward(X)
        try:
            return self.backward(X, upstream)
        except StudentError as error:
            if error.type_name != "ValueError":
                raise
            sizes = [size for size in BATCH_SIZES if self._takes_rows(size, X.shape[1], upstream.shape[1])]
            if len(sizes) != 1:
                raise
            fail(
                f"backward fails for a batch of {len(X)}, and works for a batch of {sizes[0]} alone:\n{error}",
                called=called,
                cause="hard_coded_batch",
                expected="the gradients of a batch of any size",
            )

    def _takes_rows(self, rows: int, inputs: int, outputs: int) -> bool:
        X, upstream = np.ones((rows, inputs)), np.ones((rows, outputs))
        try:
            self.do_forward(X)
            self.backward(X, upstream)
        except StudentError:
            return False
        return True

    def _entry(self, dict_name: str, key: str) -> Any:
        value = attribute(self.held, dict_name, self.name)
        entry = as_mapping(value, [key], f"{self.name}.{dict_name}")[key]
        if entry is None:
            fail(f"{self.name}.{dict_name}[{key!r}] is None", cause="wrong_type", expected="an array")
        return entry


def as_row(value: Any, columns: int, name: str, *, called: str = "", strict: bool = True) -> Array:
    """`value` as an array (1, columns), where (columns,) is as good.

    Raises CheckFailed for any other shape; if not `strict`, other shapes come back as they are.
    """
    array = as_array(value, name, called=called)
    if array.shape == (columns,):
        return array.reshape(1, columns)
    return as_array(array, name, shape=(1, columns), called=called) if strict else array


# ---- Stand-ins ------------------------------------------------------------------------------------------------------


def linear(X: Array, W: Array, b: Array) -> Array:
    """The handout's u = Wx + b for every row of X; any argument may have one more axis in front."""
    return np.matmul(X, W) + b


def rectified(X: Array) -> Array:
    """The handout's max{0, u}."""
    return np.maximum(X, 0.0)


def cross_entropy(scores: Array, labels: Array) -> float:
    """The mean over rows of -ln softmax(scores)[label]; scores (rows, classes), labels (rows, 1)."""
    return float(-np.mean(_log_softmax(scores)[np.arange(len(scores)), _indices(labels)]))


def pull_back(function: Callable[[Array], Array], at: Array, upstream: Array) -> Array:
    """The gradient of sum(upstream * function(x)) at x = `at`, for a piecewise linear function.

    `function` is called with all moved copies of `at` at once, stacked along a new first axis.
    """
    moves = STEP * np.eye(at.size).reshape(at.size, *at.shape)
    change = function(at + moves) - function(at - moves)
    slopes = change.reshape(at.size, -1) @ upstream.reshape(-1) / (2.0 * STEP)
    return np.asarray(slopes.reshape(at.shape))


def linear_stand_in(
    W: Array, b: Array, gradient: Mapping[str, Array] | None = None, calls: list[str] | None = None
) -> StandIn:
    """A right linear layer; its gradients are `gradient`, or zeros, until `backward` is called.

    `calls` receives the name of each method that is called, as for `relu_stand_in`.
    """
    noted = [] if calls is None else calls

    def forward(fields: SimpleNamespace, X: Any) -> Array:
        noted.append("forward")
        return linear(as_array(X, "X", ndim=2), *_parameters(fields))

    def backward(fields: SimpleNamespace, X: Any, grad: Any) -> Array:
        noted.append("backward")
        W, b = _parameters(fields)
        X, upstream = as_array(X, "X", ndim=2), as_array(grad, "grad")
        as_array(grad, "grad", shape=(X @ W).shape)
        fields.gradient = {
            "W": pull_back(lambda moved: linear(X, moved, b), W, upstream),
            "b": pull_back(lambda moved: linear(X, W, moved), b, upstream),
        }
        return pull_back(lambda moved: linear(moved, W, b), X, upstream)

    start = gradient or {"W": np.zeros_like(W), "b": np.zeros_like(b)}
    return StandIn(
        "linear_layer",
        {"params": {"W": W, "b": b}, "gradient": dict(start)},
        {"forward": forward, "backward": backward},
        imitates="linear_layer",
    )


def relu_stand_in(X: Array | None = None, calls: list[str] | None = None) -> StandIn:
    """A right ReLU; with `X`, as it is after `forward(X)`. `calls` receives the name of each method that is called.

    Calls are evidence for a diagnosis only: how often a student calls what is nobody's business.
    """
    noted = [] if calls is None else calls

    def forward(fields: SimpleNamespace, X: Any) -> Array:
        noted.append("forward")
        values = as_array(X, "X")
        fields.mask = values > 0
        return rectified(values)

    def backward(fields: SimpleNamespace, X: Any, grad: Any) -> Array:
        noted.append("backward")
        values = as_array(X, "X")
        upstream = as_array(grad, "grad", shape=values.shape)
        return upstream * (rectified(values + STEP) - rectified(values - STEP)) / (2.0 * STEP)

    mask = None if X is None else X > 0
    return StandIn("relu", {"mask": mask}, {"forward": forward, "backward": backward}, imitates="relu")


def loss_stand_in() -> StandIn:
    """The given softmax with cross-entropy, whose formula students have anyway."""

    def forward(fields: SimpleNamespace, X: Any, Y: Any) -> float:
        return cross_entropy(as_array(X, "X", ndim=2), as_array(Y, "Y"))

    def backward(fields: SimpleNamespace, X: Any, Y: Any) -> Array:
        scores = as_array(X, "X", ndim=2)
        gradient = np.exp(_log_softmax(scores))
        gradient[np.arange(len(scores)), _indices(as_array(Y, "Y"))] -= 1.0
        return gradient / len(scores)

    methods: dict[str, Callable[..., Any]] = {"forward": forward, "backward": backward}
    return StandIn("softmax_cross_entropy", {}, methods, imitates="softmax_cross_entropy")


def held_params(layer: Any, name: str) -> dict[str, Any]:
    """The `params` of a layer that a function returned: one of our stand-ins, or a copy the student's code made of it.

    Raises CheckFailed where there is no dict with W and b.
    """
    holder = layer.fields if isinstance(layer, StandIn) else layer
    params = getattr(holder, "params", None) if isinstance(layer, StandIn) else attribute(layer, "params", name)
    return as_mapping(params, ["W", "b"], f"{name}.params")


def _parameters(fields: SimpleNamespace) -> tuple[Array, Array]:
    """W and b as the student's code has left them."""
    params = as_mapping(getattr(fields, "params", None), ["W", "b"], "params")
    return as_array(params["W"], "params['W']", ndim=2), as_array(params["b"], "params['b']")


def _log_softmax(scores: Array) -> Array:
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _indices(labels: Array) -> NDArray[np.int64]:
    return labels.reshape(-1).astype(np.int64)
