"""P4: the network against ours, and what its training learns."""

import numpy as np
from gradescope_utils.autograder_utils.decorators import number, visibility, weight

from autograder.checks import pictures
from autograder.checks.compare import assert_shape, call, fail
from autograder.checks.equivalence import assert_equivalent
from autograder.checks.networks import sample_images
from autograder.checks.training import make_arguments, make_device, make_loader, make_optimizer, standard_training
from autograder.sandbox.proxy import StudentError

from ..public.cnn import CLASSES, TRAIN, require_own_work, takes_other_arguments
from ..public.common import find_cnn, load_digits

EXAMPLES, TESTS, EPOCHS, BATCH = 400, 200, 3, 16
# Guessing is right one time in ten; this many epochs bring the network of the skeleton to about 0.9.
LEAST_ACCURACY = 0.6


@number("P4.6")
@weight(2)
@visibility("after_published")
def test_equivalence(submission, reference, probes, show):
    """Ours, with your weights, gives the same outputs"""
    network = find_cnn(probes, show)
    require_own_work(probes)
    assert_equivalent(network, reference.CNN(), sample_images(network.role), where="the network of the skeleton")


@number("P4.7")
@weight(3)
@visibility("after_published")
def test_learns(submission, probes, show):
    """A few epochs of train() make a network that recognises digits"""
    network = find_cnn(probes, show)
    require_own_work(probes)
    digits = load_digits(probes)
    try:
        train_with_own(submission, probes, network, digits)
    except StudentError as error:
        if not takes_other_arguments(error):
            raise
        standard_training(probes, network.handle, digits.train[:EXAMPLES], digits.train_labels[:EXAMPLES],
                          steps=EPOCHS * EXAMPLES // BATCH, batch_size=BATCH, seconds=40.0)  # fmt: skip
    outputs = network.run(digits.test[:TESTS])
    assert_shape(outputs, (TESTS, CLASSES), "the output", called=f"{network.made}(images)")
    predicted = outputs.argmax(axis=1)
    true = digits.test_labels[:TESTS]
    counts = np.zeros((CLASSES, CLASSES))
    np.add.at(counts, (true, predicted), 1)
    show.figure(
        f"After {EPOCHS} epochs on {EXAMPLES} digits",
        lambda: pictures.confusion_matrix(counts, [str(digit) for digit in range(CLASSES)]),
        "true classes in rows, predicted ones in columns",
    )
    accuracy = float(np.mean(predicted == true))
    if accuracy < LEAST_ACCURACY:
        fail(
            f"after {EPOCHS} epochs on {EXAMPLES} digits it recognises {accuracy:.0%} of {TESTS} others",
            called=TRAIN,
            expected=f"at least {LEAST_ACCURACY:.0%}",
        )


def train_with_own(submission, probes, network, digits):
    """Call the submission's train() for a few epochs, as the skeleton's main does. Raises StudentError."""
    loader = make_loader(probes, digits.train[:EXAMPLES], digits.train_labels[:EXAMPLES], BATCH)
    optimizer = make_optimizer(probes, "Adam", network.handle, lr=0.001)
    arguments, device = make_arguments(probes, epochs=EPOCHS), make_device(probes)
    for epoch in range(1, EPOCHS + 1):
        call(submission, "train", arguments, network.handle, device, loader, optimizer, epoch, name="")
