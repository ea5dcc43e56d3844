"""Comparisons: any value of a student's ends in a pass or an explanation, and the explanation says what it should."""

import sys
import types

import numpy as np
import pytest

from autograder.checks.compare import (
    CheckFailed,
    as_array,
    as_mapping,
    as_scalar,
    assert_close,
    assert_shape,
    assert_unchanged,
    attribute,
    call,
    describe,
    fail,
    is_single,
    require_object,
    show,
    unpack,
)
from autograder.checks.diagnose import Context


class Handle:
    """Stands for an object that stayed in the worker: any conversion of it would be a call into student's code."""

    def __array__(self, *_):
        raise RuntimeError("a student's object was converted")

    __float__ = __len__ = __getitem__ = __array__


def kind_of(value):
    return value if isinstance(value, str) and value.isidentifier() else type(value).__name__


def endless_list():
    loop = []
    loop.append(loop)
    return loop


# What a student's function may return where an array is asked for, and the cause that the explanation names.
HOSTILE = [
    (None, "returns_none"),
    ("1.0", "wrong_type"),
    (b"1.0", "wrong_type"),
    ({"W": 1.0}, "wrong_type"),
    ({1.0, 2.0}, "wrong_type"),
    (Handle(), "wrong_type"),
    ([1.0, Handle()], "wrong_type"),
    ([[1.0, None]], "wrong_type"),
    ([[1.0, 2.0], [3.0]], "wrong_type"),
    ([np.ones(2), np.ones(3)], "wrong_type"),
    (endless_list(), "wrong_type"),
    ([1.0, "two"], "wrong_type"),
    (np.array(["1.0"]), "wrong_dtype"),
    (np.array([1.0 + 2.0j]), "wrong_dtype"),
    (np.array([np.datetime64("2020-01-01")]), "wrong_dtype"),
    (np.zeros(2, dtype=[("a", float)]), "wrong_dtype"),
    (10**400, "nan_or_inf"),
    ([10**400, 1.5], "nan_or_inf"),
    (float("nan"), "nan_or_inf"),
    ([1.0, float("inf")], "nan_or_inf"),
]


def failure_of(function, *arguments, **keywords):
    with pytest.raises(CheckFailed) as caught:
        function(*arguments, **keywords)
    return caught.value.explanation


class TestReading:
    @pytest.mark.parametrize(("value", "cause"), HOSTILE, ids=kind_of)
    def test_hostile_values_are_explained(self, value, cause):
        assert failure_of(as_array, value, "output", called="f(X)").cause == cause
        assert failure_of(assert_close, value, np.ones((2, 2)), "output", called="f(X)").got

    @pytest.mark.parametrize(
        "value",
        [
            [[1, 2], [3, 4]],
            ((1.0, 2.0), (3.0, 4.0)),
            [np.array([1.0, 2.0]), [3, 4]],
            np.array([[1, 2], [3, 4]], dtype=np.int8),
            np.array([[1, 2], [3, 4]], dtype=np.float32),
            np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]]),
            np.array([[1 + 0j, 2], [3, 4]]),
            np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
        ],
        ids=kind_of,
    )
    def test_every_form_of_numbers_is_accepted(self, value):
        array = as_array(value, "output", shape=(2, 2))
        assert array.dtype == np.float64
        assert type(array) is np.ndarray
        np.testing.assert_array_equal(array, [[1, 2], [3, 4]])
        assert_close(value, [[1, 2], [3, 4]], "output")

    def test_a_tensor_is_its_array(self, monkeypatch):
        class Tensor:
            def detach(self):
                return self

            cpu = detach

            def to(self, dtype):
                return self

            def numpy(self):
                return np.array([1.5])

        torch = types.SimpleNamespace(Tensor=Tensor, float64="float64")
        monkeypatch.setitem(sys.modules, "torch", torch)
        assert as_array(Tensor(), "output")[0] == 1.5

    def test_nan_may_be_allowed(self):
        assert np.isnan(as_array([np.nan], "output", finite=False)[0])

    def test_the_first_bad_entry_is_named(self):
        explanation = failure_of(as_array, [[1.0, 2.0], [np.inf, np.nan]], "output")
        assert explanation.worst == "entry [1, 0] is inf"
        assert "2 entries" in explanation.got

    def test_a_wrong_shape_names_both_shapes(self):
        explanation = failure_of(as_array, np.ones((2, 3)), "output", shape=(3, 2))
        assert explanation.cause == "wrong_shape"
        assert "(2, 3)" in explanation.got
        assert "(3, 2)" in explanation.expected
        assert failure_of(as_array, np.ones(3), "output", ndim=2).cause == "wrong_shape"
        assert failure_of(assert_shape, np.ones(3), (1, 3), "bias").cause == "wrong_shape"

    @pytest.mark.parametrize("value", [2.5, np.float32(2.5), np.array([[2.5]]), [2.5], np.array(2.5)])
    def test_one_number_in_any_wrapping_is_a_scalar(self, value):
        assert as_scalar(value, "loss") == 2.5

    def test_several_numbers_are_no_scalar(self):
        assert failure_of(as_scalar, [1.0, 2.0], "loss").cause == "wrong_shape"
        assert failure_of(as_scalar, [], "loss").cause == "wrong_shape"

    @pytest.mark.parametrize("value", [(1, 2), [1, 2], np.array([1, 2])])
    def test_parts_are_unpacked(self, value):
        assert unpack(value, 2, "the answer") == (1, 2)

    @pytest.mark.parametrize("value", [None, 1, "ab", {"a": 1, "b": 2}, (1,), (1, 2, 3), np.array(1)])
    def test_what_has_not_these_parts_is_explained(self, value):
        assert failure_of(unpack, value, 2, "the answer", called="f()").cause in ("wrong_type", "returns_none")

    def test_a_dict_needs_its_keys(self):
        assert as_mapping({"W": 1, "b": 2, "more": 3}, ["W", "b"], "params")["b"] == 2
        assert "'b'" in failure_of(as_mapping, {"W": 1, 3: 4}, ["W", "b"], "params").got
        for value in (None, [("W", 1)], Handle(), "W"):
            assert failure_of(as_mapping, value, ["W"], "params").cause == "wrong_type"

    @pytest.mark.parametrize("plain", [None, 3, "layer", np.ones(2), [1], {"forward": 1}])
    def test_plain_data_in_place_of_an_object_is_explained(self, plain):
        holder = types.SimpleNamespace(layer=plain)
        assert "layer" in failure_of(attribute, plain, "params", "layer").got
        assert failure_of(call, holder, "layer", 1, name="model").got.startswith("model.layer")
        assert failure_of(require_object, plain, "layer").cause == "wrong_type"

    def test_a_method_is_called(self):
        assert call(np.float64(2.0).__class__, "fromhex", "0x1p1", name="") == 2.0

    def test_single_precision_is_seen(self):
        assert is_single(1.0, np.ones(2, dtype=np.float32))
        assert not is_single(1.0, np.ones(2), "text", None)


class TestComparing:
    def test_close_is_relative_to_the_largest_entry(self):
        assert_close([1e6, 1.0], [1e6 + 1, 1.5], "output", atol=1e-6, rtol=0.0)
        failure_of(assert_close, [1.0, 1.0], [1.0, 1.5], "output")

    def test_a_small_array_is_not_close_to_zeros(self):
        failure_of(assert_close, np.zeros(3), [1e-9, 2e-9, 0.0], "gradient")

    def test_zeros_are_zeros_whatever_their_sign(self):
        assert_close([-0.0, 0.0], [0.0, -0.0], "output")
        failure_of(assert_close, [1e-3, 0.0], [0.0, 0.0], "output")

    def test_float32_has_its_own_tolerance(self):
        wanted = np.array([0.1, 0.2, 1.0 / 3.0])
        assert_close(wanted.astype(np.float32), wanted, "output", rtol=1e-12, atol=1e-12)
        failure_of(assert_close, (wanted * 1.01).astype(np.float32), wanted, "output")

    def test_the_explanation_holds_everything_in_order(self):
        explanation = failure_of(
            assert_close,
            [[2.0, 4.0], [6.0, 1.0]],
            [[1.0, 2.0], [3.0, 0.5]],
            "gradient['W']",
            called="layer.backward(X, grad)",
            context=Context(batch_size=2),
        )
        assert explanation.called == "layer.backward(X, grad)"
        assert explanation.got.startswith("gradient['W'] =")
        assert explanation.worst == "entry [1, 0]: yours is 6, expected 3"
        assert explanation.cause == "missing_batch_mean"
        text = str(CheckFailed(explanation))
        places = [text.index(part) for part in ("Called", "What came", "What was expected", "Furthest", "Likely")]
        assert places == sorted(places)

    def test_hidden_values_stay_hidden(self):
        explanation = failure_of(assert_close, [1.25, 7.0], [1.25, 123.456], "output", hide_expected=True)
        assert explanation.expected is None
        assert "123.4" not in str(explanation)
        assert explanation.worst == "entry [1]: yours is 7"

    def test_overflow_in_the_difference_is_a_failure_not_a_warning(self, recwarn):
        failure_of(assert_close, [1e308, -1e308], [-1e308, 1e308], "output")
        assert not recwarn

    def test_a_transposed_answer_is_named_though_its_shape_differs(self):
        wanted = np.arange(6.0).reshape(2, 3)
        assert failure_of(assert_close, wanted.T, wanted, "gradient").cause == "transposed"
        assert failure_of(assert_close, wanted.ravel(), wanted, "gradient").cause == "wrong_shape"

    def test_empty_arrays_compare(self):
        assert_close(np.zeros((0, 3)), np.zeros((0, 3)), "output")
        failure_of(assert_close, np.zeros((0, 3)), np.zeros((3, 0)), "output")

    def test_a_change_is_named_with_its_entry(self):
        before = np.array([[1.0, 2.0]])
        assert_unchanged(before, before.copy(), "X")
        explanation = failure_of(assert_unchanged, before, [[1.0, 5.0]], "X")
        assert explanation.cause == "mutates_input"
        assert explanation.worst == "entry [0, 1] was 2 and is now 5"
        assert failure_of(assert_unchanged, before, [[1.0, np.nan]], "X").worst.endswith("nan")
        assert failure_of(assert_unchanged, before, [1.0], "W", cause="mutates_state").cause == "mutates_state"

    def test_rounding_may_be_allowed_in_what_stays(self):
        assert_unchanged([1.0], [1.0 + 1e-12], "W", tolerance=1e-9)
        failure_of(assert_unchanged, [1.0], [1.0 + 1e-12], "W")


class TestWords:
    def test_a_large_array_fits_a_screen(self):
        assert len(show(np.random.default_rng(0).normal(size=(300, 300))).splitlines()) < 20

    @pytest.mark.parametrize(
        "value", [None, 10**5000, 2.5, "x" * 10_000, [1] * 1000, {}, np.ones(3), Handle()], ids=kind_of
    )
    def test_any_value_is_described_in_few_words(self, value):
        assert 0 < len(describe(value)) < 120

    def test_an_unknown_cause_is_the_check_authors_mistake(self):
        with pytest.raises(KeyError):
            fail("wrong", cause="no_such_cause")


def test_what_rounding_leaves_where_the_right_numbers_are_zero_is_let_pass():
    noise = np.array([[2e-17, -1e-17], [0.0, 5e-17]])
    assert_close(-3 * noise, noise, "the gradient")
    assert_close(np.zeros((2, 2)), noise, "the gradient")
    with pytest.raises(CheckFailed):
        assert_close(noise + 1e-4, noise, "the gradient")


def test_a_failed_comparison_tells_what_fits_it_also_where_it_claims_nothing():
    right = np.array([[1.0, -2.0, 0.5]])
    bugs = Context(alternatives={"missing_mask": right + 1, "wrong_mask": right + 1})
    with pytest.raises(CheckFailed) as caught:
        assert_close(right + 1, right, "the gradient", context=bugs)
    assert (caught.value.explanation.cause, caught.value.explanation.fitting) == (None, ("missing_mask", "wrong_mask"))


def test_a_failure_may_tell_what_else_fits():
    with pytest.raises(CheckFailed) as caught:
        fail("the shape is (2, 3)", cause="off_by_one", fitting=["wrong_shape"])
    assert (caught.value.explanation.cause, caught.value.explanation.fitting) == ("off_by_one", ("wrong_shape",))
    assert "wrong_shape" not in str(caught.value)
