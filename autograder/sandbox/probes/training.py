"""Probes that run training and test code beside the student's objects and tell what was seen. They judge nothing.

Three ways to see a submission train:

- :func:`run_entry` runs a whole file as a script, shortened, whatever its functions are called;
- :func:`call_watched` calls one function that the handout names, with loaders and optimisers made here;
- :func:`standard_training` trains a network with a loop of ours, where a submission has none.

Their answers are read by `autograder.checks.training`, the only place that knows what they mean.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib.util
import os
import sys
import time
import traceback
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.data

from autograder.sandbox import cells, loader
from autograder.sandbox.probes import records
from autograder.sandbox.probes.shortening import Brevity, Shortener
from autograder.sandbox.probes.watching import Enough, Watch

MAX_CALLERS = 20
MAX_ERRORS = 20
LIKELY_ENTRIES = ("main", "train", "run", "fit", "experiment")
BATCH_SIZE = 64


# -- a whole script -----------------------------------------------------------------------------------------------


def run_entry(
    module_name: str,
    seconds: float = 20.0,
    max_steps: int = 400,
    steps_per_loop: int = 8,
    steps_per_pass: int | None = 8,
    settings: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Run a submitted file as a script (`__name__ == "__main__"`), shortened and watched.

    Loops end after `steps_per_loop` optimiser steps and passes through data loaders after `steps_per_pass`, or after
    four times as many gradients where no step is taken; epochs are cut to two. `settings` gives values to command-line
    options whose names (or choices) match a pattern. Where running the file takes no step at all, its `main()` is
    called, or what else takes no arguments and is named like an entry. Returns the watch's report with `errors` (what
    failed, where), `files` (in the scratch folder, afterwards) and `entry` (the function that was called, if any).

    Raises:
        SyntaxError: the file cannot be read as Python.
        ModuleNotFoundError: there is no such file.
    """
    file = _file_of(module_name)
    tree = Shortener().visit(loader.parse(file))
    watch = Watch(file.parent, seconds, max_steps, steps_per_pass)
    brevity = Brevity(lambda: watch.progress, watch.seconds_left, steps_per_loop, settings, lambda: watch.optimizers)
    run = _Run(file, watch)
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=str(file), __builtins__=__builtins__, **brevity.names())
    kept = sys.modules["__main__"], sys.argv
    sys.modules["__main__"], sys.argv = module, [file.name]
    entry = None
    try:
        with watch, contextlib.suppress(Enough):  # it may also come between two statements
            watch.patch("argparse", "ArgumentParser.parse_known_args", brevity.watch_arguments)
            run.run_statements(tree, module, file)
            entry = run.call_likely_entry(module)
    finally:
        sys.modules["__main__"], sys.argv = kept
    return {**watch.report(), "errors": run.errors, "entry": entry, "files": sorted(os.listdir("."))[:200]}


class _Run(loader.ForgivingImporter):
    """Runs statements one by one; an error costs its statement, and an end of the watch all that compute."""

    def __init__(self, file: Path, watch: Watch) -> None:
        super().__init__(file.parent, statement_seconds=10_000.0, definitions_only=False)
        self.errors: list[dict[str, Any]] = []
        self._file = file
        self._watch = watch

    def call_likely_entry(self, module: types.ModuleType) -> str | None:
        """The first function named like an entry that needs no arguments and takes a step, where none was taken."""
        for name in _entries(module):
            if self._watch.steps or self._watch.ended:
                break
            try:
                module.__dict__[name]()
            except BaseException as error:
                self._note(error)
            self._watch.settle()
            if self._watch.steps:
                return name
        return None

    def _run(self, node: Any, module: types.ModuleType, file: Path, flags: int) -> None:
        self._definitions_only = self._watch.ended is not None
        super()._run(node, module, file, flags)
        self._watch.settle()

    def _forgive(self, node: Any, module: types.ModuleType, file: Path, error: BaseException) -> None:
        self._note(error)
        super()._forgive(node, module, file, error)

    def _note(self, error: BaseException) -> None:
        """What failed and in which line of the student's files; an end of the watch and a plain exit are no errors."""
        if isinstance(error, Enough | SystemExit) or len(self.errors) >= MAX_ERRORS:
            return
        self.errors.append(_describe(error, self._file.parent))


def _file_of(module_name: str) -> Path:
    spec = importlib.util.find_spec(module_name)
    if spec is None or not spec.origin:
        raise ModuleNotFoundError(f"there is no file {module_name}.py")
    return Path(spec.origin)


def _entries(module: types.ModuleType) -> list[str]:
    """Functions of the script's own that can be called as they are, the likeliest first."""
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and value.__module__ == "__main__" and _needs_nothing(value)
    }
    found = [name for word in LIKELY_ENTRIES for name in own if word in name.lower()]
    return sorted(set(found), key=lambda name: (name.lower() != "main", found.index(name)))


def _needs_nothing(function: types.FunctionType) -> bool:
    code = function.__code__
    needed = set(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
    return len(function.__defaults__ or ()) >= code.co_argcount and needed <= set(function.__kwdefaults__ or ())


def _describe(error: BaseException, folder: Path) -> dict[str, Any]:
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == folder]
    *callers, last = own or [traceback.FrameSummary("", 0, "", line="")]
    return {
        "type_name": type(error).__name__,
        "message": loader.message_of(error),
        **_place(last),
        "callers": [_place(frame) for frame in callers[-MAX_CALLERS:]],
    }


def _place(frame: traceback.FrameSummary) -> dict[str, Any]:
    name, line = cells.place_of(frame.filename, frame.lineno or 0)
    return {"file": name, "line": line, "function": records.text(frame.name), "source": records.text(frame.line or "")}


# -- one function -------------------------------------------------------------------------------------------------


def call_watched(
    function: Callable[..., Any],
    *arguments: Any,
    seconds: float = 8.0,
    max_steps: int = 400,
    keep_errors: bool = False,
    **keywords: Any,
) -> dict[str, Any]:
    """Call a student's function under a watch: the report with `value`, what it returned (None when it was ended).

    What the function raises is raised here, with the student's own frames; with `keep_errors` it is reported beside
    what was seen before.
    """
    folder = _folder_of(function)
    watch = Watch(folder, seconds, max_steps)
    value = None
    errors: list[dict[str, Any]] = []
    with watch, contextlib.suppress(Enough):  # the report says that it was ended
        try:
            value = function(*arguments, **keywords)
        except Exception as error:
            if not keep_errors:
                raise
            errors.append(_describe(error, folder))
    return {**watch.report(), "value": value, "errors": errors, "entry": None, "files": sorted(os.listdir("."))[:200]}


def _folder_of(function: Any) -> Path:
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    return Path(getattr(module, "__file__", None) or os.path.join(os.getcwd(), "unknown")).parent


def make_loader(
    images: Any, labels: Any, batch_size: int = BATCH_SIZE, shuffle: bool = False
) -> torch.utils.data.DataLoader[Any]:
    """A loader of (images float32, labels int64) batches, in order unless `shuffle`."""
    data = torch.utils.data.TensorDataset(_images(images), torch.as_tensor(labels).long())
    return torch.utils.data.DataLoader(data, batch_size=batch_size, shuffle=shuffle)


def make_optimizer(name: str, network: torch.nn.Module, **hyperparameters: Any) -> torch.optim.Optimizer:
    """`torch.optim.<name>` of all of a network's parameters: make_optimizer("SGD", network, lr=0.1)."""
    return getattr(torch.optim, name)(network.parameters(), **hyperparameters)  # type: ignore[no-any-return]


def make_namespace(**fields: Any) -> argparse.Namespace:
    """Settings as a parser would give them."""
    return argparse.Namespace(**fields)


def copy_of(network: torch.nn.Module) -> torch.nn.Module:
    """Another network with the same weights, so that one can be trained several times from the same start."""
    return copy.deepcopy(network)


def pass_in_training_mode(network: torch.nn.Module, images: Any, passes: int, batch_size: int) -> None:
    """So many forward passes in training mode over consecutive batches, without a step: statistics settle."""
    torch.set_num_threads(1)
    batches = _images(images).split(batch_size)
    network.train()
    with torch.no_grad():
        for number in range(passes):
            network(batches[number % len(batches)])


def make_device() -> torch.device:
    return torch.device("cpu")


# -- a loop of ours -----------------------------------------------------------------------------------------------


def standard_training(
    network: torch.nn.Module,
    images: Any,
    labels: Any = None,
    *,
    held: Any = None,
    loss: str = "auto",
    steps: int = 300,
    lr: float = 0.001,
    batch_size: int = BATCH_SIZE,
    noise: float = 0.0,
    seed: int = 0,
    seconds: float = 20.0,
) -> dict[str, Any]:
    """Train a student's network with Adam, as any handout asks, on batches drawn in a fixed order.

    With `labels` (N,) it is a classifier, without them an autoencoder. `loss` is "nll", "cross_entropy", "mse", "bce"
    or "auto": what suits the first output. The network gets `images` as they are, or flattened if it refuses these.
    `noise` is the standard deviation of normal noise added to an autoencoder's inputs (never to the targets).

    Returns the `losses` of all steps, `steps` done, `loss` (which one), `flat`, whether it ran `out_of_time`, and
    `outputs`: in evaluation mode, of the `held` images (else of the first batch), float32.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    pictures = _images(images)
    flat = _wants_flat(network, pictures[:2])
    data = pictures.flatten(1) if flat else pictures
    targets = data if labels is None else torch.as_tensor(labels).long()
    chosen = (
        _suitable_loss(network, data[:batch_size], targets[:batch_size], labels is None) if loss == "auto" else loss
    )
    optimizer = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), lr=lr)
    order = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    started = time.process_time()
    network.train()
    while len(losses) < steps and time.process_time() - started < seconds:
        for rows in torch.randperm(len(data), generator=order).split(batch_size):
            if len(losses) >= steps or time.process_time() - started >= seconds:
                break
            inputs = data[rows] + noise * torch.randn(data[rows].shape, generator=order) if noise else data[rows]
            value = _loss(chosen, _output(network(inputs), targets[rows]), targets[rows])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            losses.append(float(value))
    shown = _images(held) if held is not None else pictures[:batch_size]
    network.eval()
    with torch.no_grad():
        outputs = _output(network(shown.flatten(1) if flat else shown), shown if labels is None else None)
    return {
        "losses": np.array(losses),
        "steps": len(losses),
        "loss": chosen,
        "flat": flat,
        "out_of_time": len(losses) < steps,
        "outputs": outputs.float().numpy(),
    }


def _images(values: Any) -> torch.Tensor:
    return torch.as_tensor(values).float()


def _wants_flat(network: torch.nn.Module, pictures: torch.Tensor) -> bool:
    """Whether the network takes rows of pixels and refuses pictures."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            network(pictures)
    except (RuntimeError, ValueError, TypeError, IndexError):
        return True
    finally:
        network.train(was_training)
    return False


def _output(value: Any, targets: torch.Tensor | None) -> torch.Tensor:
    """The tensor that answers: of several (reconstruction, code), the one of the targets' size, else the first."""
    parts = (
        list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, tuple | list) else [value]
    )
    tensors = [part for part in parts if isinstance(part, torch.Tensor)]
    if not tensors:
        raise TypeError(f"the network returned {type(value).__name__}, which holds no tensor")
    if targets is not None and targets.is_floating_point():
        return next((part for part in tensors if part.numel() == targets.numel()), tensors[0])
    return tensors[0]


def _suitable_loss(network: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, rebuilds: bool) -> str:
    """Mean squared error to rebuild; else what the form of the first outputs asks for."""
    if rebuilds:
        return "mse"
    was_training = network.training
    network.eval()
    with torch.no_grad():
        first = _output(network(inputs), targets)
    network.train(was_training)
    if first.ndim == 2 and torch.allclose(first.exp().sum(1), torch.ones(len(first)), atol=1e-3):
        return "nll"
    if first.ndim == 2 and bool((first >= 0).all()) and torch.allclose(first.sum(1), torch.ones(len(first)), atol=1e-3):
        return "nll_of_probabilities"
    return "cross_entropy"


def _loss(name: str, output: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if name in ("mse", "bce"):
        measure = F.mse_loss if name == "mse" else F.binary_cross_entropy
        return measure(output.reshape(targets.shape), targets)
    if name == "nll_of_probabilities":
        return F.nll_loss(torch.log(output + 1e-12), targets)
    return (F.nll_loss if name == "nll" else F.cross_entropy)(output, targets)
