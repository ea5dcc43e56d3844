"""5.2: the convolutional network, its training and its test."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.architecture import assert_registered
from autograder.checks.networks import assert_works_as_it_is
from autograder.checks.training import (
    assert_evaluates_in_eval_mode,
    assert_evaluation_changes_nothing,
    assert_every_parameter_moves,
    assert_gradients_cleared,
    assert_single_softmax,
    assert_steps_descend,
    assert_steps_for_batches,
    assert_test_changes_nothing,
    assert_trains_in_train_mode,
)

from .common import find_cnn, trained_in
from .convolutional import (
    BATCHES,
    assert_deterministic,
    assert_pooled_convolutions,
    assert_scores,
    assert_softmax_over_classes,
    watch_test,
    watch_training,
)


@number("5.2.1")
@weight(5)
@tags("public")
@pytest.mark.needs_file("prob5.py")
def test_scores(probes, show):
    """The network turns images (N, 1, 28, 28) into scores (N, 10), for any N"""
    network = find_cnn(probes, show)
    assert_works_as_it_is(network)
    assert_scores(network)


@number("5.2.2")
@weight(6)
@tags("public")
@pytest.mark.needs_file("prob5.py")
def test_layers(probes, show):
    """It has at least two convolutional layers, each followed by max pooling"""
    assert_pooled_convolutions(find_cnn(probes, show))


@number("5.2.3")
@weight(6)
@tags("public")
@pytest.mark.needs_file("prob5.py")
def test_training(probes, watched, show):
    """Training takes a step down the gradient for every batch, with fresh gradients, and reaches every parameter"""
    network = find_cnn(probes, show)
    assert_registered(network.trace().layers(), called=network.made)
    seen = watch_training(probes, network, watched)
    _, records = trained_in(seen.records, seen.called)
    assert_gradients_cleared(records, called=seen.called)
    if seen.direct:
        assert_steps_for_batches(records, BATCHES, called=seen.called)
    assert_steps_descend(records, called=seen.called)
    assert_every_parameter_moves(records, called=seen.called)


@number("5.2.4")
@weight(4)
@tags("public")
@pytest.mark.needs_file("prob5.py")
def test_softmax(probes, watched, show):
    """Softmax is applied once, over the classes: the cross-entropy of PyTorch contains one"""
    network = find_cnn(probes, show)
    assert_softmax_over_classes(network.trace(), network)
    seen = watch_training(probes, network, watched)
    _, records = trained_in(seen.records, seen.called)
    assert_single_softmax(records, called=seen.called)


@number("5.2.5")
@weight(4)
@tags("public")
@pytest.mark.needs_file("prob5.py")
def test_modes(probes, watched, show):
    """Dropout and batch normalization are on in training and off in the test, which changes nothing"""
    network = find_cnn(probes, show)
    assert_deterministic(network)
    trained = watch_training(probes, network, watched)
    cnn, records = trained_in(trained.records, trained.called)
    assert_trains_in_train_mode(records, cnn, called=trained.called)
    tested = watch_test(probes, network, watched)
    if tested.direct:
        for other in tested.records.networks:
            assert_evaluates_in_eval_mode(tested.records, other, called=tested.called)
        assert_test_changes_nothing(tested.records, called=tested.called)
    else:
        assert_evaluates_in_eval_mode(records, cnn, called=tested.called)
        assert_evaluation_changes_nothing(records, cnn, called=tested.called)
