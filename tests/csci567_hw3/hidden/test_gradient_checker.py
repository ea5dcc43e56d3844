"""3.1.5: the gradient checker on a network whose back-propagation is wrong on purpose: it should show that."""

from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks.checkers import (
    LIVELY_SEEDS,
    PLACES,
    assert_propagated,
    bug_in,
    checked_network,
    run_checker,
    times_printed,
    whatever_backward_pass_does,
)
from autograder.checks.compare import assert_unchanged, fail

CALLED = "gradient_checker(DataSet, model)"
SHOWN_TEXT = 1000
# Putting a value back by adding and subtracting leaves rounding, which is fine.
ROUNDING = 1e-9


def missing(values, run, network):
    """The places whose value is not among the printed numbers."""
    return [place for place in PLACES if not times_printed(values[place], run.numbers, network.slack(place))]


def fail_printed(places, what, run, cause=None):
    """Fails for numbers that are not printed."""
    names = ", ".join("{}.params[{!r}][0, 0]".format(*place) for place in places)
    fail(
        f"{what} is not right for {names}.\nPrinted:\n{run.text[:SHOWN_TEXT] or '(nothing)'}",
        called=CALLED,
        cause=cause,
    )


def assert_approximations(run, network):
    """The approximated derivative of all four parameters is printed."""
    places = missing({place: network.approximation(place) for place in PLACES}, run, network)
    if places:
        fail_printed(places, "the approximated derivative", run, bug_in(run, network, places))


@number("3.1.5.3")
@weight(1)
@visibility("after_published")
def test_approximation(submission, probes):
    """The approximation comes from the loss alone, whatever back-propagation says"""

    def judge(replaced):
        for seed in LIVELY_SEEDS[:2]:
            network = checked_network(seed, wrong=True)
            assert_approximations(run_checker(submission, probes, network, replaced=replaced), network)

    whatever_backward_pass_does(judge)


@number("3.1.5.4")
@weight(0.5)
@visibility("after_published")
def test_back_propagation(submission, probes):
    """The back-propagated value is the one that stands in the layers"""

    def judge(replaced):
        network = checked_network(LIVELY_SEEDS[2], wrong=True)
        run = run_checker(submission, probes, network, replaced=replaced)
        assert_propagated(run, called=CALLED)
        places = missing({place: float(network.reported[place][0, 0]) for place in PLACES}, run, network)
        if places:
            fail_printed(places, "the back-propagated derivative", run)

    whatever_backward_pass_does(judge)


@number("3.1.5.5")
@weight(0.75)
@visibility("after_published")
def test_leaves_no_trace(submission, probes):
    """After a run every parameter is as before, so that training starts from where it should"""

    def judge(replaced):
        for seed in LIVELY_SEEDS[2:]:
            network = checked_network(seed, wrong=True)
            run = run_checker(submission, probes, network, replaced=replaced)
            if not run.moved:
                fail("no parameter is moved while the loss is computed", called=CALLED)
            for place in PLACES:
                name, after = "model[{!r}].params[{!r}]".format(*place), run.params[place]
                assert_unchanged(
                    network.params[place],
                    after,
                    name,
                    called=CALLED,
                    cause="parameter_not_restored",
                    tolerance=ROUNDING,
                )

    whatever_backward_pass_does(judge)
