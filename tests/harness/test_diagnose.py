"""Diagnosis: each bug is named from its own evidence, and none where the evidence is not clear."""

import numpy as np
import pytest

from autograder.checks.diagnose import CAUSES, Context, diagnose, examine, same

RIGHT = np.array([[0.5, -1.25, 2.0, 0.75], [1.5, 0.25, -0.5, 1.0], [-2.0, 1.75, 0.125, -0.375]])
ROWS = 3


def slug(got, expected=RIGHT, context=None):
    cause = diagnose(got, expected, context or Context(batch_size=ROWS))
    return cause.slug if cause else None


@pytest.mark.parametrize(
    ("got", "expected_slug"),
    [
        (RIGHT.T, "transposed"),
        (-RIGHT, "sign_flipped"),
        (RIGHT * ROWS, "missing_batch_mean"),
        (RIGHT / ROWS, "extra_batch_mean"),
        (RIGHT * 0.5, "scaled_by_constant"),
        (RIGHT * 2.0, "scaled_by_constant"),
        (RIGHT * -7.0, "scaled_by_constant"),
        (np.trunc(RIGHT), "wrong_dtype"),
        (RIGHT[[1, 2, 0]], "wrong_order"),
    ],
)
def test_a_transformed_answer_names_its_bug(got, expected_slug):
    assert slug(got) == expected_slug
    assert slug(got.astype(np.float32)) == expected_slug


@pytest.mark.parametrize(
    "got",
    [
        RIGHT,
        RIGHT + 1e-9,
        np.zeros_like(RIGHT),
        RIGHT + 1.0,
        RIGHT**2,
        RIGHT[:2],
        np.ones_like(RIGHT),
        -RIGHT.T,
        np.full_like(RIGHT, 1e300),
        np.array(["text"]),
    ],
)
def test_without_clear_evidence_no_bug_is_named(got):
    assert slug(got) is None


def test_the_batch_size_decides_between_factors():
    assert slug(RIGHT * 2, context=Context(batch_size=2)) == "missing_batch_mean"
    assert slug(RIGHT * 2, context=Context(batch_size=5)) == "scaled_by_constant"
    assert slug(RIGHT, context=Context(batch_size=1)) is None


def test_a_factor_needs_several_entries():
    assert slug(np.array([2.0]), np.array([1.0]), Context()) is None
    assert slug(np.array([[2.0, 0.0], [0.0, -2.0]]), np.array([[1.0, 0.0], [0.0, -1.0]]), Context()) is None


def test_an_alternative_of_the_check_goes_first():
    context = Context(batch_size=ROWS, alternatives={"ignores_upstream": -RIGHT})
    assert slug(-RIGHT, context=context) == "ignores_upstream"


def test_alternatives_are_computed_only_when_needed():
    def never():
        raise AssertionError("computed though the answer is right")

    assert slug(RIGHT, context=Context(alternatives={"missing_bias": never})) is None
    assert slug(RIGHT + 1, context=Context(alternatives={"missing_bias": lambda: RIGHT + 1})) == "missing_bias"


def test_one_bug_may_have_several_forms():
    context = Context(alternatives={"wrong_axis": (RIGHT + 1, lambda: RIGHT + 2)})
    assert slug(RIGHT + 2, context=context) == "wrong_axis"


def test_two_bugs_with_the_same_answer_are_not_told_apart():
    context = Context(alternatives={"missing_bias": RIGHT + 1, "missing_mask": RIGHT + 1})
    assert slug(RIGHT + 1, context=context) is None


def test_zeros_single_nothing_out():
    context = Context(alternatives={"missing_bias": np.zeros_like(RIGHT)})
    assert slug(np.zeros_like(RIGHT), context=context) is None


def test_a_row_compares_with_a_flat_row():
    row = np.array([[1.0, -2.0, 3.5]])
    assert slug(-row.ravel(), row, Context()) == "sign_flipped"
    assert (
        slug(np.array([4.0, 5.0]), row, Context(alternatives={"wrong_axis": np.array([[4.0], [5.0]])})) == "wrong_axis"
    )


def test_an_unknown_cause_is_refused_at_once():
    with pytest.raises(ValueError, match="no_such_bug"):
        Context(alternatives={"no_such_bug": RIGHT})


def test_every_cause_speaks_one_short_sentence():
    for name, cause in CAUSES.items():
        assert cause.slug == name
        assert cause.sentence.endswith((".", "?"))
        assert 20 < len(cause.sentence) < 130


def test_the_table_of_causes_cannot_be_changed():
    with pytest.raises(TypeError):
        CAUSES["new"] = CAUSES["crash"]


def test_sameness_is_not_fooled_by_size_or_shape():
    assert same(RIGHT * (1 + 1e-6), RIGHT)
    assert not same(RIGHT * 1.01, RIGHT)
    assert not same(RIGHT.ravel(), RIGHT)
    assert same([], [])


def test_what_several_bugs_would_give_fits_them_all_and_singles_out_none():
    context = Context(alternatives={"missing_bias": RIGHT + 1, "missing_mask": RIGHT + 1, "wrong_axis": RIGHT + 2})
    found = examine(RIGHT + 1, RIGHT, context)
    assert (found.cause, found.fitting) == (None, ("missing_bias", "missing_mask"))


def test_zeros_fit_a_bug_that_gives_zeros():
    found = examine(np.zeros_like(RIGHT), RIGHT, Context(alternatives={"inverted_mask": np.zeros_like(RIGHT)}))
    assert (found.cause, found.fitting) == (None, ("inverted_mask",))


def test_one_number_fits_a_factor_and_does_not_show_it():
    found = examine(np.array([[0.6]]), np.array([[1.2]]), Context())
    assert (found.cause, found.fitting) == (None, ("scaled_by_constant",))


def test_a_bug_of_its_own_is_named_although_a_factor_fits_too():
    found = examine(0.25 * RIGHT, RIGHT, Context(alternatives={"learning_rate_twice": 0.25 * RIGHT}))
    assert found.cause is CAUSES["learning_rate_twice"]
    assert found.fitting == ("learning_rate_twice", "scaled_by_constant")


def test_a_right_answer_fits_no_bug():
    assert examine(RIGHT, RIGHT, Context(alternatives={"missing_bias": RIGHT})).fitting == ()


def test_what_rounding_leaves_of_zeros_is_no_difference():
    noise = np.array([[1e-17, -9e-17, 0.0], [0.0, 3e-17, 2e-17]])
    assert same(noise, -noise)
    assert same(np.zeros_like(noise), noise)
    assert not same(noise + 1e-3, noise)
    assert slug(-noise, noise) is None
