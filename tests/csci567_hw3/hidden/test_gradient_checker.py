"""3.1.5: the gradient checker on a network whose back-propagation is wrong on purpose: it should show that."""

from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks.checkers import (
    LIVELY_SEEDS,
    PLACES,
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


def cause_of(places, run, network):
    """The one known bug whose approximation is printed at all of these places, or None."""
    found = [
        slug
        for slug in network.bugs(places[0])
        if all(
            any(times_printed(value, run.numbers, network.slack(place)) for value in network.bugs(place)[slug])
            for place in places
        )
    ]
    return found[0] if len(found) == 1 else None


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
        fail_printed(places, "the approximated derivative", run, cause_of(places, run, network))


@number("3.1.5.3")
@weight(1)
@visibility("after_published")
def test_approximation(submission, probes):
    """The approximation comes from the loss alone, whatever back-propagation says"""

    def judge():
        for seed in LIVELY_SEEDS[:2]:
            network = checked_network(seed, wrong=True)
            assert_approximations(run_checker(submission, probes, network), network)

    whatever_backward_pass_does(submission, judge)


@number("3.1.5.4")
@weight(0.5)
@visibility("after_published")
def test_back_propagation(submission, probes):
    """The back-propagated value is the one that stands in the layers"""

    def judge():
        network = checked_network(LIVELY_SEEDS[2], wrong=True)
        run = run_checker(submission, probes, network)
        places = missing({place: float(network.reported[place][0, 0]) for place in PLACES}, run, network)
        if places:
            fail_printed(places, "the back-propagated derivative", run)

    whatever_backward_pass_does(submission, judge)


@number("3.1.5.5")
@weight(0.75)
@visibility("after_published")
def test_leaves_no_trace(submission, probes):
    """After a run every parameter is as before, so that training starts from where it should"""

    def judge():
        for seed in LIVELY_SEEDS[2:]:
            network = checked_network(seed, wrong=True)
            run = run_checker(submission, probes, network)
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

    whatever_backward_pass_does(submission, judge)
