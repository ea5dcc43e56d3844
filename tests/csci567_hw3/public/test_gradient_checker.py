"""3.1.5: the gradient checker on a network of ours whose back-propagation is right."""

from gradescope_utils.autograder_utils.decorators import number, tags, weight

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


def assert_both_printed(run, network):
    """Each derivative is printed twice: once from back-propagation, once as an approximation."""
    derivatives = {place: network.derivative(place) for place in PLACES}
    counts = {place: times_printed(derivatives[place], run.numbers, network.slack(place)) for place in PLACES}
    short = [place for place in PLACES if counts[place] < 2]
    if short:
        names = ", ".join("{}.params[{!r}][0, 0]".format(*place) for place in short)
        wanted = ", ".join(f"{derivatives[place]:.6f}" for place in short)
        fail(
            f"the two numbers are not both right for {names}.\nPrinted:\n{run.text[:SHOWN_TEXT] or '(nothing)'}",
            called=CALLED,
            expected=f"{wanted}: twice each, once from back-propagation and once from the approximation",
            cause=bug_in(run, network, short),
        )


@number("3.1.5.1")
@weight(1)
@tags("public")
def test_prints_both_numbers(submission, probes):
    """gradient_checker prints the back-propagated and the approximated derivative of all four parameters"""

    def judge(replaced):
        for seed in LIVELY_SEEDS[:2]:
            network = checked_network(seed, wrong=False)
            run = run_checker(submission, probes, network, replaced=replaced)
            assert_propagated(run, called=CALLED)
            assert_both_printed(run, network)

    whatever_backward_pass_does(judge)


@number("3.1.5.2")
@weight(0.75)
@tags("public")
def test_restores_the_parameters(submission, probes):
    """gradient_checker moves parameters, and leaves every one as it found it"""

    def judge(replaced):
        network = checked_network(LIVELY_SEEDS[2], wrong=False)
        run = run_checker(submission, probes, network, replaced=replaced)
        if not run.moved:
            fail("no parameter is moved while the loss is computed", called=CALLED, expected="w + ε, and w - ε")
        for place in PLACES:
            name = "model[{!r}].params[{!r}]".format(*place)
            after = run.params[place]
            assert_unchanged(
                network.params[place], after, name, called=CALLED, cause="parameter_not_restored", tolerance=ROUNDING
            )

    whatever_backward_pass_does(judge)
