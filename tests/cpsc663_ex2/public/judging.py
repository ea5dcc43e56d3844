"""What the checks of several parts ask of a watched training."""

from __future__ import annotations

from typing import Any

from autograder.checks.compare import fail
from autograder.checks.networks import Network as Found
from autograder.checks.training import (
    assert_evaluates_in_eval_mode,
    assert_evaluation_changes_nothing,
    assert_every_parameter_moves,
    assert_gradients_cleared,
    assert_steps_descend,
    assert_trains_in_train_mode,
    require_training,
    trained_networks,
)
from autograder.checks.training_images import Gallery, assert_does_not_train_on_test
from autograder.checks.training_records import Call, Network, Records, Save, Step
from autograder.sandbox.proxy import type_name_of

from .common import has_training

NO_TRAINING = (
    "Running {file} trains nothing, which is fine where your training is elsewhere, such as in a notebook: then "
    "nothing can be said of it here, and your network is trained by a loop of ours."
)


def assert_steps(records: Records, called: str, network: Network | None = None) -> Network:
    """Every step is one down the gradient of this batch's loss, and reaches every parameter; the network trained.

    `network`: the one to look at where a run trains several. Raises CheckFailed, StudentError.
    """
    trained = require_training(records if network is None else records.only(network), called=called)
    own = records.only(trained)
    assert_gradients_cleared(own, called=called)
    assert_steps_descend(own, called=called)
    assert_every_parameter_moves(own, called=called)
    return trained


def assert_own_training(records: Records, file: str, show: Any, network: Network | None = None) -> Network | None:
    """`assert_steps`, and modes where they matter; None where the file trains nothing, which is told.

    Raises CheckFailed, StudentError.
    """
    called = f"python {file}.py"
    if not has_training(records):
        show.text("Training", NO_TRAINING.format(file=f"{file}.py"))
        return None
    trained = assert_steps(records, called, network)
    assert_trains_in_train_mode(records, trained, called=called)
    assert_evaluates_in_eval_mode(records, trained, called=called)
    assert_evaluation_changes_nothing(records, trained, called=called)
    return trained


def assert_trains_on_training_split(records: Records, gallery: Gallery, *, called: str) -> None:
    """No network of the run is trained on images of the test split. Raises CheckFailed (trains_on_test)."""
    for network in trained_networks(records):
        assert_does_not_train_on_test(records, network, gallery, called=called)


def trained_like(records: Records, network: Found) -> list[Network]:
    """The trained networks of the found one's class with its parameters, in the order in which they were first called.

    All that were trained where none is like it: the run may put its network together in another way.
    """
    weights = {weight.name: weight.value.shape for weight in network.weights() if weight.kind != "buffer"}
    seen = sorted(trained_networks(records), key=lambda one: one.number)
    alike = [one for one in seen if {part.name: part.shape for part in one.parameters} == weights]
    named = [one for one in alike if one.class_name == type_name_of(network.handle)]
    return named or alike or seen


def assert_mode(records: Records, training: bool, called: str) -> None:
    """Every call in training (or evaluation) mode: the skeleton sets it, and it matters once a network has dropout.

    Raises CheckFailed.
    """
    if any(call.training is not training for call in records.of(Call)):
        fail(
            f"the network was in {'evaluation' if training else 'training'} mode",
            called=called,
            cause="not_in_train_mode" if training else "not_in_eval_mode",
            expected=f"model.{'train' if training else 'eval'}() at the start of the function",
        )


def assert_saved_after_training(records: Records, file: str, called: str) -> None:
    """The checkpoint, where this run saves it, holds a network that was trained before. Raises CheckFailed."""
    steps, saves = records.of(Step), [save for save in records.of(Save) if save.file == file]
    if steps and saves and saves[-1].at < steps[0].at:
        fail(
            f"{file} was saved before the first step of the training",
            called=called,
            cause="wrong_order",
            expected="torch.save once the network is trained",
        )
