"""The pictures that submissions are given, as checks compute with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.checks.training_images import Gallery
from autograder.data import EMBEDDED_NOTE, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, read_idx
from autograder.sandbox.proxy import Probes

Array = NDArray[Any]


@dataclass(frozen=True)
class ImageData:
    """Images float32 (N, 1, height, width) from 0 to 1 and labels int64 (N,), of both splits.

    `embedded`: they are the embedded data, in place of a data set whose real files are not there.
    """

    train: Array
    train_labels: Array
    test: Array
    test_labels: Array
    embedded: bool

    def gallery(self) -> Gallery:
        """The images that a submission can have been given."""
        return Gallery(self.train, self.test)


def load_image_data(probes: Probes, name: str) -> ImageData:
    """The data set of that name, from the files that the submission reads, too."""
    folder = Path(probes.data_folder) / name
    train, train_labels, test, test_labels = (
        read_idx(folder / file) for file in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
    )
    return ImageData(
        _scaled(train), train_labels.astype(np.int64), _scaled(test), test_labels.astype(np.int64),
        (folder / EMBEDDED_NOTE).is_file(),
    )  # fmt: skip


def _scaled(images: Array) -> Array:
    return (images.astype(np.float32) / 255.0)[:, None]
