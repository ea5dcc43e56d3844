"""2.2.2: batches of any size, what the network can learn, and its outputs against ours."""

import dataclasses

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks.architecture import settings_of
from autograder.checks.compare import assert_close, fail
from autograder.checks.equivalence import assert_equivalent
from autograder.checks.networks import sample_images
from autograder.checks.training import with_any_batch_size
from autograder.sandbox.proxy import StudentError

from ..public.common import find_classifier, load_clothes, scores_of
from ..public.table import FILTERS, OWN_DESIGN, TABLE_2, WHERE, differences_from_table, sort_of
from ..public.training import STANDARD_STEPS, train_as_everybody

# Guessing is right one time in ten; the slowest setting of Table 2 comes to more than four fifths.
LEAST_ACCURACY = 0.4
POOLING = ("kernel", "stride", "padding")
SETTINGS = (
    {"pooling": (4, 3, 1), "dropout": 0.5, "batch_norm": False},
    {"pooling": (2, 2, 0), "dropout": 0.1, "batch_norm": True},
    {"pooling": (4, 3, 1), "dropout": 0.3, "batch_norm": True},
)


@number("2.2.2.4")
@weight(1)
@visibility("after_published")
def test_each_picture_by_itself(submission, probes, show):
    """In evaluation, what a picture gives does not depend on its batch, nor on how large that is"""
    network = find_classifier(probes, show)
    called = f"{network.made}(pictures)"
    some = load_clothes(probes).test[:6]
    with_any_batch_size(lambda size: scores_of(network, some[:size]), 4, (1, 3, 6), called=called)
    whole = scores_of(network, some)
    for size in (1, 3):
        parts = [scores_of(network, some[start : start + size]) for start in range(0, len(some), size)]
        if any(part.shape[1] != whole.shape[1] for part in parts):
            fail("the number of outputs per picture changes from batch to batch", called=called, cause="wrong_shape")
        alone = np.concatenate(parts)
        assert_close(alone, whole, f"the outputs in batches of {size}", called=called, rtol=1e-3, atol=1e-4)


@number("2.2.2.5")
@weight(1)
@visibility("after_published")
def test_can_learn(submission, probes, seen, show):
    """Trained in a way that is the same for everybody, the network recognises new pictures"""
    network = find_classifier(probes, show)
    _, accuracy = train_as_everybody(probes, network, seen)
    show.text("Its accuracy", f"{accuracy:.1%} of the test pictures after {STANDARD_STEPS} steps")
    if accuracy < LEAST_ACCURACY:
        fail(f"after {STANDARD_STEPS} steps it recognises {accuracy:.0%} of the test pictures",
             called="training your network for a while", expected=f"at least {LEAST_ACCURACY:.0%}")  # fmt: skip


@number("2.2.2.6")
@weight(0.5)
@visibility("after_published")
def test_equivalence(submission, reference, probes, show):
    """Ours, with your weights, gives the same outputs (where your network is that of Table 2)"""
    network = find_classifier(probes, show)
    layers = network.trace(training=True).layers()
    differences, _ = differences_from_table(layers)
    ours = _reference_like(reference, layers) if sort_of(layers, differences) == TABLE_2 else None
    if ours is None:
        show.text("Not compared", "Your network has settings or layers that ours does not have.")
        return
    assert_equivalent(network, _ending_like(ours, network.trace().layers()), sample_images(network.role), where=WHERE)


@number("2.2.2.7")
@weight(0.5)
@visibility("after_published")
def test_settings(submission, probes, show):
    """A class that is made with the settings of Table 2 works for each of them, and heeds or ignores them"""
    network = find_classifier(probes, show)
    layers = network.trace(training=True).layers()
    if sort_of(layers, differences_from_table(layers)[0]) == OWN_DESIGN:
        return
    usual = _settings_in(layers)
    for asked in SETTINGS:
        called = f"{network.name}({', '.join(f'{name}={value}' for name, value in asked.items())})"
        try:
            made = getattr(submission, network.name)(**asked)
        except StudentError as error:
            if "unexpected keyword" in error.message or "not callable" in error.message:
                show.text("Not compared", f"{network.made} has settings of its own, or none.")
                return
            raise
        found = _settings_in(dataclasses.replace(network, handle=made, made=called).trace(training=True).layers())
        wanted = {
            "pooling": [asked["pooling"]] * len(FILTERS),
            "dropout": [asked["dropout"]],
            "batch_norm": len(FILTERS) + 1 if asked["batch_norm"] else 0,
        }
        for name in asked:
            if found[name] not in (wanted[name], usual[name]):
                fail(f"what it makes of `{name}` is {found[name]}", called=called, expected=f"{wanted[name]}")


def _settings_in(layers):
    """What a network has of the settings: its poolings, its dropouts, and how many batch normalizations."""
    return {
        "pooling": [tuple(int(np.ravel(one[key])[0]) for key in POOLING) for one in settings_of(layers, "max_pool")],
        "dropout": [one["p"] for one in settings_of(layers, "dropout")],
        "batch_norm": len(settings_of(layers, "batch_norm")),
    }


def _reference_like(reference, layers):
    """Our network with the same settings; None where each pooling, or each normalization, has its own."""
    poolings = {
        tuple(int(np.ravel(settings[key])[0]) for key in ("kernel", "stride", "padding"))
        for settings in settings_of(layers, "max_pool")
    }
    normalizations = len(settings_of(layers, "batch_norm"))
    after = [one.name for one in layers]
    usual = all(after[i - 1] in ("convolution", "linear") for i, name in enumerate(after) if name == "batch_norm")
    if len(poolings) != 1 or normalizations not in (0, len(FILTERS) + 1) or not usual:
        return None
    return reference.ConvNet(poolings.pop(), batch_norm=normalizations > 0)


def _ending_like(ours, layers):
    """Our network with the student's ending: scores, probabilities or their logarithms."""
    from torch import nn

    endings = {"log_softmax": [nn.LogSoftmax(dim=1)], "softmax": [nn.Softmax(dim=1)]}
    ours.layers = nn.Sequential(*list(ours.layers)[:-1], *endings.get(layers[-1].name, []))
    return ours
