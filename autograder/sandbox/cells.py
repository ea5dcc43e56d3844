"""Where a line of a module that was made of a notebook stands in the notebook: which code cell, and which line of it.

The module's text carries the answer: a comment before each cell's code. The student sees the same text in a traceback's
source lines, and nothing has to travel beside the file.
"""

from __future__ import annotations

import bisect
import functools
import re
from pathlib import Path

_MARKER = re.compile(r"# Code cell (\d+) of (.+\.ipynb)", re.IGNORECASE)


def marker(number: int, notebook: str) -> str:
    """The comment line before the code of the notebook's cell `number`, counted from 1 among the code cells."""
    return f"# Code cell {number} of {notebook}"


def place_of(file: str | Path, line: int) -> tuple[str, int]:
    """Name and line as the student knows them: ("hw4.ipynb, code cell 5", 3), or the file's own name and line."""
    file = Path(file)
    starts, names = _cells(str(file))
    index = bisect.bisect_left(starts, line) - 1
    if index < 0:
        return file.name, line
    return names[index], line - starts[index]


@functools.lru_cache(maxsize=64)
def _cells(file: str) -> tuple[list[int], list[str]]:
    """Lines of the markers, and what each says; nothing for an ordinary file."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return [], []
    starts, names = [], []
    for number, line in enumerate(text.split("\n"), 1):
        match = _MARKER.fullmatch(line)
        if match:
            starts.append(number)
            names.append(f"{match[2]}, code cell {match[1]}")
    return starts, names
