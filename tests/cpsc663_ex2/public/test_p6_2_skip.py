"""P6.2: skip connections between each pooling layer and its corresponding up-sampling layer."""

import pytest
from gradescope_utils.autograder_utils.decorators import number, tags, weight

from autograder.checks.architecture import assert_skips
from autograder.checks.compare import CheckFailed
from autograder.checks.training import assert_every_parameter_moves

from .common import CAE_FILE, find_skip_cae, has_training
from .judging import NO_TRAINING, assert_saved_after_training, trained_like

WHERE = "Problem 6.2"
RUN = f"python {CAE_FILE}.py"


@number("P6.2.1")
@weight(4)
@tags("public")
@pytest.mark.needs_file("prob6_CAE.py")
def test_exists(probes, show):
    """There is a version in which more than the code enters the decoder"""
    find_skip_cae(probes, show)


@number("P6.2.2")
@weight(5)
@tags("public")
@pytest.mark.needs_file("prob6_CAE.py")
def test_connections(probes, show):
    """A skip connection leads from each pooling layer into the decoder"""
    network = find_skip_cae(probes, show)
    assert_skips(network.trace(), where=WHERE, called=network.made)


@number("P6.2.3")
@weight(1)
@tags("public")
@pytest.mark.needs_file("prob6_CAE.py")
def test_training(probes, watched, show):
    """The version with skip connections is trained, all of its parameters"""
    network = find_skip_cae(probes, show)
    records = watched.of(probes, CAE_FILE).records
    if not has_training(records):
        show.text("Training", NO_TRAINING.format(file=f"{CAE_FILE}.py"))
        return
    seen = trained_like(records, network)
    faults = [fault for fault in (fault_of(records, one) for one in seen) if fault is not None]
    # Where nothing moves at all it is the training of 6.1 that is at fault.
    if faults and len(faults) < len(seen):
        raise faults[0]
    assert_saved_after_training(records, "mnist-cae-skip.pt", RUN)


def fault_of(records, network):
    """Why the training does not reach every parameter of a network; None where it does."""
    try:
        assert_every_parameter_moves(records.only(network), called=RUN)
    except CheckFailed as fault:
        return fault
    return None
