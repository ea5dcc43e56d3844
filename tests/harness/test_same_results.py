"""The reference gets everything and the stencil nothing, and the document is the same whichever way the grader runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POINTS = {"csci567_hw3": 24, "csci1430_hw5": 10, "cpsc663_ex2": 100, "stat6910_hw5": 100, "cis520_hw4": 25 + 15}
TORCH = ("cpsc663_ex2", "stat6910_hw5", "cis520_hw4")
SPAWNED_WITH_TORCH = "cis520_hw4"
NOBODY = "65534"
WAYS = {
    "again": [],
    "confinement off": ["--confine", "off"],
    "a worker started per check": ["--start", "spawn"],
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the grader runs on Linux")


def grade(submission, results, options=(), before=()):
    """The document, and the same without what may differ: times, and which protections held."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "autograder", "grade", str(submission), "--results", str(results), *options],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "AUTOGRADER_ROOT": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(results.read_text())
    comparable = json.loads(re.sub(r"\d+(\.\d+)? seconds", "N seconds", json.dumps(document)))
    del comparable["execution_time"], comparable["extra_data"]["protections"]
    return document, comparable


@pytest.fixture(scope="module", params=POINTS)
def homework(request):
    if request.param in TORCH:
        pytest.importorskip("torch")
    skip_where_time_is_short(request.param)
    return request.param


def skip_slow_repetition(homework, options=()):
    """With torch a grading takes half a minute: without confinement is once more already, and tells as much.

    A worker started per check imports torch for each, which takes two minutes: one PyTorch homework stands for all.
    """
    if homework in TORCH and (homework, options) != (SPAWNED_WITH_TORCH, WAYS["a worker started per check"]):
        pytest.skip("for a PyTorch homework, running without confinement is the repetition")


def skip_where_time_is_short(homework):
    """The suites of the PyTorch homeworks are run on their references anyway (see the root's conftest.py)."""
    if homework in TORCH and not os.environ.get("AUTOGRADER_ALL_SUBMISSIONS"):
        pytest.skip("graded twice by `make submissions`")


@pytest.fixture(scope="module")
def graded(homework, tmp_path_factory):
    return grade(ROOT / "reference" / homework, tmp_path_factory.mktemp("graded") / "results.json")


@pytest.fixture(scope="module")
def failing(homework, tmp_path_factory):
    return grade(ROOT / "stencils" / homework, tmp_path_factory.mktemp("failing") / "results.json")


def test_the_reference_gets_every_point(homework, graded):
    document, _ = graded
    assert document["score"] == POINTS[homework]
    assert all(test["score"] == test["max_score"] for test in document["tests"])
    assert {test["extra_data"]["outcome"] for test in document["tests"] if test["max_score"]} == {"passed"}


def test_the_stencil_gets_no_point_and_a_friendly_word_for_every_check(failing):
    document, _ = failing
    assert document["score"] == 0
    for test in document["tests"]:
        assert test["score"] == 0
        if test["max_score"]:
            assert test["extra_data"]["outcome"] != "not_run"
            assert test["output"]


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS.keys())
def test_the_reference_gets_the_same_document(homework, graded, tmp_path, options):
    if options != WAYS["confinement off"]:
        skip_slow_repetition(homework, options)
    assert grade(ROOT / "reference" / homework, tmp_path / "results.json", options)[1] == graded[1]


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS.keys())
def test_a_failing_submission_gets_the_same_document(homework, tmp_path_factory, options):
    submission = ROOT / "examples" / "csci567_hw3_buggy"
    if homework != "csci567_hw3":
        pytest.skip("the bundled example answers csci567_hw3")
    folder = tmp_path_factory.mktemp("again")
    first = grade(submission, folder / "first.json")[1]
    assert grade(submission, folder / "second.json", options)[1] == first


@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="the other tests run without root already")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs util-linux's setpriv to become another user")
def test_without_root_the_reference_gets_the_same_document(homework, graded, tmp_path_factory):
    skip_slow_repetition(homework)
    folder = tmp_path_factory.mktemp("nobody")
    folder.chmod(0o777)
    # The right to read past file modes, since the interpreter may lie in root's home; nothing else of root's.
    read = "+dac_read_search"
    before = [
        "setpriv",
        "--reuid",
        NOBODY,
        "--regid",
        NOBODY,
        "--clear-groups",
        "--inh-caps",
        read,
        "--ambient-caps",
        read,
    ]
    document, comparable = grade(ROOT / "reference" / homework, folder / "results.json", before=before)
    assert document["extra_data"]["protections"]["user"].startswith("not available")
    assert comparable == graded[1]
