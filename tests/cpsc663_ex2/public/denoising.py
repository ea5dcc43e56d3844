"""P6.3: which networks of a run were trained on noisy images."""

from __future__ import annotations

import math
from typing import NoReturn

from autograder.checks.compare import fail
from autograder.checks.training import trained_networks
from autograder.checks.training_images import Gallery, noisy_calls
from autograder.checks.training_records import Noise, Records
from autograder.sandbox.proxy import Probes

from .common import CAE_FILE, WatchedRuns

PIXELS = 28 * 28

# Options by which scripts are told to add noise, with what they are set to.
OPTIONS = {"nois|corrupt|sigma|std|deviation": 0.3}


def noisy_run(probes: Probes, watched: WatchedRuns, gallery: Gallery) -> tuple[Records, str]:
    """The run of the file that trains with noise, and how it was started: as it is, or with its option for noise.

    Raises CheckFailed (not_implemented) or the student's own error where neither shows any.
    """
    called = f"python {CAE_FILE}.py"
    plain = watched.of(probes, CAE_FILE).records
    with_option = plain if noisy_calls(plain, gallery) else watched.of(probes, CAE_FILE, **OPTIONS).records
    if not noisy_calls(with_option, gallery):
        _fail_clean(plain, called)
    return with_option, called if with_option is plain else f"{called}, with its option for noise set"


def _fail_clean(records: Records, called: str) -> NoReturn:
    if records.errors:
        raise records.errors[0].as_student_error()
    drawn = [noise for noise in records.of(Noise) if len(noise.shape) > 1 and math.prod(noise.shape) % PIXELS == 0]
    fail(
        "no noisy image reached a network while it trained" + (", though noise was drawn" if drawn else ""),
        called=called,
        cause=None if drawn or records.ended else "not_implemented",  # what was cut short may have had it to come
        expected="noisy = images + 0.3 * torch.randn_like(images), and model(noisy)",
    )


def assert_both_versions(records: Records, gallery: Gallery, *, called: str) -> None:
    """Noise in the training of two networks, where two were trained without it. Raises CheckFailed."""
    noisy = {records.root(call.call.network) for call in noisy_calls(records, gallery)}
    clean = {network.number for network in trained_networks(records)} - noisy
    if len(noisy) < min(2, len(clean)):
        fail(
            f"{len(clean)} networks were trained on clean images, and {len(noisy)} on noisy ones",
            called=called,
            expected="Problem 6.3: 6.1 and 6.2 again with noise, so that both versions learn to remove it",
        )
