"""What takes long and is the same every time, done by the first check that asks and shared by the others."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from autograder.checks.compare import CheckFailed
from autograder.sandbox.proxy import SubmissionProblem


class Once:
    """Values by key, each made once.

    What went wrong in making one is kept as well, so that every check tells the same. A suite keeps one object of this
    class, or of one that uses it, in a fixture of the scope "session".
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once. Raises the problem of the submission that kept it from being made."""
        if key not in self._kept:
            try:
                self._kept[key] = make()
            except (SubmissionProblem, CheckFailed) as problem:
                self._kept[key] = problem
        found = self._kept[key]
        if isinstance(found, SubmissionProblem | CheckFailed):
            raise found
        return found
