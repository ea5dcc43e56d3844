"""P5: an autoencoder that embeds MNIST into two dimensions."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.architecture import assert_no_way_around, outline
from autograder.checks.compare import fail
from autograder.checks.networks import assert_from_code_alone, sample_images

from .autoencoders import assert_code_size, assert_depths, assert_plain_code
from .common import AE_FILE, find_autoencoder
from .judging import assert_own_training, assert_saved_after_training

WHERE = "Problem 5.4"
LAYERS = 4


@number("P5.1")
@weight(4)
@tags("public")
@pytest.mark.needs_file("prob5_AE.py")
def test_embeds_into_two_dimensions(probes, show):
    """Images are embedded into two dimensions, and come back in their own size"""
    network = find_autoencoder(probes, show)
    assert_code_size(network, where=WHERE)


@number("P5.2")
@weight(4)
@tags("public")
@pytest.mark.needs_file("prob5_AE.py")
def test_plain_code(probes, show):
    """There is no nonlinearity when entering or exiting the embedding"""
    assert_plain_code(find_autoencoder(probes, show), where=WHERE)


@number("P5.3")
@weight(4)
@tags("public")
@pytest.mark.needs_file("prob5_AE.py")
def test_nothing_around_the_code(probes, show):
    """The reconstruction is computed from the embedding alone"""
    network = find_autoencoder(probes, show)
    assert_no_way_around(network.trace(), where=WHERE, called=network.made)
    assert_from_code_alone(network, sample_images(network.role), where=WHERE)


@number("P5.4")
@weight(2)
@tags("public")
@pytest.mark.needs_file("prob5_AE.py")
def test_nonlinear(probes, show):
    """Between linear layers there are nonlinearities"""
    assert_depths(find_autoencoder(probes, show), where=WHERE)


@number("P5.5")
@weight(6)
@tags("public")
@pytest.mark.needs_file("prob5_AE.py")
def test_training(probes, watched, show):
    """Every training step goes down the gradient of this batch's loss and reaches every parameter"""
    find_autoencoder(probes, show)
    records = watched.of(probes, AE_FILE).records
    assert_own_training(records, AE_FILE, show)
    assert_saved_after_training(records, "mnist_ae.pt", f"python {AE_FILE}.py")


@number("P5.6")
@weight(0)
@tags("public")
@pytest.mark.needs_file("prob5_AE.py")
def test_baseline(probes, show):
    """Advice: a good baseline has four linear layers each way, with ReLUs between them"""
    network = find_autoencoder(probes, show)
    trace = network.trace()
    for name, layers in (("encoder", trace.encoder()), ("decoder", trace.decoder())):
        linear = [layer for layer in layers if layer.name == "linear"]
        if len(linear) != LAYERS or sum(layer.name == "relu" for layer in layers) < LAYERS - 1:
            fail(
                f"Your {name} is another one, which is fine where it works as well:\n{outline(layers)}",
                called=network.made,
                expected="four linear layers with ReLUs between them, which the handout calls a good baseline",
            )
