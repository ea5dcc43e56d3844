"""Traced operations as layers, each written in one way only.

Students write one and the same network in many ways. Here those that compute the same become the same list of layers,
so that a check compares with the handout's list and nothing else. Names are described in `autograder.checks.traces`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

Shape = tuple[int, ...]
Setting = bool | int | float | str | None | tuple[int | float, ...]

SILENT = ("view", "permute", "slice", "assign")
"""Operations that only rearrange."""
MONOTONE = ("relu", "leaky_relu", "sigmoid", "tanh")
"""Activations that may stand before or after a max-pooling: the largest entry stays the largest."""
ENTRY_BY_ENTRY = (*MONOTONE, "elu", "gelu", "silu", "softplus")

REPEATABLE = (*ENTRY_BY_ENTRY, "max_pool", "avg_pool", "upsample_nearest", "upsample_bilinear", "batch_norm", "view",
              "cat", "softmax", "log_softmax", "pad")  # fmt: skip
"""Operations that give the same again for the same inputs and settings; so do layers with weights."""


class Operation(msgspec.Struct, frozen=True):
    """One operation. `inputs` and `output` are numbers of values; value 0 is the network's input.

    position: for the probes `value_at` and `run_from`. slots: which of its tensor arguments the inputs are.
    parameters: names in the state dict by their part (weight, bias).
    """

    position: int
    name: str
    inputs: tuple[int, ...]
    slots: tuple[int, ...]
    output: int
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    settings: dict[str, Setting]
    parameters: dict[str, str]


class Layer(msgspec.Struct, frozen=True):
    """One layer in the handout's terms. `inputs` are values, as in operations; `value` is what it gives."""

    name: str
    inputs: tuple[int, ...]
    value: int
    settings: dict[str, Setting]
    parameters: dict[str, str]
    input_shape: Shape
    output_shape: Shape


Layers = Mapping[int, Layer]


def per_image(shape: Sequence[int], batch: int) -> int:
    """Numbers per image in a tensor of this shape; 0 where its first axis is not the batch."""
    if not shape or shape[0] != batch:
        return 0
    count = 1
    for size in shape[1:]:
        count *= size
    return count


def without_repeats(operations: Sequence[Operation]) -> tuple[list[Operation], dict[int, int]]:
    """The operations without those that compute what is there already, and which value each of those equals.

    A submission may run its encoder twice, once for the code and once for the skip connections.
    """
    same: dict[int, int] = {}
    first: dict[Any, int] = {}
    kept = []
    for operation in operations:
        inputs = tuple(same.get(value, value) for value in operation.inputs)
        key = _computes(operation, inputs)
        if key is not None and key in first:
            same[operation.output] = first[key]
            continue
        if key is not None:
            first[key] = operation.output
        kept.append(msgspec.structs.replace(operation, inputs=inputs))
    return kept, same


def _computes(operation: Operation, inputs: tuple[int, ...]) -> Any:
    """What identifies the result; None where chance or a tensor that has no name takes part."""
    settings, parameters = operation.settings, operation.parameters
    if operation.name in ("convolution", "linear", "transposed_convolution"):
        named = "weight" in parameters and ("bias" in parameters or not settings.get("has_bias"))
    else:
        named = operation.name in REPEATABLE
    if not named:
        return None
    return operation.name, inputs, operation.output_shape, _entries(settings), _entries(parameters)


def _entries(mapping: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(mapping.items()))


def fold(operations: Sequence[Operation], output: int, input_shape: Shape) -> tuple[Layer, ...]:
    """The layers that `output` depends on, in the order in which they ran.

    `operations` are those that the output depends on, in order; `input_shape` is that of value 0.
    """
    folding = _Folding(input_shape)
    for operation in operations:
        folding.take(operation)
    return folding.result(output)


class _Folding:
    """The layers so far, by the value that they give; `_alias` maps a value to the one that it equals."""

    def __init__(self, input_shape: Shape) -> None:
        self._layers: dict[int, Layer] = {}
        self._alias: dict[int, int] = {}
        self._shapes: dict[int, Shape] = {0: input_shape}

    def take(self, operation: Operation) -> None:
        inputs = tuple(self._resolved(value) for value in operation.inputs)
        self._shapes[operation.output] = operation.output_shape
        if operation.name in SILENT and len(set(inputs)) == 1:
            self._alias[operation.output] = inputs[0]
            return
        layer = Layer(
            operation.name,
            inputs,
            operation.output,
            operation.settings,
            operation.parameters,
            operation.input_shapes[0] if operation.input_shapes else (),
            operation.output_shape,
        )
        for rule in _RULES:
            layer = rule(layer, self._layers) or layer
        if does_nothing(layer):
            self._alias[layer.value] = layer.inputs[0]
        else:
            self._layers[layer.value] = layer

    def result(self, output: int) -> tuple[Layer, ...]:
        self._drop_unused(output)
        while self._swap_one():
            pass
        self._drop_repeated_relus()
        self._drop_unused(output)
        return tuple(self._layers[value] for value in sorted(self._layers))

    def _resolved(self, value: int) -> int:
        while value in self._alias:
            value = self._alias[value]
        return value

    def _drop_unused(self, output: int) -> None:
        """What was folded into another layer is needed by nothing any more."""
        needed: set[int] = set()
        pending = [self._resolved(output)]
        while pending:
            value = self._resolved(pending.pop())
            if value not in needed and value in self._layers:
                needed.add(value)
                pending.extend(self._layers[value].inputs)
        self._layers = {value: layer for value, layer in self._layers.items() if value in needed}

    def _users(self, value: int) -> list[Layer]:
        return [layer for layer in self._layers.values() if value in map(self._resolved, layer.inputs)]

    def _swap_one(self) -> bool:
        """Move one activation before the pooling or up-sampling it follows: both orders compute the same."""
        for layer in self._layers.values():
            before = self._layers.get(self._resolved(layer.inputs[0])) if len(layer.inputs) == 1 else None
            if before is None or not _commute(layer, before) or len(self._users(before.value)) > 1:
                continue
            shapes = {"input_shape": before.input_shape, "output_shape": before.input_shape}
            first = msgspec.structs.replace(layer, inputs=before.inputs, value=before.value, **shapes)
            second = msgspec.structs.replace(before, inputs=(before.value,), value=layer.value)
            self._layers |= {first.value: first, second.value: second}
            return True
        return False

    def _drop_repeated_relus(self) -> None:
        for value in sorted(self._layers):
            layer = self._layers[value]
            before = self._layers.get(self._resolved(layer.inputs[0])) if layer.inputs else None
            if layer.name == "relu" and before is not None and before.name == "relu":
                self._alias[value] = before.value
        kept = {value: layer for value, layer in self._layers.items() if value not in self._alias}
        self._layers = {
            value: msgspec.structs.replace(layer, inputs=tuple(map(self._resolved, layer.inputs)))
            for value, layer in kept.items()
        }


def _commute(activation: Layer, before: Layer) -> bool:
    if before.name == "max_pool":
        return activation.name in MONOTONE
    return before.name == "upsample_nearest" and activation.name in ENTRY_BY_ENTRY


def does_nothing(layer: Layer) -> bool:
    """Whether a layer gives what it gets: dropout that drops nothing, a pooling of one pixel, times one."""
    settings, name = layer.settings, layer.name
    if len(layer.inputs) != 1:
        return False
    if name == "dropout":
        return settings.get("p") == 0
    if name in ("max_pool", "avg_pool"):
        return all(_numbers(settings, key) == (1, 1) for key in ("kernel", "stride"))
    if name.startswith("upsample"):
        return _numbers(settings, "scale") == (1, 1)
    if name == "pad":
        return not any(_numbers(settings, "sides"))
    neutral = {"mul": 1, "div": 1, "add": 0, "sub": 0}
    return name in neutral and settings.get("constant") == neutral[name]


def _numbers(settings: Mapping[str, Setting], key: str) -> tuple[Any, ...]:
    value = settings.get(key)
    return value if isinstance(value, tuple) else ()


# ---- Rules: each gives the layer that a layer and what stands before it are together, or None ------------------------


def _before(layer: Layer, layers: Layers, name: str, index: int = 0) -> Layer | None:
    """What gives the layer's input, where it has that name."""
    found = layers.get(layer.inputs[index]) if index < len(layer.inputs) else None
    return found if found is not None and found.name == name else None


def _added_bias(layer: Layer, layers: Layers) -> Layer | None:
    if layer.name != "add" or len(layer.inputs) != 1 or "weight" not in layer.parameters:
        return None
    before = layers.get(layer.inputs[0])
    if before is None or before.settings.get("has_bias") is not False:
        return None
    return msgspec.structs.replace(
        before,
        value=layer.value,
        settings={**before.settings, "has_bias": True},
        parameters={**before.parameters, "bias": layer.parameters["weight"]},
        output_shape=layer.output_shape,
    )


def _padded_convolution(layer: Layer, layers: Layers) -> Layer | None:
    pad = _before(layer, layers, "pad")
    if layer.name != "convolution" or pad is None or pad.settings.get("mode") != "constant":
        return None
    sides, own = _numbers(pad.settings, "sides"), _numbers(layer.settings, "padding")
    if pad.settings.get("value") != 0 or len(sides) != 2 * len(own):
        return None
    sides = tuple(reversed(sides))  # torch pads the last axis first
    if any(sides[2 * axis] != sides[2 * axis + 1] for axis in range(len(own))):
        return None
    together = tuple(own[axis] + sides[2 * axis] for axis in range(len(own)))
    return msgspec.structs.replace(
        layer, inputs=pad.inputs, input_shape=pad.input_shape, settings={**layer.settings, "padding": together}
    )


def _whole_convolution(layer: Layer, layers: Layers) -> Layer | None:
    """A convolution whose kernel covers all that there is: a linear layer."""
    shape, kernel = layer.input_shape, _numbers(layer.settings, "kernel")
    plain = not any(_numbers(layer.settings, "padding")) and layer.settings.get("groups") == 1
    if layer.name != "convolution" or not plain or len(shape) != 4 or kernel != shape[2:]:
        return None
    settings: dict[str, Setting] = {
        "in_features": per_image(shape, shape[0]),
        "out_features": layer.settings.get("out_channels"),
        "has_bias": layer.settings.get("has_bias"),
    }
    return msgspec.structs.replace(layer, name="linear", settings=settings)


def _masked_relu(layer: Layer, layers: Layers) -> Layer | None:
    """x * (x > 0), or where(x > 0, x, 0)."""
    if layer.name == "mul" and len(layer.inputs) == 2:
        pairs = [layer.inputs, layer.inputs[::-1]]
    elif layer.name == "where" and len(layer.inputs) == 2 and layer.settings.get("constant_else") == 0:
        pairs = [layer.inputs[::-1]]
    else:
        return None
    for kept, mask in pairs:
        test = layers.get(mask)
        positive = test is not None and test.name in ("gt", "ge") and test.settings.get("constant") == 0
        if positive and test is not None and test.inputs == (kept,):
            return msgspec.structs.replace(layer, name="relu", inputs=(kept,), settings={}, parameters={})
    return None


def _written_softmax(layer: Layer, layers: Layers) -> Layer | None:
    """exp(x) / sum(exp(x)), with or without the shift by the maximum."""
    power = _before(layer, layers, "exp")
    total = _before(layer, layers, "sum", 1)
    if layer.name != "div" or power is None or total is None or total.inputs != (power.value,):
        return None
    dims = _numbers(total.settings, "dims")
    source = power.inputs
    shifted = _before(power, layers, "sub")
    if shifted is not None and len(shifted.inputs) == 2:
        largest = layers.get(shifted.inputs[1])
        if largest is not None and largest.name in ("max", "amax") and largest.inputs == shifted.inputs[:1]:
            source = largest.inputs
    settings: dict[str, Setting] = {"dim": dims[0] if dims else None}
    return msgspec.structs.replace(layer, name="softmax", inputs=source, settings=settings)


def _written_log_softmax(layer: Layer, layers: Layers) -> Layer | None:
    """log(softmax(x)), or x - logsumexp(x)."""
    inner = _before(layer, layers, "softmax")
    if layer.name == "log" and inner is not None:
        return msgspec.structs.replace(layer, name="log_softmax", inputs=inner.inputs, settings=inner.settings)
    total = _before(layer, layers, "logsumexp", 1)
    if layer.name == "sub" and total is not None and total.inputs == layer.inputs[:1]:
        dims = _numbers(total.settings, "dims")
        settings: dict[str, Setting] = {"dim": dims[0] if dims else None}
        return msgspec.structs.replace(layer, name="log_softmax", inputs=total.inputs, settings=settings)
    return None


def _written_sigmoid(layer: Layer, layers: Layers) -> Layer | None:
    """1 / (1 + exp(-x))."""
    below = _before(layer, layers, "add")
    power = _before(below, layers, "exp") if below is not None and below.settings.get("constant") == 1 else None
    negative = _before(power, layers, "neg") if power is not None else None
    if layer.name != "reciprocal" or negative is None:
        return None
    return msgspec.structs.replace(layer, name="sigmoid", inputs=negative.inputs, settings={})


def _two_upsamplings(layer: Layer, layers: Layers) -> Layer | None:
    """Rows first, then columns."""
    before = _before(layer, layers, "upsample_nearest")
    if layer.name != "upsample_nearest" or before is None:
        return None
    first, second = _numbers(before.settings, "scale"), _numbers(layer.settings, "scale")
    if len(first) != 2 or len(second) != 2 or 1 not in first or 1 not in second:
        return None
    scale = (first[0] * second[0], first[1] * second[1])
    return msgspec.structs.replace(
        layer, inputs=before.inputs, input_shape=before.input_shape, settings={**layer.settings, "scale": scale}
    )


_RULES: tuple[Callable[[Layer, Layers], Layer | None], ...] = (
    _added_bias,
    _padded_convolution,
    _whole_convolution,
    _masked_relu,
    _written_softmax,
    _written_log_softmax,
    _written_sigmoid,
    _two_upsamplings,
)
