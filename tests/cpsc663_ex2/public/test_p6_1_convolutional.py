"""P6.1: the convolutional autoencoder."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.architecture import assert_layers, assert_no_way_around
from autograder.checks.compare import fail
from autograder.checks.networks import assert_from_code_alone, sample_images

from .autoencoders import DECODER, ENCODER, assert_code_size
from .common import CAE_FILE, find_cae, load_digits
from .judging import assert_own_training, assert_saved_after_training, assert_trains_on_training_split, trained_like

WHERE = "Problem 6.1"
PARAMETERS = 16_859


@number("P6.1.1")
@weight(4)
@tags("public")
@pytest.mark.needs_file("prob6_CAE.py")
def test_encoder(probes, show):
    """The encoder is the handout's, layer by layer"""
    network = find_cae(probes, show)
    trace = network.trace()
    assert_layers(trace.encoder(), ENCODER, where=f"{WHERE}, encoder", code=trace.code, called=network.made)


@number("P6.1.2")
@weight(4)
@tags("public")
@pytest.mark.needs_file("prob6_CAE.py")
def test_decoder(probes, show):
    """The decoder is the handout's, layer by layer"""
    network = find_cae(probes, show)
    if network.parameters != PARAMETERS:
        show.text("Parameters", f"With kernels of 3 everywhere the handout's network has {PARAMETERS:,} parameters; "
                  f"yours has {network.parameters:,}.")  # fmt: skip
    assert_layers(network.trace().decoder(), DECODER, where=f"{WHERE}, decoder", called=network.made)


@number("P6.1.3")
@weight(2)
@tags("public")
@pytest.mark.needs_file("prob6_CAE.py")
def test_code(probes, show):
    """The reconstruction, with pixels from 0 to 1, is computed from a code of two numbers alone"""
    network = find_cae(probes, show)
    assert_code_size(network, where=WHERE)
    assert_no_way_around(network.trace(), where=WHERE, called=network.made)
    assert_from_code_alone(network, sample_images(network.role), where=WHERE)
    outputs = network.reconstruct(20 * sample_images(network.role) - 10)
    if np.min(outputs) < 0 or np.max(outputs) > 1:
        fail(
            f"The reconstructions reach from {np.min(outputs):.3g} to {np.max(outputs):.3g}.",
            called=f"{network.made}(images)",
            cause="missing_sigmoid",
            expected="a sigmoid as the last layer, which casts values to the range from 0 to 1",
        )


@number("P6.1.4")
@weight(3)
@tags("public")
@pytest.mark.needs_file("prob6_CAE.py")
def test_training(probes, watched, show):
    """Every training step goes down the gradient of a training batch's loss and reaches every parameter"""
    network = find_cae(probes, show)
    records = watched.of(probes, CAE_FILE).records
    assert_own_training(records, CAE_FILE, show, next(iter(trained_like(records, network)), None))
    assert_trains_on_training_split(records, load_digits(probes).gallery(), called=f"python {CAE_FILE}.py")
    assert_saved_after_training(records, "mnist_cae.pt", f"python {CAE_FILE}.py")
