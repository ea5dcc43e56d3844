"""3.1 and 3.2: small trainings whose cost and accuracy are known beforehand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autograder.checks.compare import as_array, as_scalar, fail, unpack
from autograder.checks.networks import Network
from autograder.checks.training import make_loader, make_optimizer
from autograder.sandbox.proxy import Probes

from .common import CLASSES, UNWEIGHTED, load_digits

Array = NDArray[np.float64]

TRAIN = "train(model, optimizer, train_loader, validation_loader, epochs)"
BATCH, BATCHES = 16, 3
VALIDATED = 40  # in batches of 16, so that the last one is smaller
COST_TOLERANCE = 2e-3
TRAINING_RATE = 0.047


def plain_loader(probes: Probes) -> Any:
    """Three batches of digits."""
    digits, count = load_digits(probes), BATCH * BATCHES
    return make_loader(probes, digits.train[:count], digits.train_labels[:count], BATCH)


def torch_optimizer(probes: Probes, network: Network, lr: float = TRAINING_RATE) -> Any:
    """One of PyTorch's, so that an optimizer of the student's own is not judged here."""
    return make_optimizer(probes, "SGD", network.handle, lr=lr)


@dataclasses.dataclass(frozen=True)
class Task:
    """Loaders, and what a network that does not change scores on them.

    costs: the mean cross-entropy cost on the training loader; also that of a network which ends in a softmax and is
    trained with another one, since that is another check's matter. accuracy: on the validation loader;
    other_accuracies: what wrong ways of measuring it give.
    """

    training: Any
    validation: Any
    costs: tuple[float, ...]
    accuracy: float
    other_accuracies: Sequence[tuple[str, str, float]]

    def curves_of(self, answer: Any, epochs: int) -> tuple[Array, Array]:
        """The two lists that train() returns. Raises CheckFailed."""
        costs, accuracies = unpack(answer, 2, "what train returns", called=TRAIN)
        return (
            as_array(costs, "the list of costs", shape=(epochs,), called=TRAIN),
            as_array(accuracies, "the list of accuracies", shape=(epochs,), called=TRAIN),
        )


def small_task(probes: Probes, network: Network) -> Task:
    """Two thirds of the validation labels are right, none in the last, smaller batch; of the others one in seven."""
    digits, count = load_digits(probes), BATCH * BATCHES
    outputs = network.run(digits.train[: count + VALIDATED])
    predicted = outputs.reshape(count + VALIDATED, -1)[:, :CLASSES].argmax(axis=1)
    wrong = (predicted + 1) % CLASSES
    labels = np.where(np.arange(len(wrong)) % 7 == 0, predicted, wrong)
    labels[count : count + 32] = np.where(
        np.arange(32) % 3 == 0, wrong[count : count + 32], predicted[count : count + 32]
    )
    labels[count + 32 :] = wrong[count + 32 :]
    right = labels == predicted
    validated = right[count:]
    parts = [float(validated[start : start + BATCH].mean()) for start in range(0, VALIDATED, BATCH)]
    return Task(
        make_loader(probes, digits.train[:count], labels[:count], BATCH),
        make_loader(probes, digits.train[count : count + VALIDATED], labels[count:], BATCH),
        costs_of(outputs[:count].reshape(count, -1), labels[:count]),
        float(validated.mean()),
        [
            ("measures_training_data", "measuring it on the training pictures", float(right[:count].mean())),
            ("unweighted_batches", UNWEIGHTED, float(np.mean(parts))),
            ("last_batch_only", "the last batch alone", parts[-1]),
            ("wrong_divisor", "dividing by the number of batches", float(validated.sum() / len(parts))),
        ],
    )


def costs_of(outputs: Array, labels: NDArray[np.int64]) -> tuple[float, ...]:
    """The cross-entropy of scores, or of probabilities, whatever the network gives (log-probabilities are scores).

    Of probabilities also that with a second softmax.
    """
    rows = np.arange(len(labels))
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    of_scores = float((np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]).mean())
    if outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        return float(-np.log(outputs[rows, labels] + 1e-12).mean()), of_scores
    return (of_scores,)


def assert_cost(got: Any, expected: tuple[float, ...]) -> None:
    """Raises CheckFailed unless the cost is one of the `expected` means over the training pictures."""
    cost = as_scalar(got, "the cost", called=TRAIN)
    if _is_near(cost, expected):
        return
    cause, like = None, ""
    if _is_near(cost / BATCHES, expected):
        cause, like = "sum_not_mean", ", the sum over the batches and not their mean"
    elif _is_near(cost / (BATCH * BATCHES), expected):
        cause, like = "sum_not_mean", ", the sum over the pictures and not their mean"
    elif _is_near(cost * BATCH, expected):
        cause, like = "extra_batch_mean", ", the batches' mean costs divided by the number of pictures"
    fail(
        f"The cost of an epoch in which the network hardly changes is {cost:.4f}{like}.",
        called=TRAIN,
        cause=cause,
        expected="the mean of the cross-entropy cost over the training pictures of the epoch",
    )


def _is_near(cost: float, expected: tuple[float, ...]) -> bool:
    return any(abs(cost - one) <= COST_TOLERANCE * max(1.0, one) for one in expected)
