"""2.2.2: the network, by what it computes."""

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.architecture import assert_registered, fail_differences, settings_of
from autograder.checks.compare import fail
from autograder.checks.networks import assert_works_as_it_is

from .common import CLASSES, find_classifier, load_clothes, scores_of
from .table import OWN_DESIGN, OWN_DESIGN_ACCURACY, SLIP, WHERE, differences_from_table, sort_of, told
from .training import STANDARD_STEPS, train_as_everybody


@number("2.2.2.1")
@weight(1.5)
@tags("public")
def test_outputs(submission, probes, show):
    """The network gives ten numbers per picture: scores, probabilities or their logarithms"""
    network = find_classifier(probes, show)
    assert_works_as_it_is(network)
    called = f"{network.made}(pictures)"
    for count in (4, 1):
        outputs = scores_of(network, load_clothes(probes).test[:count])
        if outputs.shape[1] != CLASSES:
            fail(f"for {count} picture(s) the output has shape {outputs.shape}", called=called, cause="wrong_shape",
                 expected=f"({count}, {CLASSES})")  # fmt: skip
    outputs = scores_of(network, load_clothes(probes).test[:8])
    form = np.exp(outputs) if outputs.max() <= 0 else outputs
    if form.min() >= 0 and np.allclose(form.sum(axis=0), 1, atol=1e-3) and not np.allclose(form.sum(axis=1), 1):
        fail("the ten outputs of a picture do not sum to 1; those of all pictures for a class do", called=called,
             cause="wrong_axis", expected="a softmax over the ten classes of each picture: dim=1")  # fmt: skip


@number("2.2.2.2")
@weight(4)
@tags("public")
def test_layers(submission, probes, seen, show):
    """The network is the one of Table 2, or one of your own that is as good"""
    network = find_classifier(probes, show)
    layers = network.trace(training=True).layers()
    assert_registered(layers, called=network.made)
    differences, lines = differences_from_table(layers)
    sort = sort_of(layers, differences)
    if sort == SLIP:
        fail_differences(differences, layers, lines, where=WHERE, called=network.made)
    if sort != OWN_DESIGN:
        return
    bar = OWN_DESIGN_ACCURACY[load_clothes(probes).embedded]
    show.text(
        "A network of your own",
        "The handout lets you change the network if it beats the best baseline, so its layers are free and its "
        f"accuracy counts: at least {bar:.0%} after {STANDARD_STEPS} steps of a training that is the same for "
        f"everybody. It departs from Table 2 in this:\n{told(differences)}",
    )
    _, accuracy = train_as_everybody(probes, network, seen)
    show.text("Its accuracy", f"{accuracy:.1%} of the test pictures")
    if accuracy < bar:
        fail(
            f"your network is not the one of Table 2, and after {STANDARD_STEPS} steps it recognises {accuracy:.0%} "
            f"of the test pictures.\n{told(differences)}",
            called=network.made, expected=f"{WHERE}, or a network of your own that comes to {bar:.0%}",
        )  # fmt: skip


@number("2.2.2.3")
@weight(1.5)
@tags("public")
def test_modes(submission, probes, show):
    """Dropout and batch normalization act in training, and in evaluation they do not"""
    network = find_classifier(probes, show)
    called = f"{network.made}(pictures)"
    evaluated, trained = network.trace().layers(), network.trace(training=True).layers()
    if settings_of(evaluated, "dropout"):
        fail("dropout drops in evaluation mode, too", called=f"{called} after model.eval()", cause="ignores_mode",
             expected="nn.Dropout, or F.dropout(x, p, training=self.training)")  # fmt: skip
    for mode, layers in ((False, evaluated), (True, trained)):
        own = [settings.get("uses_batch_statistics") is True for settings in settings_of(layers, "batch_norm")]
        if any(one is not mode for one in own):
            fail(
                f"batch normalization {'does not use' if mode else 'uses'} the batch's own mean and variance in "
                f"{'training' if mode else 'evaluation'} mode",
                called=called, cause="ignores_mode",
                expected="those of the batch in training, the running ones in evaluation",
            )  # fmt: skip
    some = load_clothes(probes).test[:4]
    first, second = scores_of(network, some), scores_of(network, some)
    if first.shape != second.shape or not np.allclose(first, second, atol=1e-6):
        fail("in evaluation mode, the same pictures give other outputs the second time", called=called,
             cause="ignores_mode", expected="the same outputs: chance has no place in evaluation")  # fmt: skip
