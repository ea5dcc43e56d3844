"""2.2.3: the accuracies that the submission measures, in whatever form it gives them.

Functions that measure are called with a network of ours whose answers are known, so that a mistake in the student's
network costs nothing here; what they return and what they print is searched for the accuracies, as shares or in per
cent, rounded or not. Where there are no such functions, such as in a notebook whose cells measure, what the whole file
prints is compared with the answers that its network was seen to give.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from autograder.checks.calling import Function, fill, functions_of
from autograder.checks.compare import fail
from autograder.checks.once import Once
from autograder.checks.training import call_watched, make_arguments, make_device, make_loader
from autograder.checks.training_records import Call
from autograder.sandbox.proxy import Probes, StudentError

from .common import CLASSES, FILE
from .training import Training, answers_seen, watch_training

Array = NDArray[Any]

OVERALL, PER_CLASS = "overall", "per class"
STENCIL_NAMES = {OVERALL: "overall_accuracy", PER_CLASS: "class_accuracies"}
MEASURES = {
    OVERALL: re.compile(r"acc|eval|test|score|measure|valid|report", re.I),
    PER_CLASS: re.compile(r"class|label|acc|eval|test|score|measure|valid|report", re.I),
}
PER_CLASS_NAME = re.compile(r"class|label|categor|each", re.I)
DOES_NOT_MEASURE = re.compile(r"load|plot|show|train|fit|draw|save|classify", re.I)

SCALE = 4096  # as in autograder.sandbox.probes.functions
FLOAT = 1e-5
MOST_GAP, MOST_NUMBERS = 6, 5_000

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.(\d+))?(?:e[-+]?\d+)?", re.I)


# ---- What is measured -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Exam:
    """Pictures, their labels, and the classes that a network of ours takes them for, in batches of some size."""

    labels: Array
    classes: Array
    batch: int

    @property
    def overall(self) -> float:
        return float(np.mean(self.labels == self.classes))

    @property
    def per_class(self) -> list[float]:
        """NaN for a class without pictures."""
        return _per_class(self.labels, self.classes)

    @property
    def lowest(self) -> Array:
        """The classes with the smallest scores."""
        return (self.classes + CLASSES // 2) % CLASSES

    def likely_mistakes(self, kind: str) -> list[tuple[str, list[float]]]:
        """(cause, answer) of usual mistakes; where several causes give an answer, none is to be named."""
        right = self.labels == self.classes
        if kind == OVERALL:
            parts = [right[start : start + self.batch] for start in range(0, len(right), self.batch)]
            single = [
                ("unweighted_batches", float(np.mean([part.mean() for part in parts]))),
                ("last_batch_only", float(parts[-1].mean())),
                ("wrong_divisor", float(right.sum() / len(parts))),
                ("inverted_accuracy", float(1 - right.mean())),
                ("smallest_score", float(np.mean(self.labels == self.lowest))),
            ]
            return [(cause, [share]) for cause, share in single]
        counts = np.bincount(self.labels[right], minlength=CLASSES).astype(float)
        predicted = np.bincount(self.classes, minlength=CLASSES)
        per_class = self.per_class
        return [
            ("wrong_axis", list(counts / np.maximum(predicted, 1))),
            ("wrong_divisor", list(counts / len(right))),
            ("off_by_one", [per_class[-1], *per_class[:-1]]),
            ("off_by_one", [*per_class[1:], per_class[0]]),
            ("off_by_one", per_class[:-1]),
            ("off_by_one", per_class[1:]),
            (
                "counts_other_classes",
                [float(np.mean((self.labels == c) == (self.classes == c))) for c in range(CLASSES)],
            ),
            ("inverted_accuracy", [1 - share for share in per_class]),
            ("smallest_score", _per_class(self.labels, self.lowest)),
        ]


def _per_class(labels: Array, classes: Array) -> list[float]:
    with np.errstate(all="ignore"):
        return [float(np.mean(classes[labels == c] == c)) if np.any(labels == c) else math.nan for c in range(CLASSES)]


def make_exam(seed: int, count: int, batch: int, without: int | None = None) -> Exam:
    """`count` labels, some classes more often than others, and classes that are right for some of each.

    `without`: a class that no picture has.
    """
    random = np.random.default_rng(seed)
    often = np.arange(3, 3 + CLASSES) / np.arange(3, 3 + CLASSES).sum()
    labels = np.concatenate([np.arange(CLASSES), random.choice(CLASSES, count - CLASSES, p=often)])
    random.shuffle(labels)
    if without is not None:
        labels = np.where(labels == without, (without + 3) % CLASSES, labels)
    share = np.linspace(0.95, 0.35, CLASSES)[random.permutation(CLASSES)]
    wrong = random.random(count) > share[labels]
    # Mistakes fall on some classes more than on others, so that rows and columns differ.
    classes = np.where(wrong, (labels + random.choice([1, 2, 4], count, p=[0.6, 0.3, 0.1])) % CLASSES, labels)
    return Exam(labels.astype(np.int64), classes.astype(np.int64), batch)


# ---- Asking the submission ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a function came to: `in_training` says whether it left the network in training mode."""

    called: str
    value: Any
    printed: str
    in_training: bool


def measure(probes: Probes, submission: Any, kind: str, exam: Exam, training: bool = False) -> list[Measured]:
    """What the functions that seem to measure this give for a network of ours; empty where there is none.

    `training`: the mode in which they find the network. A function that raises is left out where another does not.
    Raises StudentError where all of them do.
    """
    measured, problems = [], []
    for function in _functions(probes, kind):
        available = _things_to_measure_with(probes, exam)
        available["model"].train(training)
        filled = fill(function, available)
        if filled is None or not filled.roles & {"model", "loader", "test_loader"}:
            continue
        try:
            probes.printed()
            value, records = call_watched(
                probes, getattr(submission, function.name), *filled.arguments, called=function.text, **filled.keywords
            )
        except StudentError as problem:
            problems.append(problem)
            continue
        in_training = any(call.training for call in records.of(Call))
        measured.append(Measured(function.text, value, probes.printed(), in_training))
    if problems and not measured:
        raise problems[0]
    return measured


def _functions(probes: Probes, kind: str) -> list[Function]:
    """The function of the stencil's name alone, where there is one; else all whose names fit, the likeliest first."""
    every = functions_of(probes, FILE)
    named = [one for one in every if one.name == STENCIL_NAMES[kind]]
    if named:
        return named
    found = [one for one in every if MEASURES[kind].search(one.name) and not DOES_NOT_MEASURE.search(one.name)]
    return sorted(found, key=lambda one: bool(PER_CLASS_NAME.search(one.name)) is not (kind == PER_CLASS))


def _things_to_measure_with(probes: Probes, exam: Exam) -> dict[str, Any]:
    images = np.random.default_rng(1).random((len(exam.labels), 1, 28, 28), dtype=np.float32)
    images[:, 0, 0, 0] = np.arange(len(images)) / SCALE
    scores = np.full((len(images), CLASSES), -4.0, dtype=np.float32)
    scores[np.arange(len(images)), exam.classes] = -0.2
    scores[np.arange(len(images)), exam.lowest] = -6.0
    loader = make_loader(probes, images, exam.labels, exam.batch)
    return {
        "model": probes.run("functions", "known_answers", scores),
        "loader": loader,
        "test_loader": loader,
        "device": make_device(probes),
        "criterion": probes.run("functions", "make_loss", "CrossEntropyLoss"),
        "classes": [str(number) for number in range(CLASSES)],
        "class_count": CLASSES,
        "batch_size": exam.batch,
        "arguments": make_arguments(probes),
    }


def assert_measured(
    probes: Probes, submission: Any, seen: Once, kind: str, exam: Exam, *, hide_expected: bool = False
) -> None:
    """The submission gives the accuracy (of this kind) of the exam, or of its own network. Raises CheckFailed."""
    measured = measure(probes, submission, kind, exam)
    wanted = exam.per_class if kind == PER_CLASS else [exam.overall]
    if any(_found(one, wanted) for one in measured):
        return
    if measured:
        _fail_measured(measured[0], kind, exam, None if hide_expected else wanted)
    _assert_printed(watch_training(probes, submission, seen), kind)


def _found(measured: Measured, wanted: Sequence[float]) -> bool:
    returned = any(_same(numbers, wanted) for numbers in _groups(measured.value, len(wanted)))
    return returned or _is_printed(measured.printed, wanted)


def _fail_measured(measured: Measured, kind: str, exam: Exam, wanted: Sequence[float] | None) -> NoReturn:
    causes = {cause for cause, answer in exam.likely_mistakes(kind) if _found(measured, answer)}
    shown = _shown(measured.value) or measured.printed.strip()[:400] or "nothing"
    counts = ", ".join(str(int(number)) for number in np.bincount(exam.labels, minlength=CLASSES))
    of = f" ({len(exam.labels)} pictures in batches of {exam.batch}; of the classes 0 to 9 there are {counts})"
    fail(
        f"for a network of ours whose answers are known, it gives {shown}",
        called=measured.called,
        cause=causes.pop() if len(causes) == 1 else None,
        expected=f"{_numbers(wanted)}, or the same in per cent{of}" if wanted else f"the accuracies{of}",
    )


def _numbers(values: Sequence[float]) -> str:
    return ", ".join("nothing in particular" if math.isnan(value) else f"{value:.4f}" for value in values)


def _shown(value: Any) -> str:
    groups = [*_groups(value, 1), *_groups(value, CLASSES)]
    return ", ".join(f"{number:.4g}" for number in max(groups, key=len, default=[])[:12])


# ---- A file whose cells measure -------------------------------------------------------------------------------------


def _assert_printed(training: Training, kind: str) -> None:
    expected = "the share of right answers " + ("on each class's pictures" if kind == PER_CLASS else "on all of them")
    if training.by_function:
        fail("there is no function that measures this", expected=f"{STENCIL_NAMES[kind]}(model, device, loader)")
    answered = answers_seen(training.records)
    if not answered:
        if training.records.errors:
            raise training.records.errors[0].as_student_error()
        fail("the network was not seen to answer for the test pictures after its training", called=training.called,
             expected=expected)  # fmt: skip
    wanted = [_per_class(*pair) if kind == PER_CLASS else [float(np.mean(pair[0] == pair[1]))] for pair in answered]
    if not any(_is_printed(training.printed, values) for values in wanted):
        fail(
            f"what it prints does not hold this. It ends with\n{training.printed.strip()[-500:] or '(nothing)'}",
            called=training.called, expected=f"{expected}; here, by your network's own answers: {_numbers(wanted[-1])}",
        )  # fmt: skip


# ---- Finding numbers ------------------------------------------------------------------------------------------------


def _groups(value: Any, count: int, depth: int = 3) -> list[list[float]]:
    """The rows of `count` numbers in what a function returned; single ones where `count` is 1."""
    value = _plain(value)
    if isinstance(value, Mapping):
        keys = list(value)
        if keys and all(isinstance(key, int | np.integer) for key in keys):
            value = [value[key] for key in sorted(keys)]
        else:
            value = list(value.values())
    if isinstance(value, np.ndarray):
        value = value.reshape(-1).tolist() if value.size <= MOST_NUMBERS else []
    if not isinstance(value, list | tuple):
        number = _as_number(value)
        return [[number]] if number is not None and count == 1 else []
    numbers = [_as_number(item) for item in value[:MOST_NUMBERS]]
    found = (
        [[number for number in numbers if number is not None]] if len(numbers) == count and None not in numbers else []
    )
    if depth:
        found += [group for item in value[:100] for group in _groups(item, count, depth - 1)]
    return found


def _plain(value: Any) -> Any:
    """Tensors as arrays."""
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def _as_number(value: Any) -> float | None:
    value = _plain(value)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, str):
        match = _NUMBER.search(value)
        value = float(match.group()) if match else None
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _same(got: Sequence[float], wanted: Sequence[float]) -> bool:
    """Whether numbers are these shares: all as shares, or all in per cent; rounded is fine."""
    return any(
        all(
            math.isnan(share) or _is(number, share * scale, None, scale)
            for number, share in zip(got, wanted, strict=True)
        )
        for scale in (1, 100)
    )


def _is(number: float, value: float, decimals: int | None, scale: int) -> bool:
    """Whether a number is this value, given with some decimals (None: nobody can say with how many)."""
    if not math.isfinite(number):
        return False
    if abs(number - value) <= FLOAT * scale:
        return True
    fewest = 2 if scale == 1 else 0
    places = range(fewest, 7) if decimals is None else (decimals,)
    return any(_rounds_to(number, value, places_) for places_ in places if places_ >= fewest)


def _rounds_to(number: float, value: float, places: int) -> bool:
    """Whether it is the value rounded, or cut off as `%d` does."""
    unit = 10.0**-places
    whole = abs(number / unit - round(number / unit)) < 1e-6
    return whole and (abs(number - value) <= unit / 2 + 1e-9 or 0 <= value - number < unit)


def _is_printed(text: str, wanted: Sequence[float]) -> bool:
    """Whether a text holds these shares, in order and close to one another, as shares or in per cent."""
    found = [(float(match.group()), len(match.group(1) or "")) for match in _NUMBER.finditer(text)][-MOST_NUMBERS:]
    return any(_in_order(found, [share * scale for share in wanted], scale) for scale in (1, 100))


def _in_order(found: Sequence[tuple[float, int]], wanted: Sequence[float], scale: int) -> bool:
    places: set[int] = set()  # where the number before may stand
    for position, value in enumerate(wanted):
        hits = {
            index
            for index, (number, decimals) in enumerate(found)
            if math.isnan(value) or _is(number, value, decimals, scale)
        }
        if position:
            hits = {index for index in hits if any(index - gap in places for gap in range(1, MOST_GAP + 1))}
        places = hits
        if not places:
            return False
    return True
