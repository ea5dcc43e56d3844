"""Records what a training or test code does with networks and optimisers, while it runs.

    with Watch(folder, seconds=20) as watch:
        the_students_code()
    answer = watch.report()

Hooks on every network's call, on backward and on every optimiser's step see the code whatever its functions are
called. Nothing is judged here, and everything is undone at the end of the block.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks

from autograder.sandbox.probes import records
from autograder.sandbox.probes.library_calls import LibraryCalls
from autograder.sandbox.probes.network_calls import NetworkCalls
from autograder.sandbox.probes.optimizer_steps import OptimizerSteps
from autograder.sandbox.probes.patching import Patches, Wrap

DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
OUT_OF_TIME = "out_of_time"
MANY_STEPS = "many_steps"


class Enough(BaseException):
    """Ends the student's code: enough was seen. Not an Exception, so that `except Exception` lets it through."""


class Watch:
    """Watches while its block runs; `ended` says why it ended the student's code, None where it did not."""

    def __init__(self, folder: Path, seconds: float, max_steps: int, steps_per_pass: int | None = None) -> None:
        """`folder`: the submission's own; `seconds` of processor time and `max_steps` end the code by Enough.

        `steps_per_pass`: a pass through a data loader ends after so many steps; None leaves it whole.
        """
        self.log = records.Log()
        self.ended: str | None = None
        self._seconds = seconds
        self._max_steps = max_steps
        self._calls = NetworkCalls(self.log)
        self._optimizer_steps = OptimizerSteps(self.log, self._calls)
        self._libraries = LibraryCalls(
            self.log,
            lambda: self.steps,
            lambda: self.progress,
            lambda: self._calls.latest,
            steps_per_pass,
            self._calls.take_classes,
        )
        self._patches = Patches(folder)
        self._block = contextlib.ExitStack()
        self._started = 0.0
        self._is_over = False

    @property
    def steps(self) -> int:
        """How many steps have changed, or could have changed, parameters so far."""
        return self._optimizer_steps.count

    @property
    def progress(self) -> int:
        """As `steps`, where a training that never steps makes progress, too."""
        return self._optimizer_steps.progress

    @property
    def optimizers(self) -> int:
        """How many optimisers were made or used so far."""
        return self._optimizer_steps.optimizers

    def seconds_left(self) -> float:
        return self._seconds - (time.process_time() - self._started)

    def settle(self) -> None:
        """Whatever the student's code was doing is over: it returned, failed, or was ended."""
        for watcher in (self._calls, self._optimizer_steps, self._libraries):
            watcher.interrupt()
        self._optimizer_steps.see_change_by_hand()

    def patch(self, module: str, path: str, wrap: Wrap) -> None:
        """Replace one more function until the end of the block."""
        self._patches.function(module, path, wrap)

    def __enter__(self) -> Watch:
        torch.set_num_threads(1)
        self._started = time.process_time()
        steps, calls = self._optimizer_steps, self._calls
        for handle in (
            module_hooks.register_module_forward_pre_hook(self._before_call),
            module_hooks.register_module_forward_hook(calls.after, always_call=True),
            optimizer_hooks.register_optimizer_step_pre_hook(steps.before_step),
            optimizer_hooks.register_optimizer_step_post_hook(self._after_step),
        ):
            self._block.callback(handle.remove)
        self._patch()
        self._block.callback(self._patches.undo)
        self._block.enter_context(_alarm(self._seconds, self._out_of_time))
        return self

    def __exit__(self, *_: Any) -> None:
        self._is_over = True  # from here on no alarm may interrupt what is put back
        self._block.close()
        self.settle()

    def report(self) -> dict[str, Any]:
        """Everything recorded, as plain data."""
        steps = self._optimizer_steps
        return {
            "events": self.log.events(),
            "counts": self.log.counts(),
            "networks": self._calls.report(steps.holders(), steps.given_gradient),
            "optimizers": steps.report(),
            "ended": self.ended,
        }

    def _patch(self) -> None:
        steps, calls = self._optimizer_steps, self._calls
        self._patches.function("torch.autograd", "backward", steps.watch_backward)
        self._patches.function("torch.optim.optimizer", "Optimizer.__init__", steps.watch_new_optimizer)
        self._patches.function("torch.optim.optimizer", "Optimizer.zero_grad", steps.watch_clearing("optimizer"))
        self._patches.function("torch.nn.modules.module", "Module.zero_grad", steps.watch_clearing("network"))
        self._patches.function("torch.nn.modules.module", "Module._call_impl", calls.watch_keywords)
        self._patches.function("torch.nn.modules.module", "Module.train", calls.watch_mode)
        for name in DROPOUTS:
            self._patches.function("torch.nn.functional", name, calls.watch_layer("dropout", 2))
        self._patches.function("torch.nn.functional", "batch_norm", calls.watch_layer("batch_norm", 5))
        for target in self._libraries.targets():
            self._patches.function(*target)
        self._patches.start()

    def _before_call(self, module: torch.nn.Module, arguments: Any) -> None:
        if self.seconds_left() <= 0:
            self._out_of_time()
        if not self._calls.is_inside:
            self._optimizer_steps.see_change_by_hand()
        self._calls.before(module, arguments)

    def _after_step(self, optimizer: torch.optim.Optimizer, arguments: Any, keywords: Any) -> None:
        self._optimizer_steps.after_step(optimizer, arguments, keywords)
        if self.steps >= self._max_steps:
            self.ended = MANY_STEPS
            raise Enough

    def _out_of_time(self) -> None:
        if not self._is_over:
            self.ended = OUT_OF_TIME
            raise Enough


@contextlib.contextmanager
def _alarm(seconds: float, ring: Any) -> Iterator[None]:
    """Calls `ring` after so many seconds of processor time, also within code that no hook sees."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        ring()

    previous = signal.signal(signal.SIGPROF, handle)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
