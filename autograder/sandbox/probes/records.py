"""Bounded, plain records of what happened, in order: what a watch hands back to the trusted side.

Of each kind (and bucket within a kind) the first few events and the last ones are kept and the rest is counted, so
that a training run of any length gives an answer of bounded size. Whole arrays are kept for the first few only.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np
import torch

FIRST = 24
LAST = 6
BUCKETS = 64
WHOLE = 3
"""The first events of a bucket come with whole arrays."""
WHOLE_ENTRIES = 65_536
SAMPLE_ROWS = 4
SAMPLE_ENTRIES = 16_384
ALL_ENTRIES = 2_000_000
"""Entries of whole arrays, and again of samples, that one log keeps."""
SHOWN_TEXT = 200


class Log:
    """Events as plain dicts with a place `at` in the order of things; the caller may fill one in after adding it."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._last: dict[tuple[str, str], deque[dict[str, Any]]] = {}
        self._counts: dict[str, int] = {}
        self._next = 1
        self._room = {"whole": ALL_ENTRIES, "sample": ALL_ENTRIES}

    def add(self, kind: str, bucket: str = "", **fields: Any) -> dict[str, Any]:
        """Keep one event, as one of the first or of the last in its bucket."""
        event = {"kind": kind, "at": self._next, **fields}
        self._next += 1
        self._counts[kind] = self._counts.get(kind, 0) + 1
        key = (kind, bucket)
        if key not in self._first and len(self._first) >= BUCKETS:
            return event  # counted, and not kept
        first = self._first.setdefault(key, [])
        if len(first) < FIRST:
            first.append(event)
        else:
            self._last.setdefault(key, deque(maxlen=LAST)).append(event)
        return event

    def is_early(self, kind: str, bucket: str = "") -> bool:
        """Whether the next event of this bucket is one of the few that come with whole arrays."""
        return len(self._first.get((kind, bucket), ())) < WHOLE

    def whole(self, value: Any) -> np.ndarray | None:
        """All entries of a tensor or array (float32 or int64); None where it is none, too large, or no room is left."""
        return self._within("whole", whole(value))

    def sample(self, value: Any) -> np.ndarray | None:
        """The first rows of a batch; None where there are none, they are too large, or no room is left."""
        return self._within("sample", sample(value))

    def kept(self, value: Any, early: bool) -> np.ndarray | None:
        """All entries of an early one where that is possible, else the first rows."""
        every = self.whole(value) if early else None
        return self.sample(value) if every is None else every

    def _within(self, sort: str, array: np.ndarray | None) -> np.ndarray | None:
        if array is None or array.size > self._room[sort]:
            return None
        self._room[sort] -= array.size
        return array

    def events(self) -> list[dict[str, Any]]:
        """What was kept, in order."""
        kept = [event for events in (*self._first.values(), *self._last.values()) for event in events]
        return sorted(kept, key=lambda event: event["at"])

    def counts(self) -> dict[str, int]:
        """How many events of each kind there were, kept or not."""
        return dict(self._counts)


def whole(value: Any) -> np.ndarray | None:
    """All entries of a tensor or array, None where it is none or too large. Returns float32 or int64."""
    tensor = as_tensor(value)
    if tensor is None or tensor.numel() > WHOLE_ENTRIES:
        return None
    return _plain_array(tensor)


def sample(value: Any) -> np.ndarray | None:
    """The first rows of a batch, None where there are none or they are too large."""
    tensor = as_tensor(value)
    if tensor is None:
        return None
    if tensor.ndim:
        tensor = tensor[:SAMPLE_ROWS]
    return _plain_array(tensor) if tensor.numel() <= SAMPLE_ENTRIES else None


def shape_of(value: Any) -> list[int] | None:
    tensor = as_tensor(value)
    return None if tensor is None else list(tensor.shape)


def number(value: Any) -> float | None:
    """A single number of any sort as a float; None for anything else, for NaN and for infinity."""
    tensor = as_tensor(value)
    if tensor is not None:
        value = tensor.reshape(-1)[0].item() if tensor.numel() == 1 else None
    if isinstance(value, bool | int | float | np.number) and math.isfinite(value):
        return float(value)
    return None


def text(value: Any) -> str:
    """A bounded text."""
    return str(value)[:SHOWN_TEXT]


def as_tensor(value: Any) -> torch.Tensor | None:
    """A dense real tensor or array as a detached tensor; None for anything else."""
    if isinstance(value, torch.Tensor):
        return value.detach() if value.layout == torch.strided and not value.is_complex() else None
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.as_tensor(np.ascontiguousarray(value))
    return None


def _plain_array(tensor: torch.Tensor) -> np.ndarray:
    array = tensor.cpu().to(torch.float32 if tensor.is_floating_point() else torch.int64).numpy()
    return np.array(array)  # a copy: the student's code may change its own in place
