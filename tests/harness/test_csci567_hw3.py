"""The graded checks of csci567_hw3 as a whole: fair to what is not written, unmoved by garbage, and independent."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "reference" / "csci567_hw3" / "neural_networks.py").read_text()
RECORD = {"train": [0.4, 0.7, 0.8], "val": [0.4, 0.6, 0.7], "test": 0.72, "time": 12.0}

NOTHING_WRITTEN = """
class linear_layer:
    def __init__(self, input_D, output_D):
        self.params, self.gradient = {}, {}
    def forward(self, X): pass
    def backward(self, X, grad): pass
class relu:
    def forward(self, X): return X
    def backward(self, X, grad): return grad
def miniBatchGradientDescent(model, _learning_rate): return model
def forward_pass(model, x, y): return x, x, x, 0.0
def backward_pass(model, x, a1, h1, a2, y): pass
def gradient_checker(DataSet, model): print("checked")
def main(main_params): open("MLP_lr0.01_b5.json", "w").write("{}")
"""

GARBAGE = """
class Thing:
    params = gradient = {value}
    def forward(self, *arguments): return {value}
    def backward(self, *arguments): return {value}
def linear_layer(*sizes): return Thing()
def relu(): return {value}
def miniBatchGradientDescent(model, rate): return {value}
def backward_pass(model, *arguments):
    model["L1"].gradient = {value}
    model["L2"].gradient = {{"W": {value}, "b": {value}}}
    model["L1"].params = {value}
def gradient_checker(DataSet, model):
    model["L1"].params = {{"W": {value}, "b": {value}}}
    print({value})
def main(main_params): open("MLP_lr0.01_b5.json", "w").write('{{"train": [null], "val": 1}}')
"""


def grade(folder, source, *options, files=None):
    """The results of grading one module."""
    for name, content in {"neural_networks.py": source, **(files or {})}.items():
        (folder / name).write_text(content)
    results = folder.parent / "results.json"
    subprocess.run(
        [sys.executable, "-m", "autograder", "grade", str(folder), "--results", str(results), *options],
        env={**os.environ, "AUTOGRADER_ROOT": str(ROOT)},
        capture_output=True,
        timeout=300,
        check=True,
    )
    return json.loads(results.read_text())


def points(results, item=""):
    return sum(test["score"] for test in results["tests"] if test["extra_data"]["item"].startswith(item))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_what_is_not_written_scores_nothing(folder):
    results = grade(folder, NOTHING_WRITTEN)
    assert points(results) == 0
    assert results["extra_data"]["faults"] == []


@pytest.mark.parametrize(
    "value", ["Thing()", "float('nan')", "[[1.0], [2.0, 'x', None]]", "{'W': [Thing(), 10**400], 'b': {1: 2}}", "print"]
)
def test_garbage_is_the_students_and_never_the_graders(folder, value):
    results = grade(folder, GARBAGE.format(value=value))
    assert points(results) == 0
    assert results["extra_data"]["faults"] == []


def test_items_do_not_pay_for_earlier_ones(folder):
    broken = "\n\ndef _broken(*arguments, **keywords):\n    raise NotImplementedError\n\n\n"
    names = ("linear_layer.__init__", "linear_layer.forward", "relu.forward", "backward_pass")
    source = REFERENCE + broken + "\n".join(f"{name} = _broken" for name in names) + "\n"
    results = grade(folder, source)
    assert (points(results, "3.1.3"), points(results, "3.1.5")) == (2, 4)
    assert points(results, "3.1.4") == 0


def test_a_submitted_record_is_drawn_and_costs_nothing(folder):
    results = grade(folder, REFERENCE, "--only", "3.1.6.5", files={"MLP_lr0.01_b5.json": json.dumps(RECORD)})
    (check,) = (test for test in results["tests"] if test["number"] == "3.1.6.5")
    assert check["extra_data"]["outcome"] == "passed"
    assert "0.720" in check["output"]
    pytest.importorskip("matplotlib")
    assert "data:image/png;base64," in check["output"]


def test_a_record_that_cannot_be_read_is_explained(folder):
    results = grade(folder, REFERENCE, "--only", "3.1.6.5", files={"MLP_lr0.01_b5.json": '{"train": []}'})
    (check,) = (test for test in results["tests"] if test["number"] == "3.1.6.5")
    assert (check["extra_data"]["outcome"], check["max_score"]) == ("failed", 0)
    assert "MLP_lr0.01_b5.json" in check["output"]
