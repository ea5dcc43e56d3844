"""3.1.5: the gradient checker on a network of ours whose back-propagation is right."""

from gradescope_utils.autograder_utils.decorators import number, tags, weight

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


def assert_both_printed(run, network, place):
    """The derivative at one place is printed twice: once from back-propagation, once as an approximation."""
    derivative = network.derivative(place)
    count = times_printed(derivative, run.numbers, network.slack(place))
    if count < 2:
        right = "only one of the two numbers is" if count else "none of the printed numbers is"
        fail(
            "{}.params[{!r}][0, 0]: {} right.\nPrinted:\n{}".format(
                *place, right, run.text[:SHOWN_TEXT] or "(nothing)"
            ),
            called=CALLED,
            expected=f"the derivative {derivative:.6f} twice: from back-propagation, and from the approximation",
        )


@number("3.1.5.1")
@weight(1)
@tags("public")
def test_prints_both_numbers(submission, probes):
    """gradient_checker prints the back-propagated and the approximated derivative of all four parameters"""

    def judge():
        for seed in LIVELY_SEEDS[:2]:
            network = checked_network(seed, wrong=False)
            run = run_checker(submission, probes, network)
            for place in PLACES:
                assert_both_printed(run, network, place)

    whatever_backward_pass_does(submission, judge)


@number("3.1.5.2")
@weight(0.75)
@tags("public")
def test_restores_the_parameters(submission, probes):
    """gradient_checker moves parameters, and leaves every one as it found it"""

    def judge():
        network = checked_network(LIVELY_SEEDS[2], wrong=False)
        run = run_checker(submission, probes, network)
        if not run.moved:
            fail("no parameter is moved while the loss is computed", called=CALLED, expected="w + ε, and w - ε")
        for place in PLACES:
            name = "model[{!r}].params[{!r}]".format(*place)
            after = run.params[place]
            assert_unchanged(
                network.params[place], after, name, called=CALLED, cause="parameter_not_restored", tolerance=ROUNDING
            )

    whatever_backward_pass_does(submission, judge)
