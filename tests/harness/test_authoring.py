"""docs/authoring.md is true: the homework that it adds, taken from the page, is graded as the page says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8")
# A file's name on a line of its own, and its content in the code block below.
FILES = dict(re.findall(r"^`([\w/.]+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
SOLUTION = "reference/sigmoid_hw1/activations.py"


def autograder(course: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autograder", *map(str, arguments)],
        env={**os.environ, "AUTOGRADER_ROOT": str(course), "PYTHONPATH": str(ROOT)},
        cwd=course,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def course(tmp_path):
    """A course that holds the page's homework and nothing else."""
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def graded(course: Path, submission: Path) -> dict[str, float]:
    """The points of each check."""
    result = autograder(course, "grade", submission, "--results", course / "results.json", "--confine", "off")
    assert result.returncode == 0, result.stderr
    tests = json.loads((course / "results.json").read_text())["tests"]
    return {test["number"]: test["score"] for test in tests}


def test_the_homework_of_the_page_gets_full_marks_and_its_stencil_none(course):
    assert autograder(course, "stencil", "sigmoid_hw1").returncode == 0
    assert sum(graded(course, course / "reference/sigmoid_hw1").values()) == 5
    assert sum(graded(course, course / "stencils/sigmoid_hw1").values()) == 0


def test_a_bug_in_the_pages_first_item_costs_nothing_in_the_second(course, tmp_path):
    wrong = tmp_path / "submission" / "activations.py"
    wrong.parent.mkdir()
    wrong.write_text(FILES[SOLUTION].replace("1 / (1 + small)", "1 / (2 + small)"))
    points = graded(course, wrong)
    assert [points[number] for number in ("1.1.1", "1.1.2", "1.1.3", "1.2.1", "1.2.2")] == [0.5, 0, 0, 2, 1]


def test_the_stencil_that_the_page_shows_is_the_one_generated(course):
    shown = re.search(r"In it, `forward` is\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    autograder(course, "stencil")
    assert shown is not None
    assert shown[1] in (course / "stencils/sigmoid_hw1/activations.py").read_text()


def test_every_module_and_function_that_the_page_names_exists():
    for module in set(re.findall(r"autograder\.\w+\.\w+", PAGE)):
        __import__(module)
    from autograder.checks import compare, diagnose, gradients, layers, strategies
    from autograder.sandbox import proxy

    for home, names in (
        (compare, "assert_close assert_shape assert_unchanged fail as_array as_scalar unpack as_mapping"),
        (gradients, "assert_gradient numerical_gradient"),
        (strategies, "linear_batches relu_batches mlp_batches labelled_images predictions image_sets filled examples"),
        (diagnose, "Context CAUSES"),
        (layers, "Layer linear_stand_in relu_stand_in loss_stand_in"),
        (proxy, "StudentError StudentTimeout StudentCrash StandIn"),
    ):
        for name in names.split():
            assert name in PAGE
            assert hasattr(home, name), f"{home.__name__}.{name}"
