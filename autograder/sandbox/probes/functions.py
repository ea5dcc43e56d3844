"""Probe: which functions a submission defines, and things of ours that they can be called with.

A course names what a function does and seldom how it is called; from the names of its parameters the trusted side
(`checks.calling`) tells what each one wants. Nothing is judged here.
"""

from __future__ import annotations

import ast
import inspect
import sys
import types
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

MAX_FUNCTIONS = 100
MAX_PARAMETERS = 30
INDEX_SCALE = 4096
"""The first pixel of a known image is its index divided by this, which float32 holds exactly."""


def functions_of(module_name: str) -> list[dict[str, Any]]:
    """The functions that a loaded module defines at its top level, in order: name, line, parameters.

    A parameter is [name, whether it must be given, whether it goes by its name only]; *args and **kwargs are left out.
    """
    module = sys.modules.get(module_name)
    found = []
    for name, value in list(vars(module).items()) if module is not None else ():
        if isinstance(value, types.FunctionType) and value.__module__ == module_name:
            parameters = [
                [str(one.name), one.default is one.empty, one.kind is one.KEYWORD_ONLY]
                for one in inspect.signature(value).parameters.values()
                if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
            ]
            line = value.__code__.co_firstlineno
            found.append({"name": name, "line": line, "parameters": parameters[:MAX_PARAMETERS]})
    return found[:MAX_FUNCTIONS]


def leaves_training_mode(module_name: str) -> bool:
    """Whether a module's text calls `.eval()` or `.train(False)` anywhere."""
    module = sys.modules.get(module_name)
    try:
        tree = ast.parse(Path(getattr(module, "__file__", None) or "").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    return any(_leaves_training_mode(node) for node in ast.walk(tree))


def _leaves_training_mode(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    off = any(isinstance(value, ast.Constant) and value.value is False for value in given)
    return node.func.attr == "eval" or (node.func.attr == "train" and off)


def make_loss(name: str) -> nn.Module:
    """`torch.nn.<name>()`: make_loss("CrossEntropyLoss")."""
    return getattr(nn, name)()  # type: ignore[no-any-return]


def known_answers(scores: Any) -> nn.Module:
    """A network of ours that gives row i of `scores` (N, classes) for the image whose first pixel is i / INDEX_SCALE.

    It stands in for the student's own, so that a mistake there does not show in what is computed from its answers.
    """
    return KnownAnswers(torch.as_tensor(scores).float())


class KnownAnswers(nn.Module):
    """See `known_answers`. Its answers are the same in both modes; a watch tells in which one it was called."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.scores = nn.Parameter(scores)

    def forward(self, images: Tensor) -> Tensor:
        index = (images.reshape(len(images), -1)[:, 0] * INDEX_SCALE).round().long()
        return self.scores[index.clamp(0, len(self.scores) - 1)]
