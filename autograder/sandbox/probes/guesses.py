"""Probe: plausible arguments for a student's class or function.

First the calls that the submission itself makes, then no arguments, then small values for the required ones, chosen
by their names; then the switches (skip=True) the other way round, and a code of two numbers.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import device, nn

MAX_OWN_CALLS = 4
MAX_GUESSES = 12
MAX_SWITCHES = 3

CODE_SIZE = re.compile(r"latent|code|embed|bottleneck|^z|z_?(dim|size)|dim_?z|enc(od\w*)?_(dim|size)", re.I)

# Tried from the top: the first pattern that is found in the name decides.
_BY_NAME: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (CODE_SIZE.pattern, (2,)),
    (r"class|^n_?out|out(put)?_?(size|dim|features)|target", (10, 784)),
    (r"^in_?ch|input_?ch|^channels?$|^nc$|n_?channels|^c_?in|in_planes", (1,)),
    (r"input_?(size|dim|shape)|in_?(features|dim|size)|^n_?in|image_?dim", (784,)),
    (r"im(age)?_?(size|width|height)|^(height|width|h|w)$", (28,)),
    (r"batch_?norm|^bn|^use|^is|^with|^has|skip|bias|noisy|denois|verbose", (False, True)),
    (r"drop|^p$|prob", (0.5,)),
    (r"slope|alpha|lr|rate|momentum|noise|std|sigma", (0.1,)),
    (r"pool.*kernel|kernel.*pool|pool.*size|pool", (2,)),
    (r"kernel|^k$|filter_?size", (3, 5)),
    (r"stride", (1, 2)),
    (r"pad", (1, 0, 2)),
    (r"act|nonlin", (nn.ReLU(), nn.ReLU)),
    (r"device", (device("cpu"),)),
    (r"sizes|dims|hidden_layers|widths|layers$", ([128, 64, 32], 3)),
    (r"batch", (5,)),
    (r"depth|blocks", (2,)),
    (r"channel|filter|planes|width|maps", (8,)),
    (r"hidden|units|neurons|size|dim|features", (64,)),
)


@dataclass(frozen=True)
class Way:
    """Arguments of one call, and how they are written. switched: a default that nobody asked to change was changed."""

    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    switched: bool = False


class Settings:
    """Stands for a record of settings, such as what argparse returns: any name has a plausible value."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return guesses_for(name, None)[0]


def ways_to_call(function: Any, name: str, module: types.ModuleType, tree: ast.Module) -> Iterator[Way]:
    """Ways to call it, the most telling first, each once."""
    seen: set[str] = set()
    for way in _ways(function, name, module, tree):
        if way.text not in seen:
            seen.add(way.text)
            yield way


def _ways(function: Any, name: str, module: types.ModuleType, tree: ast.Module) -> Iterator[Way]:
    parameters = _parameters(function)
    required = [one for one in parameters if one.default is one.empty]
    if not required:
        yield Way()
    own = list(itertools.islice(_own_calls(name, module, tree), MAX_OWN_CALLS))
    yield from own
    guessed = list(itertools.islice(_guessed(required), MAX_GUESSES)) if required else []
    yield from guessed
    base = (guessed or [Way()])[0]
    yield from _switched(base, parameters)


def _parameters(function: Any) -> list[inspect.Parameter]:
    """What it can be given by name; nothing where it has no signature."""
    try:
        listed = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one for one in listed if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]


def _own_calls(name: str, module: types.ModuleType, tree: ast.Module) -> Iterator[Way]:
    """Calls of it in the submission whose arguments are literals, or plain values of module-level names."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != name:
            continue
        try:
            arguments = tuple(_value(argument, module) for argument in node.args)
            keywords = {keyword.arg: _value(keyword.value, module) for keyword in node.keywords if keyword.arg}
        except (ValueError, TypeError, SyntaxError, RecursionError):
            continue
        if len(keywords) == len(node.keywords):
            yield Way(arguments, keywords, _written(arguments, keywords))


def _value(node: ast.expr, module: types.ModuleType) -> Any:
    """Raises ValueError for anything that is no plain value."""
    if isinstance(node, ast.Name):
        value = vars(module).get(node.id)
        if isinstance(value, bool | int | float | str | list | tuple):
            return value
        raise ValueError(node.id)
    return ast.literal_eval(node)


def _guessed(required: list[inspect.Parameter]) -> Iterator[Way]:
    choices = [guesses_for(one.name, one.annotation) for one in required]
    for values in itertools.product(*choices):
        keywords = dict(zip([one.name for one in required], values, strict=True))
        yield Way((), keywords, _written((), keywords))


def guesses_for(name: str, annotation: Any) -> tuple[Any, ...]:
    """Values to try for a parameter of this name, the likeliest first."""
    if re.search(r"arg|conf|cfg|opt|param|setting|^hp", name, re.I):
        return (Settings(),)
    if annotation in (bool, "bool"):
        return (False, True)
    for pattern, values in _BY_NAME:
        if re.search(pattern, name, re.I):
            return values
    return (0.5,) if annotation in (float, "float") else (8, False)


def _switched(base: Way, parameters: list[inspect.Parameter]) -> Iterator[Way]:
    """The base call with one switch turned, and with a code of two numbers."""
    names = [one for one in parameters if isinstance(one.default, bool)]
    switches = sorted(names, key=lambda one: "skip" not in one.name.lower())[:MAX_SWITCHES]
    for one in switches:
        yield _with(base, {one.name: not one.default})
    codes = [one for one in parameters if type(one.default) is int and one.default != 2 and CODE_SIZE.search(one.name)]
    for one in codes[:1]:
        yield _with(base, {one.name: 2})
        for switch in switches:
            yield _with(base, {one.name: 2, switch.name: not switch.default})


def _with(base: Way, changes: dict[str, Any]) -> Way:
    keywords = {**base.keywords, **changes}
    return Way(base.arguments, keywords, _written(base.arguments, keywords), switched=True)


def _written(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    parts = [_short(value) for value in arguments] + [f"{name}={_short(value)}" for name, value in keywords.items()]
    return ", ".join(parts)


def _short(value: Any) -> str:
    if isinstance(value, bool | int | float | str | list | tuple):
        return repr(value)[:40]
    return f"{type(value).__name__}()" if not isinstance(value, type) else value.__name__
