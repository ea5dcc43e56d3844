"""The surroundings that PyTorch submissions expect, inside the worker: a preload of the assignments that need them.

:func:`install` is called once, after the confinement and before the submission is loaded. From then on

- what asks for a GPU, for worker processes or for torch's compiler stays on this processor (`cpu_only`, `lean_torch`);
- the weights of very large layers wait until somebody looks at them (`large_layers`);
- `import torchvision` works beside a torch of another build, and costs 0.15 s only where it is imported;
- its MNIST classes read the grader's data, whatever folder the script names;
- progress bars, TensorBoard, Colab and notebook displays are stood in for (`stand_ins`);
- `input()` answers with an empty line, and pictures or checkpoints that were meant for a folder that is not there are
  saved in the current one.

Nothing is imported for a submission that does not ask for it.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import gzip
import importlib.abc
import importlib.machinery
import importlib.util
import shutil
import struct
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import torch

from autograder.sandbox.policy import Orders
from autograder.sandbox.surroundings import cpu_only, large_layers, lean_torch, stand_ins
from autograder.sandbox.surroundings.notices import Notices, Remark

# A preload is imported before it is known whether anything is to be installed; this must not wait for the first check.
lean_torch.postpone_compiler()

SET_ASIDE = (
    "torchvision._meta_registrations",
    "torchvision._autograd_registrations",
    "torchvision.ops._register_onnx_ops",
)
"""They describe torchvision's compiled operators to torch's compiler and exporter. The first two fail where those
operators do not load, the third takes seconds and tens of megabytes."""
POSTPONED = (
    "torchvision.models",
    *(f"torchvision.models.{kind}" for kind in ("detection", "optical_flow", "quantization", "segmentation", "video")),
    "torchvision.ops",
)
"""Large, and rarely needed: imported when something in them is used."""
DATA_SETS = {"MNIST": "mnist", "FashionMNIST": "fashion_mnist"}
NO_NETWORK = "the grader has no network, and no copy of {what}; use the data set that the handout names."
SAVED_HERE = "{path} cannot be written here; it was saved as {name} in the current folder instead."


def install(orders: Orders, remark: Callable[[Remark], None]) -> Notices:
    """Prepare this process for the submission; returns where its notices go."""
    notices = Notices(Path(orders.folder), remark)
    cpu_only.install(notices)
    large_layers.install()
    for name in [name for name in sys.modules if _is_below(name, stand_ins.ALWAYS)]:
        del sys.modules[name]  # torch has imported tqdm for itself
    sys.meta_path.insert(0, Surroundings(Path(orders.data_folder), notices, orders.font_lists))
    torch.save = _saving_somewhere(torch.save, notices)
    torch.hub.download_url_to_file = _no_download
    builtins.input = _empty_answer
    return notices


class Surroundings(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules that are stood in for, set aside or changed after their import."""

    def __init__(self, data_folder: Path, notices: Notices, font_lists: str) -> None:
        self._font_lists = font_lists
        self._data_folder = data_folder
        self._notices = notices
        self._changes: dict[str, Callable[[types.ModuleType], None]] = {
            "torchvision.datasets": self._read_our_data,
            "torchvision.utils": lambda module: self._save_somewhere(module, "save_image"),
            "matplotlib": self._prepare_matplotlib,
            "matplotlib.pyplot": _show_nothing,
            "matplotlib.figure": lambda module: self._save_somewhere(module.Figure, "savefig"),
        }

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if _is_below(name, SET_ASIDE):
            return importlib.machinery.ModuleSpec(name, _Empty())
        if _is_below(name, stand_ins.ALWAYS) or _is_missing(name):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        if name not in self._changes and name not in POSTPONED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            change = self._changes.get(name)
            spec.loader = _ThenChange(spec.loader, change) if change else importlib.util.LazyLoader(spec.loader)
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return stand_ins.StandInModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass

    def _save_somewhere(self, owner: Any, name: str) -> None:
        setattr(owner, name, _saving_somewhere(getattr(owner, name), self._notices))

    def _prepare_matplotlib(self, matplotlib: types.ModuleType) -> None:
        """There is no screen here, whichever window system the script names, and the fonts are listed already."""
        matplotlib.use = lambda *_, **__: None  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):  # then it makes a list for itself, in seconds
            for file in Path(self._font_lists).glob("*.json") if self._font_lists else ():
                shutil.copy(file, matplotlib.get_cachedir())

    def _read_our_data(self, datasets: types.ModuleType) -> None:
        """MNIST and its kin read the grader's files: no root, no download, no digest decides about them."""
        mnist = datasets.MNIST
        data_folder = self._data_folder

        def load(this: Any) -> tuple[torch.Tensor, torch.Tensor]:
            part = "train" if this.train else "t10k"
            folder = data_folder / _data_name(type(this))
            if not folder.is_dir():
                raise RuntimeError(NO_NETWORK.format(what=f"{type(this).__name__} for this assignment"))
            images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
            return images, read_idx(folder / f"{part}-labels-idx1-ubyte.gz").long()

        mnist._check_legacy_exist = lambda this: False
        mnist._check_exists = lambda this: True
        mnist.download = lambda this: None
        mnist._load_data = load
        for name in ("EMNIST", "QMNIST"):
            getattr(datasets, name).download = _no_download
        datasets.utils._get_redirect_url = datasets.utils._urlretrieve = _no_download


class _Empty(importlib.abc.Loader):
    """A module that registers nothing."""

    def exec_module(self, module: types.ModuleType) -> None:
        module._register_custom_op = lambda: None  # type: ignore[attr-defined]  # torchvision.ops calls it


class _ThenChange(importlib.abc.Loader):
    """Loads a module with its own loader and then changes it."""

    def __init__(self, loader: importlib.abc.Loader, change: Callable[[types.ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        self._loader.exec_module(module)
        self._change(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)  # a library may ask its loader for data files


def read_idx(file: Path) -> torch.Tensor:
    """A gzipped IDX file of unsigned bytes as a uint8 tensor; the grader wrote it, so only its layout is read."""
    with gzip.open(file, "rb") as stream:
        content = bytearray(stream.read())
    dimensions = content[3]
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _data_name(kind: type) -> str:
    """The grader's name of the data set; a student's own class counts as torchvision's that it is derived from."""
    theirs = next(base for base in kind.__mro__ if base.__module__.startswith("torchvision."))
    return DATA_SETS.get(theirs.__name__, theirs.__name__)


def _no_download(*arguments: Any, **_: Any) -> None:
    what = arguments[0] if arguments and isinstance(arguments[0], str) else type(arguments[0]).__name__
    raise RuntimeError(NO_NETWORK.format(what=what))


def _is_below(name: str, names: Sequence[str]) -> bool:
    return any(name == top or name.startswith(top + ".") for top in names)


def _is_missing(name: str) -> bool:
    """Whether the module belongs to a library that may be stood in for and is not installed."""
    top = name.partition(".")[0]
    return top in stand_ins.WHERE_MISSING and importlib.machinery.PathFinder.find_spec(top) is None


def _empty_answer(prompt: object = "", /) -> str:
    """Nobody sits at the keyboard; the prompt is printed as always."""
    print(prompt)
    return ""


def _show_nothing(pyplot: types.ModuleType) -> None:
    """Without a screen `show` would only warn, and its warning would stand in the check's output."""
    pyplot.show = lambda *_, **__: None  # type: ignore[attr-defined]


def _saving_somewhere(save: Callable[..., Any], notices: Notices) -> Callable[..., Any]:
    """A function that saves something under the name given second: into the current folder, where it must be."""

    @functools.wraps(save)
    def saved(what: Any, *arguments: Any, **keywords: Any) -> Any:
        try:
            return save(what, *arguments, **keywords)
        except (OSError, RuntimeError):
            place = next((key for key in ("f", "fp", "fname") if key in keywords), None)
            path = keywords[place] if place else arguments[0] if arguments else None
            if not isinstance(path, str | Path):
                raise
            name = PureWindowsPath(path).name
            notices.once("saved", SAVED_HERE.format(path=path, name=name))
            if place:
                return save(what, *arguments, **{**keywords, place: name})
            return save(what, name, *arguments[1:], **keywords)

    return saved
