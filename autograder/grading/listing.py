"""The checks of an assignment as its test functions declare them, and what must be true of them before any is run.

The declarations are gradescope-utils' decorators. They write attributes on the function they are given, while
hypothesis's `given` and some of the decorators themselves put a new function around it, so an attribute may sit on any
layer, depending on the order in which a course author wrote them: every layer is looked at.
"""

from __future__ import annotations

import inspect
import math
import re
import unittest
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from autograder.assignment import Assignment, Item
from autograder.grading.results import VISIBILITIES, Order, total

NEEDS_FILE = "needs_file"
MOST_LAYERS = 20  # decorators around one function; more are a cycle


class CheckInfo(msgspec.Struct, frozen=True):
    """One check as declared: what stands in the results before it is run.

    weight: its points in the handout; 0 makes it advice. hide_errors: what to show in place of an error, or None.
    leaderboard: the column and its order, or None. partial: whether `set_score` decides the score.
    needs: the submitted files it needs beside the main module (marker `needs_file`). uses_main: whether it takes
    `submission`. uses_worker: whether anything of the student's is run for it. public: whether students have its
    source.
    """

    nodeid: str
    number: str
    name: str
    item: Item
    weight: float
    visibility: str = "visible"
    hide_errors: str | None = None
    tags: tuple[str, ...] = ()
    leaderboard: tuple[str, str] | None = None
    partial: bool = False
    needs: tuple[str, ...] = ()
    uses_main: bool = True
    uses_worker: bool = True
    public: bool = False


class Listing(msgspec.Struct, frozen=True):
    """The checks in the order of the handout, each with its pytest item, and everything wrong with them."""

    checks: tuple[tuple[CheckInfo, pytest.Function], ...]
    problems: tuple[str, ...]


class Problem(Exception):
    """A declaration that cannot be used; the text says what to write instead."""


# ---- Reading a declaration ------------------------------------------------------------------------------------------


def layers(function: Callable[..., Any]) -> tuple[Callable[..., Any], ...]:
    """`function` and every function it wraps, outermost first, through `functools.wraps` and hypothesis's `given`."""
    found: list[Callable[..., Any]] = []
    waiting: list[Any] = [function]
    while waiting and len(found) < MOST_LAYERS:
        layer = waiting.pop(0)
        if layer is None or any(layer is other for other in found):
            continue
        found.append(layer)
        attributes = getattr(layer, "__dict__", {})
        handle = attributes.get("hypothesis")
        waiting += [attributes.get("__wrapped__"), getattr(handle, "inner_test", None)]
    return tuple(found)


def declared(function: Callable[..., Any], attribute: str, default: Any = None) -> Any:
    """The value of `attribute` on the outermost layer of `function` that has it."""
    for layer in layers(function):
        if attribute in getattr(layer, "__dict__", {}):
            return layer.__dict__[attribute]
    return default


def list_checks(items: Sequence[pytest.Item], assignment: Assignment, public_only: bool) -> Listing:
    """Read every collected item, and judge the suite as a whole. Nothing is raised: problems are in the listing."""
    checks: list[tuple[CheckInfo, pytest.Function]] = []
    problems: list[str] = []
    for item in items:
        try:
            checks.append(read_check(item, assignment))
        except Problem as problem:
            problems.append(f"{item.nodeid}: {problem}")
    order = {item.id: place for place, item in enumerate(assignment.items)}
    checks.sort(key=lambda pair: (order[pair[0].item.id], _natural(pair[0].number), pair[0].nodeid))
    infos = [info for info, _ in checks]
    problems += _shared_numbers(infos) + _shared_columns(infos)
    if not problems:
        problems += _wrong_sums(infos, assignment, public_only)
    return Listing(tuple(checks), tuple(problems))


def read_check(item: pytest.Item, assignment: Assignment) -> tuple[CheckInfo, pytest.Function]:
    """The declaration of one pytest item. Raises Problem where it is not complete or holds a typo."""
    if not isinstance(item, pytest.Function):
        raise Problem("a check is a pytest function")
    function = item.function
    number, parameters = _number(function, item)
    owner = assignment.item_of(number)
    if owner is None:
        known = ", ".join(item.id for item in assignment.items)
        raise Problem(f"the number {number!r} belongs to no item of {assignment.id}; the items are {known}")
    weight = _weight(function)
    needs = _needs(item, assignment, owner, weight)
    public = _is_below(item.path, assignment.public_folder)
    info = CheckInfo(
        nodeid=item.nodeid,
        number=number,
        name=_title(function, parameters),
        item=owner,
        weight=weight,
        visibility=_visibility(function, public),
        hide_errors=_hide_errors(function),
        tags=_tags(function),
        leaderboard=_leaderboard(function),
        partial="set_score" in item.fixturenames or _is_partial(function),
        needs=needs,
        uses_main="submission" in item.fixturenames,
        uses_worker="check_worker" in item.fixturenames,
        public=public,
    )
    return info, item


def _number(function: Callable[..., Any], item: pytest.Function) -> tuple[str, str]:
    number = declared(function, "__number__")
    if not isinstance(number, str) or not number.strip():
        raise Problem('it has no number; add @number("...") with the id of its item in front, such as 3.1.1.2')
    specification = getattr(item, "callspec", None)
    if specification is None:
        return number.strip(), ""
    # Each parameter set is a check of its own; its place among them makes its number its own, too.
    place = ".".join(str(specification.indices[name] + 1) for name in sorted(specification.indices))
    return f"{number.strip()}.{place}", specification.id


def _title(function: Callable[..., Any], parameters: str) -> str:
    lines = (function.__doc__ or "").strip().splitlines()
    if not lines:
        raise Problem("it has no docstring; its first line is the title that the student reads")
    return f"{lines[0].strip()} [{parameters}]" if parameters else lines[0].strip()


def _weight(function: Callable[..., Any]) -> float:
    weight = declared(function, "__weight__")
    if weight is None:
        raise Problem("it has no weight; add @weight(points), or @weight(0) for advice that costs nothing")
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not number or not math.isfinite(weight) or weight < 0:
        raise Problem(f"its weight is {weight!r}; a weight is a number of points, 0 or more")
    return float(weight)


def _visibility(function: Callable[..., Any], public: bool) -> str:
    visibility = declared(function, "__visibility__")
    if visibility is None and not public:
        raise Problem('a hidden check says who sees it when; add @visibility("after_published")')
    if visibility is not None and visibility not in VISIBILITIES:
        raise Problem(f"its visibility is {visibility!r}; Gradescope knows {', '.join(VISIBILITIES)}")
    return visibility or "visible"


def _hide_errors(function: Callable[..., Any]) -> str | None:
    message = declared(function, "__hide_errors__")
    if message is not None and not isinstance(message, str):
        raise Problem('hide_errors needs its brackets: @hide_errors() or @hide_errors("what to show")')
    return message


def _tags(function: Callable[..., Any]) -> tuple[str, ...]:
    tags = declared(function, "__tags__", ())
    if not all(isinstance(tag, str) for tag in tags):
        raise Problem(f"its tags are {tags!r}; tags are words")
    return tuple(tags)


def _leaderboard(function: Callable[..., Any]) -> tuple[str, str] | None:
    column = declared(function, "__leaderboard_column__")
    if column is None:
        return None
    order = declared(function, "__leaderboard_sort_order__", "desc")
    if not isinstance(column, str) or order not in get_args(Order):
        raise Problem(f"its leaderboard is ({column!r}, {order!r}); a column is a name, its order 'asc' or 'desc'")
    return column, order


def _is_partial(function: Callable[..., Any]) -> bool:
    # The decorator leaves no mark of its own, but its wrapper closes over the function that stores the score.
    codes = (getattr(layer, "__code__", None) for layer in layers(function))
    return any("set_score" in getattr(code, "co_freevars", ()) for code in codes)


def _needs(item: pytest.Function, assignment: Assignment, owner: Item, weight: float) -> tuple[str, ...]:
    needs = tuple(name for mark in item.iter_markers(NEEDS_FILE) for name in mark.args)
    known = (*assignment.files.required, *assignment.files.optional)
    for name in needs:
        if name not in known:
            raise Problem(f"it needs the file {name!r}, which is none of the assignment's: {', '.join(known)}")
        if name in assignment.files.optional and weight > 0 and not owner.optional:
            raise Problem(
                f"it gives {weight:g} points for the optional file {name!r}, but its item {owner.id} is not optional,"
                " so a submission without the file could not get the item's points; use @weight(0), or make the"
                " item optional"
            )
    return needs


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _natural(number: str) -> tuple[tuple[int, int, str], ...]:
    """A key that puts 3.1.10 after 3.1.9."""
    parts = re.findall(r"\d+|[^\d.]+", number)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


def overlooked(name: str, obj: object) -> str | None:
    """Why pytest would not take `obj` for a check though its author does; None for everything else."""
    if inspect.isclass(obj):
        if issubclass(obj, unittest.TestCase) and obj is not unittest.TestCase:
            return "checks are plain functions, or methods of a plain class; this is a unittest.TestCase"
        if name.startswith("Test") and "__init__" in vars(obj):
            return "a class of checks has no __init__; use a fixture for what its checks share"
    elif name.startswith("test") and type(obj).__module__.startswith("gradescope_utils."):
        return f"a decorator stands above it without its brackets: @{type(obj).__name__}(...)"
    return None


# ---- Judging the suite as a whole -----------------------------------------------------------------------------------


def _shared_numbers(infos: Sequence[CheckInfo]) -> list[str]:
    return [
        f"the number {number} stands on {', '.join(info.nodeid for info in infos if info.number == number)};"
        " give each check a number of its own"
        for number in _repeated(info.number for info in infos)
    ]


def _shared_columns(infos: Sequence[CheckInfo]) -> list[str]:
    columns = _repeated(info.leaderboard[0] for info in infos if info.leaderboard)
    return [f"the leaderboard column {column!r} is filled by more than one check" for column in columns]


def _repeated(names: Iterable[str]) -> Iterator[str]:
    return (name for name, count in Counter(names).items() if count > 1)


def _wrong_sums(infos: Sequence[CheckInfo], assignment: Assignment, public_only: bool) -> list[str]:
    """A table of all items where the checks' weights do not add up to the handout's points."""
    rows = []
    wrong = False
    for item in assignment.items:
        weights = total(info.weight for info in infos if info.item.id == item.id)
        # The public checks alone need not give all points, but may never give more.
        bad = weights > item.points + 1e-6 or (not public_only and weights < item.points - 1e-6)
        wrong = wrong or bad
        rows.append(f"  {item.id:<12} {item.points:>8g} {weights:>8g}  {'<- not equal' if bad else ''}".rstrip())
    if not wrong:
        return []
    heading = f"  {'item':<12} {'points':>8} {'weights':>8}"
    return ["the weights of an item's checks must add up to the item's points:\n" + "\n".join([heading, *rows])]
