"""Calling a student's function whose name and parameters the handout leaves open.

    for function in functions_of(probes, "hw4"):
        filled = fill(function, {"model": network.handle, "train_loader": loader, "epochs": 2})
        if filled is not None:
            value = getattr(submission, function.name)(*filled.arguments, **filled.keywords)

What a parameter wants is told from its name, as a reader would. An assignment that uses this lists
"autograder.sandbox.probes.functions" in its preloads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from autograder.sandbox.proxy import Probes, StudentError

_LOADER = r"(ing)?(data|set|dataset)?(loader|dl|iter|batches|gen)?$"

ROLES: Mapping[str, re.Pattern[str]] = {
    "optimizer": re.compile(r"^(opt|optim|optimi[sz]er)$"),
    "criterion": re.compile(r"^(criterion|(loss)(fn|func|function|f)?)$"),
    "test_loader": re.compile(r"^(test|val|valid|validation|eval|dev)" + _LOADER),
    "train_loader": re.compile(r"^(train|trn)" + _LOADER),
    "loader": re.compile(r"^(data|set|dataset)?(loader|dl|iter|iterator|batches)$|^data$"),
    "model": re.compile(r"^(my)?(model|net|network|cnn|convnet|classifier)$"),
    "device": re.compile(r"^(device|dev)$"),
    "epochs": re.compile(r"^(n|num|number|no|max|total)?(of)?epochs?(num|number|count)?$"),
    "arguments": re.compile(r"^(args|arguments|config|cfg|hparams|opts)$"),
    "rate": re.compile(r"^(lr|learningrate|rate)$"),
    "classes": re.compile(r"^(classes|classnames|labels|labelnames|names|categories)$"),
    "class_count": re.compile(r"^(n|num|number)(of)?(classes|labels)$"),
    "batch_size": re.compile(r"^(batchsize|bs)$"),
}  # fmt: skip
"""What the names of parameters, in lower case and without underscores, stand for; the first that fits."""


class Function(msgspec.Struct, frozen=True):
    """A function of the submission's: `parameters` are (name, must be given, by name only)."""

    name: str
    line: int
    parameters: tuple[tuple[str, bool, bool], ...]

    @property
    def text(self) -> str:
        """As it is written in a call."""
        return f"{self.name}({', '.join(name for name, _, _ in self.parameters)})"


@dataclass(frozen=True)
class Filled:
    """Arguments for a call, and the roles that they play."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    roles: frozenset[str]


def functions_of(probes: Probes, module: str) -> list[Function]:
    """The functions that a file of the submission defines. Raises StudentError where it could not be loaded."""
    probes.module(module)
    raw = probes.run("functions", "functions_of", module, called=f"looking into {module}.py")
    try:
        return msgspec.convert(raw, list[Function])
    except (msgspec.ValidationError, RecursionError):
        raise StudentError("ValueError", f"the functions of {module}.py cannot be listed") from None


def role_of(parameter: str) -> str | None:
    """What a parameter of this name stands for; None where its name does not tell."""
    plain = parameter.lower().replace("_", "")
    return next((role for role, pattern in ROLES.items() if pattern.search(plain)), None)


def fill(function: Function, available: Mapping[str, Any]) -> Filled | None:
    """Arguments for the function, each by its role; None where one that must be given is not `available`.

    A loader whose name does not say which one it is gets `loader`, else the training one.
    """
    arguments: list[Any] = []
    keywords: dict[str, Any] = {}
    roles = set()
    for name, required, by_name in function.parameters:
        role = role_of(name)
        if role == "loader" and "loader" not in available:
            role = "train_loader"
        if role is None or role not in available:
            if required:
                return None
            continue
        roles.add(role)
        if by_name or len(arguments) < _place(function, name):
            keywords[name] = available[role]
        else:
            arguments.append(available[role])
    return Filled(tuple(arguments), keywords, frozenset(roles))


def _place(function: Function, name: str) -> int:
    return [one for one, _, _ in function.parameters].index(name)


def missing(function: Function, available: Mapping[str, Any]) -> list[str]:
    """The parameters that must be given and that `available` has nothing for."""
    needed = [name for name, required, _ in function.parameters if required]
    return [name for name in needed if (role_of(name) or "") not in {*available, "loader"}]
