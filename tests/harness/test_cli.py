"""The command line: what each way of calling it prints, and its exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reference" / "csci567_hw3"


def autograder(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "autograder", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        check=False,
    )


def test_list_shows_every_assignment_with_its_points():
    done = autograder("list")
    assert done.returncode == 0
    assert "csci567_hw3" in done.stdout
    assert "Q6.6 (2)" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "required"),
        (("grade",), "PATH"),
        (("grade", "no/such/thing"), "no file or folder"),
        (("grade", REFERENCE, "--assignment", "csci567"), "there is no assignment 'csci567'"),
        (("grade", ROOT / "docs"), "--assignment"),
        (("grade", REFERENCE, "--confine", "maybe"), "require"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_a_wrong_call_says_what_to_do_and_ends_with_2(arguments, said):
    done = autograder(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_results_that_cannot_be_written_are_the_graders_failure(tmp_path):
    (tmp_path / "file").write_text("")
    done = autograder("grade", REFERENCE, "--only", "3.1.3", "--results", tmp_path / "file" / "results.json")
    assert done.returncode == 3
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_page_that_cannot_be_written_is_said_after_the_report(tmp_path):
    done = autograder("grade", REFERENCE, "--only", "3.1.3", "--html", tmp_path / "no" / "page.html")
    assert done.returncode == 2
    assert "2 / 2" in done.stdout
    assert "cannot be written" in done.stderr


def test_an_empty_submission_is_graded_with_0(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    results = tmp_path / "results.json"
    done = autograder("grade", folder, "--assignment", "csci567_hw3", "--results", results)
    assert done.returncode == 0
    document = json.loads(results.read_text())
    assert document["score"] == 0
    assert "neural_networks.py is missing" in done.stdout


def test_check_runs_the_public_checks_alone():
    done = autograder("check", REFERENCE, "--only", "3.1.3")
    assert done.returncode == 0
    assert "0.75 / 0.75" in done.stdout


def test_the_page_and_the_results_are_written(tmp_path):
    done = autograder(
        *("grade", REFERENCE, "--only", "3.1.3", "--public"),
        *("--html", tmp_path / "page.html", "--results", tmp_path / "results.json"),
    )
    assert done.returncode == 0
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    tests = json.loads((tmp_path / "results.json").read_text())["tests"]
    assert {test["extra_data"]["item"] for test in tests} == {"3.1.3"}
    assert all("public" in test["tags"] for test in tests)
