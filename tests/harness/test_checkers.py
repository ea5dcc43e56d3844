"""Gradient checkers: the numbers a student prints are found in any format, and told apart from those of each bug."""

import numpy as np
import pytest

from autograder.checks.checkers import (
    LIVELY_SEEDS,
    PLACES,
    CheckerRun,
    bug_in,
    checked_network,
    printed_numbers,
    times_printed,
    whatever_backward_pass_does,
)
from autograder.checks.compare import CheckFailed, fail
from autograder.sandbox.proxy import StudentError

FORMATS = ("{}", "{:.4f}", "{:.6f}", "{:.10f}", "{:.5e}", "{!r}", "L1 W: {:.6f},", "(backprop: {:.6f})", "W={:+.6f}")
ROWS = 10
NETWORKS = [checked_network(seed, wrong=True) for seed in LIVELY_SEEDS]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("L1 W: 0.25, approximation -1.5e-3", [0.25, -0.0015]),
        ("[[ 0.5 -2. ]]", [0.5, -2.0]),
        ("np.float64(0.125)", [0.125]),
        ("float64 W1 b_2 x3.5", []),
        ("nan inf None", []),
        ("1e999999 3", [float("inf"), 3.0]),
        ("", []),
    ],
)
def test_numbers_are_found_in_text(text, values):
    assert [number.value for number in printed_numbers(text)] == values


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("network", NETWORKS, ids=LIVELY_SEEDS)
def test_a_printed_derivative_is_found_in_any_format(form, network):
    for place in PLACES:
        for value in (network.approximation(place), np.float64(network.reported[place][0, 0])):
            numbers = printed_numbers(form.format(value))
            assert times_printed(float(value), numbers, network.slack(place)) == 1


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("network", NETWORKS, ids=LIVELY_SEEDS)
def test_the_number_of_a_bug_is_not_taken_for_the_right_one(form, network):
    for place in PLACES:
        right = network.approximation(place)
        wrong = [value for values in network.bugs(place).values() for value in values]
        others = [network.approximation(other) for other in PLACES if other != place]
        reported = [float(network.reported[other][0, 0]) for other in PLACES]
        text = " ".join(form.format(value) for value in (*wrong, *others, *reported))
        assert times_printed(right, printed_numbers(text), network.slack(place)) == 0


@pytest.mark.parametrize("network", NETWORKS, ids=LIVELY_SEEDS)
@pytest.mark.parametrize("slug", NETWORKS[0].bugs(PLACES[0]))
def test_a_bug_is_named_from_its_numbers(slug, network):
    bugs = {place: network.bugs(place, ROWS)[slug] for place in PLACES}
    for form in range(min(map(len, bugs.values()))):
        text = " ".join(f"{values[form]:.10f}" for values in bugs.values())
        run = CheckerRun(text, printed_numbers(text), {}, True, ROWS, propagated=True, model_first=True)
        if not all(values[form] for values in bugs.values()):  # the neighbour is a unit that is off: 0 says nothing
            assert bug_in(run, network, PLACES) is None
            continue
        assert bug_in(run, network, PLACES) == slug
        assert bug_in(run, network, PLACES[2:]) == slug


def test_no_bug_is_named_from_other_numbers():
    for text in ("", "0.0 0.0 0.0 0.0", " ".join(str(NETWORKS[0].approximation(place)) for place in PLACES)):
        run = CheckerRun(text, printed_numbers(text), {}, True, ROWS, propagated=True, model_first=True)
        assert bug_in(run, NETWORKS[0], PLACES) is None


def test_a_mean_over_a_single_row_is_no_bug():
    assert NETWORKS[0].bugs(PLACES[0], rows=1)["extra_batch_mean"] == ()


def test_another_small_epsilon_is_as_good():
    for network in NETWORKS:
        for place in PLACES:
            for epsilon in (1e-3, 1e-4, 1e-5):
                value = (network.moved_loss(place, epsilon) - network.moved_loss(place, -epsilon)) / (2 * epsilon)
                assert times_printed(value, printed_numbers(repr(network.approximation(place))), network.slack(place))


def test_a_whole_number_is_no_derivative():
    assert times_printed(0.7, printed_numbers("1 epoch, batch 10"), 1e-6) == 0


def test_a_right_network_reports_its_own_gradient():
    network = checked_network(LIVELY_SEEDS[0], wrong=False)
    for place in PLACES:
        assert network.reported[place].shape == network.params[place].shape
        assert network.reported[place][0, 0] == pytest.approx(network.derivative(place), rel=1e-8)


def test_a_dull_network_is_refused():
    with pytest.raises(ValueError, match="lively"):
        checked_network(0, wrong=True)


def test_a_bug_in_backward_pass_is_judged_again_with_a_right_one():
    asked = []

    def judge(replaced):
        asked.append(replaced)
        if not replaced:
            raise StudentError("NotImplementedError", "backward_pass")

    whatever_backward_pass_does(judge)
    assert asked == [False, True]


def test_a_pass_needs_no_second_run_and_a_second_failure_stands():
    asked = []
    whatever_backward_pass_does(asked.append)
    assert asked == [False]
    with pytest.raises(CheckFailed, match="wrong either way"):
        whatever_backward_pass_does(lambda replaced: fail("wrong either way"))


def test_a_fault_of_the_check_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        whatever_backward_pass_does(lambda replaced: 1 / 0)
