"""3.2: running statistics, and what the network learns."""

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks.compare import fail
from autograder.checks.training import standard_training

from ..public.common import find_normalised, load_digits
from ..public.normalization import assert_settles

STEPS, RATE, BATCH = 150, 0.002, 32
# Guessing is right one time in ten; 150 steps bring the reference above 0.9.
LEAST_ACCURACY = 0.7


@number("3.2.4")
@weight(3)
@visibility("after_published")
def test_running_statistics(submission, probes, show):
    """Evaluation uses the mean and variance that were gathered in training"""
    assert_settles(find_normalised(probes, show))


@number("3.2.5")
@weight(2)
@visibility("after_published")
def test_learns(submission, probes, show):
    """The normalized network learns to recognize digits"""
    network = find_normalised(probes, show)
    digits = load_digits(probes)
    done = standard_training(
        probes,
        network.handle,
        digits.train,
        digits.train_labels,
        held=digits.test,
        steps=STEPS,
        lr=RATE,
        batch_size=BATCH,
    )
    predicted = done.outputs.reshape(len(digits.test), -1).argmax(axis=1)
    accuracy = float(np.mean(predicted == digits.test_labels))
    show.text("Accuracy", f"{accuracy:.1%} of held-out digits, after {done.steps} steps of a training of ours.")
    if accuracy < LEAST_ACCURACY:
        fail(
            f"after {done.steps} steps of a training of ours it recognizes {accuracy:.0%} of held-out digits",
            called=f"training {network.made}",
            expected=f"at least {LEAST_ACCURACY:.0%}",
        )
