"""Many failing examples of one check: a cause is claimed where it fits most of them and some single it out."""

import pytest

from autograder.checks.compare import CheckFailed, fail
from autograder.grading.examples import Evidence, Failure
from autograder.sandbox.proxy import StudentError


def failure(cause, *fitting):
    with pytest.raises(CheckFailed) as caught:
        fail("the result is wrong", cause=cause, fitting=fitting)
    return Failure((("x", "1"),), caught.value)


def claimed(*failures):
    return Evidence(surveyed=list(failures)).cause


A, B = "learning_rate_twice", "scaled_by_constant"


def test_a_cause_that_every_example_shows_is_claimed():
    assert claimed(failure(A), failure(A), failure(A)) == A


def test_examples_that_do_not_rule_a_cause_out_support_it():
    assert claimed(failure(A), failure(None, A, B), failure(None, A), failure(None, A, B)) == A


def test_a_cause_that_no_example_singles_out_is_not_claimed():
    assert claimed(failure(None, A, B), failure(None, A, B), failure(None, A, B)) is None


def test_a_cause_that_too_few_examples_single_out_is_not_claimed():
    assert claimed(failure(A), *[failure(None, A)] * 5) is None


def test_a_cause_that_many_examples_rule_out_is_not_claimed():
    assert claimed(failure(A), failure(A), failure(None), failure(None)) is None


def test_a_cause_that_looks_like_another_on_some_examples_gives_way_to_the_one_that_fits_all():
    assert claimed(*[failure(A, A, B)] * 3, *[failure(B, B)] * 3) == B


def test_of_two_causes_that_fit_alike_none_is_claimed():
    assert claimed(*[failure(A, A, B)] * 2, *[failure(B, A, B)] * 2) is None


def test_errors_have_no_cause_of_this_kind():
    errors = [Failure((), StudentError("ValueError", "no")) for _ in range(4)]
    assert Evidence(surveyed=errors).cause is None


def test_the_failure_that_is_shown_has_the_cause_that_is_claimed():
    evidence = Evidence(surveyed=[failure(None, A), failure(A), failure(None, A)])
    assert evidence.chosen().cause == evidence.cause == A
