"""What a training leaves to be looked at: checkpoints, pictures and a confusion matrix."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograder.checks.compare import fail
from autograder.checks.training_records import Confusion, Pass, Picture, Records, Save

Array = NDArray[np.float64]


def saved_as(records: Records, name: str) -> Save | None:
    """The last torch.save to a file of this name, in any folder."""
    return next((save for save in reversed(records.of(Save)) if save.file == name), None)


def pictures_of(records: Records, size: tuple[int, int]) -> int:
    """How many arrays of this height and width were drawn or saved as pictures, in the way that did the most.

    All pictures of a grid count, and so do all that were drawn one by one.
    """
    most = 0
    for picture in records.of(Picture):
        sides = tuple(side for side in picture.shape or () if side != 1)
        if sides[-2:] == size:
            most = max(most, picture.count * int(np.prod(sides[:-2], dtype=np.int64)))
    return most


def picture_files(records: Records) -> list[str]:
    """Files in the scratch folder that are pictures by their name."""
    return [name for name in records.files if re.search(r"\.(png|jpe?g|pdf|svg|gif|bmp|tiff?)$", name, re.IGNORECASE)]


def passes_over(records: Records, train_split: bool) -> list[Pass]:
    """Passes over a data set that calls itself the training (or the test) split."""
    return [event for event in records.of(Pass) if event.train_split is train_split]


# ---- The confusion matrix ---------------------------------------------------------------------------------------


def assert_confusion_matrix(
    records: Records, test_labels: ArrayLike, *, called: str, classes: int = 10
) -> NDArray[np.float64]:
    """A confusion matrix of the test split, (true, predicted): computed by scikit-learn, or drawn as an array.

    Returns it as (true, predicted) counts or parts (classes, classes). Raises CheckFailed (transposed where the two
    arguments are exchanged, off_by_one where one class is missing).
    """
    labels = np.asarray(test_labels).reshape(-1).astype(np.int64)
    shape, drawn = (classes, classes), [picture.values for picture in records.of(Picture)]
    confusions = records.of(Confusion)
    if confusions:
        _assert_arguments(confusions[-1], labels, called)
        matrix = confusions[-1].matrix
    else:
        candidates = [values for values in reversed(drawn) if values is not None and values.shape == shape]
        matrix = next((values for values in candidates if _counts(values, labels)), (candidates or [None])[0])
    if matrix is None or matrix.shape != shape:
        fail(
            "no confusion matrix was computed or drawn" if matrix is None else f"its shape is {matrix.shape}",
            called=called,
            cause="off_by_one" if matrix is not None and matrix.shape == (classes - 1, classes - 1) else None,
            expected=f"sklearn.metrics.confusion_matrix(true, predicted) of the whole test split, of shape {shape}",
        )
    return _as_true_by_predicted(matrix.astype(np.float64), labels, classes)


def _assert_arguments(confusion: Confusion, labels: NDArray[np.int64], called: str) -> None:
    true, predicted = confusion.true, confusion.predicted
    if true is None or predicted is None or true.size != predicted.size:
        fail("confusion_matrix got no two lists of labels", called=called, expected="confusion_matrix(true, predicted)")
    if _are_labels(true, labels):
        return
    if _are_labels(predicted, labels):
        fail(
            "confusion_matrix got the predictions first and the true labels second",
            called=called,
            cause="transposed",
            expected="confusion_matrix(true, predicted): true classes in rows, predicted ones in columns",
        )
    fail(
        f"confusion_matrix got {true.size} labels, and they are not those of the test split",
        called=called,
        expected=f"the labels of all {labels.size} test images, and what the network says of each",
    )


def _are_labels(values: NDArray[np.int64], labels: NDArray[np.int64]) -> bool:
    """The test labels in any order."""
    return bool(values.size == labels.size and np.array_equal(np.sort(values.reshape(-1)), np.sort(labels)))


def _counts(matrix: NDArray[np.generic], labels: NDArray[np.int64]) -> bool:
    """Whether the entries are counts of as many images as there are, or parts of each true class."""
    total = float(np.nan_to_num(matrix.astype(np.float64)).sum())
    return bool(np.isclose(total, labels.size) or np.isclose(total, len(matrix)))


def _as_true_by_predicted(matrix: Array, labels: NDArray[np.int64], classes: int) -> Array:
    """A drawn matrix may have its true labels along either axis: whichever sums to their numbers."""
    numbers = np.bincount(np.clip(labels, 0, classes - 1), minlength=classes)
    return matrix.T if np.allclose(matrix.sum(axis=0), numbers) else matrix
