"""The weights of a very large layer are drawn when they are first looked at.

A script that builds AlexNet at its top level, and then does not find the file with the weights, would keep 240 MB of
random numbers for the whole grading: a third of the smallest container. So a layer's memory stays untouched, and costs
nothing, until something asks for its parameters, in whatever way; then they get the numbers they would have got at
once. Only layers of such a size are concerned.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn.modules.conv import _ConvNd

LARGE = 1 << 24
"""Entries of one weight: AlexNet's second fully connected layer, 64 MB."""


def install() -> None:
    """From here on large layers wait with their first numbers."""
    for kind in (torch.nn.Linear, _ConvNd):
        kind.reset_parameters = _postponing(kind.reset_parameters)  # type: ignore[assignment, attr-defined]


class Undrawn(dict[str, Any]):
    """A layer's parameters by name, drawn as soon as one of them is asked for."""

    def __init__(self, parameters: dict[str, Any], draw: Callable[[], None]) -> None:
        super().__init__(parameters)
        self._draw: Callable[[], None] | None = draw

    def _settle(self) -> None:
        draw, self._draw = self._draw, None  # drawing asks for the parameters itself
        if draw is not None:
            draw()

    def __getitem__(self, name: str) -> Any:
        self._settle()
        return super().__getitem__(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._settle()  # not after it: the new value would be overwritten
        super().__setitem__(name, value)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict's, of drawn parameters."""
        self._settle()
        return super().get(name, default)

    def items(self) -> Any:
        """As a dict's, of drawn parameters."""
        self._settle()
        return super().items()

    def values(self) -> Any:
        """As a dict's, of drawn parameters."""
        self._settle()
        return super().values()

    def copy(self) -> dict[str, Any]:
        """As a dict's, of drawn parameters."""
        return dict(self.items())

    def __iter__(self) -> Iterator[str]:
        self._settle()
        return super().__iter__()

    def __reduce__(self) -> Any:
        """What copies and pickles hold: a plain dict."""
        return dict, (self.copy(),)


def _postponing(reset: Callable[[Any], None]) -> Callable[[Any], None]:
    """`reset_parameters` that waits where the weight is large."""

    @functools.wraps(reset)
    def reset_or_wait(layer: Any) -> None:
        if layer.weight.numel() < LARGE or layer.weight.is_meta:
            reset(layer)
            return
        state = torch.get_rng_state()

        def draw() -> None:
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(state)
                reset(layer)

        layer.__dict__["_parameters"] = Undrawn(layer.__dict__["_parameters"], draw)

    return reset_or_wait
