"""P6.3: both versions, and what they make of noisy images."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks import pictures
from autograder.checks.compare import CheckFailed, fail
from autograder.checks.training import standard_training

from ..public.common import find_cae, find_skip_cae, load_digits
from ..public.denoising import assert_both_versions, noisy_run

NOISE = 0.3
STEPS, RATE, BATCH = 120, 0.003, 16
SHOWN = 8


@number("P6.3.2")
@weight(3)
@visibility("after_published")
@pytest.mark.needs_file("prob6_CAE.py")
def test_both_versions(probes, watched):
    """The version with skip connections is trained on noisy images, too"""
    gallery = load_digits(probes).gallery()
    records, called = noisy_run(probes, watched, gallery)
    assert_both_versions(records, gallery, called=called)


@number("P6.3.3")
@weight(3)
@visibility("after_published")
@pytest.mark.needs_file("prob6_CAE.py")
def test_removes_noise(probes, watched, show):
    """Trained on noisy images, your network gives back cleaner ones than it gets"""
    digits = load_digits(probes)
    noisy_run(probes, watched, digits.gallery())
    network = find_version(probes, show)
    noisy = digits.test + NOISE * np.random.default_rng(63).standard_normal(digits.test.shape)
    done = standard_training(
        probes, network.handle, digits.train, held=noisy.astype(np.float32), noise=NOISE, steps=STEPS, lr=RATE,
        batch_size=BATCH, seconds=40.0,
    )  # fmt: skip
    if done.outputs.size != digits.test.size:
        fail(f"The reconstructions have shape {done.outputs.shape}.", called=f"{network.made}(images)",
             cause="wrong_shape", expected="images of the size of the input")  # fmt: skip
    outputs = done.outputs.reshape(digits.test.shape)
    rows = {"original": digits.test[:SHOWN], "with noise": noisy[:SHOWN], "yours": outputs[:SHOWN]}
    show.figure("Noise removed", lambda: pictures.image_rows(rows),
                f"eight held-out digits, with noise, and reconstructed after {done.steps} steps of a training of ours "
                "on noisy images")  # fmt: skip
    error, before = (float(np.mean((images - digits.test) ** 2)) for images in (outputs, noisy))
    show.text("Error per pixel", f"{before:.4f} with noise, {error:.4f} after reconstruction.")
    if error >= before:
        fail(f"the mean squared error is {error:.4f} per pixel after reconstruction and {before:.4f} before",
             called=f"{network.made}(noisy)", expected="reconstructions that are nearer to the original")  # fmt: skip


def find_version(probes, show):
    """The version with skip connections, or the plain one where the former is not right: that is 6.2's matter."""
    try:
        return find_skip_cae(probes, show)
    except CheckFailed:
        return find_cae(probes, show)
