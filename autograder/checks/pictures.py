"""Pictures for a check's output, where a person would rather look than read: PNGs drawn here from returned arrays.

    show.figure("Your reconstructions", lambda: pictures.image_rows({"original": X, "yours": Y}), "eight digits ...")

Each function gives the bytes of a PNG of at most LARGEST_BYTES. They are passed to `show.figure` as something to call,
so that nothing is drawn where pictures are switched off; matplotlib, which is not among the students' few packages, is
imported only then.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_BYTES = 44_000
"""What an output can hold as an inline image (see `autograder.grading.sections`)."""
RESOLUTIONS = (90, 70, 50, 35)
"""Dots per inch, tried from the finest until the picture is small enough."""
COLOURS = 64  # as many as a chart needs; a quarter of the bytes
GAP = 2  # pixels between the images of a grid


def image_grid(images: ArrayLike, columns: int = 10) -> bytes:
    """Grey images (N, height, width) or (N, 1, height, width) in rows of `columns`, each in its own range of grey."""
    tiles = _tiles(images, each=True)
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    return _stitched(rows, [""] * len(rows))


def image_rows(rows: Mapping[str, ArrayLike]) -> bytes:
    """Named rows of grey images, 0 black and 1 white, one below the other: originals, noisy inputs, reconstructions."""
    return _stitched([_tiles(images, each=False) for images in rows.values()], list(rows))


def confusion_matrix(counts: ArrayLike, names: Sequence[str]) -> bytes:
    """How often each true class (row) was taken for each class (column), with the counts in the cells."""
    matrix = _finite(counts)
    figure = _figure(4.6, 4.2)
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Blues")
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=0 if max(map(len, names)) < 3 else 90)
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted", ylabel="true")
    for (row, column), count in np.ndenumerate(matrix):
        shade = "white" if count > matrix.max() / 2 else "black"
        axes.text(column, row, f"{count:g}", ha="center", va="center", color=shade, fontsize=7)
    return _png(figure)


def embedding(codes: ArrayLike, labels: ArrayLike) -> bytes:
    """Two-dimensional codes (N, 2) as points, coloured by label (N,)."""
    points, classes = _finite(codes), np.asarray(labels).reshape(-1)
    figure = _figure(4.6, 3.6)
    axes = figure.subplots()
    for index, label in enumerate(np.unique(classes)):
        chosen = points[classes == label]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=5, color=f"C{index % 10}", label=str(label))
    axes.set(xlabel="code 1", ylabel="code 2")
    axes.legend(fontsize=7, markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5))
    return _png(figure)


def curves(lines: Mapping[str, ArrayLike], x: str, y: str) -> bytes:
    """Named curves, each of one number per step from 1 on, over the axes' names."""
    figure = _figure(4.8, 3.0)
    axes = figure.subplots()
    for name, values in lines.items():
        heights = _finite(values).reshape(-1)
        axes.plot(range(1, len(heights) + 1), heights, marker="." if len(heights) < 40 else "", label=name)
    axes.set(xlabel=x, ylabel=y)
    axes.legend(fontsize=8)
    return _png(figure)


def _figure(width: float, height: float) -> Figure:
    # The object, not pyplot: that keeps figures in a list of its own and looks for a screen.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _stitched(rows: Sequence[NDArray[Any]], names: Sequence[str]) -> bytes:
    """Rows of images put together to one, so that a grid of forty costs no more than one picture."""
    height, width = max(row.shape[1] for row in rows), max(row.shape[2] for row in rows)
    columns = max(len(row) for row in rows)
    sheet = np.ones((len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP))
    for index, row in enumerate(rows):
        for column, image in enumerate(row):
            top, left = index * (height + GAP), column * (width + GAP)
            sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    inches = 0.55
    figure = _figure(columns * inches + (1.3 if any(names) else 0.0), len(rows) * inches)
    axes = figure.subplots()
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    middles = [index * (height + GAP) + height / 2 for index in range(len(rows))]
    axes.set_yticks(*((middles, names) if any(names) else ([],)))
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return _png(figure)


def _tiles(images: ArrayLike, *, each: bool) -> NDArray[np.float64]:
    """Images as (N, height, width) from 0 to 1: cut off there, or stretched to it, `each` by itself."""
    tiles = _finite(images)
    tiles = tiles.reshape(len(tiles), *tiles.shape[-2:])
    if not each:
        return np.clip(tiles, 0.0, 1.0)
    low, high = tiles.min(axis=(1, 2), keepdims=True), tiles.max(axis=(1, 2), keepdims=True)
    return (tiles - low) / np.where(high > low, high - low, 1.0)


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    """float64 numbers a picture can show: NaN as 0, infinities as very large."""
    return np.nan_to_num(np.asarray(values, dtype=np.float64), posinf=1e6, neginf=-1e6)


def _png(figure: Figure) -> bytes:
    """The figure in the finest of RESOLUTIONS that is small enough, else in the coarsest."""
    from PIL import Image

    for resolution in RESOLUTIONS:
        drawn, file = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=resolution, bbox_inches="tight")
        Image.open(drawn).convert("RGB").quantize(COLOURS).save(file, format="png", optimize=True)
        if file.tell() <= LARGEST_BYTES:
            break
    return file.getvalue()
