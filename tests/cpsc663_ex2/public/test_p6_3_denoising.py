"""P6.3: the networks of 6.1 and 6.2 learn to remove noise."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.training_images import assert_denoises

from .common import load_digits
from .denoising import noisy_run


@number("P6.3.1")
@weight(9)
@tags("public")
@pytest.mark.needs_file("prob6_CAE.py")
def test_noise(probes, watched):
    """In training, fresh noise from N(0, 0.3) is added to the input and not to the target"""
    gallery = load_digits(probes).gallery()
    records, called = noisy_run(probes, watched, gallery)
    assert_denoises(records, gallery, called=called)
