"""Every attack in groups/ is carried out, end to end, and must come to nothing; some of them without protection, to
show that the tests would notice.

An attack that is held gains no points and costs no others than those of the functions it is in; no secret of the course
is in anything that was written or printed; the results are complete and valid; no process, file or shared memory is
left; and an honest submission graded next gets all of its points. See `judging`.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import platform
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from attacks.course import TOKEN
from attacks.gathering import GROUPS
from attacks.grading import Observed, observe
from attacks.judging import document_of, judged, told
from attacks.record import Attack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the grader runs on Linux")

IMPORTED = ["autograder.grading.run", "autograder.grading.report", "autograder.workspace", "attacks.grading"]
ONE_IN = int(os.environ.get("AUTOGRADER_ATTACKS_ONE_IN") or 1)
"""1, or a number to try only every so many of the attacks, where time is short."""
ALL = [(group, attack) for group, attacks in GROUPS.items() for attack in attacks]
ATTACKS = ALL[::ONE_IN]
AT_ONCE = "AUTOGRADER_ATTACKS_AT_ONCE"
REQUIRED, OPEN = ("--confine", "require"), ("--confine", "off")

UNPROTECTED = {
    "reads_the_hidden_check": "the secret of hidden came out",
    "reads_earlier_results": "the secret of metadata came out",
    "walks_the_disk": "it found OPEN walk",
    "reads_the_graders_environment": "the secret of environment came out",
    "writes_the_results": "left or changed: results|it found OPEN results|the submission itself",
    "closes_the_results_folder": "left or changed: results",
    "plants_the_temporary_name": "left or changed: results/",
    "leaves_a_daemon_that_writes_later": "left running: process",
    "kills_the_grader": "the grader ended with -9",
    "has_the_kernel_signal_the_grader": "it found OPEN|the grader ended with",
    "takes_the_graders_limits_away": "it found OPEN FSIZE|the grader ended with",
    "leaves_files_everywhere": "left or changed: /tmp/left-behind-",
    "leaves_shared_memory": "left or changed: System V shm",
    "connects_by_tcp": "something arrived by TCP",
    "sends_by_udp": "something arrived by UDP",
    "connects_to_an_abstract_socket": "something arrived by abstract socket",
}
"""What is to be noticed of an attack where nothing holds it back: a pattern for each kind of thing to be noticed."""


def reason_to_skip(attack: Attack) -> str:
    """Why an attack cannot be tried on this machine; "" where it can."""
    if "torch" in attack.needs and importlib.util.find_spec("torch") is None:
        return "torch is not installed"
    if "x86_64" in attack.needs and platform.machine() != "x86_64":
        return "the attack is written for x86-64"
    return ""


def carry_out(processes: multiprocessing.context.BaseContext, attack: Attack, options: tuple[str, ...]) -> Observed:
    """In a process of its own, which adopts and ends all that the attack leaves."""
    parent = tempfile.mkdtemp(prefix="attacks-")
    os.chmod(parent, 0o711)  # the worker's user has to pass through
    report = Path(parent, "observed.json")
    try:
        process = processes.Process(target=observe, args=(parent, attack.name, list(options), str(report)))
        process.start()
        process.join()
        assert report.is_file(), f"the attack ended the process that watched it: {process.exitcode}"
        return msgspec.json.decode(report.read_bytes(), type=Observed)
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def observations(request, monkeypatch_module) -> Iterator[dict[tuple[str, tuple[str, ...]], Future[Observed]]]:
    """All selected attacks, under way: as many at a time as there are cores, or as AT_ONCE says."""
    wanted = []
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if item.path == request.path and "attack" in parameters and not reason_to_skip(parameters["attack"]):
            wanted.append((parameters["attack"], parameters["options"]))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(IMPORTED)
    monkeypatch_module.setenv(TOKEN, f"CANARY-environment-{secrets.token_hex(8)}")
    with ThreadPoolExecutor(int(os.environ.get(AT_ONCE) or os.cpu_count() or 1)) as pool:
        yield {(attack.name, options): pool.submit(carry_out, processes, attack, options) for attack, options in wanted}
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def observed(observations, attack, options) -> Observed:
    if reason := reason_to_skip(attack):
        pytest.skip(reason)
    return observations[attack.name, options].result()


@pytest.mark.parametrize("options", [pytest.param(REQUIRED, id="confined")])
@pytest.mark.parametrize("attack", [pytest.param(attack, id=f"{group}-{attack.name}") for group, attack in ATTACKS])
def test_the_attack_is_held(attack, options, observed):
    protections = document_of(observed.afterwards).extra_data.protections
    if attack.protected_by and not any(protections[name].startswith("held") for name in attack.protected_by):
        pytest.skip(f"not defended here, as docs/security.md says: {protections}")
    assert not judged(attack, observed), "\n".join([attack.tries, *judged(attack, observed)])


@pytest.mark.parametrize("options", [pytest.param(OPEN, id="unconfined")])
@pytest.mark.parametrize(
    "attack", [pytest.param(attack, id=attack.name) for _, attack in ATTACKS if attack.name in UNPROTECTED]
)
def test_an_attack_that_nothing_holds_back_is_noticed(attack, options, observed):
    found = judged(attack, observed)
    assert any(matches(UNPROTECTED[attack.name], problem) for problem in found), "\n".join(
        [*found, told(document_of(observed.attacked)) if document_of(observed.attacked) else ""]
    )


def matches(pattern: str, text: str) -> bool:
    return any(part in text for part in pattern.split("|"))


def test_there_are_enough_attacks_and_each_has_a_name_of_its_own():
    names = [attack.name for _, attack in ALL]
    assert len(names) == len(set(names)) >= 75
    assert set(UNPROTECTED) <= set(names)
    assert all(attack.evidence and attack.tries.startswith("to ") for _, attack in ALL)
