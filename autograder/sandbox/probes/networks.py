"""Probe: the networks of a submission, found by trying.

Classes, module-level instances and functions that return a network are constructed and called with small inputs; what
came of each is returned as a record, and nothing is chosen here (`checks.networks` does). The probes that look into
a network are offered here as well, so that an assignment preloads this one module.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autograder.sandbox import cells
from autograder.sandbox.probes.checkpoints import load_checkpoint
from autograder.sandbox.probes.guesses import ways_to_call
from autograder.sandbox.probes.tracing import (
    as_tensor,
    run,
    run_from,
    structure_of,
    tensors_in,
    text_of,
    trace,
    value_at,
    values_at,
    weights,
)

__all__ = ["candidates", "load_checkpoint", "run", "run_from", "trace", "value_at", "values_at", "weights"]

MAX_CANDIDATES = 40
MAX_PAIRS = 6
MAX_PARAMETERS = 100_000_000
MAX_KEPT = 60_000_000
"""Parameters in all the networks that are kept; beyond it each class is constructed in one way only."""
SEED = 663
BUILDER = re.compile(r"net|model|build|make|create|cnn|cae|enc|alex|classif|auto|get_", re.I)
LAYERS = {"Sequential", "ModuleList", "Conv2d", "Linear"}
"""What a function that builds a network is likely to use, whatever it is called."""
NOT_A_BUILDER = re.compile(
    r"main|train|test|eval|run|fit|load|save|plot|show|data|loss|optim|accuracy|noise|step", re.I
)

Record = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Something a network may come from: a class, a function or an instance at module level."""

    kind: str
    name: str
    module: str
    value: Any
    line: int
    imported: bool
    """Defined in another file of the submission."""


def candidates(modules: Sequence[str], inputs: Sequence[tuple[str, Any]]) -> list[Record]:
    """What can be had from the named modules, each called in eval mode with every one of `inputs` (form, tensor).

    Returns one record per construction, in order of definition: kind (class, instance, function, pair), name, module,
    file, line, imported, made (the expression that made it), switched (whether a default was changed for a try),
    network (None where it could not be made), parameters, calls (form, outputs as [path, shape], structure, error),
    error. A module that is not loaded gives none. Encoder and decoder classes that fit together are offered as a pair.
    """
    inputs = [(form, as_tensor(values)) for form, values in inputs]
    found: list[Record] = []
    for source in _sources(modules):
        made = 0
        for record in _constructed(source):
            if len(found) >= MAX_CANDIDATES:
                return found
            if record["network"] is not None:
                record["network"], record["calls"] = _called(record["network"], inputs)
                record["parameters"] = _count(record["network"])  # lazy layers have theirs only now
                made += 1
            found.append(record)
            if made and sum(one["parameters"] for one in found) > MAX_KEPT:
                break
    return found + [_with_calls(pair, inputs) for pair in _pairs(found)]


# ---- Where networks may come from -----------------------------------------------------------------------------------


def _sources(modules: Sequence[str]) -> Iterator[Source]:
    seen: set[int] = set()
    for module_name in modules:
        module = sys.modules.get(module_name)
        if module is None:
            continue
        for name, value in list(vars(module).items()):
            source = _source(module, name, value)
            if source is not None and id(value) not in seen:
                seen.add(id(value))
                yield source


def _source(module: types.ModuleType, name: str, value: Any) -> Source | None:
    if isinstance(value, type) and issubclass(value, nn.Module):
        home = sys.modules.get(value.__module__)
        if home is None or not _same_folder(home, module):
            return None
        return Source("class", name, home.__name__, value, _line(value), home is not module)
    if isinstance(value, nn.Module):
        return Source("instance", name, module.__name__, value, 0, False)
    if isinstance(value, types.FunctionType) and value.__module__ == module.__name__ and _may_build(name, value):
        return Source("function", name, module.__name__, value, _line(value), False)
    return None


def _same_folder(one: types.ModuleType, other: types.ModuleType) -> bool:
    files = (getattr(one, "__file__", None), getattr(other, "__file__", None))
    return one is other or (None not in files and Path(files[0]).parent == Path(files[1]).parent)  # type: ignore[arg-type]


def _line(value: Any) -> int:
    """The line of the definition; 0 where it cannot be told."""
    code = getattr(value, "__code__", None)
    if code is not None:
        return int(code.co_firstlineno)
    lines = [f.__code__.co_firstlineno for f in vars(value).values() if isinstance(f, types.FunctionType)]
    tree = _tree(sys.modules.get(value.__module__))
    node = next((n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == value.__name__), None)
    return node.lineno if node is not None else min(lines, default=0)


def _tree(module: types.ModuleType | None) -> ast.Module:
    """The module's syntax; empty where it has no readable file."""
    file = Path(getattr(module, "__file__", None) or "")
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])


def _may_build(name: str, function: types.FunctionType) -> bool:
    """Whether a function looks as if it built a network; others (main, train) are not called for a try."""
    required = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL,
                                                                           parameter.VAR_KEYWORD)
    ]  # fmt: skip
    likely = BUILDER.search(name) or LAYERS & set(function.__code__.co_names)
    return not required and bool(likely) and not NOT_A_BUILDER.search(name)


# ---- Making and calling them ----------------------------------------------------------------------------------------


def _constructed(source: Source) -> Iterator[Record]:
    """Every construction that worked, or one record with the first error where none did."""
    record = {
        "kind": source.kind, "name": source.name, "module": source.module, "line": source.line,
        "imported": source.imported, "made": source.name, "switched": False, "network": None, "parameters": 0,
        "calls": [], "error": "",
    }  # fmt: skip
    if source.kind == "instance":
        yield record | _made(lambda: source.value)
        return
    module = sys.modules[source.module]
    failed: Record | None = None
    worked = False
    for way in ways_to_call(source.value, source.name, module, _tree(module)):
        made = record | _made(functools.partial(source.value, *way.arguments, **way.keywords))
        made |= {"made": f"{source.name}({way.text})", "switched": way.switched}
        if made["network"] is None:
            failed = failed or made
            continue
        worked = True
        yield made
        yield from _with_call_keywords(made)
    if not worked and failed is not None:
        yield failed


def _made(build: Callable[[], Any]) -> Record:
    """The border to the student's constructor: whatever it raises is a record."""
    torch.manual_seed(SEED)
    try:
        network = build()
    except (Exception, SystemExit) as error:
        return {"error": text_of(error)}
    network = getattr(network, "_orig_mod", network)  # torch.compile's wrapper; its compiler is not wanted here
    if isinstance(network, nn.DataParallel):
        network = network.module
    if not isinstance(network, nn.Module):
        return {"error": f"it gives a {type(network).__name__}, not a network"}
    count = _count(network)
    if count > MAX_PARAMETERS:
        return {"error": f"it has {count:,} parameters; at most {MAX_PARAMETERS:,} can be handled"}
    return {"network": network.cpu(), "parameters": count}


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if not _is_lazy(parameter))


def _is_lazy(parameter: Any) -> bool:
    return isinstance(parameter, nn.parameter.UninitializedParameter)


def _with_call_keywords(made: Record) -> Iterator[Record]:
    """`forward(x, skip=False)`: the same network, called with the switch the other way round."""
    for name, parameter in _parameters(_forward_of(made["network"])).items():
        if isinstance(parameter.default, bool):
            keywords = {name: not parameter.default}
            yield made | {
                "network": Called(made["network"], functools.partial(_call_with, keywords)),
                "made": f"{made['made']}(x, {name}={not parameter.default})",
                "switched": True,
            }


def _forward_of(network: nn.Module) -> Any:
    """The class's forward as it is defined: asking a scripted class for it in the usual way is an error."""
    return inspect.getattr_static(type(network), "forward", None)


def _call_with(keywords: dict[str, Any], network: nn.Module, x: Tensor) -> Any:
    return network(x, **keywords)


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


class Called(nn.Module):
    """A network of the student's that is called in another way than `network(x)`; its state is the network's own."""

    def __init__(self, network: nn.Module, how: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.__dict__.update(_network=network, _how=how)  # not a submodule: the names of its state stay as they are

    def forward(self, x: Tensor) -> Any:
        return self._how(self._network, x)  # type: ignore[operator]

    def named_parameters(self, *arguments: Any, **keywords: Any) -> Any:
        return self._network.named_parameters(*arguments, **keywords)  # type: ignore[operator, union-attr]

    def named_buffers(self, *arguments: Any, **keywords: Any) -> Any:
        return self._network.named_buffers(*arguments, **keywords)  # type: ignore[operator, union-attr]

    def named_modules(self, *arguments: Any, **keywords: Any) -> Any:
        return self._network.named_modules(*arguments, **keywords)  # type: ignore[operator, union-attr]

    def state_dict(self, *arguments: Any, **keywords: Any) -> Any:
        return self._network.state_dict(*arguments, **keywords)  # type: ignore[operator, union-attr]

    def load_state_dict(self, *arguments: Any, **keywords: Any) -> Any:
        return self._network.load_state_dict(*arguments, **keywords)  # type: ignore[operator, union-attr]

    def train(self, mode: bool = True) -> Called:
        self._network.train(mode)  # type: ignore[operator, union-attr]
        return self


class Pair(nn.Module):
    """An encoder and a decoder that the submission keeps apart."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = _narrowest(self.encoder(x))
        return _widest(self.decoder(code)), code


def _narrowest(result: Any) -> Tensor:
    return min((tensor for _, tensor in tensors_in(result)), key=Tensor.numel)


def _widest(result: Any) -> Tensor:
    return max((tensor for _, tensor in tensors_in(result)), key=Tensor.numel)


def _encode_decode(network: nn.Module, x: Tensor) -> tuple[Any, Tensor]:
    code = _narrowest(network.encode(x))  # type: ignore[operator]
    return network.decode(code), code  # type: ignore[operator]


def _called(network: nn.Module, inputs: Sequence[tuple[str, Tensor]]) -> tuple[nn.Module, list[Record]]:
    """The network and what it gives for each input; one without a forward goes through its encode and decode."""
    if _forward_of(network) is nn.Module.forward and all(hasattr(network, n) for n in ("encode", "decode")):
        network = Called(network, _encode_decode)
    return network, [_call(network, form, x) for form, x in inputs]


def _with_calls(pair: Record, inputs: Sequence[tuple[str, Tensor]]) -> Record:
    return pair | {"calls": [_call(pair["network"], form, x) for form, x in inputs]}


def _call(network: nn.Module, form: str, x: Tensor) -> Record:
    """The border to the student's forward: whatever it raises is a record."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            result = network(x.clone())
        outputs = [[path, list(tensor.shape)] for path, tensor in tensors_in(result)]
        return {"form": form, "outputs": outputs, "structure": structure_of(result), "error": ""}
    except (Exception, SystemExit) as error:
        return {"form": form, "outputs": [], "structure": "", "error": text_of(error) + _place_of(error, network)}
    finally:
        for module, mode in modes:
            module.training = mode


def _place_of(error: BaseException, network: nn.Module) -> str:
    """The last line of the student's own that the error came through: " (prob6_CAE.py, line 31)"."""
    own = type(network.__dict__.get("_network", network))
    home = getattr(sys.modules.get(own.__module__), "__file__", None)
    if home is None or own.__module__.partition(".")[0] in ("torch", "autograder"):
        return ""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent == Path(home).parent]
    return " ({}, line {})".format(*cells.place_of(frames[-1].filename, frames[-1].lineno or 0)) if frames else ""


def _pairs(found: Sequence[Record]) -> list[Record]:
    """Encoders (an image in, a few numbers out) with decoders (that take as many, and give more)."""
    made = [record for record in found if record["network"] is not None]
    encoders = [record for record in made if any(_is_code(call) for call in record["calls"] if call["form"] != "code")]
    decoders = [
        record
        for record in made
        for call in record["calls"]
        if call["form"] == "code" and any(_per_item(shape) > 64 for _, shape in call["outputs"])
    ]
    both = [(encoder, decoder) for encoder in encoders for decoder in decoders if encoder is not decoder]
    return [
        encoder
        | {
            "kind": "pair",
            "name": f"{encoder['name']} + {decoder['name']}",
            "made": f"{decoder['made']} after {encoder['made']}",
            "network": Pair(encoder["network"], decoder["network"]),
            "parameters": encoder["parameters"] + decoder["parameters"],
        }
        for encoder, decoder in both[:MAX_PAIRS]
    ]


def _is_code(call: Record) -> bool:
    return bool(call["outputs"]) and all(0 < _per_item(shape) <= 64 for _, shape in call["outputs"])


def _per_item(shape: Sequence[int]) -> int:
    count = 1
    for size in shape[1:]:
        count *= size
    return count
