"""P5: what the autoencoder learns, and at the edges."""

import pytest
from gradescope_utils.autograder_utils.decorators import leaderboard, number, visibility, weight

from autograder.checks.training import require_training
from autograder.checks.training_images import assert_does_not_train_on_test

from ..public.autoencoders import assert_any_batch, assert_beats_pca, pca_bar, trained
from ..public.common import AE_FILE, find_autoencoder, has_training, load_digits
from ..public.judging import NO_TRAINING

STEPS, RATE, BATCH = 600, 0.002, 32


@number("P5.7")
@weight(6)
@visibility("after_published")
@leaderboard("Autoencoder: reconstruction error", "asc")
@pytest.mark.needs_file("prob5_AE.py")
def test_learns(probes, show, set_leaderboard_value):
    """The trained autoencoder reconstructs held-out digits better than PCA with two components"""
    network = find_autoencoder(probes, show)
    digits = load_digits(probes)
    bar = pca_bar(digits)
    result = trained(probes, network, "mnist_ae.pt", digits, bar, show, steps=STEPS, lr=RATE, batch=BATCH)
    set_leaderboard_value(round(result.error, 5))
    assert_beats_pca(result, digits, bar, show)


@number("P5.8")
@weight(2)
@visibility("after_published")
@pytest.mark.needs_file("prob5_AE.py")
def test_any_batch(probes, show):
    """An image is reconstructed the same way in any batch"""
    assert_any_batch(find_autoencoder(probes, show))


@number("P5.9")
@weight(2)
@visibility("after_published")
@pytest.mark.needs_file("prob5_AE.py")
def test_training_split(probes, watched, show):
    """The test split takes no part in training"""
    find_autoencoder(probes, show)
    records, called = watched.of(probes, AE_FILE).records, f"python {AE_FILE}.py"
    if not has_training(records):
        show.text("Training", NO_TRAINING.format(file=f"{AE_FILE}.py"))
        return
    network = require_training(records, called=called)
    assert_does_not_train_on_test(records, network, load_digits(probes).gallery(), called=called)
