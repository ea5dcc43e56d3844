"""5.2: what the network learns, how its accuracy is measured, and on which pictures."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import leaderboard, number, visibility, weight

from autograder.checks import pictures
from autograder.checks.compare import fail
from autograder.checks.training import evaluations, make_loader, standard_training
from autograder.checks.training_images import assert_does_not_train_on_test
from autograder.checks.training_records import Step

from ..public.common import (
    CLASSES,
    CNN,
    RUN_BUDGET,
    UNWEIGHTED,
    assert_accuracy,
    find_cnn,
    has_function,
    images_seen,
    load_digits,
    trained_in,
)
from ..public.convolutional import ACCURACY, RUN

STEPS, RATE, BATCH = (160, 320), 0.002, 32
# Guessing is right one time in ten; 160 steps bring the reference above 0.9.
LEAST_ACCURACY = 0.75
MEASURED, MEASURED_BATCH = 70, 32
RUNS_NOTHING = (
    f"Running {CNN}.py trains nothing, which is fine where your training is in functions that something else calls: "
    "then nothing can be said of the pictures that it uses."
)


@number("5.2.6")
@weight(7)
@visibility("after_published")
@leaderboard("Convolutional network: test accuracy")
@pytest.mark.needs_file("prob5.py")
def test_learns(probes, show, set_leaderboard_value):
    """The network learns to recognize digits"""
    network = find_cnn(probes, show)
    digits = load_digits(probes)
    for steps in STEPS:  # a network that starts slowly is trained on
        done = standard_training(
            probes,
            network.handle,
            digits.train,
            digits.train_labels,
            held=digits.test,
            steps=steps,
            lr=RATE,
            batch_size=BATCH,
            seconds=20.0,
        )
        predicted = done.outputs.reshape(len(digits.test), -1)[:, :CLASSES].argmax(axis=1)
        accuracy = float(np.mean(predicted == digits.test_labels))
        if accuracy >= LEAST_ACCURACY:
            break
    set_leaderboard_value(round(accuracy, 4))
    counts = np.zeros((CLASSES, CLASSES))
    np.add.at(counts, (digits.test_labels, predicted), 1)
    show.text(
        "Test accuracy", f"{accuracy:.1%} of {len(predicted)} held-out digits, after {done.steps} training steps."
    )
    show.figure("Confusion matrix", lambda: pictures.confusion_matrix(counts, [str(digit) for digit in range(CLASSES)]),
                "true classes in rows, predicted ones in columns, of held-out digits")  # fmt: skip
    show.figure("Training cost", lambda: pictures.curves({"cost": done.losses}, "step", "cross-entropy cost"),
                "of each step of a training of ours")  # fmt: skip
    if accuracy < LEAST_ACCURACY:
        fail(
            f"after {done.steps} steps of a training of ours it recognizes {accuracy:.0%} of held-out digits",
            called=f"training {network.made}",
            expected=f"at least {LEAST_ACCURACY:.0%}",
        )


@number("5.2.7")
@weight(4)
@visibility("after_published")
@pytest.mark.needs_file("prob5.py")
def test_accuracy(probes, watched, show):
    """The test accuracy is the share of all test pictures that are classified rightly"""
    network = find_cnn(probes, show)
    digits = load_digits(probes)
    if not has_function(probes, CNN, "accuracy"):
        _assert_tests(watched.run_entry(probes, CNN, **RUN_BUDGET), digits)
        return
    images = digits.test[:MEASURED]
    predicted = network.run(images).reshape(MEASURED, -1)[:, :CLASSES].argmax(axis=1)
    wrong = (predicted + 1) % CLASSES
    labels = np.where(np.arange(MEASURED) % 4 == 0, wrong, predicted)
    labels[2 * MEASURED_BATCH :] = wrong[2 * MEASURED_BATCH :]
    right = labels == predicted
    parts = [right[start : start + MEASURED_BATCH] for start in range(0, MEASURED, MEASURED_BATCH)]
    others = [
        ("unweighted_batches", UNWEIGHTED, float(np.mean([part.mean() for part in parts]))),
        ("last_batch_only", "the last batch alone", float(parts[-1].mean())),
        ("wrong_divisor", "dividing by the number of batches", float(right.sum() / len(parts))),
        ("inverted_accuracy", "the share of wrong answers", float(1 - right.mean())),
    ]
    answer = probes.module(CNN).accuracy(network.handle, make_loader(probes, images, labels, MEASURED_BATCH))
    assert_accuracy(answer, float(right.mean()), ACCURACY, others)


@number("5.2.8")
@weight(4)
@visibility("after_published")
@pytest.mark.needs_file("prob5.py")
def test_pictures(probes, watched, show):
    """The run trains on training pictures alone, and its test accuracy is measured on test pictures"""
    find_cnn(probes, show)
    digits = load_digits(probes)
    records = watched.run_entry(probes, CNN, **RUN_BUDGET)
    if not records.of(Step) and not records.errors:
        _require_function(probes)
        show.text("Training", RUNS_NOTHING)
        return
    network, _ = trained_in(records, RUN)
    assert_does_not_train_on_test(records, network, digits.gallery(), called=RUN)
    _assert_tests(records, digits)


def _require_function(probes):
    """Raises CheckFailed where there is no training to be seen at all."""
    if not has_function(probes, CNN, "train"):
        fail("no training was seen", called=RUN, cause="not_implemented",
             expected="code that trains your network, run by the file or in train(model, optimizer, ...)")  # fmt: skip


def _assert_tests(records, digits):
    """Where the network is evaluated after its training, test pictures are among what it is asked about."""
    network, _ = trained_in(records, RUN)
    seen, tested = images_seen(evaluations(records, network), digits.gallery())
    if seen and not tested:
        fail(
            "all pictures on which the trained network was evaluated are training pictures",
            called=RUN,
            cause="measures_training_data",
            expected="the test accuracy, measured on the test pictures",
        )
