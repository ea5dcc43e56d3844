"""4: reading out a network with AlexNet's layers and shapes, and random weights."""

import numpy as np
import pytest
from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks import pictures

from .readouts import (
    LAST,
    TOP5,
    assert_first,
    assert_fitted,
    assert_last,
    assert_repeats,
    assert_top5,
    make_pair,
    picture,
)

CLASS_NAMES = [f"class {number}" for number in range(1000)]
SHOWN = 8


@number("4.1")
@weight(3)
@tags("public")
@pytest.mark.needs_file("prob4.py")
def test_first_convolution(probes, show):
    """first_conv_outputs reads out what the first convolution itself puts out"""
    pair = make_pair(probes)
    outputs = probes.module("prob4").first_conv_outputs(pair.remote, pair.images)
    assert_first(outputs, pair, hide_expected=False)
    channels = np.asarray(outputs)[0, :SHOWN]
    show.figure("Channels of the first convolution", lambda: pictures.image_grid(channels, columns=4),
                "of a random image, with random weights")  # fmt: skip


@number("4.2")
@weight(3)
@tags("public")
@pytest.mark.needs_file("prob4.py")
def test_final_layer(probes):
    """final_layer_outputs reads out the thousand scores, (N, 1000), the same every time"""
    pair = make_pair(probes, seed=2)
    read_out = probes.module("prob4").final_layer_outputs
    assert_repeats(lambda: read_out(pair.remote, pair.images), LAST)
    assert_last(read_out(pair.remote, pair.images), pair, hide_expected=False)


@number("4.3")
@weight(3)
@tags("public")
@pytest.mark.needs_file("prob4.py")
def test_top5(probes):
    """top5 names the five most probable classes, with probabilities over all classes"""
    pair = make_pair(probes, 1, seed=4)
    top5 = probes.module("prob4").top5
    assert_repeats(lambda: top5(pair.remote, pair.images[0], CLASS_NAMES), TOP5)
    assert_top5(top5(pair.remote, pair.images[0], CLASS_NAMES), pair.scores()[0], CLASS_NAMES, hide_expected=False)


@number("4.4")
@weight(3)
@tags("public")
@pytest.mark.needs_file("prob4.py")
def test_fit_to_input(probes):
    """fit_to_input crops or zero-pads a picture to 227 x 227, each side by itself"""
    fit_to_input = probes.module("prob4").fit_to_input
    for number_, (height, width) in enumerate(((300, 240), (100, 200), (227, 227), (150, 400), (260, 90))):
        image = picture(height, width, seed=number_)
        assert_fitted(fit_to_input(image), image)
