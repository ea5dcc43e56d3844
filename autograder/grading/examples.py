"""Property checks: how hypothesis is run here, and which of the failing examples a student is shown.

Hypothesis stops at the first example on which a check fails, often the most trivial one, and looks for a simpler one:
good to read, but poor evidence of which bug it is. So a check is run twice where it fails: once through its examples as
they come, to see what the failures have in common, and once as hypothesis does it, to find a simple one.

Both start every example from fresh state, and end where going on is useless (the student's code hangs, is gone, or is
not written yet). The search uses hypothesis's own hook for runners (`hypothesis.inner_test`). The survey has hypothesis
draw all examples as one case: its bookkeeping for a case costs several times what a call into the worker does.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import hypothesis
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky, HypothesisException, Unsatisfiable
from hypothesis.internal.conjecture import providers

from autograder.grading.sections import shorten
from autograder.sandbox.proxy import StudentCrash, StudentError, StudentTimeout

PROFILE = "autograder"
EXAMPLES = 50
EXAMPLES_AFTER_FAILURE = 100
"""Tries to find a smaller failing example. Counted, not timed, so that two runs show the same one."""
SHOWN_ARGUMENT = 1_200
SHOWN_DIGITS = 4
SURVEYED_FAILURES = 10
"""Failures of the survey after which it ends."""
ENOUGH_TO_AGREE = 3
CLAIMED_SHARE = 2 / 3
"""A cause is claimed where at least this share of the failing examples fit it,"""
SINGLED_OUT_SHARE = 1 / 4
"""and at least this share single it out: on some examples two bugs look alike, or one looks like no answer at all."""

# What an example can end with; pytest.fail raises something that is no Exception.
_FAILURES = (Exception, SystemExit, pytest.fail.Exception)


class Failure(msgspec.Struct, frozen=True):
    """One example on which the check failed: its arguments as text, and what was raised."""

    arguments: tuple[tuple[str, str], ...]
    error: BaseException

    @property
    def size(self) -> int:
        return sum(len(text) for _, text in self.arguments)

    @property
    def cause(self) -> str | None:
        return getattr(getattr(self.error, "explanation", None), "cause", None)

    @property
    def fitting(self) -> set[str]:
        """The causes that would give this failure: the one that it shows, and those that it does not rule out."""
        return {*getattr(getattr(self.error, "explanation", None), "fitting", ()), *filter(None, [self.cause])}


class ExamplesEnded(BaseException):
    """Ends hypothesis's search at once. Not an Exception, because hypothesis would take that for one more failure."""


@dataclasses.dataclass
class Evidence:
    """What the examples of one check showed: a survey of failures as they come, then a search for simpler ones."""

    surveyed: list[Failure] = dataclasses.field(default_factory=list)
    searched: list[Failure] = dataclasses.field(default_factory=list)
    flaky: bool = False

    @property
    def failures(self) -> list[Failure]:
        """All failures of the same kind as the first."""
        failures = [*self.surveyed, *self.searched]
        return [failure for failure in failures if type(failure.error) is type(failures[0].error)]

    @property
    def cause(self) -> str | None:
        """The cause that the failures have in common, None where they do not agree: none is better than a wrong one.

        The survey decides where it found enough of them: the search ends among the smallest examples, where one bug
        looks like another.
        """
        failures = [failure for failure in self.failures if failure in self.surveyed]
        failures = failures if len(failures) >= ENOUGH_TO_AGREE else self.failures
        singled_out = Counter(failure.cause for failure in failures)
        fitting = Counter(slug for failure in failures for slug in failure.fitting)
        claims = [
            slug
            for slug, count in fitting.items()
            if count >= CLAIMED_SHARE * len(failures) and singled_out[slug] >= SINGLED_OUT_SHARE * len(failures)
        ]
        return claims[0] if len(claims) == 1 else None

    def chosen(self) -> Failure:
        """The failure to show: the shortest one that has the cause that is claimed.

        The latest of equally short ones, since hypothesis works its way to simpler ones.
        """
        candidates = [failure for failure in self.failures if failure.cause == self.cause] or self.failures
        return min(reversed(candidates), key=lambda failure: failure.size)


# ---- Running --------------------------------------------------------------------------------------------------------


@contextmanager
def profile() -> Iterator[None]:
    """Hypothesis's settings while checks are imported and run; the ones before are restored."""
    before = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.register_profile(
        PROFILE,
        hypothesis.settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,  # the worker's budgets are the limit, and they are enforced
            print_blob=False,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
            # begin_example gives every example what a fixture per example would; how slow a machine draws its
            # examples today says nothing about a check; pytest makes a new object for each parameter set of a class.
            suppress_health_check=(
                HealthCheck.function_scoped_fixture,
                HealthCheck.too_slow,
                HealthCheck.differing_executors,
            ),
        ),
    )
    hypothesis.settings.load_profile(PROFILE)
    try:
        with _drawing_without_local_constants():
            yield
    finally:
        hypothesis.settings.load_profile(before)


@contextmanager
def _drawing_without_local_constants() -> Iterator[None]:
    """Keep hypothesis from drawing numbers that it reads in the source of whatever modules are not "installed".

    With them, the examples of a check would differ between a checkout and an installed package, and with what else was
    imported; and it keeps what it read in a folder where the student works. There is no setting for it.
    """
    before = providers._get_local_constants
    providers.CONSTANTS_CACHE.cache.clear()
    providers._get_local_constants = providers.Constants
    try:
        yield
    finally:
        providers._get_local_constants = before
        providers.CONSTANTS_CACHE.cache.clear()


def run_property(
    item: pytest.Function, evidence: Evidence, before: Callable[[], None], after: Callable[[], None]
) -> None:
    """Run a property check: all its examples, and where some fail, a search for the simplest that does.

    `before` is called before, and `after` after each example that runs to its end or fails.
    Raises the chosen failure's own error where any example failed.
    """

    def survey(failure: Failure) -> None:
        evidence.surveyed.append(failure)
        if ends_the_search(failure.error) or len(evidence.surveyed) >= SURVEYED_FAILURES:
            raise ExamplesEnded

    def search(failure: Failure) -> None:
        evidence.searched.append(failure)
        if ends_the_search(failure.error):
            raise ExamplesEnded
        raise failure.error

    if not _run_as_one_case(item, _watching(item, before, after, survey)):
        evidence.surveyed.clear()
        _run(item, _watching(item, before, after, survey))
    if not evidence.surveyed:
        return
    if not ends_the_search(evidence.surveyed[-1].error):
        try:
            _run(item, _at_most(EXAMPLES_AFTER_FAILURE, evidence, _watching(item, before, after, search)))
        except _FAILURES as error:
            evidence.flaky = isinstance(error, Flaky)
        evidence.flaky = evidence.flaky or not evidence.searched
    raise evidence.chosen().error


def _run_as_one_case(item: pytest.Function, test: Callable[..., None]) -> bool:
    """Call `test` on as many examples as the check asks for, drawn together.

    False where that cannot be done and the examples must be run one by one: the check names examples of its own, or
    rejects some (`assume`), or they are too large for one case.
    """
    if getattr(item.obj, "hypothesis_explicit_examples", ()):
        return False
    count = item.obj._hypothesis_internal_use_settings.max_examples
    one = st.fixed_dictionaries(item.obj.hypothesis._given_kwargs)
    fixed = _fixture_values(item)
    instance = (item.obj.__self__,) if inspect.ismethod(item.obj) else ()
    left = count

    # Hypothesis's first case is the simplest there is, in which every draw is the same: one of it is enough.
    @hypothesis.settings(max_examples=2)
    @hypothesis.given(data=st.data())
    def run(data: st.DataObject) -> None:
        nonlocal left
        for _ in range(1 if left == count else left):
            keywords = data.draw(one)
            random.seed(0)
            np.random.seed(0)
            test(*instance, **fixed, **keywords)
            left -= 1

    try:
        run()
    except ExamplesEnded:
        return True  # the evidence holds why
    except Unsatisfiable:
        return False
    return left == 0


def _run(item: pytest.Function, test: Callable[..., None]) -> None:
    """Call the check with `test` in place of its body, until hypothesis or the body ends it."""
    handle = item.obj.hypothesis
    body = handle.inner_test
    handle.inner_test = test
    try:
        item.obj(**_fixture_values(item))
    except ExamplesEnded:
        pass  # the evidence holds why
    finally:
        handle.inner_test = body


def _fixture_values(item: pytest.Function) -> dict[str, Any]:
    """The check's arguments that are fixtures, by name."""
    wanted = inspect.signature(item.obj).parameters
    return {name: value for name, value in item.funcargs.items() if name in wanted}


def _watching(
    item: pytest.Function, before: Callable[[], None], after: Callable[[], None], failed: Callable[[Failure], None]
) -> Callable[..., None]:
    """The check's body, which hands every failure to `failed` instead of raising it."""
    body = item.obj.hypothesis.inner_test
    given = tuple(name for name in _parameters(body) if name not in item.funcargs)

    @functools.wraps(body)
    def watch(*arguments: Any, **keywords: Any) -> None:
        try:
            before()
            body(*arguments, **keywords)
        except HypothesisException:
            raise  # `assume`, for one: not a failure of the check
        except _FAILURES as error:
            after()
            shown = [describe_argument(name, keywords[name]) for name in given if name in keywords]
            failed(Failure(tuple(pair for pairs in shown for pair in pairs), error))
        else:
            after()

    return watch


def _at_most(tries: int, evidence: Evidence, test: Callable[..., None]) -> Callable[..., None]:
    """`test`, ended once it has been run so many times after its first failure."""
    left = tries

    @functools.wraps(test)
    def bounded(*arguments: Any, **keywords: Any) -> None:
        nonlocal left
        if evidence.searched:
            left -= 1
            if left < 0:
                raise ExamplesEnded
        test(*arguments, **keywords)

    return bounded


def _parameters(test: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the parameters that hypothesis passes, in the order in which the check declares them."""
    while hasattr(test, "__wrapped__"):
        test = test.__wrapped__
    code = test.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def ends_the_search(error: BaseException) -> bool:
    """Whether a smaller example would tell nothing more: the code hangs, is gone, cannot be read or is not written."""
    if isinstance(error, (StudentTimeout, StudentCrash)):
        return True
    return isinstance(error, StudentError) and error.type_name in ("NotImplementedError", "SyntaxError")


# ---- Showing an example ---------------------------------------------------------------------------------------------


def describe_argument(name: str, value: object) -> tuple[tuple[str, str], ...]:
    """An argument as names and texts: an example made of several values is shown value by value."""
    if dataclasses.is_dataclass(value) and not _has_own_repr(value):
        fields = [field.name for field in dataclasses.fields(value) if field.repr]
        inner = (describe_argument(f"{name}.{field}", getattr(value, field)) for field in fields)
        return tuple(pair for pairs in inner for pair in pairs)
    return ((name, describe(value)),)


def describe(value: object) -> str:
    """`value` as a student can read it: arrays laid out in rows with their shape, all of it bounded."""
    return shorten(_describe(value), SHOWN_ARGUMENT)


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return _describe_array(value)
    if isinstance(value, np.generic):
        return f"{value.item()!r}  ({value.dtype})"
    if isinstance(value, Mapping):
        return "\n".join(f"[{key!r}] {_indented(entry)}" for key, entry in value.items()) or "{}"
    return repr(value)


def _describe_array(array: np.ndarray) -> str:
    numbers = np.array2string(array, precision=SHOWN_DIGITS, suppress_small=True, threshold=60, edgeitems=3)
    kind = f"shape {array.shape}" + ("" if array.dtype == np.float64 else f", {array.dtype}")
    return f"{kind}\n{numbers}" if "\n" in numbers else f"{numbers}  ({kind})"


def _indented(value: object) -> str:
    return _describe(value).replace("\n", "\n    ")


def _has_own_repr(value: object) -> bool:
    """Whether someone wrote its `__repr__`: the one that `dataclass` generates puts arrays on one endless line."""
    method = type(value).__repr__
    return not hasattr(method, "__wrapped__") and method is not object.__repr__
