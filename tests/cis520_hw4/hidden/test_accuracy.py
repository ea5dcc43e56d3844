"""2.2.3: accuracies of other sets of pictures, and the mode in which they are measured."""

from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks.compare import fail
from autograder.checks.training import assert_evaluates_in_eval_mode, evaluations, trained_networks

from ..public.accuracy import OVERALL, PER_CLASS, assert_measured, make_exam, measure
from ..public.common import FILE
from ..public.training import watch_training

EXPECTED = "model.eval() before the pictures are classified: dropout and batch normalization depend on it"


@number("2.2.3.3")
@weight(0.75)
@visibility("after_published")
def test_other_sets(submission, probes, seen):
    """Both are right for other numbers of pictures and batches, too"""
    for seed, count, batch in ((3, 97, 10), (4, 150, 150)):
        assert_measured(probes, submission, seen, OVERALL, make_exam(seed, count, batch), hide_expected=True)
        assert_measured(probes, submission, seen, PER_CLASS, make_exam(seed, count, batch), hide_expected=True)


@number("2.2.3.4")
@weight(0)
@visibility("after_published")
def test_class_without_pictures(submission, probes, seen):
    """A class without pictures does not disturb the accuracies of the others"""
    assert_measured(probes, submission, seen, PER_CLASS, make_exam(5, 120, 50, without=4), hide_expected=True)


@number("2.2.3.5")
@weight(1.75)
@visibility("after_published")
def test_evaluation_mode(submission, probes, seen):
    """Accuracies are measured in evaluation mode"""
    exam = make_exam(6, 60, 25)
    measured = [one for kind in (OVERALL, PER_CLASS) for one in measure(probes, submission, kind, exam, training=True)]
    if not measured:
        _judge_the_training(probes, submission, seen, needed=True)
        return
    careless = [one for one in measured if one.in_training]
    if not careless:
        return
    again = [one for kind in (OVERALL, PER_CLASS) for one in measure(probes, submission, kind, exam)]
    for one in again:
        if one.in_training:
            fail("the network is put into training mode to be measured", called=one.called, cause="not_in_eval_mode",
                 expected=EXPECTED)  # fmt: skip
    # It leaves the mode to whoever calls it: then that must see to it.
    if not probes.run("functions", "leaves_training_mode", FILE, called=f"reading {FILE}.py"):
        fail("the network is measured in the mode in which it is found, and nothing ever puts it into evaluation mode",
             called=careless[0].called, cause="not_in_eval_mode", expected=EXPECTED)  # fmt: skip
    _judge_the_training(probes, submission, seen, needed=False)


def _judge_the_training(probes, submission, seen, needed):
    """Evaluations that the submission's own run was seen to make. `needed`: there must be one."""
    training = watch_training(probes, submission, seen)
    networks = trained_networks(training.records)
    for network in networks:
        assert_evaluates_in_eval_mode(training.records, network, called=training.called)
    if needed and not any(evaluations(training.records, network) for network in networks):
        fail("the network was not seen to be measured after its training", called=training.called, expected=EXPECTED)
