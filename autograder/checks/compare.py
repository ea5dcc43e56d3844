"""Comparisons that explain themselves.

Everything that a student's code returns may be of any type, shape or size. The functions here turn it into numbers, or
raise `CheckFailed` with an explanation that a student can act on; they never raise anything else for a student's value.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograder.checks.diagnose import CAUSES, Context, examine, size_of

Array = NDArray[np.float64]

# Inputs are small numbers of one decimal, so no real bug hides below these; float32 anywhere on the way stays inside.
RELATIVE_TOLERANCE = 1e-5
ABSOLUTE_TOLERANCE = 1e-6  # times the largest expected entry
SINGLE_RELATIVE_TOLERANCE = 1e-3
SINGLE_ABSOLUTE_TOLERANCE = 1e-4

# More entries, lines or characters than this would not fit one screen per check.
SHOWN_ENTRIES = 60
SHOWN_WIDTH = 96
SHOWN_TEXT = 60

# A student's list nested deeper than this is no array.
LIST_DEPTH = 8

_NUMBERS = (bool, int, float, complex, np.generic)
_PLAIN = (type(None), str, bytes, bytearray, list, tuple, dict, set, frozenset, np.ndarray, *_NUMBERS)


class Explanation(msgspec.Struct, frozen=True):
    """Why a check failed, in the order in which a student reads it.

    called: the call in the student's words, such as `linear_layer.forward(X)`.
    got: what came.
    expected: what was expected; None where the check does not show it.
    worst: the entry that is furthest off, with its index.
    cause: the slug of the likely cause, where the evidence singles one out; sentence: its sentence.
    fitting: the slugs of all causes that would give what came; over several examples they may single one out.
    """

    called: str
    got: str
    expected: str | None = None
    worst: str | None = None
    cause: str | None = None
    sentence: str | None = None
    fitting: tuple[str, ...] = ()


class CheckFailed(AssertionError):
    """A student's answer is not right; `explanation` says how."""

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(_text(explanation))
        self.explanation = explanation


def _text(explanation: Explanation) -> str:
    parts = (
        ("Called", explanation.called),
        ("What came", explanation.got),
        ("What was expected", explanation.expected),
        ("Furthest off", explanation.worst),
        ("Likely cause", explanation.sentence),
    )
    return "\n".join(f"{heading}: {body}" for heading, body in parts if body)


def fail(
    message: str,
    *,
    called: str = "",
    cause: str | None = None,
    expected: str | None = None,
    worst: str | None = None,
    fitting: Sequence[str] = (),
) -> NoReturn:
    """Raises CheckFailed. `message` says what came; `cause`, where given, is a slug of CAUSES, as `fitting` are."""
    sentence = CAUSES[cause].sentence if cause else None
    raise CheckFailed(Explanation(called, message, expected, worst, cause, sentence, tuple(fitting)))


# ---- Reading values -------------------------------------------------------------------------------------------------


def as_array(
    value: Any,
    name: str,
    *,
    shape: Sequence[int] | None = None,
    ndim: int | None = None,
    called: str = "",
    finite: bool = True,
) -> Array:
    """`value` as a float64 array.

    Numbers, arrays, tensors and rectangular nested lists of them are accepted. Raises CheckFailed with the cause
    returns_none, wrong_type, wrong_dtype, nan_or_inf (unless `finite` is False) or wrong_shape.
    """
    array = _numbers(value, name, called)
    if finite and not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))[0]
        fail(
            f"{name} contains {_count(~np.isfinite(array))} that are NaN or infinite:\n{show(array)}",
            called=called,
            cause="nan_or_inf",
            worst=f"entry {_index(bad)} is {float(array[tuple(bad)])}" if array.ndim else None,
        )
    if shape is not None:
        _require_shape(array, tuple(shape), name, called)
    if ndim is not None and array.ndim != ndim:
        fail(
            f"{name} has {array.ndim} dimensions (shape {array.shape})",
            called=called,
            cause="wrong_shape",
            expected=f"an array of {ndim} dimensions",
        )
    return array


def as_scalar(value: Any, name: str, *, called: str = "", finite: bool = True) -> float:
    """`value` as one float; arrays and lists that hold exactly one number are accepted. Raises CheckFailed."""
    array = as_array(value, name, called=called, finite=finite)
    if array.size != 1:
        fail(
            f"{name} has shape {array.shape}:\n{show(array)}",
            called=called,
            cause="wrong_shape",
            expected="one single number",
        )
    return float(array.reshape(()))


def unpack(value: Any, count: int, name: str, *, called: str = "") -> tuple[Any, ...]:
    """The `count` parts of a returned tuple, list or array. Raises CheckFailed (returns_none, wrong_type)."""
    expected = f"{count} values, as in `return a, b, ...`"
    if not isinstance(value, (list, tuple)) and not (isinstance(value, np.ndarray) and value.ndim > 0):
        _fail_type(value, name, called, expected)
    if len(value) != count:
        fail(f"{name} has {len(value)} parts", called=called, cause="wrong_type", expected=expected)
    return tuple(value)


def as_mapping(value: Any, keys: Sequence[str], name: str, *, called: str = "") -> dict[str, Any]:
    """`value` as a dict that has at least `keys`. Raises CheckFailed (returns_none, wrong_type)."""
    if not isinstance(value, Mapping):
        _fail_type(value, name, called, f"a dict with the keys {_listed(keys)}")
    missing = [key for key in keys if key not in value]
    if missing:
        has = _listed([str(key)[:SHOWN_TEXT] for key in list(value)[:10]]) or "no keys"
        fail(
            f"{name} has no entry for {_listed(missing)}; it has {has}",
            called=called,
            cause="wrong_type",
            expected=f"a dict with the keys {_listed(keys)}",
        )
    return dict(value)


def attribute(holder: Any, attribute_name: str, name: str, *, called: str = "") -> Any:
    """`holder.attribute_name`, where `holder` must be an object of the student's and not plain data.

    Raises CheckFailed for plain data; a missing attribute of an object raises the proxy's StudentError as usual.
    """
    return getattr(
        require_object(holder, name, called=called, expected=f"an object that has `{attribute_name}`"), attribute_name
    )


def require_object(value: Any, name: str, *, called: str = "", expected: str = "an object of your class") -> Any:
    """`value` itself. Raises CheckFailed where it is plain data (None, a number, an array, a dict, ...)."""
    if isinstance(value, _PLAIN):
        _fail_type(value, name, called, expected)
    return value


def call(holder: Any, function_name: str, *arguments: Any, name: str) -> Any:
    """`holder.function_name(*arguments)`, raising CheckFailed where there is plain data instead of a function.

    `name` is what the student calls `holder`, or "" for the submission itself.
    """
    return function_of(holder, function_name, name)(*arguments)


def function_of(holder: Any, function_name: str, name: str) -> Any:
    """`holder.function_name` as something to call; `name` as for :func:`call`. Raises CheckFailed for plain data."""
    path = f"{name}.{function_name}" if name else function_name
    function = attribute(holder, function_name, name or "the submission")
    if isinstance(function, _PLAIN):
        _fail_type(function, path, "", "a function or a class")
    return function


def is_single(*values: Any) -> bool:
    """Whether any value is a float16 or float32 array, so that a comparison needs the tolerance of float32."""
    numbers = [value for value in values if isinstance(value, np.ndarray | np.generic)]  # nothing remote is asked
    return any(value.dtype in (np.float32, np.float16) for value in numbers)


# ---- Comparing ------------------------------------------------------------------------------------------------------


def assert_close(
    got: Any,
    expected: ArrayLike,
    name: str,
    *,
    called: str = "",
    rtol: float = RELATIVE_TOLERANCE,
    atol: float = ABSOLUTE_TOLERANCE,
    context: Context | None = None,
    hide_expected: bool = False,
) -> None:
    """Raises CheckFailed unless `got` has the shape and values of `expected`.

    An entry e may be off by rtol * |e| + atol * (the largest |entry| expected, or 1 where all are 0); float32 answers
    have their own, wider tolerance. `hide_expected` keeps the expected values out of the message.
    """
    wanted = np.asarray(expected, dtype=np.float64)
    if is_single(got):
        rtol, atol = max(rtol, SINGLE_RELATIVE_TOLERANCE), max(atol, SINGLE_ABSOLUTE_TOLERANCE)
    array = as_array(got, name, called=called)
    if array.size == 1 and wanted.size == 1:
        array = array.reshape(wanted.shape)
    with np.errstate(all="ignore"):
        if array.shape == wanted.shape and np.all(off_by(array, wanted) <= allowance(wanted, rtol, atol)):
            return
    fail_difference(array, wanted, name, called=called, context=context, hide_expected=hide_expected)


def allowance(wanted: Array, rtol: float, atol: float) -> Array:
    """How far each entry of `wanted` may be missed."""
    return rtol * np.abs(wanted) + atol * size_of(wanted)


def off_by(array: Array, wanted: Array) -> Array:
    """How far each entry is off."""
    with np.errstate(all="ignore"):
        return np.abs(array - wanted)


def fail_difference(
    array: Array,
    wanted: Array,
    name: str,
    *,
    called: str = "",
    context: Context | None = None,
    hide_expected: bool = False,
    left_out: NDArray[np.bool_] | None = None,
) -> NoReturn:
    """Raises the CheckFailed of two arrays that differ: shapes or values, the worst entry, and a diagnosis.

    Entries marked in `left_out` take no part in finding the worst one.
    """
    found = examine(array, wanted, context)
    cause = found.cause
    if array.shape != wanted.shape:
        _fail_shape(array, wanted.shape, name, called, cause.slug if cause else "wrong_shape")
    difference = off_by(array, wanted)
    if left_out is not None:
        difference = np.where(left_out, 0.0, difference)
    worst = np.unravel_index(int(np.argmax(difference)), difference.shape) if difference.size else ()
    raise CheckFailed(
        Explanation(
            called,
            f"{name} ={_separator(array)}{show(array)}",
            None if hide_expected else f"{name} ={_separator(wanted)}{show(wanted)}",
            _worst(array, wanted, worst, hide_expected),
            cause.slug if cause else None,
            cause.sentence if cause else None,
            found.fitting,
        )
    )


def assert_shape(got: Any, shape: Sequence[int], name: str, *, called: str = "") -> None:
    """Raises CheckFailed unless `got` is numeric and has exactly this shape (NaN is not looked for)."""
    as_array(got, name, shape=shape, called=called, finite=False)


def assert_unchanged(
    before: ArrayLike,
    after: Any,
    name: str,
    *,
    called: str = "",
    cause: str = "mutates_input",
    tolerance: float = 0.0,
) -> None:
    """Raises CheckFailed with `cause` unless every entry of `after` is within `tolerance` of `before`."""
    wanted = np.asarray(before, dtype=np.float64)
    array = as_array(after, name, called=called, finite=False)
    if array.shape == wanted.shape and np.allclose(array, wanted, rtol=0.0, atol=tolerance, equal_nan=True):
        return
    worst = None
    if array.shape == wanted.shape:
        index = np.unravel_index(int(np.argmax(np.nan_to_num(off_by(array, wanted), nan=np.inf))), wanted.shape)
        worst = f"entry {_index(index)} was {_number(wanted[index])} and is now {_number(array[index])}"
    fail(
        f"{name} was changed by the call; afterwards it is{_separator(array)}{show(array)}",
        called=called,
        cause=cause,
        expected=f"{name} as it was before the call:{_separator(wanted)}{show(wanted)}",
        worst=worst,
    )


# ---- Words ----------------------------------------------------------------------------------------------------------


def show(values: ArrayLike) -> str:
    """An array laid out for a reader: few digits, aligned, shortened in the middle where it is large."""
    array = np.asarray(values)
    if array.ndim == 0:
        return _number(array)
    return np.array2string(
        array, precision=5, suppress_small=True, threshold=SHOWN_ENTRIES, edgeitems=3, max_line_width=SHOWN_WIDTH
    )


def describe(value: Any) -> str:
    """A student's value in a few words, whatever it is."""
    if value is None:
        return "None"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return "an int with very many digits"
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return f"the {type(value).__name__} {str(value)[:SHOWN_TEXT]}"
    if isinstance(value, (str, bytes, bytearray)):
        return f"a {type(value).__name__}, {value[:SHOWN_TEXT]!r}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return f"a {type(value).__name__} of {len(value)} {'entry' if len(value) == 1 else 'entries'}"
    return "an object that is neither a number nor an array"


def _numbers(value: Any, name: str, called: str) -> Array:
    """The numbers in `value`, or CheckFailed for None, text, objects, ragged lists and the like."""
    value = _without_torch(value)
    if not isinstance(value, (np.ndarray, list, tuple, *_NUMBERS)):
        _fail_type(value, name, called, "a number or an array of numbers")
    if isinstance(value, (list, tuple)):
        problem = _list_problem(value, LIST_DEPTH)
        if problem:
            fail(f"{name} is {describe(value)} that holds {problem}", called=called, cause="wrong_type")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        fail(
            f"{name} is {describe(value)} whose rows differ in length",
            called=called,
            cause="wrong_type",
            expected="an array: every row of the same length",
        )
    return _real(array, name, called)


def _real(array: NDArray[Any], name: str, called: str) -> Array:
    if array.dtype.kind == "c" and not np.any(array.imag):
        array = array.real
    if array.dtype.kind == "O":  # NumPy keeps Python ints beyond 64 bits as objects.
        fail(f"{name} holds a number that is too large for float64", called=called, cause="nan_or_inf")
    if array.dtype.kind not in "biuf":
        fail(
            f"{name} is {describe(array)}",
            called=called,
            cause="wrong_dtype",
            expected="real numbers (float64)",
        )
    return np.asarray(array, dtype=np.float64)


def _list_problem(values: Sequence[Any], depth: int) -> str | None:
    """What in a nested list is no number; each leaf is looked at, so that no student's object is ever converted."""
    if depth == 0:
        return "lists within lists within lists without end"
    for value in values:
        if isinstance(value, (list, tuple)):
            problem = _list_problem(value, depth - 1)
            if problem:
                return problem
        elif not isinstance(value, (np.ndarray, *_NUMBERS)):
            return describe(value)
    return None


def _without_torch(value: Any) -> Any:
    """A tensor as its array. torch is looked up, not imported: where nobody loaded it there are no tensors."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return value.detach().cpu().to(torch.float64).numpy()
    return value


def _fail_type(value: Any, name: str, called: str, expected: str) -> NoReturn:
    cause = "returns_none" if value is None and called else "wrong_type"
    fail(f"{name} is {describe(value)}", called=called, cause=cause, expected=expected)


def _require_shape(array: Array, shape: tuple[int, ...], name: str, called: str) -> None:
    if array.shape != shape:
        _fail_shape(array, shape, name, called, "wrong_shape")


def _fail_shape(array: Array, shape: tuple[int, ...], name: str, called: str, cause: str) -> NoReturn:
    fail(f"{name} has shape {array.shape}", called=called, cause=cause, expected=f"{name} of shape {shape}")


def _worst(array: Array, wanted: Array, index: tuple[Any, ...], hide_expected: bool) -> str | None:
    if not array.size or not array.ndim:
        return None
    entry = f"entry {_index(index)}: yours is {_number(array[index])}"
    return entry if hide_expected else f"{entry}, expected {_number(wanted[index])}"


def _separator(array: NDArray[Any]) -> str:
    return "\n" if array.ndim else " "


def _index(position: Sequence[Any] | NDArray[Any]) -> str:
    return "[" + ", ".join(str(int(place)) for place in position) + "]"


def _number(value: Any) -> str:
    number = float(value)
    return f"{number:.6g}" if math.isfinite(number) else str(number)


def _count(mask: NDArray[np.bool_]) -> str:
    number = int(np.count_nonzero(mask))
    return "one entry" if number == 1 else f"{number} entries"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
