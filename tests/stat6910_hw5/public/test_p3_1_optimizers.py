"""3.1: the network with two hidden layers, the four optimizers, and the training."""

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.architecture import outline
from autograder.checks.compare import fail
from autograder.checks.training import (
    assert_every_parameter_moves,
    assert_gradients_cleared,
    assert_plain_steps,
    assert_single_softmax,
    assert_steps_at_rate,
    assert_steps_descend,
    assert_steps_for_batches,
    call_watched,
)
from autograder.sandbox.proxy import StudentError

from .common import assert_accuracy, assert_activations, assert_ten_scores, find_plain, trained_in
from .optimizers import (
    NAMES,
    SEEDS,
    SHAPES,
    Look,
    accepted,
    assert_follows,
    constant,
    described,
    increments,
    moves,
    summed,
)
from .training import BATCHES, TRAIN, TRAINING_RATE, assert_cost, plain_loader, small_task, torch_optimizer

RATE, MU = 0.05, 0.8


@number("3.1.1")
@weight(2)
@tags("public")
def test_network(submission, probes, show):
    """The network of 3.1 is fully connected and has two hidden layers"""
    network = find_plain(probes, show)
    layers = network.trace().layers()
    linear = [layer for layer in layers if layer.name == "linear"]
    expected = "two hidden layers with an activation behind each, then the output layer: three linear layers"
    if len(linear) != 3 or any("convolution" in layer.name for layer in layers):
        few = len(linear) < 3 and len(layers) <= 2 * len(linear)
        count = {0: "no linear layer", 1: "one linear layer"}.get(len(linear), f"{len(linear)} linear layers")
        fail(f"Your network has {count}. It computes:\n{outline(layers)}", called=network.made,
             cause="missing_layer" if few else None, expected=expected)  # fmt: skip
    assert_activations(network)
    assert_ten_scores(network)


def _slips_of_rate(rule, rate=RATE):
    """By cause, the moves of programs that have the sign or the learning rate wrong."""
    return {
        "ascends": [[[-change for change in of_step] for of_step in rule]],
        "learning_rate_twice": [[[change * rate for change in of_step] for of_step in rule]],
    }


@number("3.1.2")
@weight(2)
@tags("public")
def test_sgd(submission, probes):
    """A step of standard SGD is w' = w - eta * gradient"""
    for rate in (RATE, 0.2):
        hyperparameters = accepted(probes, submission, "sgd", {"lr": rate})
        for seed in SEEDS:
            task = constant(seed, steps=1)
            rule = [[-rate * gradient for gradient in task.gradients[0]]]
            assert_follows(
                moves(probes, submission, "sgd", task, hyperparameters),
                [rule],
                described("sgd", hyperparameters),
                alternatives={
                    "learning_rate_ignored": [[[change / rate for change in rule[0]]]],
                    **_slips_of_rate(rule, rate),
                },
            )


@number("3.1.3")
@weight(2)
@tags("public")
def test_momentum(submission, probes):
    """With momentum the velocity builds up: if the gradient stays, step k is 1 + mu + ... + mu^(k-1) times the first"""
    hyperparameters = accepted(probes, submission, "momentum", {"lr": RATE, "momentum": MU})
    for seed in SEEDS:
        task = constant(seed)
        factors = np.cumsum(MU ** np.arange(len(task.gradients)))
        rule = summed([[-RATE * factor * gradient for gradient in task.gradients[0]] for factor in factors])
        plain = summed([[-RATE * gradient for gradient in task.gradients[0]] for _ in factors])
        assert_follows(
            moves(probes, submission, "momentum", task, hyperparameters),
            [rule],
            described("momentum", hyperparameters),
            alternatives=_slips_of_rate(rule),
            # Either of two mistakes, of which the constant gradient does not tell which.
            looks=[
                Look(cause, "they do not grow, as if no velocity were kept or the new gradient were dampened", plain)
                for cause in ("hyperparameter_ignored", "wrong_rule")
            ],
        )


@number("3.1.4")
@weight(2)
@tags("public")
def test_adagrad(submission, probes):
    """AdaGrad scales each entry by its own history: if the gradient stays, step k is eta / sqrt(k) in size"""
    hyperparameters = accepted(probes, submission, "adagrad", {"lr": RATE})
    for seed in SEEDS:
        task = constant(seed)
        signs = [np.sign(gradient) for gradient in task.gradients[0]]
        sizes = RATE / np.sqrt(np.arange(1, len(task.gradients) + 1))
        rule = summed([[-size * sign for sign in signs] for size in sizes])
        same = summed([[-RATE * sign for sign in signs] for _ in sizes])
        assert_follows(
            moves(probes, submission, "adagrad", task, hyperparameters),
            [rule],
            described("adagrad", hyperparameters),
            alternatives=_slips_of_rate(rule),
            # Adam would step so, too.
            looks=[
                Look(cause, "they do not get smaller, so the squares of earlier gradients take no part", same)
                for cause in ("forgets_history", "wrong_rule")
            ],
        )


@number("3.1.5")
@weight(1.5)
@tags("public")
def test_adam(submission, probes):
    """Adam's bias is corrected: if the gradient stays, each step is eta in size from the first on"""
    hyperparameters = accepted(probes, submission, "adam", {"lr": RATE})
    for seed in SEEDS:
        task = constant(seed)
        signs = [np.sign(gradient) for gradient in task.gradients[0]]
        rule = summed([[-RATE * sign for sign in signs] for _ in task.gradients])
        assert_follows(
            moves(probes, submission, "adam", task, hyperparameters),
            [rule],
            described("adam", hyperparameters),
            alternatives=_slips_of_rate(rule),
            looks=[
                Look(cause, sentence, summed([[-RATE * size * sign for sign in signs] for size in sizes]))
                for cause, sentence, sizes in _slips_of_bias(len(task.gradients))
            ],
        )


def _slips_of_bias(steps):
    """(cause, sentence, size of each step in learning rates) of a bias that is corrected wrongly."""
    k = np.arange(1, steps + 1)
    first, second = 1 - 0.9**k, np.sqrt(1 - 0.999**k)
    return [
        ("no_bias_correction", "the bias of the moments is not corrected", first / second),
        ("no_bias_correction", "the bias of the second moment alone is not corrected", 1 / second),
        ("no_bias_correction", "the bias of the first moment alone is not corrected", first),
        ("off_by_one", "the bias is corrected as in the step after",
         first / (1 - 0.9 ** (k + 1)) * np.sqrt(1 - 0.999 ** (k + 1)) / second),
    ]  # fmt: skip


@number("3.1.6")
@weight(1.5)
@tags("public")
def test_handling(submission, probes):
    """With your tuned values each optimizer goes downhill, leaves what has no gradient alone, and clears gradients"""
    for name in NAMES:
        called = described(name, {})
        task = constant(1, steps=2)
        for of_step in task.gradients:
            of_step[1] = None
        got = increments(moves(probes, submission, name, task, {}))
        if np.any(got[0][1]) or np.any(got[1][1]):
            fail("A parameter whose gradient is None was moved.", called=called, cause="mutates_state",
                 expected="a parameter without a gradient stays as it is")  # fmt: skip
        for change, gradient in zip(got[0], task.gradients[0], strict=True):
            if gradient is not None and np.any(change * gradient > 0):
                fail("The first step goes up the gradient.", called=called, cause="ascends")
            if gradient is not None and not np.all(change):
                fail(f"The first step leaves a parameter of shape {change.shape} as it was.", called=called,
                     cause="updates_subset", expected="a step for every parameter that has a gradient")  # fmt: skip
        answer = probes.run(
            "update_rules", "gradients_after_clearing", submission.make_optimizer, name, task.start, task.start,
            called=f"{called}.zero_grad()",
        )  # fmt: skip
        if not isinstance(answer, list) or any(gradient is not None and np.any(gradient) for gradient in answer):
            fail("Gradients are still there.", called=f"{called}.zero_grad()", cause="accumulates_gradient",
                 expected="gradients of zero, or None")  # fmt: skip


@number("3.1.7")
@weight(3)
@tags("public")
def test_training(submission, probes, show):
    """train() takes one step down the gradient of the cost for every batch, with fresh gradients"""
    network = find_plain(probes, show)
    loader, optimizer = plain_loader(probes), torch_optimizer(probes, network)
    _, records = call_watched(
        probes, submission.train, network.handle, optimizer, loader, plain_loader(probes), 1, called=TRAIN
    )
    _, seen = trained_in(records, TRAIN)
    assert_gradients_cleared(seen, called=TRAIN)
    assert_steps_for_batches(seen, BATCHES, called=TRAIN)
    assert_steps_descend(seen, called=TRAIN)
    assert_steps_at_rate(seen, TRAINING_RATE, called=TRAIN)
    assert_plain_steps(seen, called=TRAIN)
    assert_every_parameter_moves(seen, called=TRAIN)
    assert_single_softmax(seen, called=TRAIN)


@number("3.1.8")
@weight(2)
@tags("public")
def test_curves(submission, probes, show):
    """train() returns the mean training cost and the validation accuracy of each epoch"""
    network = find_plain(probes, show)
    task = small_task(probes, network)
    # A rate of next to nothing: the network stays what it is, so that cost and accuracy are known.
    optimizer = torch_optimizer(probes, network, lr=1e-9)
    answer = submission.train(network.handle, optimizer, task.training, task.validation, 2)
    costs, accuracies = task.curves_of(answer, epochs=2)
    for epoch in (0, 1):
        assert_cost(costs[epoch], task.costs)
        assert_accuracy(accuracies[epoch], task.accuracy, TRAIN, task.other_accuracies, "the validation accuracy")


@number("3.1.9")
@weight(0)
@tags("public")
def test_unknown_name(submission, probes):
    """Advice: make_optimizer raises a ValueError for a name that it does not know"""
    start = [np.zeros(shape) for shape in SHAPES]
    try:
        probes.run("update_rules", "steps", submission.make_optimizer, "newton", start, [], {}, called="make_optimizer")
    except StudentError as error:
        if error.type_name == "ValueError":
            return
        raise
    fail("no exception", called="make_optimizer('newton', parameters)", cause=None, expected="a ValueError")
