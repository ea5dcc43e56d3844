"""Library functions whose arguments tell what a watched code does: losses, noise, data loaders, pictures, files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from autograder.sandbox.probes import records
from autograder.sandbox.probes.patching import Wrap

LOSSES = (
    *("nll_loss", "cross_entropy", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div"),
    *("binary_cross_entropy", "binary_cross_entropy_with_logits"),
)
NOISE = (
    *(("torch", "randn"), ("torch", "randn_like"), ("torch", "normal"), ("torch", "rand"), ("torch", "rand_like")),
    *(("numpy.random", "randn"), ("numpy.random", "normal"), ("numpy.random", "standard_normal")),
)
PICTURES = (
    ("torchvision.utils", "save_image", 0, 1),
    ("torchvision.utils", "make_grid", 0, None),
    ("matplotlib.pyplot", "imsave", 1, 0),
    ("matplotlib.axes._axes", "Axes.imshow", 1, None),
    ("matplotlib.axes._axes", "Axes.pcolormesh", -1, None),
    ("matplotlib.figure", "Figure.savefig", None, 1),
    ("seaborn", "heatmap", 0, None),
    ("numpy", "savetxt", 1, 0),
)
"""Module, function, the position of the array (-1: the last), the position of the file's name."""
SMALLEST_NOISE = 16
MAX_LABELS = 10_000
MAX_SAVED_NAMES = 64
MAX_PICTURES = 64
FILTER_ENTRIES, MANY_FILTERS = 64, 200


class LibraryCalls:
    """Wraps library functions so that their calls are recorded."""

    def __init__(
        self,
        log: records.Log,
        count_steps: Callable[[], int],
        progress: Callable[[], int],
        latest_network: Callable[[], int],
        steps_per_pass: int | None,
        take_classes: Callable[[], np.ndarray | None],
    ) -> None:
        """`steps_per_pass`: a pass through a data loader ends after so much `progress`; None leaves it whole.

        `take_classes` gives the classes that the network answered since it was last asked.
        """
        self._take_classes = take_classes
        self._log = log
        self._latest_network = latest_network
        self._count_steps = count_steps
        self._progress = progress
        self._steps_per_pass = steps_per_pass
        self._depth = 0
        self._loaders: list[Any] = []
        self._pictures: dict[str, int] = {}

    def targets(self) -> Iterator[tuple[str, str, Wrap]]:
        """(module, function, wrap) of everything that is watched here."""
        for name in LOSSES:
            yield "torch.nn.functional", name, self._watch_loss(name)
        for module, name in NOISE:
            yield module, name, self._watch_noise(name)
        for module, name, values, file in PICTURES:
            yield module, name, self._watch_picture(name.rpartition(".")[2], values, file)
        yield "torch", "save", self._watch_save
        yield "sklearn.metrics", "confusion_matrix", self._watch_confusion
        yield "sklearn.metrics._plot.confusion_matrix", "confusion_matrix", self._watch_confusion
        yield "torch.utils.data.dataloader", "DataLoader.__iter__", self._watch_pass

    def interrupt(self) -> None:
        self._depth = 0

    # -- losses and noise ---------------------------------------------------------------------------------------

    def _watch_loss(self, name: str) -> Wrap:
        def wrap(original: Any) -> Any:
            def loss(*arguments: Any, **keywords: Any) -> Any:
                value = self._nested(original, arguments, keywords)
                if self._depth == 0:
                    given = _argument(arguments, keywords, 0, "input")
                    target = _argument(arguments, keywords, 1, "target")
                    self._add_loss(name, given, target, value)
                return value

            return loss

        return wrap

    def _add_loss(self, name: str, given: Any, target: Any, value: Any) -> None:
        network = self._latest_network()
        bucket = f"{name} {network} {torch.is_grad_enabled()}"
        early = self._log.is_early("loss", bucket)
        event = self._log.add(
            "loss",
            bucket,
            function=name,
            network=network,
            value=records.number(value),
            gradients=bool(getattr(value, "requires_grad", False)),
            shape=records.shape_of(given),
            target_shape=records.shape_of(target),
            input=self._log.kept(given, early),
            target=self._log.kept(target, early),
        )
        if isinstance(value, torch.Tensor):
            value.autograder_loss = event["at"]  # type: ignore[attr-defined]  # so that backward can say which it was

    def _nested(self, original: Any, arguments: Any, keywords: Any) -> Any:
        """The call itself; what it calls in its turn is not recorded."""
        self._depth += 1
        try:
            return original(*arguments, **keywords)
        finally:
            self._depth = max(self._depth - 1, 0)

    def _watch_noise(self, name: str) -> Wrap:
        def wrap(original: Any) -> Any:
            def draw(*arguments: Any, **keywords: Any) -> Any:
                value = original(*arguments, **keywords)
                tensor = records.as_tensor(value)
                if tensor is not None and tensor.numel() >= SMALLEST_NOISE:
                    flat = tensor.double().reshape(-1)
                    self._log.add(
                        "noise",
                        name,
                        function=name,
                        shape=list(tensor.shape),
                        deviation=records.number(flat.std()),
                        start=records.whole(flat[:8]),
                    )
                return value

            return draw

        return wrap

    # -- data loaders -------------------------------------------------------------------------------------------

    def _watch_pass(self, original: Any) -> Any:
        def iterate(loader: Any) -> Iterator[Any]:
            return self._batches(loader, original(loader))

        return iterate

    def _batches(self, loader: Any, batches: Iterator[Any]) -> Iterator[Any]:
        """The loader's batches, until this pass has seen its number of steps."""
        event = self._log.add("pass", str(self._number(loader)), **self._describe(loader))
        steps, progress = self._count_steps(), self._progress()
        for batch in batches:
            event["batches"] += 1
            self._take_classes()
            yield batch
            event["steps"] = self._count_steps() - steps
            _add_answers(event, batch, self._take_classes())
            if self._steps_per_pass is not None and self._progress() - progress >= self._steps_per_pass:
                return

    def _number(self, loader: Any) -> int:
        for number, known in enumerate(self._loaders, 1):
            if known is loader:
                return number
        self._loaders.append(loader)
        return len(self._loaders)

    def _describe(self, loader: Any) -> dict[str, Any]:
        split = getattr(loader.dataset, "train", None)
        sampler = type(getattr(loader, "sampler", None)).__name__
        return {
            "loader": self._number(loader),
            "dataset": records.text(type(loader.dataset).__name__),
            "train_split": split if isinstance(split, bool) else None,
            "batch_size": loader.batch_size if isinstance(loader.batch_size, int) else None,
            "shuffled": sampler == "RandomSampler",
            "batches": 0,
            "steps": 0,
            "labels": None,
            "classes": None,
        }

    # -- what is shown and saved --------------------------------------------------------------------------------

    def _watch_picture(self, name: str, values: int | None, file: int | None) -> Wrap:
        def wrap(original: Any) -> Any:
            def picture(*arguments: Any, **keywords: Any) -> Any:
                if self._depth == 0:
                    self._add_picture(name, _at(arguments, keywords, values), _at(arguments, keywords, file))
                return self._nested(original, arguments, keywords)

            return picture

        return wrap

    def _add_picture(self, name: str, values: Any, file: Any) -> None:
        values = _drawn(values)
        shape = records.shape_of(values)
        sort = f"{name} {shape}"
        count = self._pictures[sort] = self._pictures.get(sort, 0) + 1
        small = shape is not None and np.prod(shape, dtype=np.int64) <= FILTER_ENTRIES and count <= MANY_FILTERS
        # Filters are drawn one by one: each so many of them have a place of their own, so that all are kept.
        bucket = f"{sort} {count // records.FIRST}" if small else sort
        self._log.add(
            "picture",
            bucket,
            function=name,
            file=_file_name(file),
            shape=shape,
            count=count,
            values=self._log.whole(values) if small or self._log.is_early("picture", bucket) else None,
        )

    def _watch_save(self, original: Any) -> Any:
        def save(*arguments: Any, **keywords: Any) -> Any:
            file = _file_name(_argument(arguments, keywords, 1, "f"))
            self._log.add("save", file=file, **_saved(_argument(arguments, keywords, 0, "obj")))
            return original(*arguments, **keywords)

        return save

    def _watch_confusion(self, original: Any) -> Any:
        def confusion_matrix(*arguments: Any, **keywords: Any) -> Any:
            result = self._nested(original, arguments, keywords)
            self._log.add(
                "confusion",
                true=_labels(_argument(arguments, keywords, 0, "y_true")),
                predicted=_labels(_argument(arguments, keywords, 1, "y_pred")),
                matrix=self._log.whole(result),
            )
            return result

        return confusion_matrix


def _add_answers(event: dict[str, Any], batch: Any, classes: np.ndarray | None) -> None:
    """Add a batch's labels, and the classes that the network gave for them, to those of its pass."""
    labels = _labels(batch[-1]) if isinstance(batch, tuple | list) and len(batch) > 1 else None
    if labels is None or classes is None or labels.shape != classes.shape:
        return
    for name, values in (("labels", labels), ("classes", classes)):
        before = event[name]
        if before is None or len(before) + len(values) <= MAX_LABELS:
            event[name] = values if before is None else np.concatenate([before, values])


def _argument(arguments: Any, keywords: Any, position: int, name: str) -> Any:
    return arguments[position] if len(arguments) > position else keywords.get(name)


def _at(arguments: Any, keywords: Any, position: int | None) -> Any:
    """The argument at a place, or the first keyword by which such an argument is given."""
    if position is None:
        return None
    if -len(arguments) <= position < len(arguments):
        return arguments[position]
    return next(
        (keywords[name] for name in ("tensor", "X", "arr", "data", "fname", "fp", "C") if name in keywords), None
    )


def _drawn(values: Any) -> Any:
    """What is drawn as one tensor or array: of a data frame its numbers, of a list of pictures all of them."""
    if callable(getattr(values, "to_numpy", None)):
        values = values.to_numpy()
    if not isinstance(values, tuple | list):
        return values
    tensors = [item.detach() for item in values[:MAX_PICTURES] if isinstance(item, torch.Tensor)]
    if tensors and len({tensor.shape for tensor in tensors}) == 1:
        return torch.stack(tensors)
    try:
        return np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError):
        return None


def _file_name(file: Any) -> str | None:
    return records.text(os.path.basename(os.fspath(file))) if isinstance(file, str | os.PathLike) else None


def _labels(values: Any) -> np.ndarray | None:
    """Labels as integers; None where they are something else."""
    try:
        array = np.asarray(values).reshape(-1)[:MAX_LABELS]
    except (ValueError, TypeError, RuntimeError):
        return None
    return array.astype(np.int64) if array.dtype.kind in "biuf" and np.isfinite(array).all() else None


def _saved(value: Any) -> dict[str, Any]:
    """What a saved object is: a module, a state dict, or something else, and the tensors in it."""
    holds, entries = "other", {}
    if isinstance(value, torch.nn.Module):
        holds, entries = "module", value.state_dict()
    elif isinstance(value, dict):
        entries = {key: item for key, item in value.items() if isinstance(item, torch.Tensor)}
        holds = "state_dict" if entries and len(entries) == len(value) else "dict"
    elif isinstance(value, torch.Tensor):
        holds = "tensor"
    names = [[records.text(key), list(item.shape)] for key, item in list(entries.items())[:MAX_SAVED_NAMES]]
    return {"holds": holds, "class_name": records.text(type(value).__name__), "names": names}
