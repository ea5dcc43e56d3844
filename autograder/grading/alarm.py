"""The end of our own patience with our own code: an exception raised in it from outside."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Overrun(BaseException):
    """The time is up. Not an Exception, so that a check's own `except Exception` does not keep it."""


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise Overrun in the body once `seconds` have passed.

    No effect where there is no such signal (Windows) or outside of the main thread; the worker's own limits hold
    everywhere.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _raise_overrun)
    # Again and again, because a body that was just handling another exception may lose the first one.
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _raise_overrun(number: int, frame: FrameType | None) -> NoReturn:
    raise Overrun
