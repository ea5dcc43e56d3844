"""4: another AlexNet, batches of other sizes, pictures of other sizes, and what must stay as it was."""

from functools import partial

import pytest
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks.compare import assert_unchanged, fail

from ..public.readouts import (
    FIRST,
    FIT,
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

LIKE_THE_PAPER = {"channels": 96, "padding": 4}
"""The handout's 96 arrays of 57 x 57."""


@number("4.5")
@weight(2)
@visibility("after_published")
@pytest.mark.needs_file("prob4.py")
def test_first_convolution(probes):
    """first_conv_outputs works for the handout's 96 arrays of 57 x 57, and for any number of images"""
    for count in (1, 3):
        pair = make_pair(probes, count, seed=11, **LIKE_THE_PAPER)
        assert_first(probes.module("prob4").first_conv_outputs(pair.remote, pair.images), pair, hide_expected=True)


@number("4.6")
@weight(1)
@visibility("after_published")
@pytest.mark.needs_file("prob4.py")
def test_leaves_network(probes):
    """Reading out leaves the network's weights and layers as they were, and no hook behind"""
    pair = make_pair(probes, 1, seed=12)
    module = probes.module("prob4")
    before = probes.run("alexnet", "state_of", pair.remote)
    for called, read_out in (
        (FIRST, lambda: module.first_conv_outputs(pair.remote, pair.images)),
        (LAST, lambda: module.final_layer_outputs(pair.remote, pair.images)),
        (TOP5, lambda: module.top5(pair.remote, pair.images[0], [str(index) for index in range(1000)])),
    ):
        read_out()
        after = probes.run("alexnet", "state_of", pair.remote)
        # The mode may be left as evaluation: the course's own scripts do so.
        for what in ("weights", "layers", "hooks"):
            if not isinstance(after, dict) or after.get(what) != before[what]:
                fail(f"Afterwards the network's {what} are no longer what they were.", called=called,
                     cause="mutates_state", expected="a network that is only read out")  # fmt: skip


@number("4.7")
@weight(1.5)
@visibility("after_published")
@pytest.mark.needs_file("prob4.py")
def test_final_layer(probes):
    """final_layer_outputs works for any number of images, and for the network of the handout's numbers"""
    for count in (1, 3):
        pair = make_pair(probes, count, seed=13, **LIKE_THE_PAPER)
        read_out = partial(probes.module("prob4").final_layer_outputs, pair.remote, pair.images)
        assert_repeats(read_out, LAST)
        assert_last(read_out(), pair, hide_expected=True)


@number("4.8")
@weight(1.5)
@visibility("after_published")
@pytest.mark.needs_file("prob4.py")
def test_top5(probes):
    """top5 is right for several pictures and any class names"""
    pair = make_pair(probes, 3, seed=14)
    scores = pair.scores()
    names = [f"{'tiger' if index % 2 else 'weasel'} no. {1000 - index}" for index in range(1000)]
    for image, of_image in zip(pair.images, scores, strict=True):
        top5 = partial(probes.module("prob4").top5, pair.remote, image, names)
        assert_repeats(top5, TOP5)
        assert_top5(top5(), of_image, names, hide_expected=True)


@number("4.9")
@weight(2)
@visibility("after_published")
@pytest.mark.needs_file("prob4.py")
def test_fit_to_input(probes):
    """fit_to_input copes with any size, with odd differences, with bytes and floats, and leaves its picture alone"""
    fit_to_input = probes.module("prob4").fit_to_input
    sizes = ((1, 1), (226, 228), (228, 226), (500, 227), (227, 40), (233, 190), (90, 311))
    for seed, (height, width) in enumerate(sizes):
        image = picture(height, width, "float32" if seed % 2 else "uint8", seed)
        answer, (after,) = probes.call_and_return_arguments(fit_to_input, image)
        assert_fitted(answer, image)
        assert_unchanged(image, after, "image", called=FIT)
