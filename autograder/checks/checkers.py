"""Running a student's gradient checker: the network it is given, and the numbers that it prints.

The network is made of stand-ins, so the student's own layers take no part. All rows of the data set are equal: whatever
batch the checker takes, the mean loss and its derivatives are the same, and every number it should print is known. The
layers report a gradient that may be wrong on purpose: then the back-propagated and the approximated derivative differ,
and a checker that prints one of them twice is found out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.checks.compare import CheckFailed, as_array, call, fail
from autograder.checks.gradients import numerical_gradient
from autograder.checks.layers import cross_entropy, held_params, linear, rectified, relu_stand_in
from autograder.checks.strategies import filled
from autograder.sandbox.proxy import StandIn, StudentError

Array = NDArray[np.float64]
Place = tuple[str, str]

PLACES: tuple[Place, ...] = (("L1", "W"), ("L1", "b"), ("L2", "W"), ("L2", "b"))
EPSILON = 1e-3  # the handout's
ROWS = 5000  # as many as the given magnitude_checker takes
INPUTS, HIDDEN, CLASSES = 3, 4, 3

# Seeds whose networks are lively, found by trying: see `is_lively`.
LIVELY_SEEDS = (9044, 5714, 7519, 2217)

# Two numbers this far apart stay different when they are printed with four decimals.
FOUR_DECIMALS = 1.03e-4

# A number in a text; not one inside a name, such as L1 or float64.
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")


# ---- What is printed ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Printed:
    """A number as it was printed: its value, and half a unit of its last digit."""

    value: float
    rounding: float


def printed_numbers(text: str) -> list[Printed]:
    """All numbers in a text, in order."""
    return [_printed(found.group()) for found in _NUMBER.finditer(text)]


def _printed(word: str) -> Printed:
    mantissa, _, exponent = word.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return Printed(float(word), 0.51 * 10.0 ** (min(int(exponent or 0), 300) - decimals))


def times_printed(value: float, numbers: Sequence[Printed], slack: float) -> int:
    """How many of the numbers are `value`, within `slack` and the rounding they were printed with."""
    # A number without decimals says too little: 1 is not a derivative of 0.7.
    return sum(abs(n.value - value) <= slack + n.rounding for n in numbers if n.rounding < 0.1 * abs(value))


# ---- The network ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CheckedNetwork:
    """A network for a gradient checker.

    row (1, INPUTS) and label: the example that fills the data set. params: the four parameters. reported: the gradients
    that the layers report, of the same shapes.
    """

    row: Array
    label: int
    params: Mapping[Place, Array]
    reported: Mapping[Place, Array]

    def loss_with(self, place: Place, parameter: Array) -> float:
        """The loss with one parameter replaced."""
        params = {**self.params, place: parameter}
        hidden = rectified(linear(self.row, params["L1", "W"], params["L1", "b"]))
        scores = linear(hidden, params["L2", "W"], params["L2", "b"])
        return cross_entropy(scores, np.array([[self.label]]))

    def moved_loss(self, place: Place, distance: float) -> float:
        """The loss with the first entry of one parameter moved."""
        return self._moved_loss(place, distance, (0, 0))

    def _moved_loss(self, place: Place, distance: float, entry: tuple[int, int]) -> float:
        parameter = self.params[place].copy()
        parameter[entry] += distance
        return self.loss_with(place, parameter)

    def derivative(self, place: Place) -> float:
        """The true derivative with respect to a parameter's first entry."""
        return (self.moved_loss(place, 1e-5) - self.moved_loss(place, -1e-5)) / 2e-5

    def approximation(self, place: Place) -> float:
        """What the handout's formula gives with its epsilon."""
        return (self.moved_loss(place, EPSILON) - self.moved_loss(place, -EPSILON)) / (2 * EPSILON)

    def _approximation(self, place: Place, entry: tuple[int, int]) -> float:
        above, below = (self._moved_loss(place, step, entry) for step in (EPSILON, -EPSILON))
        return (above - below) / (2 * EPSILON)

    def _neighbours(self, place: Place) -> list[tuple[int, int]]:
        """The entries that an index of 1 finds in the place of the first one; a bias has no second row."""
        last = len(self.params[place]) - 1
        return [(min(row, last), column) for row, column in ((0, 1), (1, 0), (1, 1)) if column or last]

    def slack(self, place: Place) -> float:
        """How far an approximation may be off: another small epsilon is as good, and so is float32 printing."""
        return 2 * abs(self.approximation(place) - self.derivative(place)) + 2e-6 * abs(self.derivative(place))

    def bugs(self, place: Place, rows: int = 1) -> dict[str, tuple[float, ...]]:
        """What an approximation with a known bug gives, by cause, where the loss is the mean over so many rows."""
        above, here, below = (self.moved_loss(place, step) for step in (EPSILON, 0.0, -EPSILON))
        right = self.approximation(place)
        one_sided = ((above - here) / EPSILON, (here - below) / EPSILON)
        return {
            "one_sided_difference": one_sided,
            "missing_factor_two": (2 * right,),
            "sign_flipped": (-right,),
            "extra_batch_mean": (right / rows,) if rows > 1 else (),
            "off_by_one": tuple(self._approximation(place, entry) for entry in self._neighbours(place)),
            # not divided at all; multiplied by epsilon instead of divided; two copies that are one and the same array
            "scaled_by_constant": (right * 2 * EPSILON, right * EPSILON**2, *(value / 2 for value in one_sided)),
        }


def checked_network(seed: int, *, wrong: bool) -> CheckedNetwork:
    """The network of one of LIVELY_SEEDS. Its layers report the true gradients, or clearly different, `wrong` ones.

    Raises ValueError for a seed whose network is not lively.
    """
    network = _random_network(np.random.default_rng(seed))
    if not is_lively(network):
        raise ValueError(f"the network of seed {seed} is not lively; choose a seed of LIVELY_SEEDS")
    true = {place: _gradient(network, place) for place in PLACES}
    reported = {place: _wrong(true[place]) if wrong else true[place] for place in PLACES}
    return CheckedNetwork(network.row, network.label, network.params, reported)


def is_lively(network: CheckedNetwork) -> bool:
    """Whether each right number can be told from every wrong one.

    The four derivatives, true and wrong, are far from 0 and from each other, no step of epsilon reaches a corner of the
    ReLU, and the loss bends enough for a one-sided difference to be seen.
    """
    sums = linear(network.row, network.params["L1", "W"], network.params["L1", "b"])
    if np.min(np.abs(sums)) < 0.1 or sums[0, 0] < 0:
        return False
    derivatives = np.array([network.derivative(place) for place in PLACES])
    sizes = np.sort(np.abs(np.concatenate([derivatives, _wrong(derivatives)])))
    if sizes[0] < 0.25 or np.any(sizes[1:] < 1.03 * sizes[:-1]):
        return False
    for place in PLACES:
        one_sided = network.bugs(place)["one_sided_difference"]
        if (
            min(abs(value - network.approximation(place)) for value in one_sided)
            < 20 * network.slack(place) + FOUR_DECIMALS
        ):
            return False
    return True


def _random_network(random: np.random.Generator) -> CheckedNetwork:
    shapes = ((INPUTS, HIDDEN), (1, HIDDEN), (HIDDEN, CLASSES), (1, CLASSES))
    params = dict(zip(PLACES, filled(random, *shapes, largest=1.2), strict=True))
    (row,) = filled(random, (1, INPUTS), largest=3.0)
    return CheckedNetwork(row, int(random.integers(0, CLASSES)), params, {})


def _wrong(gradient: Array) -> Array:
    return 0.6 * gradient + 0.37


def _gradient(network: CheckedNetwork, place: Place) -> Array:
    return numerical_gradient(lambda moved: network.loss_with(place, moved), network.params[place])


# ---- A run ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CheckerRun:
    """What a run of gradient_checker left.

    text, numbers: what it printed. params: the parameters afterwards. moved: whether any was moved while the loss was
    computed. rows: how many rows the loss was computed of, the last time. propagated: whether back-propagation was run.
    model_first: whether a replaced backward_pass was always given the model, not an array, as its first argument.
    """

    text: str
    numbers: list[Printed]
    params: dict[Place, Any]
    moved: bool
    rows: int
    propagated: bool
    model_first: bool


def run_checker(submission: Any, probes: Any, network: CheckedNetwork, *, replaced: bool = False) -> CheckerRun:
    """Run the student's gradient_checker(DataSet, model) on the network.

    `replaced` puts a right backward_pass in place of the student's own; see `whatever_backward_pass_does`.
    """
    given = probes.module("utils")
    data = given.DataSplit(np.repeat(network.row, ROWS, axis=0), np.full((ROWS, 1), float(network.label)))
    moved: list[bool] = []
    rows: list[int] = []
    propagated: list[bool] = []
    model_first: list[bool] = []
    model = {
        "L1": _reporting_layer(network, "L1", moved, rows, propagated, replaced),
        "nonlinear1": relu_stand_in(),
        "L2": _reporting_layer(network, "L2", moved, rows, propagated, replaced),
        "loss": given.softmax_cross_entropy(),
    }
    if replaced:

        def backward_pass(fields: SimpleNamespace, *arguments: Any, **named: Any) -> None:
            # The layers hold the gradients that it would leave in them.
            propagated.append(True)
            model_first.append(not (arguments and isinstance(arguments[0], np.ndarray)))

        submission.backward_pass = StandIn("backward_pass", {}, {"__call__": backward_pass})
    probes.printed()
    call(submission, "gradient_checker", data, model, name="")
    text = probes.printed()
    params = {(layer, key): held_params(model[layer], f"model[{layer!r}]")[key] for layer, key in PLACES}
    return CheckerRun(
        text, printed_numbers(text), params, any(moved), rows[-1] if rows else 1, any(propagated), all(model_first)
    )


def assert_propagated(run: CheckerRun, *, called: str) -> None:
    """backward_pass is called, and with the model first. Raises CheckFailed (no_backward, wrong_argument)."""
    if not run.propagated:
        fail("backward_pass is not called", called=called, cause="no_backward")
    if not run.model_first:
        fail("backward_pass is given an array where it takes the model", called=called, cause="wrong_argument")


def bug_in(run: CheckerRun, network: CheckedNetwork, places: Sequence[Place]) -> str | None:
    """The cause whose approximation is printed at all of these places, where it is the only one."""

    def is_printed(value: float, place: Place) -> bool:
        # A small value has a small slack.
        share = min(1.0, abs(value / network.approximation(place)))
        return times_printed(value, run.numbers, share * network.slack(place)) > 0

    bugs = {place: network.bugs(place, run.rows) for place in places}
    found = [
        slug
        for slug in bugs[places[0]]
        if all(any(is_printed(value, place) for value in bugs[place][slug]) for place in places)
    ]
    return found[0] if len(found) == 1 else None


def whatever_backward_pass_does(judge: Callable[[bool], None]) -> None:
    """Call `judge(False)`; if that fails, `judge(True)`, which runs the checker with a right backward_pass.

    A gradient checker may use the student's own backward_pass in its own way, and must not fail because of it.
    """
    try:
        judge(False)
    except (CheckFailed, StudentError):
        judge(True)


def _reporting_layer(
    network: CheckedNetwork,
    layer: str,
    moved: list[bool],
    rows: list[int],
    propagated: list[bool],
    holds_gradient: bool,
) -> StandIn:
    """A linear layer whose backward reports the network's gradients, whatever it is called with."""
    start = {key: network.params[layer, key] for key in ("W", "b")}
    reported = {key: network.reported[layer, key] for key in ("W", "b")}
    stale = {key: np.zeros_like(reported[key]) for key in reported}

    def forward(fields: SimpleNamespace, X: Any) -> Array:
        params = {key: as_array(held_params(fields, layer)[key], key, shape=start[key].shape) for key in start}
        moved.append(any(not np.array_equal(params[key], start[key]) for key in start))
        batch = as_array(X, "X", ndim=2)
        rows.append(len(batch))
        return linear(batch, params["W"], params["b"])

    def backward(fields: SimpleNamespace, X: Any, grad: Any) -> Array:
        propagated.append(True)
        fields.gradient = dict(reported)
        return np.zeros_like(as_array(X, "X", ndim=2))

    return StandIn(
        "linear_layer",
        {"params": start, "gradient": dict(reported if holds_gradient else stale)},
        {"forward": forward, "backward": backward},
        imitates="linear_layer",
    )
