"""torch where there is no accelerator and no second process: what asks for one runs on this processor.

A submission written for a GPU is not wrong, so `.cuda()`, `device="cuda"` and their kin give CPU tensors, with one
notice. `torch.cuda.is_available()` stays false, as it is. Loaders read in this process (a sandboxed worker may not
start others), and `torch.compile` and `torch.jit.script` give back what they were given: there is no compiler in the
sandbox, and the numbers are the same without.

Everything is replaced in torch's own namespaces, once, before the submission is imported. Functions that are no method
of a class cannot be told apart by `torch.overrides` any more; the worker's probes look at operations, not at these.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.utils._device

from autograder.sandbox.surroundings.notices import Notices

HERE = frozenset({"cpu", "meta"})
ON_CPU = "the grader has no GPU, so what asks for one runs on the CPU; the results are the same."
NOT_COMPILED = (
    "torch.compile and torch.jit.script are left out here: your network runs as it is, with the same results."
)
ALIKE = ("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like")
NEW = ("new_tensor", "new_zeros", "new_ones", "new_empty", "new_full")
TENSOR_TYPES = (
    "FloatTensor", "DoubleTensor", "HalfTensor", "ByteTensor", "CharTensor", "ShortTensor", "IntTensor", "LongTensor",
    "BoolTensor",
)  # fmt: skip


def install(notices: Notices) -> None:
    """Make torch stay on the CPU, in one process."""
    move = _Mover(notices)
    move.replace_creators()
    move.replace_moves()
    move.replace_cuda()
    move.replace_contexts()
    move.replace_load()
    _load_data_in_this_process()
    _leave_uncompiled(notices)


class _Mover:
    """Wraps what takes a device."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    def here(self, device: Any) -> Any:
        """The device to use for the one asked for; anything that is no device stays itself."""
        if isinstance(device, str):
            kind = device.partition(":")[0]
        elif isinstance(device, torch.device):
            kind = device.type
        elif isinstance(device, int) and not isinstance(device, bool):
            kind = "cuda"  # a number alone is that accelerator's
        else:
            return device
        if kind in HERE:
            return device
        self.tell()
        return torch.device("cpu")

    def tell(self) -> None:
        self._notices.once("device", ON_CPU)

    def with_device_keyword(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose keyword `device` is the only way to name one."""

        @functools.wraps(function)
        def on_cpu(*arguments: Any, **keywords: Any) -> Any:
            if keywords.get("device") is not None:
                keywords["device"] = self.here(keywords["device"])
            return function(*arguments, **keywords)

        return on_cpu

    def with_any_device(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A method that takes a device as its first argument or by keyword (`to`)."""

        @functools.wraps(function)
        def on_cpu(this: Any, *arguments: Any, **keywords: Any) -> Any:
            if arguments:
                arguments = (self.here(arguments[0]), *arguments[1:])
            if keywords.get("device") is not None:
                keywords["device"] = self.here(keywords["device"])
            return function(this, *arguments, **keywords)

        return on_cpu

    def replace_creators(self) -> None:
        """`torch.zeros(..., device=...)` and the like, which `torch.nn`'s layers use as well."""
        known = [function.__name__ for function in torch.utils._device._device_constructors()]
        for name in sorted({*known, *ALIKE}):
            if callable(getattr(torch, name, None)):
                setattr(torch, name, self.with_device_keyword(getattr(torch, name)))
        for name in NEW:
            setattr(torch.Tensor, name, self.with_device_keyword(getattr(torch.Tensor, name)))

    def replace_moves(self) -> None:
        """`x.to(...)`, `x.cuda()`, `model.to(...)`, `model.cuda()`, and tensor types of a GPU."""

        original_type = torch.Tensor.type

        def cast(this: torch.Tensor, dtype: Any = None, *arguments: Any, **keywords: Any) -> Any:
            return original_type(this, self.type_here(dtype), *arguments, **keywords)

        for owner in (torch.Tensor, torch.nn.Module):
            owner.to = self.with_any_device(owner.to)  # type: ignore[assignment]
            owner.cuda = self.staying()  # type: ignore[assignment]
        torch.Tensor.type = cast  # type: ignore[assignment, method-assign]
        torch.Tensor.pin_memory = lambda this, *_, **__: this  # type: ignore[assignment, method-assign]

    # A function of its own for every name: torch's compiler keeps its rules by the function's identity.

    def staying(self) -> Callable[..., Any]:
        def stay(this: Any, *_: Any, **__: Any) -> Any:
            self.tell()
            return this

        return stay

    def doing_nothing(self) -> Callable[..., Any]:
        def nothing(*_: Any, **__: Any) -> None:
            self.tell()

        return nothing

    def type_here(self, dtype: Any) -> Any:
        """ "torch.cuda.FloatTensor" → "torch.FloatTensor"."""
        return dtype.replace("torch.cuda.", "torch.") if isinstance(dtype, str) else dtype

    def replace_cuda(self) -> None:
        """What scripts ask of `torch.cuda` without looking whether there is one."""

        for name in TENSOR_TYPES:
            setattr(torch.cuda, name, getattr(torch, name))
        for name in ("set_device", "synchronize"):
            setattr(torch.cuda, name, self.doing_nothing())
        torch.cuda.current_device = lambda: 0
        torch.cuda.get_device_name = lambda *_: "no GPU: the grader runs on the CPU"  # type: ignore[assignment]
        set_type = torch.set_default_tensor_type
        torch.set_default_tensor_type = lambda kind, /: set_type(self.type_here(kind))

    def replace_contexts(self) -> None:
        """`with torch.device("cuda"):` and `torch.set_default_device("cuda")`."""
        context = torch.utils._device.DeviceContext
        initialise = context.__init__

        def initialise_here(this: Any, device: Any) -> None:
            initialise(this, self.here(device))

        context.__init__ = initialise_here  # type: ignore[assignment, method-assign]

    def replace_load(self) -> None:
        """A checkpoint saved on a GPU comes back on the CPU, wherever it is said to go."""
        load = torch.load

        @functools.wraps(load)
        def load_here(f: Any, map_location: Any = None, *arguments: Any, **keywords: Any) -> Any:
            map_location = map_location if callable(map_location) else torch.device("cpu")
            return load(f, map_location, *arguments, **keywords)

        torch.load = load_here


def _load_data_in_this_process() -> None:
    """Every DataLoader reads in the process it is used in."""
    loader = torch.utils.data.DataLoader
    initialise = loader.__init__
    signature = inspect.signature(initialise)
    alone = {
        "num_workers": 0, "pin_memory": False, "timeout": 0, "multiprocessing_context": None, "prefetch_factor": None,
        "persistent_workers": False, "worker_init_fn": None, "pin_memory_device": "",
    }  # fmt: skip

    @functools.wraps(initialise)
    def initialise_alone(*arguments: Any, **keywords: Any) -> None:
        bound = signature.bind(*arguments, **keywords)
        bound.arguments.update({name: value for name, value in alone.items() if name in bound.arguments})
        initialise(*bound.args, **bound.kwargs)

    loader.__init__ = initialise_alone  # type: ignore[method-assign]


def _leave_uncompiled(notices: Notices) -> None:
    def compile_nothing(model: Any = None, **_: Any) -> Any:
        notices.once("compile", NOT_COMPILED)
        return model if model is not None else lambda function: function

    def script_nothing(what: Any, *_: Any, **__: Any) -> Any:
        notices.once("compile", NOT_COMPILED)
        return what

    torch.compile = compile_nothing
    torch.jit.script = script_nothing  # type: ignore[assignment]
    torch.nn.Module.compile = lambda this, *_, **__: notices.once("compile", NOT_COMPILED)  # type: ignore[assignment, method-assign]
