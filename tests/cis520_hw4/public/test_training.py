"""2.2.1: the training that the submission does."""

from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks import pictures
from autograder.checks.training import (
    assert_every_parameter_moves,
    assert_gradients_cleared,
    assert_steps_descend,
    assert_trains_in_train_mode,
)

from .common import load_clothes
from .training import accuracy_curve, assert_every_batch, assert_right_pictures, judged, loss_curve


@number("2.2.1.1")
@weight(2)
@tags("public")
def test_steps(submission, probes, seen, show):
    """Every step of the training goes down the gradient of the loss"""
    training, _ = judged(probes, submission, seen)
    losses, accuracies = loss_curve(training.records), accuracy_curve(training.records)
    if len(losses) > 1:
        show.figure("Your loss", lambda: pictures.curves({"training": losses}, "step", "loss"), "loss at each step")
    if len(accuracies) > 1:
        show.figure(
            "Your accuracy",
            lambda: pictures.curves({"test": accuracies}, "test", "accuracy"),
            "accuracy each time that your code measured it",
        )
    assert_steps_descend(training.records, called=training.called)


@number("2.2.1.2")
@weight(2)
@tags("public")
def test_gradients_are_cleared(submission, probes, seen):
    """Gradients of earlier batches take no part in a step"""
    training, _ = judged(probes, submission, seen)
    assert_gradients_cleared(training.records, called=training.called)


@number("2.2.1.3")
@weight(1)
@tags("public")
def test_train_mode(submission, probes, seen):
    """Every epoch trains in training mode"""
    training, network = judged(probes, submission, seen)
    assert_trains_in_train_mode(training.records, network, called=training.called)


@number("2.2.1.4")
@weight(1)
@tags("public")
def test_pictures_and_labels(submission, probes, seen):
    """It trains on all training pictures, with their own labels, and on no test picture"""
    training, network = judged(probes, submission, seen)
    assert_right_pictures(training, network, load_clothes(probes))
    assert_every_batch(training)


@number("2.2.1.5")
@weight(1)
@tags("public")
def test_all_parameters(submission, probes, seen):
    """Training reaches every parameter of the network"""
    training, _ = judged(probes, submission, seen)
    assert_every_parameter_moves(training.records, called=training.called)
