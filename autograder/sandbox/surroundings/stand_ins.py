"""Stand-ins for libraries that show, log or ask: imported freely, and without any effect on what is graded.

A progress bar hands its items through, a TensorBoard writer writes nothing, Colab's drive mounts nothing. Libraries
that compute something are not among them: what they would have answered cannot be made up.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Any

ALWAYS = ("google.colab", "IPython", "ipywidgets", "tensorboard", "tensorboardX", "torch.utils.tensorboard", "tqdm")
"""Stood in for even where they are installed: they write files, start threads, or fill the output."""
WHERE_MISSING = ("google", "ipdb", "plotly", "seaborn", "torchinfo", "torchsummary", "visdom", "wandb")


class Harmless:
    """Accepts anything, does nothing, holds nothing; what it returns is another of its kind."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *arguments: Any, **_: Any) -> Any:
        return Harmless()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Harmless()

    def __getitem__(self, key: Any) -> Any:
        return Harmless()

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """A class derived from a stand-in's name derives from this class."""
        return (Harmless,)


class Progress(Harmless):
    """tqdm's bar without the bar: iterates over what it was given."""

    def __init__(self, iterable: Iterable[Any] | None = None, *_: Any, total: Any = None, **__: Any) -> None:
        self.iterable = iterable
        self.total = total
        self.n = 0

    def __iter__(self) -> Iterator[Any]:
        return iter(self.iterable if self.iterable is not None else ())

    def __len__(self) -> int:
        return len(self.iterable) if self.iterable is not None else self.total or 0  # type: ignore[arg-type]

    def update(self, n: int = 1) -> None:
        """Count, as scripts read the counter."""
        self.n += n

    @staticmethod
    def write(text: str, *_: Any, **__: Any) -> None:
        """Print a line, which the real bar would print above itself."""
        print(text)


def progress_range(*arguments: int, **_: Any) -> Progress:
    """tqdm's `trange`."""
    return Progress(range(*arguments))


class StandInModule(types.ModuleType):
    """A module that has every name, and every module below it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        if name.partition(".")[0] == "tqdm":
            self.tqdm = Progress
            self.trange = progress_range
        if name == "IPython":
            self.version_info = (9, 0, 0, "")  # matplotlib compares it, and leaves a recent IPython alone

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Harmless()
