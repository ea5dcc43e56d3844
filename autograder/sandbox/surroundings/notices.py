"""What the worker's environment tells the student: each thing once, with the line of theirs that it is about.

While the submission is loaded a notice becomes a remark on it. Later, inside a check, it is printed, and so stands
with that check's output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from autograder.sandbox.cells import place_of

Remark = tuple[str, str, str]
"""(severity, file, text)"""


class Notices:
    """Says each thing once; `remark` takes what is said while the submission is being loaded."""

    def __init__(self, folder: Path, remark: Callable[[Remark], None]) -> None:
        self._folder = folder
        self._remark = remark
        self._said: set[str] = set()
        self._loading = True

    def loaded(self) -> None:
        """The submission is loaded: from here on notices are printed."""
        self._loading = False

    def once(self, key: str, text: str) -> None:
        """Say `text`, unless something was said under this key already (in this process, or before it was forked)."""
        if key in self._said:
            return
        self._said.add(key)
        file, line = self._place()
        if line:
            text = f"line {line}: {text}"
        if self._loading:
            self._remark(("info", file, text))
        else:
            print(f"[autograder] {file}{', ' if file else ''}{text}", file=sys.stderr)

    def _place(self) -> tuple[str, int]:
        """File and line of the student's that led here; an empty name where there is none."""
        frame = sys._getframe(2)
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.parent == self._folder:
                return place_of(path, frame.f_lineno)
            frame = frame.f_back  # type: ignore[assignment]
        return "", 0
