"""2.2.1: what the submission's own training does, whatever it is called.

A function that trains (`train`, `fit`, ...) and whose parameters tell what they want is called with the submission's
network, pictures and an optimiser of ours. Where there is none, such as in a notebook whose cells train, the whole file
is run as a script, shortened. Either way every step is watched.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.checks.calling import Filled, Function, fill, functions_of, missing
from autograder.checks.compare import fail
from autograder.checks.image_data import ImageData
from autograder.checks.networks import CLASSIFIER, Network, find_network
from autograder.checks.once import Once
from autograder.checks.training import (
    Trained,
    assert_steps_for_batches,
    call_watched,
    make_arguments,
    make_device,
    make_loader,
    make_optimizer,
    require_training,
    run_entry,
    standard_training,
)
from autograder.checks.training_images import Gallery
from autograder.checks.training_records import Call, Loss, Pass, Records, RunError
from autograder.checks.training_records import Network as SeenNetwork
from autograder.sandbox.proxy import Probes, StudentError

from .common import CLASSES, FILE, as_scores, load_clothes, scores_of

Array = NDArray[Any]

# Two epochs of fifteen batches: as many steps as a watch keeps one by one.
EPOCHS, BATCH, BATCHES = 2, 32, 15
EXAMPLES, TESTED = BATCH * BATCHES, 120
RATE = 0.003

# Guessing is right one time in ten; with batch normalization Table 2 comes to more than a half in these thirty steps.
# Its slowest setting, (4, 3, 1) without batch normalization and half dropped, comes to no more than a fifth on the
# embedded digits, with a loss that has begun to fall: then that counts.
LEAST_ACCURACY, BETTER_THAN_GUESSING = 0.25, 0.13
BEGINS_TO_FALL = 0.98
# Of the loss at the start of a script's own, shortened training.
LARGEST_PART_OF_LOSS = 0.85

STANDARD_STEPS, STANDARD_BATCH, STANDARD_RATE = 60, 32, 0.002

TRAINS = re.compile(r"train|fit|learn|optimi[sz]e", re.I)
MEASURES = re.compile(r"acc|eval|test|score|measure|valid|predict", re.I)
DOES_NOT_TRAIN = re.compile(r"load|plot|test|eval|acc|show|data|draw|save|untrained|pretrained", re.I)

# A picture that is this close to one of the grader's, up to scale and offset, is that one.
SAME_PICTURE, NOTHING_LEFT = 0.99, 0.02
FEW = 8


@dataclasses.dataclass(frozen=True)
class Training:
    """One training that was watched.

    called: what was called, for messages. by_function: whether it was one function, on pictures of ours, or the whole
    file. epochs: how many that function was asked for; 0 where nobody can say. accuracy: on pictures that it was not
    trained on, afterwards; None where the network is out of reach. printed: by it.
    """

    called: str
    records: Records
    by_function: bool
    epochs: int
    classes: Array | None
    printed: str


def watch_training(probes: Probes, submission: Any, seen: Once) -> Training:
    """The submission's training, watched once in a grading. Raises what the student's code raises."""
    return seen.once("training", lambda: _watch(probes, submission))  # type: ignore[no-any-return]


def judged(probes: Probes, submission: Any, seen: Once) -> tuple[Training, SeenNetwork]:
    """The training, and the network that it trains. Raises CheckFailed, StudentError where it trains none."""
    training = watch_training(probes, submission, seen)
    return training, require_training(training.records, called=training.called)


def _watch(probes: Probes, submission: Any) -> Training:
    functions = [one for one in functions_of(probes, FILE) if TRAINS.search(one.name)]
    functions = [one for one in functions if not DOES_NOT_TRAIN.search(one.name)]
    functions.sort(key=lambda one: (one.name.lower() != "train", not one.name.lower().startswith("train")))
    available: dict[str, Any] = {}
    network: Network | None = None
    for function in functions:
        if not available:
            network = find_network(probes, CLASSIFIER, [FILE])
            available = _things_to_train_with(probes, network)
        filled = fill(function, available)
        if filled is not None and filled.roles & {"train_loader", "loader"}:
            return _call(probes, submission, function, filled, available, network if "model" in filled.roles else None)
    return _run(probes, functions, available)


def _things_to_train_with(probes: Probes, network: Network) -> dict[str, Any]:
    clothes = load_clothes(probes)
    return {
        "model": network.handle,
        "device": make_device(probes),
        "train_loader": make_loader(probes, clothes.train[:EXAMPLES], clothes.train_labels[:EXAMPLES], BATCH),
        "test_loader": make_loader(probes, clothes.test[:TESTED], clothes.test_labels[:TESTED], 50),
        "optimizer": make_optimizer(probes, "Adam", network.handle, lr=RATE),
        "criterion": probes.run("functions", "make_loss", _loss_for(network, clothes)),
        "epochs": EPOCHS,
        "arguments": make_arguments(probes, epochs=EPOCHS, batch_size=BATCH, lr=RATE),
        "rate": RATE,
        "batch_size": BATCH,
    }


def _loss_for(network: Network, clothes: ImageData) -> str:
    """The loss that suits the network's output, for a function that wants to be given one."""
    sums = np.exp(scores_of(network, clothes.test[:4])).sum(axis=1)
    return "NLLLoss" if np.allclose(sums, 1, atol=1e-3) else "CrossEntropyLoss"


def _call(
    probes: Probes,
    submission: Any,
    function: Function,
    filled: Filled,
    available: dict[str, Any],
    network: Network | None,
) -> Training:
    called = function.text
    probes.printed()
    _, records = call_watched(
        probes,
        getattr(submission, function.name),
        *filled.arguments,
        seconds=35.0,
        keep_errors=True,
        called=called,
        **filled.keywords,
    )
    if records.errors and not _fails_anyway(probes, submission, records.errors[0], available):
        raise records.errors[0].as_student_error()
    classes = None
    if network is not None and not (records.ended or records.errors):
        classes = scores_of(network, load_clothes(probes).test).argmax(axis=1)
    counted = any(name.lower().rstrip("s") != "epoch" or name.lower().endswith("s")
                  for name, _, _ in function.parameters if "epoch" in name.lower())  # fmt: skip
    epochs = EPOCHS if "epochs" in filled.roles and counted else 1
    return Training(called, records, True, epochs, classes, probes.printed())


def _fails_anyway(probes: Probes, submission: Any, error: RunError, available: dict[str, Any]) -> bool:
    """Whether it was the measuring of an accuracy that raised, and it does so too when it is called as it should be.

    Then that is 2.2.3's, and the epoch before it counts.
    """
    functions = [frame.function for frame in error.callers] + [error.function]
    called = [name for name in functions[1:] if MEASURES.search(name)]
    for function in functions_of(probes, FILE):
        filled = fill(function, available) if function.name in called[:1] else None
        if filled is not None:
            try:
                getattr(submission, function.name)(*filled.arguments, **filled.keywords)
            except StudentError:
                return True
    return False


def _run(probes: Probes, functions: list[Function], available: dict[str, Any]) -> Training:
    """The whole file. Where that trains nothing and there is a function that would, it is the one to name."""
    called = f"python {FILE}.py"
    probes.printed()
    records = run_entry(probes, FILE, seconds=30.0, steps_per_loop=BATCHES, steps_per_pass=BATCHES)
    if functions and not records.of(Call):
        unknown = ", ".join(f"`{name}`" for name in missing(functions[0], available)) or "where the pictures come from"
        fail(
            f"running the file trains nothing, and {functions[0].text} cannot be called from outside: its parameters "
            f"do not tell {unknown}",
            called=called,
            expected="train(model, device, train_loader, test_loader, optimizer, epochs), or code at the top level",
        )
    return Training(called, records, False, 0, None, probes.printed())


# ---- Judging it -----------------------------------------------------------------------------------------------------


def assert_every_batch(training: Training) -> None:
    """A training function goes through the whole training loader in every epoch. Raises CheckFailed (too_few_steps)."""
    if not training.by_function or training.records.ended or training.records.errors:
        return
    assert_steps_for_batches(training.records, BATCHES, called=training.called)
    # Whoever calls model.forward(...) itself calls no network that could be watched: then the gradients count.
    called = sum(1 for call in training.records.of(Call) if call.trained and not call.part)
    calls = max(called, training.records.counts.get("backward", 0))
    expected = BATCHES * training.epochs
    if calls < expected:
        fail(
            f"in {training.epochs} epoch(s) over {BATCHES} batches, a loss was computed and differentiated for "
            f"{calls} batches",
            called=training.called,
            cause="too_few_steps",
            expected=f"{expected}: each batch of the loader, once in every epoch",
        )


def assert_right_pictures(training: Training, network: SeenNetwork, clothes: ImageData) -> None:
    """It trains on training pictures, each with its own label. Raises CheckFailed (trains_on_test, wrong_label_index).

    Pictures that were changed on the way (flipped, say) are not recognised, which is no fault.
    """
    gallery = Gallery(clothes.train, clothes.test)
    labels = np.concatenate([clothes.train_labels, clothes.test_labels])
    tested, recognised, wrong, labelled = 0, 0, 0, 0
    for call in training.records.calls(network.number, trained=True):
        for row, match in enumerate(gallery.matches(call.rows)):
            if match.correlation < SAME_PICTURE or match.deviation > NOTHING_LEFT * max(1.0, _size(call)):
                continue
            recognised += 1
            tested += gallery.is_test(match)
            target = _targets(call, training.records)
            if target is not None and row < len(target):
                labelled += 1
                wrong += int(target[row] != labels[match.index])
    if tested >= FEW and tested > recognised / 20:
        fail(
            f"{tested} of {recognised} pictures that were looked at while it trained are of the test split",
            called=training.called, cause="trains_on_test", expected="training on the training pictures only",
        )  # fmt: skip
    if wrong >= FEW and wrong > labelled / 2:
        fail(
            f"for {wrong} of {labelled} pictures, the loss was given another label than the picture's own",
            called=training.called, cause="wrong_label_index", expected="the labels as the loader gives them, 0 to 9",
        )  # fmt: skip


def _size(call: Call) -> float:
    return float(np.nan_to_num(np.asarray(call.rows, dtype=np.float64)).std()) if call.rows is not None else 0.0


def _targets(call: Call, records: Records) -> Array | None:
    """The labels that the next loss was given, (rows,)."""
    for event in records.events:
        if event.at <= call.at:
            continue
        if isinstance(event, Call) and event.network == call.network:
            return None
        if isinstance(event, Loss) and event.gradients and event.target is not None and event.target.size:
            whole = event.shape is not None and call.shape is not None and event.shape[0] == call.shape[0]
            target = event.target.argmax(axis=1) if event.target.ndim == 2 else event.target
            return target if whole and target.ndim == 1 else None
    return None


def loss_curve(records: Records) -> Array:
    """The losses that were trained on, step by step, as far as they were kept."""
    return np.array([loss.value for loss in records.of(Loss) if loss.gradients and loss.value is not None])


def accuracy_curve(records: Records) -> Array:
    """The share of right answers in each pass over labelled pictures without a step in it."""
    return np.array([np.mean(labels == classes) for labels, classes in answers_seen(records)])


def answers_seen(records: Records) -> list[tuple[Array, Array]]:
    """(labels, classes) of every pass over labelled pictures in which nothing was trained."""
    pairs = [(one.labels, one.classes) for one in records.of(Pass) if not one.steps]
    return [
        (labels, classes)
        for labels, classes in pairs
        if labels is not None and classes is not None and labels.shape == classes.shape and labels.size > CLASSES
    ]


def assert_learns(training: Training, clothes: ImageData) -> float | None:
    """After the training the network recognises new pictures, or (out of reach) its loss has fallen.

    Returns the accuracy, where it was measured. Raises CheckFailed.
    """
    losses = loss_curve(training.records)
    first, last = losses[:2].mean() if len(losses) else np.nan, losses[-4:].mean() if len(losses) else np.nan
    if training.classes is not None:
        accuracy = float(np.mean(training.classes == clothes.test_labels))
        begun = len(losses) >= 6 and last < BEGINS_TO_FALL * first and accuracy > BETTER_THAN_GUESSING
        if accuracy < LEAST_ACCURACY and not begun:
            fail(
                f"after {training.epochs} epoch(s) over {EXAMPLES} pictures it recognises {accuracy:.0%} of "
                f"{len(clothes.test)} others",
                called=training.called, expected=f"at least {LEAST_ACCURACY:.0%}",
            )  # fmt: skip
        return accuracy
    if len(losses) >= 4 and not last < LARGEST_PART_OF_LOSS * first:
        fail(
            f"the loss went from {first:.3f} to {last:.3f} in its first steps", called=training.called,
            expected="a loss that clearly falls",
        )  # fmt: skip
    return None


def train_as_everybody(probes: Probes, network: Network, seen: Once) -> tuple[Trained, float]:
    """The same short training for every network, done once: what it gave, and the accuracy on the test pictures."""

    def train() -> tuple[Trained, float]:
        clothes = load_clothes(probes)
        trained = standard_training(
            probes, network.handle, network.inputs(clothes.train), clothes.train_labels,
            held=network.inputs(clothes.test), steps=STANDARD_STEPS, batch_size=STANDARD_BATCH, lr=STANDARD_RATE,
            seconds=40.0,
        )  # fmt: skip
        scores = as_scores(trained.outputs, len(clothes.test), f"{network.made}(pictures)")
        return trained, float(np.mean(scores.argmax(axis=1) == clothes.test_labels))

    return seen.once("everybody", train)  # type: ignore[no-any-return]
