"""3.2: batch normalization of both hidden layers, in training and in evaluation."""

from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.compare import fail
from autograder.checks.training import call_watched, evaluations
from autograder.checks.training_records import Call

from .common import assert_activations, assert_ten_scores, find_normalised, load_digits
from .normalization import assert_alone, assert_normalised
from .training import TRAIN, plain_loader, torch_optimizer


@number("3.2.1")
@weight(5)
@tags("public")
def test_normalised(submission, probes, show):
    """In training, batch normalization follows each of the two hidden layers, and the scores have none"""
    network = find_normalised(probes, show)
    assert_normalised(network)
    assert_activations(network)
    assert_ten_scores(network)


@number("3.2.2")
@weight(3)
@tags("public")
def test_alone(submission, probes, show):
    """In evaluation, an image's scores do not depend on the other images of the batch"""
    network = find_normalised(probes, show)
    assert_alone(network, load_digits(probes).train[:12])


@number("3.2.3")
@weight(2)
@tags("public")
def test_modes(submission, probes, show):
    """train() puts the network into training mode to train, and into evaluation mode to measure the accuracy"""
    network = find_normalised(probes, show)
    optimizer = torch_optimizer(probes, network)
    network.handle.eval()
    _, records = call_watched(
        probes, submission.train, network.handle, optimizer, plain_loader(probes), plain_loader(probes), 2, called=TRAIN
    )
    calls = records.of(Call)
    roots = sorted({records.root(call.network) for call in calls})
    if any(call.trained and not call.training for call in calls):
        fail("The network was in evaluation mode while it was trained.", called=TRAIN, cause="not_in_train_mode",
             expected="model.train() before the training of every epoch")  # fmt: skip
    measured = [call for seen in records.networks if seen.number in roots for call in evaluations(records, seen)]
    if not any(call.trained for call in calls):
        # Where no gradient is ever computed, which is 3.1's matter, a graph still tells training from measuring.
        measured = [call for call in measured if not call.gradients]
    if any(call.training for call in measured):
        fail("The network was in training mode while its accuracy was measured.", called=TRAIN,
             cause="not_in_eval_mode", expected="model.eval() before measuring")  # fmt: skip
