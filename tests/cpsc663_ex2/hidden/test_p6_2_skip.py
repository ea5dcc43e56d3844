"""P6.2: what the version with skip connections learns, and what it does with its code."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import leaderboard, number, visibility, weight

from autograder.checks.compare import fail

from ..public.autoencoders import assert_beats_pca, pca_bar, trained
from ..public.common import find_skip_cae, load_digits

STEPS, RATE, BATCH = 120, 0.003, 16
CODES, FARTHEST = 16, 20


@number("P6.2.4")
@weight(2)
@visibility("after_published")
@pytest.mark.needs_file("prob6_CAE.py")
def test_code_counts(probes, show):
    """With its skip connections silenced, the decoder still decodes the code"""
    network = find_skip_cae(probes, show)
    # As many numbers as this code has: how many it should have is P6.1's matter.
    shape = (CODES, network.trace().code_size)
    images = network.decode(np.random.default_rng(62).uniform(-FARTHEST, FARTHEST, shape))
    if np.ptp(images, axis=0).max() <= 1e-6 * max(1.0, float(np.abs(images).max())):
        fail(
            "Whatever the code is, the decoder makes the same image of it.",
            called=f"the decoder of {network.made}, with nothing on its skip connections",
            expected="Problem 6.2: skip connections beside the way through the code, which stays",
        )


@number("P6.2.5")
@weight(3)
@visibility("after_published")
@leaderboard("With skip connections: reconstruction error", "asc")
@pytest.mark.needs_file("prob6_CAE.py")
def test_learns(probes, show, set_leaderboard_value):
    """Trained, it reconstructs held-out digits better than PCA with two components"""
    network = find_skip_cae(probes, show)
    digits = load_digits(probes)
    bar = pca_bar(digits)
    result = trained(probes, network, "mnist-cae-skip.pt", digits, bar, show, steps=STEPS, lr=RATE, batch=BATCH)
    set_leaderboard_value(round(result.error, 5))
    assert_beats_pca(result, digits, bar, show)
