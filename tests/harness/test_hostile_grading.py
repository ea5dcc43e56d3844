"""A submission that misbehaves in one function pays for the checks that call it, and for nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reference" / "csci567_hw3" / "neural_networks.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the grader runs on Linux")

MISBEHAVIOURS = {
    "loops forever": "while True: pass",
    "exits": "import os; os._exit(0)",
    "eats memory": "hoard = []\n    while True: hoard.append(np.ones(10_000_000))",
    "prints a gigabyte": "for _ in range(1000): print('x' * 1_000_000)",
    "forks without end": "import os\n    while True: os.fork()",
}
READS_SECRETS = """
    import glob, os, socket
    found = []
    for pattern in ("/autograder/**/*.py", "{root}/reference/*/*.py", "{root}/tests/*/hidden/*.py", "{results}",
                    "/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline", "/tmp/*/*", "../../*"):
        for path in glob.glob(pattern, recursive=True):
            try:
                found.append(open(path, "rb").read()[:2000])
            except OSError:
                pass
    try:
        open({results!r}, "w").write('{{"score": 1000}}')
        found.append(b"wrote the results")
    except OSError:
        pass
    try:
        socket.socket(); found.append(b"opened a socket")
    except OSError:
        pass
    if os.environ.get("CANARY"): found.append(b"read the environment")
    raise ValueError("FOUND:" + repr(found))
"""


@pytest.fixture(scope="module")
def short_tempered_root(tmp_path_factory):
    """A course root with the same checks and reference, and budgets that make a hang cheap to test."""
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "tests" / "csci567_hw3", root / "tests" / "csci567_hw3")
    shutil.copytree(ROOT / "reference" / "csci567_hw3", root / "reference" / "csci567_hw3")
    settings = root / "tests" / "csci567_hw3" / "assignment.toml"
    text = settings.read_text()
    assert "[budgets]" not in text
    settings.write_text(text.replace("[files]", "[budgets]\ncall_seconds = 2\ncheck_seconds = 6\n\n[files]", 1))
    return root


def grade(root, folder, method, body):
    """Grades the reference with one method replaced; returns the document and the exit code."""
    folder.mkdir()
    owner, name = method.split(".")
    text = REFERENCE.read_text() + f"\n\ndef _replaced(self, X, *rest):\n    {body}\n\n\n{owner}.{name} = _replaced\n"
    (folder / "neural_networks.py").write_text(text)
    results = folder.parent / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "grade", str(folder), "--results", str(results)],
        env={**os.environ, "AUTOGRADER_ROOT": str(root), "CANARY": "secret"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(results.read_text())


def points_by_item(document):
    earned, possible = {}, {}
    for test in document["tests"]:
        item = test["extra_data"]["item"]
        earned[item] = earned.get(item, 0) + test["score"]
        possible[item] = possible.get(item, 0) + test["max_score"]
    return {item: (earned[item], possible[item]) for item in earned}


@pytest.mark.parametrize("body", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS.keys())
def test_one_misbehaving_function_costs_only_the_checks_that_call_it(short_tempered_root, tmp_path, body):
    document = grade(short_tempered_root, tmp_path / "submission", "relu.forward", body)
    points = points_by_item(document)
    for item in ("3.1.1", "3.1.3", "3.1.4", "3.1.5"):
        earned, possible = points[item]
        assert earned == pytest.approx(possible), item
    assert points["3.1.2"][0] < points["3.1.2"][1]
    outcomes = {test["extra_data"]["outcome"] for test in document["tests"] if test["max_score"]}
    assert "not_run" not in outcomes
    assert workers_left() == []


def test_a_submission_that_looks_for_secrets_finds_none_and_gains_nothing(short_tempered_root, tmp_path):
    results = tmp_path / "results.json"
    body = READS_SECRETS.format(root=short_tempered_root, results=str(results))
    document = grade(short_tempered_root, tmp_path / "submission", "relu.forward", body.strip())
    found = re.findall(r"FOUND:(\[[^<]*\])", json.dumps(document))
    assert found
    assert set(found) == {"[]"}
    assert points_by_item(document)["3.1.2"][0] < 4


def workers_left():
    """Processes of the worker's users that are still there a moment after the run."""
    end = time.monotonic() + 3
    while True:
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                try:
                    command = Path(entry.path, "cmdline").read_bytes()
                except OSError:
                    continue
                if b"autograder.sandbox import worker" in command:
                    parent = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[1]
                    found += [entry.name] if parent == "1" else []
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.05)
