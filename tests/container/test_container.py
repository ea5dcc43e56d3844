"""Submissions graded by real images, in Gradescope's layout and limits, without a network.

docker/container_test.sh builds the images and names them in AUTOGRADER_TEST_IMAGE; `make container-test` runs it.
Every submission with an attack is the worked solution with one function replaced (tests/container/attacks), so that
all that may be lost are the checks which call that function.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ATTACKS = Path(__file__).parent / "attacks"
IMAGE = os.environ.get("AUTOGRADER_TEST_IMAGE")
TOKEN = "PLATFORM-SECRET"
MAIN = {"csci567_hw3": "neural_networks.py", "csci1430_hw5": "model.py"}
SCENARIOS = ("reference", "stencil", "buggy", *sorted(attack.stem for attack in ATTACKS.glob("*.py")))

if IMAGE is None:
    pytest.skip("needs Docker images: `make container-test` builds them", allow_module_level=True)


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


def write_submission(scenario: str, assignment: str, folder: Path) -> None:
    main = MAIN[assignment]
    if scenario == "stencil":
        shutil.copy(ROOT / "stencils" / assignment / main, folder)
        return
    source = (ROOT / "reference" / assignment / main).read_text(encoding="utf-8")
    if scenario == "buggy":
        correct = 'self.params["b"]\n'
        assert source.count(correct) == 1, "the reference has changed: choose another line to spoil"
        source = source.replace(correct, 'self.params["b"] + 1\n')
    elif scenario != "reference":
        # Before the lines that run when the file is started as a script, where a student would write it.
        definitions, script, start = source.partition('\nif __name__ == "__main__":')
        assert script, "the reference no longer ends with the lines that start it"
        attack = (ATTACKS / f"{scenario}.py").read_text(encoding="utf-8")
        source = f"{definitions}\n\n{attack}\n{script}{start}"
    (folder / main).write_text(source, encoding="utf-8")


def grade(scenario: str, assignment: str, folder: Path) -> Graded:
    submission = folder / "submission"
    submission.mkdir(parents=True)
    write_submission(scenario, assignment, submission)
    results = folder / "results.json"
    command = [ROOT / "docker" / "grade.sh", f"{IMAGE}:{assignment}", submission, results]
    environment = {**os.environ, "DOCKER_CREATE_OPTIONS": f"--env PLATFORM_TOKEN={TOKEN}"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, f"docker/grade.sh ended with {run.returncode}:\n{run.stdout}\n{run.stderr}"
    return Graded(json.loads(results.read_text(encoding="utf-8")), run.stdout + run.stderr)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Future[Graded]]:
    """Every scenario under way, three at a time: each may use half a processor."""
    wanted = [("csci567_hw3", scenario) for scenario in SCENARIOS]
    wanted += [("csci1430_hw5", scenario) for scenario in ("reference", "stencil")]
    with ThreadPoolExecutor(3) as pool:
        return {
            (assignment, scenario): pool.submit(
                grade, scenario, assignment, tmp_path_factory.mktemp(f"{assignment}-{scenario}")
            )
            for assignment, scenario in wanted
        }


@pytest.fixture
def graded(runs, request) -> Graded:
    assignment, scenario = request.param
    return runs[assignment, scenario].result()


def scenario(name: str, assignment: str = "csci567_hw3") -> pytest.MarkDecorator:
    return pytest.mark.parametrize("graded", [(assignment, name)], indirect=True, ids=[f"{assignment}-{name}"])


@scenario("reference")
def test_the_reference_gets_every_point(graded):
    assert graded.points() == pytest.approx(24)


@scenario("reference", "csci1430_hw5")
def test_the_other_reference_gets_every_point(graded):
    assert graded.points() == pytest.approx(10)


@scenario("reference")
def test_every_protection_holds_in_the_container(graded):
    protections = graded.document["extra_data"]["protections"]
    assert protections
    assert all(str(state).startswith("held") for state in protections.values()), protections


@pytest.mark.parametrize("graded", [("csci567_hw3", "stencil"), ("csci1430_hw5", "stencil")], indirect=True, ids=str)
def test_the_stencil_gets_nothing_and_hears_why_check_by_check(graded):
    assert graded.points() == 0
    assert all(test["output"] for test in graded.document["tests"])
    assert len(graded.document["tests"]) >= 20


@scenario("buggy")
def test_a_bug_costs_its_own_item_only(graded):
    assert 0 < graded.points("3.1.1") < 6
    assert graded.points("3.1.2", "3.1.3", "3.1.4") == pytest.approx(10)


@pytest.mark.parametrize(
    "graded", [("csci567_hw3", attack.stem) for attack in sorted(ATTACKS.glob("*.py"))], indirect=True, ids=str
)
def test_an_attack_costs_the_checks_that_call_it_and_no_others(graded):
    assert graded.points("3.1.3") < 2
    assert graded.points("3.1.1", "3.1.2", "3.1.4", "3.1.5") == pytest.approx(18)


@scenario("endless_loop")
def test_an_endless_loop_is_called_a_timeout(graded):
    assert "timeout" in graded.outcomes("3.1.3")


@scenario("exit")
def test_leaving_the_process_is_called_a_crash(graded):
    assert "crash" in graded.outcomes("3.1.3")


@scenario("endless_print")
def test_a_gigabyte_of_print_leaves_a_document_of_normal_size(graded):
    assert len(json.dumps(graded.document)) < 5_000_000


@scenario("fork_bomb")
def test_no_process_outlives_the_run(graded):
    assert "would not end" not in graded.log


@scenario("snoop")
def test_everything_a_submission_should_not_reach_is_closed(graded):
    report = json.dumps(graded.document)
    assert "CLOSED become root" in report, "the snooper did not get to its end"
    assert "/autograder/source/reference" in report
    assert "OPEN " not in report


@scenario("snoop")
def test_no_secret_of_the_platform_reaches_the_document(graded):
    report = json.dumps(graded.document) + graded.log
    assert TOKEN not in report
    assert "METADATA-SECRET" not in report
