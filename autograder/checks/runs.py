"""Running a whole training script and reading the record that it writes: a JSON file of accuracies per epoch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.checks.compare import as_array, as_mapping, as_scalar, fail

Array = NDArray[np.float64]

# A record far longer than any training is not read.
LARGEST_RECORD = 1_000_000

KEYS = ("train", "val", "test", "time")


def find_record(files: Sequence[str], name: str, *, called: str) -> str:
    """The file among those written that is the record: `name`, or else the only JSON file, whatever it is called.

    Raises CheckFailed where there is none.
    """
    written = [file for file in files if file.endswith(".json")]
    if name in written:
        return name
    if len(written) != 1:
        fail(f"main wrote {', '.join(files[:5]) or 'no file'}", called=called, expected=f"the file {name}")
    return written[0]


def read_record(content: bytes, name: str, *, called: str) -> dict[str, Any]:
    """A training record: `train` and `val`, lists of accuracies per epoch, `test`, an accuracy, `time`, in seconds.

    Raises CheckFailed where it is no JSON, or an entry is missing or impossible; accuracies in percent, or as counts of
    pictures, are named as such.
    """
    if len(content) > LARGEST_RECORD:
        fail(f"{name} is {len(content):,} bytes long", called=called, expected="four short entries")
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        fail(f"{name} is not valid JSON", called=called, cause="wrong_type", expected="what json.dump writes")
    entries = as_mapping(record, KEYS, name, called=called)
    curves = {key: _curve(entries[key], f"{key!r} in {name}", called) for key in ("train", "val")}
    if len(curves["train"]) != len(curves["val"]):
        fail(
            f"'train' in {name} has {len(curves['train'])} entries and 'val' has {len(curves['val'])}",
            called=called,
            expected="one entry each per epoch",
        )
    test = _curve(entries["test"], f"'test' in {name}", called)
    if len(test) != 1:
        fail(f"'test' in {name} has {len(test)} entries", called=called, expected="one accuracy")
    seconds = as_scalar(entries["time"], f"'time' in {name}", called=called)
    if seconds < 0:
        fail(f"'time' in {name} is {seconds:g}", called=called, expected="seconds, at least 0")
    return {**curves, "test": test[0], "time": seconds}


def _curve(value: Any, name: str, called: str) -> list[float]:
    """Accuracies, each from 0 to 1, at least one."""
    curve = as_array(value, name, called=called).reshape(-1)
    if not curve.size:
        fail(f"{name} is empty", called=called, expected="one accuracy per epoch")
    if curve.min() < 0 or curve.max() > 1:
        worst = curve.min() if curve.min() < 0 else curve.max()
        cause = "scaled_by_constant" if _are_percent_or_counts(curve) else None
        fail(f"{name} holds {worst:g}", called=called, cause=cause, expected="accuracies between 0 and 1")
    return [float(accuracy) for accuracy in curve]


def _are_percent_or_counts(curve: Array) -> bool:
    """Whether these are percent of a few hundred pictures, or counts of them, and no losses: multiples of 1/10."""
    return bool(curve.min() >= 0 and np.allclose(10 * curve, np.rint(10 * curve), atol=1e-6))
