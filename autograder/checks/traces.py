"""What a network does, as the probe `networks.trace` recorded it, and questions to ask of it.

A :class:`Trace` is what came from the worker, checked. `trace.layers()` is the same in the handout's terms: only what
matters, on the way from the input to the output, written in one way only. Names of layers and their settings:

- convolution, transposed_convolution: kernel, stride, padding, dilation (one number per direction), groups,
  in_channels, out_channels, has_bias. linear: in_features, out_features, has_bias.
- max_pool, avg_pool: kernel, stride, padding, dilation, ceil_mode.
- upsample_nearest, upsample_bilinear, upsample_bicubic: scale, align_corners.
- relu, leaky_relu (slope), sigmoid, tanh, elu, gelu, silu, softplus, ...; softmax, log_softmax: dim.
- batch_norm: features, uses_batch_statistics, has_running_statistics, affine, eps, momentum. dropout: p,
  whole_channels. noise: std.
- cat, stack: dim. add, sub, mul, div of two values; with a number: constant. pad: sides, mode, value.
- view, permute, slice, assign are left out of `layers()` (slice and permute stay in `operations`).

What is written differently and computes the same is one thing here: zero padding before a convolution is its padding;
a bias that is added is the layer's bias; a ReLU made of clamp, maximum, where or a mask; softmax written out; ReLU and
max-pooling in either order; up-sampling in two steps, one per direction.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

from autograder.checks.compare import fail
from autograder.checks.folding import SILENT, Layer, Operation, Shape, fold, per_image, without_repeats

MAX_OPERATIONS = 10_000
MAX_SIZE = 1 << 31
REDUCTIONS = ("gt", "ge", "lt", "le", "eq", "ne", "argmax", "argmin", "mean", "sum", "amax", "amin", "max", "min",
              "logsumexp", "norm", "linalg_vector_norm", "var", "std", "var_mean")  # fmt: skip
"""What these give is a statistic or a mask, never the code."""


class Output(msgspec.Struct, frozen=True):
    """One tensor of what forward returns; `value` is None where it does not depend on the input."""

    path: str
    value: int | None
    shape: Shape
    dtype: str


class _Record(msgspec.Struct, frozen=True):
    operations: tuple[Operation, ...]
    outputs: tuple[Output, ...]
    structure: str
    input_shape: Shape
    trainable: tuple[str, ...]
    problem: str


class Trace:
    """A forward pass in eval or train mode. Build one with `read_trace`, or `Network.trace`.

    operations: all but those that compute again what is there already. outputs: what forward returns. trainable: the
    names of the parameters that take gradients. output: the value that counts as the network's output.
    """

    def __init__(self, record: _Record, main: int, training: bool) -> None:
        """`main`: the value that counts as the output."""
        kept, same = without_repeats(record.operations)
        self.operations = tuple(kept)
        self.outputs = record.outputs
        self.structure = record.structure
        self.input_shape = record.input_shape
        self.trainable = record.trainable
        self.training = training
        self.output = same.get(main, main)
        self._made_by = {operation.output: operation for operation in kept}

    def made_by(self, value: int) -> Operation | None:
        """The operation that gives a value; None for the input."""
        return self._made_by.get(value)

    def shape(self, value: int) -> Shape:
        """A value's shape, the batch first."""
        operation = self.made_by(value)
        return operation.output_shape if operation else self.input_shape

    def size(self, value: int) -> int:
        """Numbers per image in a value; 0 where it does not have the batch first."""
        return per_image(self.shape(value), self.input_shape[0])

    def upstream(self, value: int) -> frozenset[int]:
        """The values that a value depends on, itself included."""
        return self._upstream_without(value, None)

    def downstream(self, value: int) -> frozenset[int]:
        """The values that depend on a value, itself included."""
        found = {value}
        for operation in self.operations:
            if found.intersection(operation.inputs):
                found.add(operation.output)
        return frozenset(found)

    def _upstream_without(self, value: int, without: int | None) -> frozenset[int]:
        found, pending = set(), [value]
        while pending:
            current = pending.pop()
            if current in found or current == without:
                continue
            found.add(current)
            operation = self.made_by(current)
            pending.extend(operation.inputs if operation else ())
        return frozenset(found)

    @cached_property
    def used(self) -> tuple[Operation, ...]:
        """The operations that the output depends on, in the order in which they ran."""
        needed = self.upstream(self.output)
        return tuple(operation for operation in self.operations if operation.output in needed)

    @cached_property
    def code(self) -> int | None:
        """The value of the embedding: the narrowest between the input and the output, where it ends.

        None where nothing is narrower than a tenth of the input.
        """
        sizes = {op.output: self.size(op.output) for op in self.used if op.name not in REDUCTIONS}
        narrow = [size for size in sizes.values() if size > 0]
        if not narrow or min(narrow) * 10 > max(per_image(self.input_shape, self.input_shape[0]), 1):
            return None
        smallest = [value for value, size in sizes.items() if size == min(narrow)]
        before = [value for value in smallest if self.made_by(value).name not in SILENT]  # type: ignore[union-attr]
        return (before or smallest)[-1]

    @property
    def code_size(self) -> int | None:
        """Numbers per image in the code."""
        return None if self.code is None else self.size(self.code)

    def paths_around(self, code: int | None = None) -> tuple[Skip, ...]:
        """Where information enters what follows the code without having passed through it, in order."""
        code = self.code if code is None else code
        if code is None:
            return ()
        after = self.downstream(code)
        found = []
        for operation in self.used:
            if operation.output not in after or operation.output == code:
                continue
            for index, value in enumerate(operation.inputs):
                if value not in after:
                    found.append(Skip(value, operation, index))
        return tuple(found)

    def between(self, first: int, last: int) -> tuple[Layer, ...]:
        """The layers on the ways from one value to another, without what gives `first` and with what gives `last`."""
        after, needed = self.downstream(first), self._upstream_without(last, first)
        return tuple(layer for layer in self.layers() if layer.value in after and layer.value in needed)

    def encoder(self) -> tuple[Layer, ...]:
        """The layers up to the code, what gives it included."""
        return self.between(0, self.code) if self.code is not None else self.layers()

    def decoder(self) -> tuple[Layer, ...]:
        """The layers that follow the code."""
        return self.between(self.code, self.output) if self.code is not None else ()

    def layers(self) -> tuple[Layer, ...]:
        """What the network does, without what only rearranges, each thing written in one way."""
        return self._layers

    @cached_property
    def _layers(self) -> tuple[Layer, ...]:
        return fold(self.used, self.resolve(self.output), self.input_shape)

    def resolve(self, value: int) -> int:
        """The value of the layer that a value comes from, past everything that only rearranges it."""
        operation = self.made_by(value)
        while operation is not None and operation.name in SILENT and len(set(operation.inputs)) == 1:
            value = operation.inputs[0]
            operation = self.made_by(value)
        return value


class Skip(msgspec.Struct, frozen=True):
    """A value from before the code enters `joined`, an operation after it, as its input number `index`."""

    value: int
    joined: Operation
    index: int


def read_trace(record: Any, *, training: bool, main: str | None = None, called: str = "") -> Trace:
    """What the probe returned, checked. `main` is the path of the output that counts, None for the first.

    Raises CheckFailed where it is no trace: the student's code has broken what records it.
    """
    try:
        read = msgspec.convert(_plain(record), _Record)
    except msgspec.ValidationError as error:
        fail(f"The record of your network's forward pass cannot be read ({error}).", called=called)
    if read.problem:
        fail(f"Your network does more than can be followed: {read.problem}.", called=called)
    _require_order(read, called)
    outputs = [output for output in read.outputs if output.value is not None and main in (None, output.path)]
    if not outputs:
        fail("What your network returns does not depend on its input.", called=called, cause="wrong_type")
    value = outputs[0].value
    assert value is not None
    return Trace(read, value, training)


def _plain(value: Any, depth: int = 0) -> Any:
    """Ordinary containers of what arrived; remote objects and arrays become text, which no field here accepts."""
    if depth > 8:
        return None
    if isinstance(value, dict):
        return {str(key)[:200]: _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else "?"


def _require_order(read: _Record, called: str) -> None:
    """Values are numbered from 1 in the order in which they are made, and only what exists is used."""
    known = 0
    sound = len(read.operations) <= MAX_OPERATIONS and 0 < len(read.input_shape) <= 8 and read.input_shape[0] > 0
    for operation in read.operations:
        sound = sound and operation.output == known + 1 and len(operation.inputs) == len(operation.input_shapes)
        sound = sound and all(0 <= value <= known for value in operation.inputs)
        for shape in (operation.output_shape, *operation.input_shapes):
            sound = sound and len(shape) <= 8 and all(0 <= size < MAX_SIZE for size in shape)
        known += 1
    sound = sound and all(output.value is None or 0 <= output.value <= known for output in read.outputs)
    if not sound:
        fail("The record of your network's forward pass contradicts itself.", called=called)
