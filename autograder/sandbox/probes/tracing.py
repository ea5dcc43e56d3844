"""Probe: what a network does to its input, as a plain list of operations.

A forward pass is watched where torch dispatches to its kernels (ATen), below modules, functionals and methods: so
`nn.ReLU`, `F.relu` and `x.relu_()` give the same record, and so does a layer that is used twice. torch.export was not
taken: it refuses networks with data-dependent Python code, and it would load the whole compiler.

Every tensor that depends on the input is a *value* with a number; 0 is the input itself. Writing in place makes a new
value, for the tensor and for all that share its memory. Records only: the trusted side judges (`checks.traces`).
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from autograder.sandbox.probes.operations import BATCH_NORMS, Call, Constant, describe_operation

MAX_OPERATIONS = 3000
MAX_OUTPUTS = 64
SEED = 663
FACTORIES = ("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "new_empty", "new_zeros",
             "new_ones", "new_full", "new_empty_strided")  # fmt: skip
"""Operations that take no more than a shape from their argument."""
ONE_RESULT = (*BATCH_NORMS, "native_dropout", "native_layer_norm", "native_group_norm", "log_sigmoid_forward")
"""Operations whose other results are statistics and masks for the backward pass."""
_RANDOM = {"bernoulli": "bernoulli", "uniform": "uniform", "rand": "uniform", "rand_like": "uniform",
           "normal": "normal", "randn": "normal", "randn_like": "normal"}  # fmt: skip


@dataclass
class _Known:
    """What the recorder knows of one live tensor (kept alive, so that its identity stays its own)."""

    tensor: Tensor
    meaning: int | Constant


def trace(network: nn.Module, inputs: Any, training: bool = False) -> dict[str, Any]:
    """The operations of `network(inputs)`, in train or eval mode; the network is left as it was.

    Returns a dict: `operations` (a list of dicts: position, name, inputs, slots, output, input_shapes, output_shape,
    settings, parameters), `outputs` (path, value or None, shape), `structure`, `input_shape`, `trainable` (names of
    parameters that take gradients), `problem` (empty, or why the list is not complete).
    """
    inputs = as_tensor(inputs)
    recorder = _Recorder(_names_of(network), inputs)
    with _as_it_was(network, training), torch.no_grad(), recorder:
        result = network(inputs)
    outputs = [
        {"path": path, "value": recorder.value_of(tensor), "shape": list(tensor.shape), "dtype": str(tensor.dtype)}
        for path, tensor in tensors_in(result)
    ]
    return {
        "operations": recorder.operations,
        "outputs": outputs,
        "structure": structure_of(result),
        "input_shape": list(inputs.shape),
        "trainable": [name for name, parameter in network.named_parameters() if parameter.requires_grad],
        "problem": recorder.problem,
    }


def run(network: nn.Module, inputs: Any, training: bool = False) -> list[Any]:
    """The output tensors of `network(inputs)` as [path, array] pairs; the network is left as it was."""
    with _as_it_was(network, training), torch.no_grad():
        return [[path, _array(tensor)] for path, tensor in tensors_in(network(as_tensor(inputs)))]


def value_at(network: nn.Module, inputs: Any, position: int) -> np.ndarray:
    """What the operation at `position` of the trace in eval mode gives for other inputs: the code, say.

    Raises:
        RuntimeError: this forward pass has no such operation.
    """
    inputs = as_tensor(inputs)
    mode = _Replay(position, None, {})
    with _as_it_was(network, False), torch.no_grad(), mode:
        network(inputs)
    if mode.seen is None:
        raise RuntimeError(f"a second forward pass did other things than the first: it has no operation {position}")
    return _array(mode.seen)


def values_at(
    network: nn.Module, inputs: Any, positions: Sequence[int], training: bool = False
) -> dict[int, np.ndarray]:
    """What the operations at these positions of the trace give, in train or eval mode; the network is left as it was.

    A position that this forward pass does not reach is not in the answer.
    """
    inputs = as_tensor(inputs)
    mode = _Reader(positions)
    with _as_it_was(network, training), torch.no_grad(), mode:
        network(inputs)
    return {position: _array(tensor) for position, tensor in mode.seen.items()}


def run_from(
    network: nn.Module, inputs: Any, position: int, value: Any, zeroed: dict[int, list[int]] | None = None
) -> list[Any]:
    """The outputs of an eval-mode pass in which the operation at `position` gives `value` instead of its own result.

    So a decoder runs on a code alone, whatever the submission calls it. `zeroed` maps positions to the tensor
    arguments (slots) that are replaced with zeros there: the skip connections.

    Raises:
        RuntimeError: this forward pass has no such operation, or `value` does not fit there.
    """
    inputs = as_tensor(inputs)
    mode = _Replay(position, as_tensor(value), zeroed or {})
    with _as_it_was(network, False), torch.no_grad(), mode:
        result = network(inputs)
    if mode.seen is None:
        raise RuntimeError(f"a second forward pass did other things than the first: it has no operation {position}")
    return [[path, _array(tensor)] for path, tensor in tensors_in(result)]


def weights(network: nn.Module) -> list[list[Any]]:
    """Parameters and buffers by order of registration: [name, kind, array]; kind is parameter, frozen or buffer."""
    listed: list[list[Any]] = [
        [name, "parameter" if parameter.requires_grad else "frozen", _array(parameter)]
        for name, parameter in network.named_parameters()
    ]
    return listed + [[name, "buffer", _array(buffer)] for name, buffer in network.named_buffers()]


def as_tensor(values: Any) -> Tensor:
    """An array or tensor as a new tensor in torch's precision."""
    tensor = torch.as_tensor(values)
    return tensor.to(torch.get_default_dtype()) if tensor.dtype == torch.float64 else tensor


def tensors_in(result: Any, path: str = "", depth: int = 0) -> list[tuple[str, Tensor]]:
    """The tensors of a forward's result with where they stand: "" for a tensor alone, "0", "code", "1.0"."""
    if isinstance(result, Tensor):
        return [(path, result)]
    if depth > 3:
        return []
    items: Sequence[tuple[Any, Any]] = ()
    if isinstance(result, dict):
        items = list(result.items())
    elif isinstance(result, list | tuple):
        items = list(enumerate(result))
    elif hasattr(result, "__dataclass_fields__"):
        items = list(vars(result).items())
    found = [pair for key, item in items for pair in tensors_in(item, f"{path}.{key}".strip("."), depth + 1)]
    return found[:MAX_OUTPUTS]


def text_of(error: BaseException) -> str:
    """Type and message of an error of the student's on one bounded line, without what differs between two runs."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # an error whose own text fails
        message = "(its message could not be made)"
    message = re.sub(r"(?<![\w.])/[^\s'\":,]*/(?=[^\s/])", "", message)  # folders of this run
    return f"{type(error).__name__}: {re.sub(r' at 0x[0-9a-fA-F]+', '', message)}"[:400]


def structure_of(result: Any) -> str:
    """The kind of a forward's result in a word."""
    return "tensor" if isinstance(result, Tensor) else type(result).__name__


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy().copy()


@contextlib.contextmanager
def _as_it_was(network: nn.Module, training: bool) -> Iterator[None]:
    """Puts the network in a mode; afterwards every submodule's own mode and all buffers are as before.

    Running statistics of a student's own making may be plain attributes, or be replaced instead of written to.
    """
    modes = [(module, module.training) for module in network.modules()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in network.buffers()]
    holders = [holder for module in network.modules() for holder in (module._buffers, vars(module))]
    held = [
        (holder, name, tensor)
        for holder in holders
        if isinstance(holder, dict)  # a scripted module keeps them elsewhere
        for name, tensor in holder.items()
        if isinstance(tensor, Tensor)
    ]
    attributes = [(tensor, tensor.detach().clone()) for _, _, tensor in held if not tensor.is_inference()]
    torch.manual_seed(SEED)
    network.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for buffer, before in (*buffers, *attributes):
                buffer.copy_(before)
            for holder, name, tensor in held:
                holder[name] = tensor


def _names_of(network: nn.Module) -> dict[int, str]:
    """Names of parameters and buffers by the tensor's identity; a shared one keeps its first name."""
    names: dict[int, str] = {}
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        names.setdefault(id(tensor), name)
    return names


class _Mode(TorchDispatchMode):
    """Counts operations; the base of both modes, so that positions mean the same in both."""

    def __init__(self) -> None:
        super().__init__()
        self.position = -1

    def count(self, function: Any) -> bool:
        """Go one position on, except for what torch does more often where a result is kept: a detached alias of it."""
        counts = function.overloadpacket.__name__ not in ("detach", "alias", "lift_fresh")
        self.position += counts
        return counts

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # True would wrap the handler with the compiler, whose import alone costs seconds and 100 MB


class _Replay(_Mode):
    """Reads one operation's result, or puts another value in its place and zeros in that of some arguments."""

    def __init__(self, position: int, value: Tensor | None, zeroed: dict[int, list[int]]) -> None:
        super().__init__()
        self.seen: Tensor | None = None
        self._wanted = position
        self._value = value
        self._zeroed = zeroed

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        counts = self.count(function)
        kwargs = kwargs or {}
        if counts and self.position in self._zeroed:
            args, kwargs = _with_zeros(args, kwargs, self._zeroed[self.position])
        result = function(*args, **kwargs)
        if counts and self.position == self._wanted:
            first = next(_tensors(result), None)
            if first is None:
                raise RuntimeError(f"a second forward pass did other things than the first at operation {self._wanted}")
            if self._value is not None:
                if self._value.numel() != first.numel():
                    raise RuntimeError(f"{tuple(self._value.shape)} does not fit where the network makes "
                                       f"{tuple(first.shape)}")  # fmt: skip
                first.copy_(self._value.reshape(first.shape))
            self.seen = first.clone()
        return result


class _Reader(_Mode):
    """Keeps the results of some operations."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__()
        self.seen: dict[int, Tensor] = {}
        self._wanted = frozenset(positions)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        counts = self.count(function)
        result = function(*args, **(kwargs or {}))
        first = next(_tensors(result), None) if counts and self.position in self._wanted else None
        if first is not None:
            self.seen[self.position] = first.clone()
        return result


def _with_zeros(args: Any, kwargs: Any, slots: Sequence[int]) -> tuple[Any, Any]:
    """The arguments, with zeros for those tensors; changed in place where the operation itself writes in place."""
    leaves, shape = tree_flatten((args, kwargs))
    ordinal = -1
    for index, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor):
            ordinal += 1
            if ordinal in slots:
                leaves[index] = torch.zeros_like(leaf)
    args, kwargs = tree_unflatten(leaves, shape)
    return args, kwargs


def _tensors(values: Any) -> Iterator[Tensor]:
    yield from (leaf for leaf in tree_flatten(values)[0] if isinstance(leaf, Tensor))


class _Recorder(_Mode):
    """Follows the input through every operation."""

    def __init__(self, names: dict[int, str], inputs: Tensor) -> None:
        super().__init__()
        self.operations: list[dict[str, Any]] = []
        self.problem = ""
        self._names = names
        self._known: dict[int, _Known] = {}
        self._by_memory: dict[int, list[_Known]] = {}
        self._sources: dict[int, Tensor] = {}
        self._next = 1
        self._remember(inputs, 0)

    def value_of(self, tensor: Tensor) -> int | None:
        """The number of the value a tensor holds; None where it does not depend on the input."""
        meaning = self._meaning(tensor)
        return meaning if isinstance(meaning, int) else None

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count(function)
        kwargs = kwargs or {}
        arguments = list(_tensors((args, kwargs)))
        meanings = [self._meaning(tensor) for tensor in arguments]  # before the call: it may write in place
        result = function(*args, **kwargs)
        if len(self.operations) >= MAX_OPERATIONS:
            self.problem = f"only the first {MAX_OPERATIONS} operations were kept"
            return result
        self._note(Call(function, args, kwargs, arguments, meanings), result)
        return result

    # -- one operation ----------------------------------------------------------------------------------------------

    def _note(self, call: Call, result: Any) -> None:
        outputs = list(_tensors(result))
        if not outputs:
            return
        if not call.data or call.name in FACTORIES or call.name in ("zero_", "fill_"):
            constant = _constant_from(call)
            for tensor in outputs:
                self._remember(tensor, constant)
            return
        written = call.written()
        if call.name in ONE_RESULT:
            outputs = outputs[:1]
        for index, tensor in enumerate(outputs):
            value = self._record(call, tensor, index)
            if written is not None and tensor is written:
                self._write(tensor, value, call)
            else:
                self._remember(tensor, value)

    def _record(self, call: Call, tensor: Tensor, index: int) -> int:
        """Append the operation that made `tensor`; its value's number."""
        name, settings, parameters = describe_operation(call, tensor)
        if index:
            name, settings = ("pool_indices" if name == "max_pool" else name), {**settings, "part": index}
        source = self._sources.get(call.data[0], call.first_data())
        if name in ("view", "slice") and (factors := _repeats(source, tensor)):
            name, settings = "upsample_nearest", {"scale": factors}
        value = self._append(name, call.data, call.slots, call.data_shapes, tensor, settings, parameters)
        if name in ("view", "slice") and tensor.dim() != 4:  # an image on its way to being repeated
            self._sources[value] = source
        return value

    def _append(
        self,
        name: str,
        inputs: Sequence[int],
        slots: Sequence[int],
        shapes: Sequence[Sequence[int]],
        tensor: Tensor,
        settings: dict[str, Any],
        parameters: dict[str, str],
    ) -> int:
        value, self._next = self._next, self._next + 1
        self.operations.append({
            "position": self.position, "name": name, "inputs": list(inputs), "slots": list(slots), "output": value,
            "input_shapes": [list(shape) for shape in shapes], "output_shape": list(tensor.shape),
            "settings": settings, "parameters": parameters,
        })  # fmt: skip
        return value

    # -- tensors and their memory -------------------------------------------------------------------------------------

    def _remember(self, tensor: Tensor, meaning: int | Constant) -> None:
        known = self._known.get(id(tensor))
        if known is not None:
            known.meaning = meaning
            return
        known = self._known[id(tensor)] = _Known(tensor, meaning)
        self._by_memory.setdefault(_memory(tensor), []).append(known)

    def _meaning(self, tensor: Tensor) -> int | Constant:
        known = self._known.get(id(tensor))
        if known is not None:
            return known.meaning
        if id(tensor) in self._names:
            return Constant((self._names[id(tensor)],))
        sharing = self._by_memory.get(_memory(tensor), ())
        for other in reversed(sharing):  # made without an operation, as `x.data` is
            if other.tensor.numel() == tensor.numel():
                self._remember(tensor, other.meaning)
                return other.meaning
        return Constant()

    def _write(self, tensor: Tensor, value: int, call: Call) -> None:
        """`tensor` now holds `value`; what shares its memory holds it, too, or a part of it."""
        self._remember(tensor, value)
        for other in self._by_memory.get(_memory(tensor), ()):
            if other.tensor is tensor:
                continue
            if other.tensor.numel() == tensor.numel():
                other.meaning = value
                continue
            inputs = [value] if not isinstance(other.meaning, int) else [other.meaning, value]
            shapes = [tensor.shape] if len(inputs) == 1 else [other.tensor.shape, tensor.shape]
            other.meaning = self._append("assign", inputs, call.slots[-1:], shapes, other.tensor, {}, {})


def _memory(tensor: Tensor) -> int:
    """What tensors that share memory have in common."""
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse tensors and the like have no one block of memory
        return -id(tensor)


def _constant_from(call: Call) -> Constant:
    """What a tensor is that was made without the input."""
    names = tuple(dict.fromkeys(name for constant in call.constants for name in constant.names))
    chance = next((constant for constant in call.constants if constant.random), Constant())
    made = Constant(names, chance.random, chance.keep)
    drawn = _RANDOM.get(call.name.rstrip("_"))
    if drawn is None:
        return made
    keep = call.bound.get("p") if drawn == "bernoulli" else None
    return replace(made, random=drawn, keep=keep if isinstance(keep, float) else None)


def _repeats(before: Tensor, after: Tensor) -> list[float] | None:
    """The whole factors by which `after` repeats each pixel of `before`; None where it does something else.

    `repeat_interleave` and `expand` enlarge an image like nearest-neighbour up-sampling, but dispatch as views.
    """
    if before.dim() != 4 or after.dim() != 4 or before.shape[:2] != after.shape[:2] or before.numel() >= after.numel():
        return None
    factors = [new / old for new, old in zip(after.shape[2:], before.shape[2:], strict=True) if old]
    if len(factors) != 2 or not all(math.isfinite(factor) and factor == int(factor) for factor in factors):
        return None
    enlarged = before
    for dimension, factor in enumerate(factors, 2):
        enlarged = enlarged.repeat_interleave(int(factor), dimension)
    return factors if torch.equal(enlarged, after) else None
