"""3.1.6: what the training run learns, and the record that was submitted."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks import pictures
from autograder.checks.compare import call, fail
from autograder.checks.runs import find_record, read_record

SUBMITTED = "MLP_lr0.01_b5.json"
EXAMPLES = 200
EPOCHS = 3
# Guessing one of ten classes is right one time in ten; three epochs bring every right network far above this.
LEAST_ACCURACY = 0.45


def record_of_run(submission, probes, seed, learning_rate, minibatch_size):
    """Run main on a few hundred pictures; the record it writes, and what was called."""
    given = probes.module("utils")
    given.TRAIN_EXAMPLES, given.VALIDATION_EXAMPLES = EXAMPLES, EXAMPLES // 5
    main_params = {
        "random_seed": seed,
        "data_dir": probes.data_folder + "/fashion_mnist",
        "learning_rate": learning_rate,
        "num_epoch": EPOCHS,
        "minibatch_size": minibatch_size,
        "early_stopping_patience": EPOCHS,
        "check_gradient": False,
        "check_magnitude": False,
    }
    call(submission, "main", main_params, name="")
    called = f"python neural_networks.py --learning_rate {learning_rate} --minibatch_size {minibatch_size}"
    name = find_record(probes.files(), f"MLP_lr{learning_rate}_b{minibatch_size}.json", called=called)
    return read_record(probes.read_file(name), name, called=called), called


@number("3.1.6.3")
@weight(1)
@visibility("after_published")
def test_generalises(submission, probes):
    """The trained network recognises pictures that it was not trained on"""
    record, called = record_of_run(submission, probes, seed=7, learning_rate=0.01, minibatch_size=5)
    for name, accuracy in (("test", record["test"]), ("best validation", max(record["val"]))):
        if accuracy < LEAST_ACCURACY:
            fail(f"the {name} accuracy is {accuracy:.2f}", called=called, expected=f"more than {LEAST_ACCURACY}")


@number("3.1.6.4")
@weight(1)
@visibility("after_published")
def test_other_settings(submission, probes):
    """main works with another learning rate and another batch size just as well"""
    record, called = record_of_run(submission, probes, seed=3, learning_rate=0.05, minibatch_size=15)
    if record["test"] < LEAST_ACCURACY:
        fail(f"the test accuracy is {record['test']:.2f}", called=called, expected=f"more than {LEAST_ACCURACY}")


@number("3.1.6.5")
@weight(0)
@visibility("after_published")
@pytest.mark.needs_file(SUBMITTED)
def test_submitted_record(probes, show):
    """Your own MLP_lr0.01_b5.json can be read, and its curve grows"""
    record = read_record(probes.read_submitted_file(SUBMITTED), SUBMITTED, called=f"reading your {SUBMITTED}")
    rows = [("accuracy", "first epoch", "last epoch"), *((key, *ends_of(record[key])) for key in ("train", "val"))]
    show.table(f"{SUBMITTED}: test accuracy {record['test']:.3f}, {record['time']:.1f} seconds", rows)
    lines = {"train": record["train"], "validation": record["val"]}
    show.figure("Your curves", lambda: pictures.curves(lines, "epoch", "accuracy"), "accuracy after each epoch")
    if len(record["train"]) > 1 and record["train"][-1] <= record["train"][0]:
        fail("the training accuracy in your file does not grow", expected="a curve that grows with the epochs")


def ends_of(curve):
    """The first and the last value, for reading."""
    return f"{curve[0]:.3f}", f"{curve[-1]:.3f}"
