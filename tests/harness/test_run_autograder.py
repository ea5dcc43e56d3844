"""run_autograder in a small copy of Gradescope's layout, with a made-up grader that behaves in every bad way."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"score": 3.0, "output": "three points", "tests": [{"name": "a check", "score": 3.0, "max_score": 4.0}]}

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Gradescope's containers are Linux")


class Layout:
    """/autograder as the platform lays it out, under a folder of the test's own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.results = home / "results" / "results.json"
        for folder in ("source/autograder", "submission", "venv/bin"):
            (home / folder).mkdir(parents=True)
        shutil.copy(ROOT / "run_autograder", home)
        shutil.copy(ROOT / "autograder" / "supervise.py", home / "source" / "autograder")
        (home / "submission_metadata.json").write_text("{}")
        self.allow_seconds(60)

    def allow_seconds(self, seconds: int) -> None:
        """How long the supervisor waits: 25 seconds more than the grader's own deadline."""
        (self.home / "source" / "bundle.env").write_text(f"ASSIGNMENT_ID=homework\nRUN_SECONDS={seconds - 25}\n")

    def grader(self, script: str) -> None:
        """`script` in place of the grader; $RESULTS is where the document is to be written."""
        file = self.home / "venv" / "bin" / "autograder"
        file.write_text(f"#!/bin/bash\nRESULTS='{self.results}'\n{script}\n")
        file.chmod(0o755)

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(self.home / "run_autograder")],
            env={**os.environ, "AUTOGRADER_HOME": str(self.home), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def document(self) -> dict[str, Any]:
        return json.loads(self.results.read_text())


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "autograder")


def writing(document: object) -> str:
    return f"cat > $RESULTS <<'END'\n{json.dumps(document)}\nEND\n"


def test_a_complete_document_stays_as_the_grader_wrote_it(layout):
    layout.grader(writing(GOOD))
    assert layout.run().returncode == 0
    assert layout.document() == GOOD


def test_a_fault_that_the_document_tells_itself_needs_no_notice(layout):
    faulty = {**GOOD, "extra_data": {"faults": [{"number": "1", "text": "the check raised"}]}}
    layout.grader(writing(faulty) + "exit 3")
    layout.run()
    assert layout.document() == faulty


def test_a_fault_that_the_document_does_not_tell_is_told_in_a_notice(layout):
    layout.grader(writing(GOOD) + "exit 3")  # as where the disk is full when the last document is written
    layout.run()
    assert layout.document()["score"] == 3.0
    assert "not complete" in layout.document()["output"]


def test_what_a_grader_left_half_written_is_removed(layout):
    layout.grader(writing(GOOD) + "echo half > $(dirname $RESULTS)/.results.json.abc.part; kill -9 $$")
    layout.run()
    assert os.listdir(layout.results.parent) == ["results.json"]


def test_the_grader_is_called_with_the_assignment_and_confined(layout):
    layout.grader('echo "$@"; ' + writing(GOOD))
    submission, results = layout.home / "submission", layout.results
    assert f"grade {submission} --assignment homework --results {results} --confine require" in layout.run().stdout


@pytest.mark.parametrize(
    ("script", "explanation"),
    [
        ("echo no such option >&2; exit 2", "no such option"),
        ("kill -9 $$", "signal 9 (SIGKILL). That is usually the container's memory limit"),
        ("echo '{\"tests\": [' > $RESULTS", "exit status 0"),
        ("echo '[]' > $RESULTS", "exit status 0"),
        ('echo \'{"score": NaN, "tests": [{}]}\' > $RESULTS', "exit status 0"),
        ('echo \'{"score": 0, "tests": []}\' > $RESULTS', "exit status 0"),
        (": > $RESULTS", "exit status 0"),
    ],
    ids=["usage error", "killed", "half a document", "a list", "not a number", "no checks", "empty"],
)
def test_a_run_without_results_apologises_and_tells_the_instructor_why(layout, script, explanation):
    layout.grader(script)
    assert layout.run().returncode == 0
    document = layout.document()
    assert "no fault of yours" in document["output"]
    assert explanation in document["tests"][-1]["output"]


def test_nobody_takes_an_apology_for_a_grade_of_0(layout):
    layout.grader("exit 1")
    layout.run()
    # Gradescope shows a student no total as soon as one test is hidden.
    assert {test["visibility"] for test in layout.document()["tests"]} == {"visible", "hidden"}


def test_a_missing_grader_is_explained(layout):
    assert layout.run().returncode == 0
    assert "could not be started" in layout.document()["tests"][-1]["output"]


@pytest.mark.parametrize("missing", ["source/bundle.env", "source/autograder/supervise.py"])
def test_even_without_a_supervisor_there_is_a_document(layout, missing):
    (layout.home / missing).unlink()
    layout.grader(writing(GOOD))
    assert layout.run().returncode == 0
    assert "could not start" in layout.document()["output"]


@pytest.mark.parametrize("output_format", ["text", "html"])
def test_a_grader_killed_half_way_leaves_its_last_document_with_a_notice(layout, output_format):
    layout.grader(writing({**GOOD, "output_format": output_format}) + "kill -9 $$")
    layout.run()
    document = layout.document()
    assert document["score"] == 3.0
    assert "not complete" in document["output"]
    assert document["output"].startswith("<p>") == (output_format == "html")
    assert document["output"].rstrip().endswith("three points")


def test_a_grader_that_never_ends_is_ended(layout):
    layout.allow_seconds(1)
    layout.grader(writing(GOOD) + "exec sleep 600")
    started = time.monotonic()
    layout.run()
    assert time.monotonic() - started < 20
    assert "not complete" in layout.document()["output"]


def test_results_of_an_earlier_run_are_not_taken_for_this_ones(layout):
    layout.results.parent.mkdir()
    layout.results.write_text(json.dumps(GOOD))
    layout.grader("exit 1")
    layout.run()
    assert layout.document()["score"] == 0


def test_no_process_outlives_the_run_whatever_it_does_to_get_away(layout, tmp_path):
    layout.grader(
        f"(setsid bash -c 'trap \"\" TERM HUP; echo $$ > {tmp_path}/pid; sleep 600; :' &) \n"
        f"while [ ! -s {tmp_path}/pid ]; do :; done\n" + writing(GOOD)
    )
    layout.run()
    process = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_only_the_libraries_are_open_to_the_students_user(layout):
    layout.grader(writing(GOOD))
    layout.run()
    for closed in ("source", "submission", "results", "submission_metadata.json", "run_autograder"):
        mode = stat.S_IMODE((layout.home / closed).stat().st_mode)
        assert mode & 0o077 == 0, f"{closed} has mode {mode:o}"
    assert stat.S_IMODE(layout.home.stat().st_mode) == 0o711
    assert stat.S_IMODE((layout.home / "venv").stat().st_mode) & 0o055 == 0o055


def test_a_link_to_elsewhere_does_not_change_rights_there(layout, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (layout.home / "link").symlink_to(elsewhere)
    layout.grader(writing(GOOD))
    layout.run()
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_the_platforms_environment_does_not_reach_the_grader(layout):
    layout.grader("env; " + writing(GOOD))
    printed = layout.run(PLATFORM_TOKEN="secret").stdout
    assert "secret" not in printed
    assert f"AUTOGRADER_ROOT={layout.home / 'source'}" in printed


def test_the_instructors_log_is_the_end_of_what_the_grader_printed(layout):
    layout.grader("head -c 3000000 /dev/zero | tr '\\0' x; echo the end; exit 1")
    printed = layout.run().stdout
    assert "the end" in printed
    assert len(printed) < 30_000
