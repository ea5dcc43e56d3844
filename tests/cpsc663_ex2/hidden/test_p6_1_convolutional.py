"""P6.1: the convolutional autoencoder against ours, and what it learns."""

import pytest
from gradescope_utils.autograder_utils.decorators import leaderboard, number, visibility, weight

from autograder.checks.architecture import compare_layers
from autograder.checks.compare import fail
from autograder.checks.equivalence import assert_equivalent
from autograder.checks.networks import sample_images

from ..public.autoencoders import DECODER, ENCODER, assert_any_batch, assert_beats_pca, pca_bar, trained
from ..public.common import find_cae, load_digits
from .handout import network_like

STEPS, RATE, BATCH = 700, 0.003, 16


@number("P6.1.5")
@weight(3)
@visibility("after_published")
@pytest.mark.needs_file("prob6_CAE.py")
def test_equivalence(probes, show):
    """Ours, with your weights, gives the same reconstructions"""
    network = find_cae(probes, show)
    trace = network.trace()
    if compare_layers(trace.encoder(), ENCODER, code=trace.code) or compare_layers(trace.decoder(), DECODER):
        fail(
            "Your layers are others than the handout's: P6.1.1 and P6.1.2 tell which.",
            called=network.made,
            expected="the handout's list, so that your weights fit into our network",
        )
    ours = network_like(network)
    assert_equivalent(network, ours, sample_images(network.role), where="the handout's network (Problem 6.1)")
    assert_any_batch(network)


@number("P6.1.6")
@weight(4)
@visibility("after_published")
@leaderboard("Convolutional autoencoder: reconstruction error", "asc")
@pytest.mark.needs_file("prob6_CAE.py")
def test_learns(probes, show, set_leaderboard_value):
    """The trained network reconstructs held-out digits better than PCA with two components"""
    network = find_cae(probes, show)
    digits = load_digits(probes)
    bar = pca_bar(digits)
    result = trained(probes, network, "mnist_cae.pt", digits, bar, show, steps=STEPS, lr=RATE, batch=BATCH)
    set_leaderboard_value(round(result.error, 5))
    assert_beats_pca(result, digits, bar, show)
