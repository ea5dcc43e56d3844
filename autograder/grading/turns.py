"""The order in which checks are run, so that one slow item of a homework starves the others least.

The items take turns in the handout's order. A turn is an equal share of the time that is left, counted over the items
still to come, and one more share for whatever was put off before. Where an item's turn ends before its checks do, the
rest of them is put off until every item has had its turn; then they are run to their end, one of each item after the
other, and last of all those that were cut short when a turn ended.

The clock decides the order alone. A check that was cut short is run anew from its start, with all of its own budget, so
its verdict is what it would have been; and each check starts from fresh state, so the order changes no verdict. What
there is to lose is the run's time: the last in this order are the first that are not run when it is used up.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain, zip_longest
from typing import Generic, TypeVar

Check = TypeVar("Check")


class Turns(Generic[Check]):
    """Hands out checks; ask `next` for one, run it, tell `put_off` where it was cut short."""

    def __init__(
        self,
        checks: Iterable[tuple[str, Check]],
        deadline: float,
        least: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`checks` are (item, check) in the handout's order; `deadline` is the end of the run on the clock `now`.

        least: the seconds that a check always gets before it is cut short.
        """
        groups: dict[str, deque[Check]] = {}
        for item, check in checks:
            groups.setdefault(item, deque()).append(check)
        self._to_come = deque(groups.values())
        self._deadline = deadline
        self._least = least
        self._now = now
        self._turn: deque[Check] = deque()
        self._turn_end = math.inf
        self._check_began = now()
        self._put_off: list[deque[Check]] = []
        self._cut_short: list[Check] = []
        self._last: deque[Check] | None = None

    def next(self) -> Check | None:
        """The check to be run now; None where there are no more."""
        self._check_began = self._now()
        while self._last is None:
            if self._turn and self._check_began < self._turn_end:
                return self._turn.popleft()
            self._end_turn()
        return self._last.popleft() if self._last else None

    def likely_next(self) -> Check | None:
        """The check that follows, unless this one uses up its item's turn."""
        if self._last is not None:
            return self._last[0] if self._last else None
        return next((group[0] for group in (self._turn, *self._to_come, *self._put_off) if group), None)

    def seconds_left(self) -> float:
        """How long the check just handed out may run before it is cut short; endless once all have had their turn."""
        end = max(self._turn_end, self._check_began + self._least)
        return math.inf if self._last is not None else max(end - self._now(), 0.0)

    def put_off(self, check: Check) -> None:
        """The check was cut short: it is run anew, after all that have not been run at all."""
        self._cut_short.append(check)

    def _end_turn(self) -> None:
        if self._turn:
            self._put_off.append(self._turn)
        if not self._to_come:
            rows = zip_longest(*self._put_off, fillvalue=None)
            self._last = deque(check for check in chain(*rows, self._cut_short) if check is not None)
            return
        self._turn = self._to_come.popleft()
        others = len(self._to_come) + bool(self._put_off or self._cut_short)
        left = max(self._deadline - self._now(), 0.0)
        self._turn_end = self._now() + left / (1 + others) if others else math.inf
