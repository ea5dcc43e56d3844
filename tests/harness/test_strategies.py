"""Examples: every case holds what its name promises, reads well, costs little and shrinks to the plain one."""

import dataclasses

import numpy as np
import pytest
from hypothesis import find, given, settings

from autograder.checks import strategies

KINDS = {
    "linear": (strategies.linear_batch, strategies.LINEAR_CASES),
    "relu": (strategies.relu_batch, strategies.RELU_CASES),
    "mlp": (strategies.mlp_batch, strategies.MLP_CASES),
    "descent": (strategies.descent_step, strategies.DESCENT_CASES),
    "image": (strategies.labelled_image, strategies.IMAGE_CASES + strategies.LARGE_LOGIT_CASES),
    "prediction": (strategies.prediction, strategies.PREDICTION_CASES + strategies.CERTAIN_CASES),
    "image set": (strategies.image_set, strategies.IMAGE_SET_CASES),
}
ALL = [(make, case) for make, cases in KINDS.values() for case in cases]
SEEDS = range(20)


def arrays_of(example):
    values = [getattr(example, field.name) for field in dataclasses.fields(example)]
    return [value for value in values if isinstance(value, np.ndarray)]


@pytest.mark.parametrize(("make", "case"), ALL)
def test_an_example_depends_on_its_case_and_seed_alone(make, case):
    for first, second in zip(arrays_of(make(case, 7)), arrays_of(make(case, 7)), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", ["linear", "relu", "mlp", "descent"])
def test_entries_have_one_decimal(kind):
    make, cases = KINDS[kind]
    for case in cases:
        for array in arrays_of(make(case, 3)):
            np.testing.assert_allclose(array * 10, np.round(array * 10), rtol=1e-12)


@pytest.mark.parametrize("kind", ["linear", "relu", "mlp", "descent"])
def test_the_plain_case_has_no_two_equal_sizes(kind):
    sizes = [size for size in KINDS[kind][1][0] if isinstance(size, int)]
    assert len(set(sizes)) == len(sizes)


def test_linear_batches_fit_together_in_every_layout():
    for case in strategies.LINEAR_CASES:
        batch = strategies.linear_batch(case, 1)
        assert (batch.X @ batch.W + batch.b).shape == batch.upstream.shape == (batch.rows, batch.outputs)
    assert not strategies.linear_batch((4, 2, 5, "strided"), 1).X.flags.contiguous
    assert strategies.linear_batch((2, 5, 3, "F"), 1).X.flags.f_contiguous


def test_relu_inputs_keep_away_from_the_corner_unless_asked():
    for case in strategies.RELU_CASES:
        for seed in SEEDS:
            assert np.abs(strategies.relu_batch(case, seed).X).min() > 0.05
    zeros = strategies.relu_batch((3, 4, "zeros"), 0).X
    assert np.any(np.signbit(zeros[zeros == 0]))
    assert not np.all(np.signbit(zeros[zeros == 0]))


def test_relu_cases_have_the_signs_they_promise():
    for seed in SEEDS:
        mixed = strategies.relu_batch((2, 3, "mixed"), seed).X
        assert (mixed > 0).any()
        assert (mixed < 0).any()
        assert (strategies.relu_batch((2, 3, "negative"), seed).X < 0).all()
        assert (strategies.relu_batch((2, 3, "positive"), seed).X > 0).all()


def test_hidden_units_are_lively_and_away_from_the_corner():
    for case in strategies.MLP_CASES:
        for seed in SEEDS:
            batch = strategies.mlp_batch(case, seed)
            sums = batch.x @ batch.W1 + batch.b1
            assert np.abs(sums).min() > strategies.CORNER_DISTANCE
            assert (sums > 0).any(axis=1).all()
            assert (sums < 0).any(axis=1).all()


def test_labels_are_those_of_the_classes():
    for case in strategies.MLP_CASES:
        batch = strategies.mlp_batch(case, 5)
        assert batch.y.shape == (batch.rows, 1)
        assert batch.y.dtype == np.float64
        assert set(batch.y.ravel()) <= set(range(batch.classes))
    assert len(np.unique(strategies.mlp_batch((4, 2, 3, 5, "repeated"), 5).y)) == 1


def test_a_layer_that_cannot_be_lively_is_refused():
    with pytest.raises(ValueError, match="two units"):
        strategies.mlp_batch((3, 2, 1, 2, "mixed"), 0)


def test_gradients_have_the_parameters_shapes_and_no_zeros():
    for case in strategies.DESCENT_CASES:
        step = strategies.descent_step(case, 1)
        for gradients in (step.gradients, step.later_gradients):
            for layer, params in step.params.items():
                for key, parameter in params.items():
                    assert gradients[layer][key].shape == parameter.shape
                    assert np.all(gradients[layer][key] != 0)
        assert step.rate != 1


def test_large_scores_overflow_an_unshifted_exponential():
    for case in strategies.LARGE_LOGIT_CASES:
        example = strategies.labelled_image(case, 2)
        scores = example.image @ example.W + example.b
        with np.errstate(over="ignore"):
            assert np.isinf(np.exp(scores)).any()
        assert scores.min() < -900


def test_probabilities_add_up():
    for case in strategies.PREDICTION_CASES + strategies.CERTAIN_CASES:
        example = strategies.prediction(case, 4)
        assert example.probabilities.shape == (1, case[1])
        assert example.probabilities.sum() == pytest.approx(1)
    assert (
        strategies.prediction((3, 2, "right"), 4).probabilities[0, strategies.prediction((3, 2, "right"), 4).label] == 1
    )
    wrong = strategies.prediction((3, 2, "wrong"), 4)
    assert wrong.probabilities[0, wrong.label] == 0


def test_image_sets_hold_every_class_in_the_courses_types():
    for case in strategies.IMAGE_SET_CASES:
        example = strategies.image_set(case, 1)
        assert set(example.labels) == set(range(example.classes))
        assert example.labels.dtype == case[2]


def test_a_counterexample_shrinks_to_the_plain_case():
    smallest = find(strategies.linear_batches(), lambda batch: batch.X.size > 0, settings=settings(database=None))
    assert (smallest.rows, smallest.inputs, smallest.outputs) == strategies.LINEAR_CASES[0][:3]


def test_every_case_is_drawn():
    seen = set()

    @settings(max_examples=200, database=None, derandomize=True)
    @given(strategies.linear_batches())
    def look(batch):
        seen.add((batch.rows, batch.inputs, batch.outputs))

    look()
    assert seen == {case[:3] for case in strategies.LINEAR_CASES}
