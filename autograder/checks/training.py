"""Judging how a submission trains and tests, from what was seen of it.

    records = run_entry(probes, "prob5_AE")                 # the whole script, shortened
    network = require_training(records, called=...)
    assert_gradients_cleared(records, called=...)

Each `assert_` function looks at one thing, raises CheckFailed with its cause where the records show that it is wrong,
and lets pass what they do not show. What the student's code raises on the way arrives as StudentError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autograder.checks.compare import as_array, as_mapping, fail
from autograder.checks.once import Once
from autograder.checks.training_records import (
    Backward,
    Call,
    Clear,
    Loss,
    Network,
    Parameter,
    Records,
    Step,
    read_records,
)
from autograder.sandbox.proxy import Probes, RemoteObject, StudentError

Array = NDArray[np.float64]

# float32 gradients computed twice agree to about 1e-6; another batch's gradient differs by far more than 1%.
SAME_GRADIENT = 1e-3
OTHER_GRADIENT = 1e-2
SAME_DIRECTION = 0.999

# A step that goes against the gradient; Adam's first step still has a clearly positive cosine with it.
AGAINST = -0.05

NAMES_SHOWN = 6

TRAIN_ARGUMENTS = {
    "batch_size": 64, "test_batch_size": 1000, "epochs": 1, "lr": 0.01, "momentum": 0.5, "gamma": 0.7, "no_cuda": True,
    "cuda": False, "use_cuda": False, "no_mps": True, "seed": 1, "log_interval": 10, "dry_run": False,
    "save_model": False, "device": "cpu", "num_workers": 0, "weight_decay": 0.0,
}  # fmt: skip
"""Settings that `train(args, ...)` and `test(args, ...)` are used to find in `args`."""

_WRONG_SIZE = re.compile(r"shape|size|match|dimension|broadcast|batch", re.IGNORECASE)
_OF_ONE = re.compile(r"more than 1 value per channel")
_NO_GPU = re.compile(r"cuda|nvidia|gpu|mps", re.IGNORECASE)


# ---- Running ----------------------------------------------------------------------------------------------------


def run_entry(probes: Probes, module: str, **budget: Any) -> Records:
    """Run a whole file of the submission as a script, shortened, and tell what was seen.

    `budget`: `seconds` of processor time (20; the assignment's `call_seconds` must be longer), `max_steps` (400),
    `steps_per_loop` (8), `steps_per_pass` (8; None for whole passes through data loaders), `settings` (values for
    command-line options whose names match a pattern: {"noise": 0.3}).
    """
    raw = probes.run("training", "run_entry", module, called=f"python {module}.py", **budget)
    return read_records(raw)


class Observations:
    """Runs of scripts that several checks look at, each made once.

    A run is the same every time, so a suite makes one object of this class, in a fixture of the scope "session", and
    its checks share what the first of them has seen, also where that was the student's error.
    """

    def __init__(self) -> None:
        self._seen = Once()

    def run_entry(self, probes: Probes, module: str, **budget: Any) -> Records:
        """As the function of this name."""
        key = repr((module, sorted(budget.items())))
        found: Records = self._seen.once(key, lambda: run_entry(probes, module, **budget))
        return found


def call_watched(probes: Probes, function: Any, *arguments: Any, called: str, **keywords: Any) -> tuple[Any, Records]:
    """Call one function of the student's: (what it returned, what was seen). The keywords may hold the probe's options.

    Raises StudentError for what it raises, unless `keep_errors=True` has that stand in the records.
    """
    raw = probes.run("training", "call_watched", function, *arguments, called=called, **keywords)
    records = read_records(raw)
    return raw.get("value"), records


def make_loader(probes: Probes, images: Any, labels: Any, batch_size: int = 64, shuffle: bool = False) -> Any:
    """A data loader over images (N, ...) and labels (N,), in the student's process."""
    return probes.run("training", "make_loader", images, labels, batch_size, shuffle)


def make_optimizer(probes: Probes, name: str, network: Any, **hyperparameters: Any) -> Any:
    """`torch.optim.<name>` over all of the network's parameters, in the student's process."""
    return probes.run("training", "make_optimizer", name, network, **hyperparameters)


def make_arguments(probes: Probes, **fields: Any) -> Any:
    """The `args` of a training script: TRAIN_ARGUMENTS, changed by `fields`."""
    return probes.run("training", "make_namespace", **{**TRAIN_ARGUMENTS, **fields})


def make_device(probes: Probes) -> Any:
    """torch.device("cpu"), in the student's process."""
    return probes.run("training", "make_device")


class Trained(msgspec.Struct, frozen=True):
    """A standard training: losses (steps,) and, in evaluation mode, the outputs of the held images."""

    losses: Array
    outputs: Array
    steps: int
    loss: str
    flat: bool
    out_of_time: bool


def standard_training(
    probes: Probes, network: RemoteObject, images: Any, labels: Any = None, **options: Any
) -> Trained:
    """Train the student's network with a loop of ours; the options are those of the probe of this name.

    Raises StudentError for what the network raises, CheckFailed where its loss or outputs are no finite numbers.
    """
    called = "training your network for a while"
    raw = probes.run("training", "standard_training", network, images, labels, called=called, **options)
    found = as_mapping(
        raw, ("losses", "outputs", "steps", "loss", "flat", "out_of_time"), "the training", called=called
    )
    try:
        plain = msgspec.convert({name: found[name] for name in ("steps", "loss", "flat", "out_of_time")}, _Plain)
    except msgspec.ValidationError:
        raise StudentError("ValueError", "the training of your network could not be recorded") from None
    losses = as_array(found["losses"], "the loss, step by step,", called=called, ndim=1)
    outputs = as_array(found["outputs"], "the output after training", called=called)
    return Trained(losses, outputs, plain.steps, plain.loss, plain.flat, plain.out_of_time)


class _Plain(msgspec.Struct):
    steps: int
    loss: str
    flat: bool
    out_of_time: bool


# ---- Whether it trains ------------------------------------------------------------------------------------------


def require_training(records: Records, *, called: str) -> Network:
    """The network that is trained: called, differentiated and stepped.

    Raises the student's own error where that is what kept it from training; CheckFailed (no_backward, no_step).
    """
    stepped = records.of(Step)
    if not stepped and records.errors:
        raise records.errors[0].as_student_error()
    networks = trained_networks(records)
    if not records.of(Call):
        fail("no network was called", called=called, expected="a network that is trained on batches of images")
    if not networks or not records.counts.get("backward"):
        fail(
            "a network was called, and no gradient of a loss was ever computed",
            called=called,
            cause="no_backward",
            expected="loss.backward() for every batch",
        )
    if not stepped:
        fail(
            "gradients were computed, and no parameter was ever changed",
            called=called,
            cause="no_step",
            expected="optimizer.step() after loss.backward(), for every batch",
        )
    return networks[0]


def trained_networks(records: Records) -> list[Network]:
    """The networks whose answers were trained on, the most often trained first."""
    roots = [records.root(call.network) for call in records.of(Call) if call.trained]
    found = [
        records.network(number) for number in sorted(set(roots), key=lambda number: (-roots.count(number), number))
    ]
    return [network for network in found if network is not None]


def assert_gradients_cleared(records: Records, *, called: str) -> None:
    """Gradients of earlier batches take no part in a step. Raises CheckFailed (no_zero_grad)."""
    for number, step in enumerate(_compared(records), 1):
        if step.recent_error is None or step.total_error is None:
            continue
        if step.recent_error > OTHER_GRADIENT and step.total_error < SAME_GRADIENT:
            fail(
                f"at step {number} the gradient was the sum of those of all batches so far",
                called=called,
                cause="no_zero_grad",
                expected="the gradient of this batch alone: clear the gradients before each loss.backward()",
            )


def assert_steps_descend(records: Records, *, called: str) -> None:
    """Steps change parameters, and go down the gradient. Raises CheckFailed (ascends, wrong_order, no_step)."""
    compared = _compared(records)
    if not compared:
        return
    first = compared[0]
    if not first.change:
        _fail_still(records, first, called)
    direction = first.descent if first.descent_recent is None else first.descent_recent
    if (direction is not None and direction < AGAINST) or _negated(records):
        fail(
            "the first step raises the loss: it goes up its gradient",
            called=called,
            cause="ascends",
            expected="a step down the gradient of the loss",
        )


def _compared(records: Records) -> list[Step]:
    return [step for step in records.of(Step) if step.compared and step.held]


def _fail_still(records: Records, step: Step, called: str) -> None:
    """A step that changed nothing: say why, where the order of things shows it."""
    order = [event for event in records.events if event.at < step.at and not isinstance(event, Call | Loss)]
    if not step.gradient and step.backwards and order and isinstance(order[-1], Clear):
        fail(
            "the gradients were cleared between loss.backward() and the step, so the step changed nothing",
            called=called,
            cause="wrong_order",
            expected="zero_grad(), then loss.backward(), then step()",
        )
    fail("a step was taken that changed no parameter", called=called, expected="a step that changes the parameters")


def _negated(records: Records) -> bool:
    """Whether minus the loss is differentiated, every time: the losses of torch that are used here are positive."""
    backwards, losses = records.of(Backward), [loss for loss in records.of(Loss) if loss.gradients]
    return bool(backwards) and all(
        backward.value is not None
        and any(loss.value and np.isclose(backward.value, -loss.value) for loss in losses if loss.at < backward.at)
        for backward in backwards[:3]
    )


def assert_steps_for_batches(records: Records, batches: int, *, called: str) -> None:
    """No step waits for as many batches as an epoch has: one step per epoch. Raises CheckFailed (too_few_steps).

    A few batches to a step are a way to train in larger ones.
    """
    steps = records.of(Step)
    if batches > 1 and steps and all(step.backwards >= batches for step in steps):
        fail(
            f"{steps[0].backwards} gradients were computed before the first step: there is one step for each epoch",
            called=called,
            cause="too_few_steps",
            expected="optimizer.step() inside the loop over the batches",
        )


def assert_steps_at_rate(records: Records, rate: float, *, called: str) -> None:
    """The first step of an optimiser has the learning rate of the one that was given; choose a rate that nobody would.

    Raises CheckFailed (learning_rate_ignored).
    """
    step = next((step for step in records.of(Step) if step.optimizer), None)
    if step is not None and step.rate is not None and not np.isclose(step.rate, rate):
        fail(
            f"the first step was taken with the learning rate {step.rate:.4g}, and the optimiser that was given has "
            f"{rate:.4g}",
            called=called,
            cause="learning_rate_ignored",
            expected="steps of the optimiser that is given, and no other one made in the function",
        )


def assert_plain_steps(records: Records, *, called: str) -> None:
    """Every step by plain gradient descent is -learning rate · gradient, by the optimiser that was given.

    For optimisers without momentum and weight decay. Raises CheckFailed (learning_rate_ignored, no_step).
    """
    if records.of(Step) and all(step.optimizer == 0 for step in records.of(Step)):
        fail(
            "parameters were changed, but not by the optimiser that train() was given",
            called=called,
            cause="learning_rate_ignored",
            expected="optimizer.step(), which knows the learning rate",
        )
    for step in _compared(records):
        if step.optimizer and step.plain_error is not None and step.plain_error > OTHER_GRADIENT:
            fail(
                "a step is not minus the learning rate times the gradient",
                called=called,
                expected="parameters that only the optimiser changes",
            )


def assert_every_parameter_moves(records: Records, *, called: str) -> None:
    """No parameter that takes part in a training stays as it was. Raises CheckFailed.

    The cause is updates_subset where all that stay still have gradients and only no optimiser that holds them, else
    frozen_parameters. A parameter that has a gradient and an optimiser may stand still (a dead ReLU), and one that the
    network never uses is another check's matter.
    """
    by_hand = any(step.optimizer == 0 for step in records.of(Step))
    for network in trained_networks(records):
        frozen = [parameter for parameter in network.parameters if _is_frozen(parameter, by_hand)]
        if not frozen:
            continue
        counted = f"{len(frozen)} of {len(network.parameters)} parameters of {network.class_name}"
        names = _listed([parameter.name for parameter in frozen])
        if all(parameter.trainable and parameter.given_gradient for parameter in frozen):
            fail(
                f"the optimiser does not hold {counted}, which therefore never changed: {names}",
                called=called,
                cause="updates_subset",
                expected="an optimiser that is given model.parameters(), all of them",
            )
        fail(
            f"{counted} never changed: {names}",
            called=called,
            cause="frozen_parameters",
            expected="gradients that reach every parameter, and an optimiser that holds all of them",
        )


def _is_frozen(parameter: Parameter, by_hand: bool) -> bool:
    if parameter.changed or not parameter.used:
        return False
    return not (parameter.trainable and parameter.given_gradient and (parameter.optimizers or by_hand))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")


# ---- Modes ------------------------------------------------------------------------------------------------------


def mode_matters(records: Records, network: Network) -> bool:
    """Whether the network has dropout or batch norm: without them training and evaluation mode are the same."""
    return any(call.dropout or call.batch_norm for call in records.calls(network.number))


def assert_trains_in_train_mode(records: Records, network: Network, *, called: str) -> None:
    """Dropout and batch norm are in their training form wherever it trains. Raises CheckFailed (not_in_train_mode)."""
    if not mode_matters(records, network):
        return
    for call in records.calls(network.number, trained=True):
        if not call.training and not any(call.dropout) and not any(call.batch_norm):
            fail(
                "the network was in evaluation mode while it was trained",
                called=called,
                cause="not_in_train_mode",
                expected="model.train() before the training of every epoch",
            )


def evaluations(records: Records, network: Network) -> list[Call]:
    """Calls for an answer only: batches of more than one image, not trained on.

    In a run that also trains these are the ones after its first step, and not the one that an early end cut short.
    """
    steps = records.of(Step)
    calls = records.calls(network.number)
    if (records.ended or records.errors) and calls and not calls[-1].trained:
        calls = calls[:-1]
    start = steps[0].at if steps else 0
    return [c for c in calls if not c.trained and c.at > start and c.shape and len(c.shape) > 1 and c.shape[0] > 1]


def assert_evaluates_in_eval_mode(records: Records, network: Network, *, called: str) -> None:
    """Nothing is dropped and no batch's own statistics are used in an evaluation. Raises CheckFailed."""
    for call in evaluations(records, network):
        if any(call.dropout) or any(call.batch_norm):
            layer = "dropout" if any(call.dropout) else "batch norm"
            fail(
                f"{layer} was in its training form while the network was tested",
                called=called,
                cause="not_in_eval_mode",
                expected="model.eval() before testing, and layers that follow it",
            )


def assert_evaluation_changes_nothing(records: Records, network: Network, *, called: str) -> None:
    """A test leaves parameters and running statistics as they were. Raises CheckFailed (mutates_state)."""
    for call in evaluations(records, network):
        if call.state_after is not None and call.state_after != call.state_before:
            fail(
                "running statistics of the network changed while it was tested",
                called=called,
                cause="mutates_state",
                expected="a network that is after the test what it was before",
            )


def assert_test_changes_nothing(records: Records, *, called: str) -> None:
    """A function that only tests takes no step and changes nothing.

    Raises CheckFailed (trains_on_test, mutates_state).
    """
    if records.of(Step):
        fail(
            "parameters were stepped while the network was tested",
            called=called,
            cause="trains_on_test",
            expected="a test that only computes outputs, under torch.no_grad()",
        )
    for network in records.networks:
        changed = [parameter.name for parameter in network.parameters if parameter.changed] + network.buffers_changed
        if changed:
            fail(
                f"testing changed {_listed(changed)}",
                called=called,
                cause="mutates_state",
                expected="a network that is after the test what it was before: call model.eval() first",
            )


# ---- Losses -----------------------------------------------------------------------------------------------------


def assert_loss_function(records: Records, functions: Sequence[str], *, called: str) -> None:
    """Where a library's loss is trained on, it is one of `functions`. Raises CheckFailed."""
    used = sorted({loss.function for loss in records.of(Loss) if loss.gradients})
    if used and not set(used) & set(functions):
        fail(f"the loss was {', '.join(used)}", called=called, expected=f"F.{' or F.'.join(functions)}")


def assert_single_softmax(records: Records, *, called: str) -> None:
    """What the loss function is given has the form it expects.

    Raises CheckFailed (double_softmax, missing_softmax, missing_logarithm, wrong_axis).
    """
    for loss in records.of(Loss):
        if not loss.gradients or loss.input is None or loss.input.ndim != 2 or not loss.input.size:
            continue
        form = _form(loss.input)
        if loss.function == "cross_entropy" and form not in ("scores", _OVER_IMAGES):
            fail(
                f"cross_entropy was given {form}, and applies log-softmax itself",
                called=called,
                cause="double_softmax",
                expected="cross_entropy of the plain scores, or nll_loss of the log-softmax",
            )
        if loss.function == "nll_loss" and form != "logarithms of probabilities":
            fail(
                f"nll_loss was given {form}",
                called=called,
                cause=_WRONG_FORM_FOR_NLL[form],
                expected="nll_loss of logarithms of probabilities: F.log_softmax(scores, dim=1)",
            )


_OVER_IMAGES = "the log-softmax of each class over the images"
_WRONG_FORM_FOR_NLL = {"probabilities": "missing_logarithm", "scores": "missing_softmax", _OVER_IMAGES: "wrong_axis"}


def _form(rows: Array) -> str:
    """Probabilities, their logarithms, or scores, judged by what each row (or each column) sums to."""
    values = np.nan_to_num(rows.astype(np.float64))
    if values.min() >= 0 and np.allclose(values.sum(axis=1), 1, atol=1e-3):
        return "probabilities"
    if values.max() <= 1e-6 and np.allclose(np.exp(values).sum(axis=1), 1, atol=1e-3):
        return "logarithms of probabilities"
    if len(values) > 1 and values.max() <= 1e-6 and np.allclose(np.exp(values).sum(axis=0), 1, atol=1e-3):
        return _OVER_IMAGES
    return "scores"


def assert_loss_falls(losses: Any, bar: float, *, called: str, name: str = "the loss") -> None:
    """The mean of the last tenth of the losses is below `bar`. Raises CheckFailed."""
    curve = as_array(losses, name, called=called, ndim=1)
    if not curve.size:
        fail(f"there is no {name}", called=called, expected="one value per step")
    last = float(curve[-max(len(curve) // 10, 1) :].mean())
    if last >= bar:
        fail(
            f"{name} went from {curve[0]:.4g} to {last:.4g} in {len(curve)} steps",
            called=called,
            expected=f"{name} below {bar:.4g} by then",
        )


# ---- Errors that name themselves --------------------------------------------------------------------------------


def with_any_batch_size(run: Callable[[int], Any], usual: int, others: Sequence[int], *, called: str) -> None:
    """Run with a usual batch size, then with others. Raises CheckFailed (hard_coded_batch) where only these fail.

    Statistics of a batch of one image that evaluation asks for are another mistake (ignores_mode).
    An error with the usual size is raised as it is, so let that size divide the number of images.
    """
    run(usual)
    for size in others:
        try:
            run(size)
        except StudentError as error:
            if _OF_ONE.search(error.message):
                fail(
                    f"a batch of {usual} works, and a batch of {size} has no mean and variance of its own: {error}",
                    called=called,
                    cause="ignores_mode",
                    expected="in evaluation mode the running statistics, and not those of the batch",
                )
            if not _WRONG_SIZE.search(error.message):
                raise
            fail(
                f"a batch of {usual} works, and a batch of {size} ends with {error}",
                called=called,
                cause="hard_coded_batch",
                expected="code that takes the batch size from its input: x.shape[0], or -1 in view",
            )


def raise_with_cause(error: StudentError, *, called: str) -> None:
    """Raises CheckFailed (hard_coded_device) for an error about a missing GPU, else the error itself."""
    if error.type_name in ("RuntimeError", "AssertionError", "AcceleratorError") and _NO_GPU.search(error.message):
        fail(
            f"your code asked for a GPU: {error}",
            called=called,
            cause="hard_coded_device",
            expected='device = "cuda" if torch.cuda.is_available() else "cpu"',
        )
    raise error
