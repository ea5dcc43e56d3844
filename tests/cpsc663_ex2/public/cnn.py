"""P4: calling `train` and `test` as the skeleton does, and finding filters and confusion matrix in what was seen."""

from __future__ import annotations

import ast
import re
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autograder.checks.compare import fail
from autograder.checks.networks import Network
from autograder.checks.training import (
    assert_test_changes_nothing,
    call_watched,
    make_arguments,
    make_device,
    make_loader,
    make_optimizer,
)
from autograder.checks.training_records import Call, Confusion, Picture, Records, Step
from autograder.checks.training_shown import assert_confusion_matrix, picture_files, pictures_of
from autograder.sandbox.proxy import Probes, StudentError

from .common import CNN_FILE, Run, WatchedRuns, load_digits

Array = NDArray[np.float64]

FILTERS, CLASSES = 40, 10
SIDE = 5
BATCH, BATCHES = 16, 3
EPOCHS = 5  # of which the first is asked for, so that nothing is drawn

# Start values of conv2 spread by 0.02, those of conv1 by 0.12: so drawn weights tell which of the two they are.
FIRST_LAYER_SPREAD = 0.05
BACKGROUND = 0.6  # share of equal entries above which an array is a picture of digits and not of filters

TRAIN = "train(args, model, device, train_loader, optimizer, epoch)"
TEST = "test(args, model, device, test_loader, epoch)"

_OTHER_ARGUMENTS = re.compile(r"argument|parameter|Namespace|has no attribute '(train|test)'|not callable")


def require_own_work(probes: Probes) -> None:
    """Raises CheckFailed (not_implemented) where the file is the skeleton and nothing of 4.2 is written.

    The skeleton's own network and training give no points by themselves.
    """
    try:
        tree = ast.parse(probes.read_submitted_file(f"{CNN_FILE}.py"))
    except (StudentError, SyntaxError, ValueError, RecursionError):
        return  # handed in as a notebook, say; what is wrong with it is told elsewhere
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    blank = [function.name for function in functions if _is_blank(function)]
    if len(blank) > 1:
        fail(
            f"{' and '.join(blank)} are not written yet; the rest of {CNN_FILE}.py is the skeleton",
            cause="not_implemented",
            expected="the filters and the confusion matrix of 4.2",
        )


def _is_blank(function: ast.FunctionDef) -> bool:
    raised = [node.exc for node in function.body if isinstance(node, ast.Raise) and node.exc is not None]
    names = (error.func if isinstance(error, ast.Call) else error for error in raised)
    return any(isinstance(name, ast.Name) and name.id == "NotImplementedError" for name in names)


# ---- train and test -------------------------------------------------------------------------------------------------


def watch_train(submission: Any, probes: Probes, network: Network, watched: WatchedRuns) -> tuple[str, Records]:
    """What `train` does for a few batches, from evaluation mode; of the whole run where it takes other arguments."""
    network.handle.eval()
    optimizer = make_optimizer(probes, "SGD", network.handle, lr=0.05)
    given = (network.handle, _loader(probes), optimizer)
    called, records, _ = _called(submission, probes, watched, "train", given, TRAIN)
    return called, records


def watch_test(submission: Any, probes: Probes, network: Network, watched: WatchedRuns) -> tuple[str, Records]:
    """What `test` does, from training mode. Raises CheckFailed where it changes anything."""
    network.handle.train()
    called, records, direct = _called(submission, probes, watched, "test", (network.handle, _loader(probes)), TEST)
    if direct:
        assert_test_changes_nothing(records, called=called)
        return called, records
    calls = [event for event in records.events if not (isinstance(event, Call) and event.trained)]
    return called, msgspec.structs.replace(records, events=calls)


def takes_other_arguments(error: StudentError) -> bool:
    """Whether the function is not there, or wants to be called in another way than the skeleton's."""
    return error.type_name in ("TypeError", "AttributeError") and bool(_OTHER_ARGUMENTS.search(error.message))


def _loader(probes: Probes) -> Any:
    digits = load_digits(probes)
    count = BATCH * BATCHES
    return make_loader(probes, digits.train[:count], digits.train_labels[:count], BATCH)


def _called(
    submission: Any, probes: Probes, watched: WatchedRuns, name: str, given: tuple[Any, ...], called: str
) -> tuple[str, Records, bool]:
    """(what was called, what was seen, whether it was the function itself and not the whole file)."""
    arguments = make_arguments(probes, epochs=EPOCHS, batch_size=BATCH)
    model, *rest = given
    try:
        function = getattr(submission, name)
        _, records = call_watched(probes, function, arguments, model, make_device(probes), *rest, 1, called=called)
    except StudentError as error:
        if takes_other_arguments(error):
            return f"python {CNN_FILE}.py", watched.of(probes, CNN_FILE).records, False
        raise
    return called, records, True


# ---- The filters ----------------------------------------------------------------------------------------------------


def assert_filters(records: Records, *, called: str) -> Array | None:
    """Forty pictures of 5 x 5, or one that holds them, were drawn and saved; the filters where they can be told apart.

    Raises CheckFailed, and the student's own error where it kept them from being drawn.
    """
    expected = "one image file with all forty filters of the first convolution, model.conv1.weight"
    whole, records = records, _after_first_step(records)
    drawn, sheet = _drawn(records)
    if not drawn and not sheet and any(_drawn(whole)):
        fail("the filters were drawn before the first step of the training, so they are random", called=called,
             cause="wrong_order", expected="the filters of the trained network, after the last epoch")  # fmt: skip
    if records.errors and not (drawn or sheet):
        raise records.errors[0].as_student_error()
    if not drawn and not sheet:
        fail("no picture of filters was drawn", called=called, expected=expected)
    if drawn and drawn % FILTERS and not sheet:
        fail(f"{drawn} filters of 5 x 5 were drawn", called=called, expected=expected)
    filters = _filters(records)
    if filters is not None and filters.std() < FIRST_LAYER_SPREAD and np.min(filters) < 0:  # not rescaled
        fail(f"{drawn} filters were drawn; they look like those of the second convolution", called=called,
             expected=expected)  # fmt: skip
    if not any(picture.file for picture in records.of(Picture)) and not picture_files(records):
        fail("the picture of the filters was not saved to a file", called=called, expected=expected)
    return filters


def _after_first_step(records: Records) -> Records:
    steps = records.of(Step)
    start = steps[0].at if steps else 0
    return msgspec.structs.replace(records, events=[event for event in records.events if event.at >= start])


def _drawn(records: Records) -> tuple[int, bool]:
    """How many arrays of 5 x 5 were drawn, and whether there is a sheet of forty."""
    return pictures_of(records, (SIDE, SIDE)), any(_is_sheet(picture) for picture in records.of(Picture))


def _filters(records: Records) -> Array | None:
    """The drawn arrays of 5 x 5, (40, 5, 5), where all of them were kept."""
    kept = [picture.values for picture in records.of(Picture) if picture.values is not None]
    tiles = [np.asarray(values, dtype=np.float64) for values in kept if _sides(values.shape)[-2:] == (SIDE, SIDE)]
    found = np.concatenate([tile.reshape(-1, SIDE, SIDE) for tile in tiles]) if tiles else np.zeros((0, SIDE, SIDE))
    return found[-FILTERS:] if len(found) >= FILTERS and np.isfinite(found).all() else None


def _is_sheet(picture: Picture) -> bool:
    """One array that can hold forty filters side by side, with some space between them, and is no picture of digits."""
    sides = tuple(side for side in _sides(picture.shape or ()) if side > 4)
    if len(sides) != 2 or picture.values is None:
        return False
    rows, columns = sorted(sides)
    if rows < SIDE or not FILTERS * SIDE**2 <= rows * columns <= 6 * FILTERS * SIDE**2:
        return False
    _, counts = np.unique(picture.values, return_counts=True)
    return bool(counts.max() < BACKGROUND * picture.values.size)


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(side for side in shape if side != 1)


# ---- The confusion matrix -------------------------------------------------------------------------------------------


def confusion_of(run: Run, labels: NDArray[np.int64], *, called: str) -> Array:
    """The confusion matrix (true, predicted) of the test split: computed by a library, drawn, or printed.

    Raises CheckFailed, and the student's own error where it kept the matrix from being computed.
    """
    records = run.records
    shown = records.of(Confusion) or any(_sides(p.shape or ()) == (CLASSES, CLASSES) for p in records.of(Picture))
    if not shown:
        printed = printed_matrix(run.printed, labels)
        if printed is not None:
            return printed
        if records.errors:
            raise records.errors[0].as_student_error()
    return assert_confusion_matrix(records, labels, called=called)


def printed_matrix(text: str, labels: NDArray[np.int64]) -> Array | None:
    """The last ten printed lines in a row that end with ten whole numbers and count the test labels; else None.

    In front of the ten numbers a line may have a name of its own.
    """
    numbers = np.bincount(labels, minlength=CLASSES)
    rows = [_whole_numbers(line) for line in text.splitlines()]
    for start in range(len(rows) - CLASSES, -1, -1):
        block = rows[start : start + CLASSES]
        if all(len(row) in (CLASSES, CLASSES + 1) for row in block):
            matrix = np.array([row[-CLASSES:] for row in block], dtype=np.float64)
            if np.array_equal(matrix.sum(axis=1), numbers):
                return matrix
            if np.array_equal(matrix.sum(axis=0), numbers):
                return matrix.T
    return None


def _whole_numbers(line: str) -> list[int]:
    return [int(float(number)) for number in re.findall(r"(?<![\w.])\d{1,6}(?:\.0*)?(?:e\+?00)?(?![\w.])", line[:400])]
