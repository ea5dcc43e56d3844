"""Replaces functions for the length of a block, wherever the submission holds them, and puts them back.

A name that the submission imported earlier (`from sklearn.metrics import confusion_matrix`) is the original function
itself, so it is replaced by identity in the namespaces of the submission's modules; a library that is imported only
during the block is patched as soon as it is there.
"""

from __future__ import annotations

import builtins
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


class Patches:
    """A set of replacements; `undo` puts everything back as it was."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where the submission's own modules stand."""
        self._folder = folder
        self._undo: list[tuple[Any, str, Any]] = []
        self._waiting: list[tuple[str, str, Wrap]] = []
        self._started = False

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """Set `owner.name` until the end."""
        self._undo.append((owner, name, owner.__dict__.get(name, _ABSENT)))
        setattr(owner, name, value)

    def function(self, module: str, path: str, wrap: Wrap) -> None:
        """Replace `module.path` ("Figure.savefig", say) by what `wrap` makes of it, now or once it is imported."""
        self._waiting.append((module, path, wrap))
        if self._started:
            self._patch_what_is_there()

    def start(self) -> None:
        """Patch what is imported already, and watch the imports for the rest."""
        self._started = True
        self._patch_what_is_there()
        original = builtins.__import__

        @functools.wraps(original)
        def watched_import(*arguments: Any, **keywords: Any) -> Any:
            module = original(*arguments, **keywords)
            if self._waiting:
                self._patch_what_is_there()
            return module

        self.attribute(builtins, "__import__", watched_import)

    def undo(self) -> None:
        self._waiting.clear()
        while self._undo:
            owner, name, value = self._undo.pop()
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)

    def _patch_what_is_there(self) -> None:
        for target in list(self._waiting):
            module, path, wrap = target
            *parents, name = path.split(".")
            owner = sys.modules.get(module)
            for parent in parents:
                owner = getattr(owner, parent, None)
            # A module that is still being imported has no such name yet.
            if owner is not None and name in owner.__dict__ and target in self._waiting:
                self._waiting.remove(target)
                self._replace(owner, name, wrap)

    def _replace(self, owner: Any, name: str, wrap: Wrap) -> None:
        held = owner.__dict__[name]
        is_static = isinstance(held, staticmethod)
        original = held.__func__ if is_static else held
        replacement = functools.wraps(original)(wrap(original))
        self.attribute(owner, name, staticmethod(replacement) if is_static else replacement)
        for module in self._own_modules():
            for key, value in list(_names(module).items()):
                if value is original and module is not owner:
                    self.attribute(module, key, replacement)

    def _own_modules(self) -> list[ModuleType]:
        """The submission's modules, as far as they are loaded."""
        modules = [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]
        below = str(self._folder) + os.sep
        return [module for module in modules if str(_names(module).get("__file__")).startswith(below)]


_ABSENT = object()


def _names(module: ModuleType) -> dict[str, Any]:
    """The module's namespace, without waking one that is only loaded when it is used."""
    return object.__getattribute__(module, "__dict__")  # type: ignore[no-any-return]
