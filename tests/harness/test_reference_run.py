"""Graded suites under plain pytest: the reference is the submission, and must get all points."""

import os

import pytest

from autograder.grading.reference_run import ReferenceRun

CHECK = """
@number("1.1")
@weight(2)
@given(x=st.integers())
def test_double(submission, x):
    \"\"\"double doubles\"\"\"
    assert submission.double(x) == 2 * x, "not the double"
"""


class Recorder:
    """Keeps what pytest says of each test."""

    def __init__(self):
        self.outcomes = {}
        self.text = ""

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid.rpartition("::")[2]] = report.outcome
            self.text += report.longreprtext + report.capstdout

    def pytest_collectreport(self, report):
        if report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome
            self.text += str(report.longrepr)


@pytest.fixture
def run(suite):
    """Runs pytest on the suite's whole course root, as its conftest.py would."""

    def run_pytest():
        suite.assignment()
        recorder = Recorder()
        arguments = [str(suite.root / "tests"), f"--rootdir={suite.root}", "--import-mode=importlib"]
        arguments += ["-p", "no:terminal", "-p", "no:cacheprovider", f"--config-file={os.devnull}"]
        pytest.main(arguments, plugins=[ReferenceRun(suite.root), recorder])
        return recorder

    suite.item("1", 2)
    (suite.root / "reference" / "toy" / "second.py").write_text("")
    return run_pytest


def test_a_check_runs_on_the_reference_and_passes(suite, run):
    suite.public(CHECK, "test_reference_passes.py")
    assert run().outcomes == {"test_double": "passed"}


def test_a_check_that_the_reference_fails_fails(suite, run):
    suite.reference("def double(x):\n    return 3 * x\n")
    suite.public(CHECK, "test_reference_fails.py")
    recorder = run()
    assert recorder.outcomes == {"test_double": "failed"}
    assert "not the double" in recorder.text
    assert "x = 1" in recorder.text


def test_a_part_of_the_points_is_a_failure(suite, run):
    suite.public(
        '@number("1.1")\n@partial_credit(2)\ndef test_part(set_score):\n    """Part"""\n    set_score(1)\n',
        "test_part.py",
    )
    recorder = run()
    assert recorder.outcomes == {"test_part": "failed"}
    assert "1 of the check's 2 points" in recorder.text


def test_a_mistake_in_a_declaration_is_an_error_of_that_check(suite, run):
    suite.public(CHECK.replace('@number("1.1")', ""), "test_mistake.py")
    recorder = run()
    assert recorder.outcomes == {"test_double": "failed"}
    assert "no number" in recorder.text


def test_an_assignment_that_needs_what_is_not_installed_is_skipped_in_words(suite, run):
    text = "import no_such_library\n" + CHECK
    suite.public(text, "test_not_installed.py")
    suite.preloads = ["no_such_library"]
    recorder = run()
    assert set(recorder.outcomes.values()) == {"skipped"}
    assert "toy needs no_such_library, not installed here" in recorder.text


def test_a_check_of_a_file_that_the_reference_lacks_is_skipped(suite, run):
    suite.item("2", 1, optional=True)
    check = CHECK.replace("1.1", "2.1").replace("(2)", "(1)")
    suite.public("pytestmark = pytest.mark.needs_file('extra.json')\n" + check, "test_lacks.py")
    recorder = run()
    assert recorder.outcomes == {"test_double": "skipped"}
    assert "extra.json" in recorder.text


def test_other_tests_are_left_alone(suite, run):
    other = suite.root / "tests" / "harness"
    other.mkdir()
    (other / "test_other.py").write_text("def test_other():\n    pass\n")
    assert run().outcomes == {"test_other": "passed"}
