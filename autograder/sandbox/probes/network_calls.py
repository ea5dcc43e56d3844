"""The networks that a watched code calls: which, in which mode, with what, and whether the answer was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.parameter import is_lazy

from autograder.sandbox.probes import records

MAX_NETWORKS = 16
MAX_PARAMETERS = 200
MAX_OUTPUTS = 4
MAX_CLASSES = 1000


@dataclass
class Network:
    """A module that was called from outside any other module, and how its tensors started."""

    number: int
    module: torch.nn.Module
    part_of: int = 0
    start: dict[str, tuple[float, float]] = field(default_factory=dict)


class NetworkCalls:
    """Records every outermost call of a module that has parameters.

    A module seen first on its own and later as a part of a larger one keeps its number, and says what it is part of.
    """

    def __init__(self, log: records.Log) -> None:
        self.networks: list[Network] = []
        self.used: set[int] = set()
        self.latest = 0
        """The number of the network called last."""
        self._log = log
        self._owners: dict[int, tuple[Network, str]] = {}
        self._depth = 0
        self._mode_depth = 0
        self._keywords: dict[str, Any] = {}
        self._open: dict[str, Any] | None = None
        self._early = False
        self._classes: np.ndarray | None = None

    def owner(self, module: Any) -> tuple[Network | None, str]:
        """The network that a module is or belongs to, and the module's name within it."""
        known = self._owners.get(id(module))
        if known is not None:
            return known
        if len(self.networks) >= MAX_NETWORKS or not isinstance(module, torch.nn.Module):
            return None, ""
        if next(module.parameters(), None) is None:
            return None, ""
        network = Network(len(self.networks) + 1, module, start=states(module))
        self.networks.append(network)
        for name, part in module.named_modules():
            earlier, earlier_name = self._owners.get(id(part), (None, ""))
            if earlier is not None and not earlier_name:
                earlier.part_of = network.number
            self._owners[id(part)] = (network, name)
        return network, ""

    def parameters(self) -> dict[int, torch.Tensor]:
        """Every parameter of every network, by its identity."""
        every = (value for network in self.networks for value in network.module.parameters())
        return {id(value): value for value in every if not is_lazy(value)}

    @property
    def is_inside(self) -> bool:
        """Whether a module's call is going on."""
        return self._depth > 0

    def take_classes(self) -> np.ndarray | None:
        """The class of the largest score of each row of the last answer (rows,), once; None where there is none."""
        classes, self._classes = self._classes, None
        return classes

    def interrupt(self) -> None:
        """Whatever call was going on has ended."""
        self._depth, self._mode_depth, self._open, self._keywords = 0, 0, None, {}

    # -- hooks --------------------------------------------------------------------------------------------------

    def before(self, module: torch.nn.Module, arguments: Any) -> None:
        self._depth += 1
        self.used.add(id(module))
        if self._depth == 1:
            network, part = self.owner(module)
            self._open = None if network is None else self._begin(network, part, module, arguments)

    def after(self, module: torch.nn.Module, arguments: Any, output: Any) -> None:
        self._depth = max(self._depth - 1, 0)
        if self._depth or self._open is None:
            return
        event, self._open = self._open, None
        event["state_after"] = checksum(self.networks[event["network"] - 1].module)
        tensors = list(_tensors_in(output))[:MAX_OUTPUTS]
        self._classes = _classes_of(tensors)
        for tensor in tensors:
            event["outputs"].append([list(tensor.shape), self._log.whole(tensor) if self._early else None])
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient: event.update(trained=True))

    def _begin(self, network: Network, part: str, module: torch.nn.Module, arguments: Any) -> dict[str, Any]:
        every = [*arguments, *self._keywords.values()]
        given = next((value for value in every if isinstance(value, torch.Tensor)), None)
        self.latest = network.number
        with_gradients = torch.is_grad_enabled()
        bucket = f"{network.number} {part} {module.training} {with_gradients}"
        self._early = self._log.is_early("call", bucket)
        return self._log.add(
            "call",
            bucket,
            network=network.number,
            part=records.text(part),
            training=bool(module.training),
            gradients=with_gradients,
            trained=False,
            shape=records.shape_of(given),
            input=self._log.whole(given) if self._early else None,
            sample=self._log.sample(given),
            outputs=[],
            dropout=[],
            batch_norm=[],
            state_before=checksum(network.module),
            state_after=None,
        )

    # -- patches ------------------------------------------------------------------------------------------------

    def watch_keywords(self, original: Any) -> Any:
        """Module._call_impl: what is given by name, as in `model(x=images)`, which no hook for all modules gets."""

        def call(module: torch.nn.Module, *arguments: Any, **keywords: Any) -> Any:
            self._keywords = keywords
            return original(module, *arguments, **keywords)

        return call

    def watch_mode(self, original: Any) -> Any:
        """Module.train, which Module.eval calls too; only for the outermost module."""

        def train(module: torch.nn.Module, mode: bool = True) -> Any:
            if self._mode_depth == 0:
                network, part = self.owner(module)
                if network is not None:
                    self._log.add("mode", f"{bool(mode)}", network=network.number, part=part, training=bool(mode))
            self._mode_depth += 1
            try:
                return original(module, mode)
            finally:
                self._mode_depth = max(self._mode_depth - 1, 0)

        return train

    def watch_layer(self, kind: str, position: int) -> Any:
        """F.dropout or F.batch_norm: whether it ran in its training form, noted at the network's call."""

        def wrap(original: Any) -> Any:
            def layer(*arguments: Any, **keywords: Any) -> Any:
                if self._open is not None and len(self._open[kind]) < 32:
                    default = kind == "dropout"
                    given = arguments[position] if len(arguments) > position else keywords.get("training", default)
                    self._open[kind].append(bool(given))
                return original(*arguments, **keywords)

            return layer

        return wrap

    # -- the end ------------------------------------------------------------------------------------------------

    def report(self, holders: dict[int, list[int]], graded: set[int]) -> list[dict[str, Any]]:
        """Every network with its parameters: held by which optimisers, given a gradient, changed since the start."""
        return [self._describe(network, holders, graded) for network in self.networks]

    def _describe(self, network: Network, holders: dict[int, list[int]], graded: set[int]) -> dict[str, Any]:
        now = states(network.module)
        parts = dict(network.module.named_modules())
        parameters = [
            {
                "name": records.text(name),
                "shape": [] if is_lazy(value) else list(value.shape),
                "trainable": bool(value.requires_grad),
                "optimizers": holders.get(id(value), []),
                "given_gradient": id(value) in graded,
                "changed": now.get(name) != network.start.get(name),
                "used": id(parts.get(name.rpartition(".")[0])) in self.used,
            }
            for name, value in network.module.named_parameters()
        ]
        buffers = [name for name, _ in network.module.named_buffers()]
        return {
            "number": network.number,
            "class_name": records.text(type(network.module).__name__),
            "part_of": network.part_of,
            "training": bool(network.module.training),
            "parameters": parameters[:MAX_PARAMETERS],
            "buffers_changed": [records.text(n) for n in buffers if now.get(n) != network.start.get(n)][:32],
        }


def states(module: torch.nn.Module) -> dict[str, tuple[float, float]]:
    """Two sums per parameter and buffer, by name: they tell whether it changed without a copy of it."""
    tensors = (*module.named_parameters(), *module.named_buffers())
    return {name: _sums(value) for name, value in tensors}


def checksum(module: torch.nn.Module) -> list[float]:
    """One number for all parameters and one for all buffers."""
    weights = sum(index * _sums(value)[0] for index, value in enumerate(module.parameters(), 1))
    return [float(weights), float(sum(index * _sums(value)[0] for index, value in enumerate(module.buffers(), 1)))]


def _sums(value: torch.Tensor) -> tuple[float, float]:
    if is_lazy(value):
        return 0.0, 0.0
    flat = value.detach().reshape(-1)
    if not flat.is_floating_point():
        flat = flat.double()
    return float(flat.sum(dtype=torch.float64)), float(torch.dot(flat, flat))


def _classes_of(tensors: list[torch.Tensor]) -> np.ndarray | None:
    """The largest score's place in each row of the first matrix of scores."""
    scores = next((t for t in tensors if t.ndim == 2 and 1 < t.shape[1] <= MAX_CLASSES and not t.is_complex()), None)
    return None if scores is None else np.array(scores.detach().argmax(dim=1).cpu().numpy())


def _tensors_in(value: Any, depth: int = 3) -> Iterator[torch.Tensor]:
    """The tensors in what a network returned: itself, or a tuple, list or dict of them."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth and isinstance(value, tuple | list | dict):
        for item in list(value.values() if isinstance(value, dict) else value)[:MAX_OUTPUTS]:
            yield from _tensors_in(item, depth - 1)
