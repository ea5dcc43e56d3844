"""torch without its compiler, until something asks for it.

Making an optimiser imports the whole compiler (``torch._dynamo`` and sympy: measured 1.4 s and 85 MB) only to hear
that nothing is being compiled. In a worker that forks per check every check would pay that again. So a small module
stands in its place, answers what eager code asks, and loads the real one as soon as anything else is wanted of it
(``torch.compile``, ``torch.export``).
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from collections.abc import Callable
from typing import Any

import torch

COMPILER = "torch._dynamo"
UTILITIES = COMPILER + ".utils"


class AbsentCompiler(types.ModuleType):
    """What eager torch asks of its compiler; any other question loads the real module in this one's place."""

    @staticmethod
    def graph_break(message: str = "") -> None:
        """Outside of a compilation there is no graph to break."""

    @staticmethod
    def disable(function: Callable[..., Any], recursive: bool = True, **_: Any) -> Callable[..., Any]:
        """Outside of a compilation a function that must not be compiled is the function itself."""
        return function

    @staticmethod
    def is_compile_supported(device: Any) -> bool:
        """Asked for by `torchvision.ops` on its import, and answered so that it never compiles."""
        return False

    def __getattr__(self, name: str) -> Any:
        # `inspect` asks every module for `__file__`; only a package's `__path__` is asked for by who imports from it.
        if name.startswith("__") and (name, self.__name__) != ("__path__", COMPILER):
            raise AttributeError(name)
        for absent in (COMPILER, UTILITIES):
            if isinstance(sys.modules.get(absent), AbsentCompiler):
                del sys.modules[absent]
        return getattr(importlib.import_module(self.__name__), name)


def postpone_compiler() -> None:
    """Keep this process from loading torch's compiler before it is used. Does nothing where it is loaded already."""
    if COMPILER not in sys.modules:
        for name in (COMPILER, UTILITIES):
            sys.modules[name] = AbsentCompiler(name)
            sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
        torch._dynamo = sys.modules[COMPILER]  # type: ignore[assignment]
