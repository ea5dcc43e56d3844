"""Submissions graded by real images, in Gradescope's layout and limits, without a network.

docker/container_test.sh builds the images and names them in AUTOGRADER_TEST_IMAGE; `make container-test` runs it. In
AUTOGRADER_TEST_TORCH it names the PyTorch homework whose image there is, if any.
Every submission with an attack is the worked solution with gradient_checker replaced (tests/container/attacks), so that
all that may be lost are the checks which call that function.
"""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autograder.assignment import Assignment, load_assignment

ROOT = Path(__file__).resolve().parents[2]
ATTACKS = Path(__file__).parent / "attacks"
IMAGE = os.environ.get("AUTOGRADER_TEST_IMAGE")
TOKEN = "PLATFORM-SECRET"
TORCH = os.environ.get("AUTOGRADER_TEST_TORCH", "")
NO_LANDLOCK = f"--security-opt seccomp={Path(__file__).parent / 'no_landlock.json'}"

if IMAGE is None:
    pytest.skip("needs Docker images: `make container-test` builds them", allow_module_level=True)


@dataclass(frozen=True)
class Scenario:
    """What is graded in one container: the worked solution, the stencil, a bug, or an attack's file name."""

    submission: str
    assignment: str = "csci567_hw3"
    create_options: str = ""

    @property
    def homework(self) -> Assignment:
        return load_assignment(ROOT / "tests" / self.assignment)

    def __str__(self) -> str:
        return f"{self.assignment}-{self.submission}{'-restricted' if self.create_options else ''}"


ATTACKED = tuple(Scenario(file.stem) for file in sorted(ATTACKS.glob("*.py")))
WITHOUT_LANDLOCK = Scenario("snoop", create_options=NO_LANDLOCK)
TORCH_SCENARIOS = tuple(Scenario(submission, TORCH) for submission in ("reference", "stencil") if TORCH)
SCENARIOS = (
    *TORCH_SCENARIOS,  # the longest runs first
    *(Scenario(submission) for submission in ("reference", "stencil", "buggy")),
    *(Scenario(submission, "csci1430_hw5") for submission in ("reference", "stencil")),
    *ATTACKED,
    WITHOUT_LANDLOCK,
)


@dataclass(frozen=True)
class Graded:
    """A finished run: the document, and what run_autograder printed for the instructor."""

    document: dict[str, Any]
    log: str

    def points(self, *items: str) -> float:
        """The points of some items; of all where none is named."""
        chosen = [test for test in self.document["tests"] if not items or test["extra_data"]["item"] in items]
        return sum(test["score"] for test in chosen)

    def outcomes(self, item: str) -> set[str]:
        return {test["extra_data"]["outcome"] for test in self.document["tests"] if test["extra_data"]["item"] == item}


def files_of(scenario: Scenario) -> dict[str, bytes]:
    """The files that the student hands in: of a worked solution all that there are, with its main file changed."""
    homework = scenario.homework
    folder = homework.stencil_folder if scenario.submission == "stencil" else homework.reference_folder
    names = (*homework.files.required, *homework.files.optional)
    files = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
    if scenario.submission not in ("stencil", "reference"):
        files[homework.main] = changed(files[homework.main].decode(), scenario.submission).encode()
    return files


def changed(source: str, submission: str) -> str:
    """The worked solution's main file with a bug, or with an attack in it."""
    if submission == "buggy":
        correct = 'self.params["b"]\n'
        assert source.count(correct) == 1, "the reference has changed: choose another line to spoil"
        return source.replace(correct, 'self.params["b"] + 1\n')
    # Before the lines that run when the file is started as a script, where a student would write it.
    definitions, script, start = source.partition('\nif __name__ == "__main__":')
    assert script, "the reference no longer ends with the lines that start it"
    attack = (ATTACKS / f"{submission}.py").read_text(encoding="utf-8")
    return f"{definitions}\n\n{attack}\n{script}{start}"


def grade(scenario: Scenario, folder: Path) -> Graded:
    submission = folder / "submission"
    submission.mkdir()
    for name, content in files_of(scenario).items():
        (submission / name).write_bytes(content)
    results = folder / "results.json"
    command = [ROOT / "docker" / "grade.sh", f"{IMAGE}:{scenario.assignment}", submission, results]
    options = f"--env PLATFORM_TOKEN={TOKEN} {scenario.create_options}"
    environment = {**os.environ, "DOCKER_CREATE_OPTIONS": options}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, f"docker/grade.sh ended with {run.returncode}:\n{run.stdout}\n{run.stderr}"
    return Graded(json.loads(results.read_text(encoding="utf-8")), run.stdout + run.stderr)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[Scenario, Future[Graded]]:
    """Every scenario under way, three at a time: each may use half a processor."""
    with ThreadPoolExecutor(3) as pool:
        return {
            scenario: pool.submit(grade, scenario, tmp_path_factory.mktemp(str(scenario))) for scenario in SCENARIOS
        }


@pytest.fixture
def scenario(request) -> Scenario:
    return request.param


@pytest.fixture
def graded(runs, scenario) -> Graded:
    return runs[scenario].result()


def graded_as(*scenarios: Scenario) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scenario", scenarios, indirect=True, ids=str)


REFERENCES = tuple(scenario for scenario in SCENARIOS if scenario.submission == "reference")
STENCILS = tuple(scenario for scenario in SCENARIOS if scenario.submission == "stencil")


@graded_as(*REFERENCES)
def test_a_reference_gets_every_point(scenario, graded):
    lost = [(test["number"], test["output"]) for test in graded.document["tests"] if test["score"] < test["max_score"]]
    assert graded.points() == pytest.approx(scenario.homework.points), lost


@graded_as(*REFERENCES)
def test_every_protection_holds_in_the_container(graded):
    protections = graded.document["extra_data"]["protections"]
    assert protections
    assert all(str(state).startswith("held") for state in protections.values()), protections


@graded_as(*STENCILS)
def test_a_stencil_gets_nothing_and_hears_why_check_by_check(graded):
    assert graded.points() == 0
    assert all(test["output"] for test in graded.document["tests"])
    assert len(graded.document["tests"]) >= 20


@pytest.mark.skipif(not TORCH, reason="there is no image of a PyTorch homework")
def test_a_torch_homework_fits_the_smallest_container(runs):
    for scenario in TORCH_SCENARIOS:
        document = runs[scenario].result().document
        print(f"{scenario}: {document['execution_time']:.0f} s")
        assert document["extra_data"]["finished"], document.get("output")


@graded_as(Scenario("buggy"))
def test_a_bug_costs_its_own_item_only(graded):
    assert 0 < graded.points("3.1.1") < 6
    assert graded.points() == pytest.approx(graded.points("3.1.1") + 18)


@graded_as(*ATTACKED, WITHOUT_LANDLOCK)
def test_an_attack_costs_the_checks_that_call_it_and_no_others(graded):
    assert graded.document["extra_data"]["finished"]
    assert graded.points("3.1.5") == 0
    assert graded.points("3.1.1", "3.1.2", "3.1.3", "3.1.4") == pytest.approx(16)
    assert graded.points("3.1.6") >= 3  # one of its checks runs main with --check_gradient


@graded_as(Scenario("endless_loop"))
def test_an_endless_loop_is_called_a_timeout(graded):
    assert "timeout" in graded.outcomes("3.1.5")


@graded_as(Scenario("exit"))
def test_leaving_the_process_is_called_a_crash(graded):
    assert "crash" in graded.outcomes("3.1.5")


@graded_as(Scenario("endless_print"))
def test_a_gigabyte_of_print_leaves_a_document_of_normal_size(graded):
    assert len(json.dumps(graded.document)) < 5_000_000


@graded_as(Scenario("fork_bomb"))
def test_no_process_outlives_the_run(graded):
    assert "would not end" not in graded.log


@graded_as(Scenario("snoop"), WITHOUT_LANDLOCK)
def test_everything_a_submission_should_not_reach_is_closed(graded):
    report = json.dumps(graded.document)
    assert "CLOSED become root" in report, "the snooper did not get to its end"
    assert "/autograder/source/reference" in report
    assert "OPEN " not in report


@graded_as(WITHOUT_LANDLOCK)
def test_the_kernel_without_landlock_is_one(graded):
    assert not graded.document["extra_data"]["protections"]["files"].startswith("held")


@graded_as(Scenario("snoop"), WITHOUT_LANDLOCK)
def test_no_secret_of_the_platform_reaches_the_document(graded):
    report = json.dumps(graded.document) + graded.log
    assert TOKEN not in report
    assert "METADATA-SECRET" not in report
