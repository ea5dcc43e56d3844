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
SETTINGS = (((4, 3, 1), 0.5, False), ((2, 2, 0), 0.1, True), ((4, 3, 1), 0.3, True))
NORMALIZED = len(FILTERS) + 1


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
    """A class that is made with the settings of Table 2 is its network for each of them"""
    network = find_classifier(probes, show)
    if (
        sort_of(network.trace().layers(), differences_from_table(network.trace(training=True).layers())[0])
        == OWN_DESIGN
    ):
        return
    for pooling, dropout, batch_norm in SETTINGS:
        called = f"{network.name}(pooling={pooling}, dropout={dropout}, batch_norm={batch_norm})"
        try:
            made = getattr(submission, network.name)(pooling=pooling, dropout=dropout, batch_norm=batch_norm)
        except StudentError as error:
            if "unexpected keyword" in error.message or "not callable" in error.message:
                show.text("Not compared", f"{network.made} has settings of its own, or none.")
                return
            raise
        layers = dataclasses.replace(network, handle=made, made=called).trace(training=True).layers()
        _assert_settings(layers, pooling, dropout, batch_norm, called)


def _assert_settings(layers, pooling, dropout, batch_norm, called):
    found = [tuple(int(np.ravel(one[key])[0]) for key in POOLING) for one in settings_of(layers, "max_pool")]
    if found != [pooling] * len(FILTERS):
        fail(f"its poolings (kernel, stride, padding) are {found}", called=called, cause="hyperparameter_ignored",
             expected=f"{len(FILTERS)} times {pooling}")  # fmt: skip
    chances = [one["p"] for one in settings_of(layers, "dropout")]
    if chances != [dropout]:
        fail(f"its dropouts have the probabilities {chances}", called=called, cause="hyperparameter_ignored",
             expected=f"one, of {dropout}")  # fmt: skip
    normalizations, wanted = len(settings_of(layers, "batch_norm")), NORMALIZED if batch_norm else 0
    if normalizations != wanted:
        fail(f"it has {normalizations} batch normalizations", called=called,
             cause="missing_normalization" if batch_norm and normalizations else "hyperparameter_ignored",
             expected=f"{wanted}: one after each convolution and the first fully connected layer, or none")  # fmt: skip


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
