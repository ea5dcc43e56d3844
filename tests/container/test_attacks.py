"""The attacks of tests/harness/attacks inside the image: as root with Docker's default capabilities and filter, without
a network, in 768 MB and half a processor, each group in a container of its own; and again where the kernel has no
Landlock, for those groups in which it matters."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ATTACKS = ROOT / "tests" / "harness" / "attacks"
IMAGE = os.environ.get("AUTOGRADER_TEST_IMAGE")
AT_ONCE = 4  # each may use half a processor
LIMITS = ("--network", "none", "--memory", "768m", "--memory-swap", "768m", "--cpus", "0.5")
NO_LANDLOCK = ("--security-opt", f"seccomp={Path(__file__).parent / 'no_landlock.json'}")
CHOSEN = os.environ.get("AUTOGRADER_ATTACKS_GROUPS", "").split()
"""Groups to carry out where there is no time for all; none chosen means all."""
GROUPS = sorted(path.stem for path in (ATTACKS / "groups").glob("[a-z]*.py") if not CHOSEN or path.stem in CHOSEN)
FILES_MATTER = ("archives", "persistence", "results", "secrets")
COMMAND = (
    *("/autograder/venv/bin/python", "-m", "pytest", "-q", "-rs", "--config-file=/dev/null", "--rootdir=/attacks"),
    *("--override-ini=pythonpath=/", "--import-mode=importlib", "-p", "no:cacheprovider"),
)

if IMAGE is None:
    pytest.skip("needs Docker images: `make container-test` builds them", allow_module_level=True)


@dataclass(frozen=True)
class Setting:
    """One group in one container."""

    group: str
    words: str
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.group}-{self.words.replace(' ', '-')}"


SETTINGS = (
    *(Setting(group, "container") for group in GROUPS),
    *(Setting(group, "container without Landlock", NO_LANDLOCK) for group in FILES_MATTER if group in GROUPS),
)


def docker(*arguments: str | Path) -> str:
    run = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=900, check=False)
    return run.stdout + run.stderr


def carry_out(setting: Setting) -> str:
    """What pytest said in the container."""
    chosen = f"test_the_attack_is_held and {setting.group}-"
    variables = {
        "AUTOGRADER_ATTACKS_SETTING": setting.words,
        "AUTOGRADER_ATTACKS_AT_ONCE": "1",
        "AUTOGRADER_ATTACKS_ONE_IN": os.environ.get("AUTOGRADER_ATTACKS_ONE_IN", "1"),
    }
    environment = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    options = (*LIMITS, *environment, *setting.options)
    image = f"{IMAGE}:csci567_hw3"
    container = docker("create", *options, image, *COMMAND, "-k", chosen, "/attacks").strip()
    try:
        docker("cp", ATTACKS, f"{container}:/attacks")
        return docker("start", "--attach", container)
    finally:
        docker("rm", "--force", container)


@pytest.fixture(scope="module")
def runs() -> dict[Setting, Future[str]]:
    """Every setting under way."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {setting: pool.submit(carry_out, setting) for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_every_attack_is_held_in_the_container(runs, setting, record_property):
    said = runs[setting].result()
    counted = re.search(r"^attacks: held (\d+) of (\d+) \(", said, re.M)
    skipped = re.search(r"(\d+) skipped", said)
    assert counted or skipped, said[-5000:]
    held, tried = map(int, counted.groups()) if counted else (0, 0)
    for name, value in {"words": setting.words, "held": held, "tried": tried}.items():
        record_property(name, value)
    record_property("skipped", int(skipped[1]) if skipped else 0)
    assert held == tried, said[-20_000:]
