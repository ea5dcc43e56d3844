"""The checks of cis520_hw4: the rule for networks, the accuracies they find, the calls they make, and notebooks."""

from __future__ import annotations

import importlib
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autograder.checks.calling import Function, fill, missing, role_of
from autograder.checks.compare import CheckFailed
from autograder.checks.folding import Layer
from autograder.checks.gradients import numerical_gradient
from autograder.checks.once import Once
from autograder.checks.training_records import Loss, Pass, Records, read_records
from autograder.handout_notebook import notebook_of

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reference" / "cis520_hw4"


@pytest.fixture(scope="module")
def suite():
    """The helper modules of the suite, by name."""
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        names = ("table", "training", "accuracy", "two_layers", "common")
        yield SimpleNamespace(**{name: importlib.import_module(f"cis520_hw4.public.{name}") for name in names})
    finally:
        sys.path.remove(str(ROOT / "tests"))


# ---- Table 2 --------------------------------------------------------------------------------------------------------


def conv(filters, kernel=5, padding=2, stride=1):
    settings = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "padding": (padding,) * 2, "out_channels": filters}
    return ("convolution", settings)


def pool(kernel=2, stride=2, padding=0, name="max_pool"):
    return (name, {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "padding": (padding,) * 2})


def linear(outputs):
    return ("linear", {"out_features": outputs})


RELU, NORM, DROPOUT, SOFTMAX = ("relu", {}), ("batch_norm", {}), ("dropout", {"p": 0.3}), ("log_softmax", {"dim": 1})


def blocks(*convolutions, pooling=None, activation=RELU):
    return [part for one in convolutions for part in (one, activation, pooling or pool())]


TABLE = [*blocks(conv(32), conv(32), conv(64)), DROPOUT, linear(64), RELU, linear(10)]


def without(index):
    return [layer for number, layer in enumerate(TABLE) if number != index]


def exchanged(index, layer):
    return [layer if number == index else other for number, other in enumerate(TABLE)]


def with_(index, *layers):
    return [*TABLE[:index], *layers, *TABLE[index:]]


AS_IN_THE_TABLE = {
    "scores": TABLE,
    "log-softmax": [*TABLE, SOFTMAX],
    "softmax": [*TABLE, ("softmax", {"dim": 1})],
    "batch norm after the second convolution only": with_(4, NORM),
    "the other pooling": [layer if layer != pool() else pool(4, 3, 1) for layer in TABLE],
    "a pooling of each sort": exchanged(5, pool(4, 3, 1)),
    "another dropout": exchanged(9, ("dropout", {"p": 0.5})),
}
SLIPS = {
    "a kernel of 3": exchanged(3, conv(32, 3, 1)),
    "a padding forgotten": exchanged(6, conv(64, padding=0)),
    "every padding forgotten": [*blocks(*(conv(n, padding=0) for n in (32, 32, 64))), *TABLE[9:]],
    "a stride": exchanged(0, conv(32, stride=2)),
    "other channels": exchanged(3, conv(16)),
    "a narrow hidden layer": exchanged(10, linear(16)),
    "eleven outputs": exchanged(12, linear(11)),
    "no third convolution": [*TABLE[:6], *TABLE[9:]],
    "no hidden layer": [*TABLE[:10], linear(10)],
    "no ReLU": without(4),
    "no ReLU before the output": without(11),
    "no pooling": without(8),
    "average pooling": [pool(name="avg_pool") if layer == pool() else layer for layer in TABLE],
    "a pooling that is not offered": [pool(3, 3, 1) if layer == pool() else layer for layer in TABLE],
    "no dropout": without(9),
    "a dropout that is not offered": exchanged(9, ("dropout", {"p": 0.9})),
    "softmax over the batch": [*TABLE, ("softmax", {"dim": 0})],
    "two softmaxes": [*TABLE, ("softmax", {"dim": 1}), SOFTMAX],
    "a ReLU on the scores": [*TABLE, RELU],
    "one other activation": exchanged(1, ("tanh", {})),
}
OWN_DESIGNS = {
    "wider throughout": [*blocks(conv(64), conv(128), conv(256)), DROPOUT, linear(128), RELU, linear(10)],
    "wider later": [*blocks(conv(32), conv(64), conv(128)), DROPOUT, linear(64), RELU, linear(10)],
    "small kernels": [*blocks(conv(32, 3, 1), conv(32, 3, 1), conv(64, 3, 1)), *TABLE[9:]],
    "two other convolutions": [*blocks(conv(16), conv(48)), linear(100), RELU, linear(10)],
    "one more hidden layer": with_(12, linear(32), RELU),
    "one more convolution": with_(3, conv(32), RELU),
    "one more dropout": with_(12, DROPOUT),
    "leaky throughout": [("leaky_relu", {"slope": 0.01}) if layer == RELU else layer for layer in TABLE],
    "no convolution at all": [linear(200), RELU, linear(10)],
}


def as_layers(described):
    return [
        Layer(name, (value,), value + 1, settings, {}, (2, 1), (2, 1))
        for value, (name, settings) in enumerate(described)
    ]


def sort_of(suite, described):
    layers = as_layers(described)
    return suite.table.sort_of(layers, suite.table.differences_from_table(layers)[0])


@pytest.mark.parametrize("case", AS_IN_THE_TABLE)
def test_what_the_table_leaves_open_is_no_departure(suite, case):
    assert sort_of(suite, AS_IN_THE_TABLE[case]) == suite.table.TABLE_2


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_is_no_design(suite, case):
    assert sort_of(suite, SLIPS[case]) == suite.table.SLIP


@pytest.mark.parametrize("case", OWN_DESIGNS)
def test_a_design_of_ones_own_is_no_slip(suite, case):
    assert sort_of(suite, OWN_DESIGNS[case]) == suite.table.OWN_DESIGN


@pytest.mark.parametrize(
    ("case", "cause"),
    [
        ("a kernel of 3", "wrong_kernel"),
        ("a padding forgotten", "wrong_padding"),
        ("a stride", "wrong_stride"),
        ("other channels", "wrong_channels"),
        ("no ReLU", "missing_relu"),
        ("no pooling", "missing_pooling"),
        ("two softmaxes", "double_softmax"),
    ],
)
def test_a_slip_has_its_name(suite, case, cause):
    differences, lines = suite.table.differences_from_table(as_layers(SLIPS[case]))
    assert {difference.cause for difference in differences} == {cause}
    assert len(lines) >= 13


# ---- Accuracies -----------------------------------------------------------------------------------------------------

TRUE = [0.9123, 0.5, 1.0, 0.0, 0.8777, 0.6333, 0.25, 0.75, 0.3456, 0.6667]
IN_PER_CENT = [round(100 * share, 2) for share in TRUE]


def measured(suite, value=None, printed=""):
    return suite.accuracy.Measured("f()", value, printed, False)


@pytest.mark.parametrize(
    "value",
    [
        TRUE,
        tuple(IN_PER_CENT),
        np.array(TRUE, dtype=np.float32),
        dict(reversed(list(enumerate(TRUE)))),
        dict(zip("abcdefghij", IN_PER_CENT, strict=True)),
        (0.7, TRUE),
        [f"{share:.2%}" for share in TRUE],
        [np.array(share) for share in TRUE],
        [round(share, 2) for share in TRUE],
    ],
    ids=["list", "tuple", "array", "by number", "by name", "beside another", "text", "scalars", "rounded"],
)
def test_accuracies_are_found_in_what_is_returned(suite, value):
    assert suite.accuracy._found(measured(suite, value), TRUE)


@pytest.mark.parametrize(
    "line", ["class {0}: {1:.4f}", "Accuracy of {0} : {2:.0f} %", "{0} {3} % (12/34)", "T-shirt/top\t{2:.2f}%"]
)
def test_accuracies_are_found_in_what_is_printed(suite, line):
    text = "\n".join(line.format(n, share, 100 * share, int(100 * share)) for n, share in enumerate(TRUE))
    assert suite.accuracy._found(measured(suite, printed=f"epoch 1 loss 0.5\n{text}\ndone in 3 s"), TRUE)


@pytest.mark.parametrize(
    "value",
    [
        [*TRUE[1:], TRUE[0]],
        TRUE[:9],
        [share / 2 for share in TRUE],
        [share * 100 if index else share for index, share in enumerate(TRUE)],
        [None] * 10,
        [float("nan")] * 10,
        [float("inf")] * 10,
        [True] * 10,
        np.zeros((10, 10)),
        "a text",
        None,
        [10**400] * 10,
        [[[[[[TRUE]]]]]],
        {"x": {}, 3: []},
    ],
)
def test_other_things_are_no_accuracies(suite, value):
    assert not suite.accuracy._found(measured(suite, value, "0.91 and 7 others"), TRUE)


def test_accuracies_may_be_tensors(suite):
    for value in (torch.tensor(TRUE), [torch.tensor(share) for share in TRUE], 100 * torch.tensor(TRUE).double()):
        assert suite.accuracy._found(measured(suite, value), TRUE)
    assert suite.accuracy._found(measured(suite, torch.tensor(0.5)), [0.5])


def test_a_class_without_pictures_may_have_any_accuracy(suite):
    wanted = [math.nan, *TRUE[1:]]
    for anything in (0.0, float("nan"), 1.0):
        assert suite.accuracy._found(measured(suite, [anything, *TRUE[1:]]), wanted)


def mistakes(labels, classes, batch):
    """What usual mistakes give for the accuracies (overall) and (per class)."""
    right = labels == classes
    hits = np.array([np.sum(right & (labels == c)) for c in range(10)], dtype=float)
    counts = np.bincount(labels, minlength=10)
    batches = [right[start : start + batch] for start in range(0, len(right), batch)]
    first = np.concatenate([np.arange(len(right))[start : start + 4] for start in range(0, len(right), batch)])
    of_first = [np.mean(right[first][labels[first] == c]) if np.any(labels[first] == c) else 0.0 for c in range(10)]
    rest = [np.mean((labels == c) == (classes == c)) for c in range(10)]
    return (
        [[np.mean([part.mean() for part in batches])], [batches[-1].mean()], [right.sum() / len(batches)],
         [right.sum() / (batch * len(batches))]],
        [hits / np.bincount(classes, minlength=10), hits / len(labels), hits / 1000, rest, of_first,
         np.roll(hits / counts, 1)],
    )  # fmt: skip


@pytest.mark.parametrize(("seed", "count", "batch"), [(1, 230, 64), (2, 230, 64), (3, 97, 10)])
def test_mistakes_in_an_exam_do_not_look_right(suite, seed, count, batch):
    exam = suite.accuracy.make_exam(seed, count, batch)
    overall, per_class = mistakes(exam.labels, exam.classes, batch)
    assert suite.accuracy._found(measured(suite, exam.per_class), exam.per_class)
    assert not any(suite.accuracy._found(measured(suite, list(wrong)), exam.per_class) for wrong in per_class)
    assert not any(suite.accuracy._found(measured(suite, wrong[0]), [exam.overall]) for wrong in overall)


@pytest.mark.parametrize(
    ("kind", "index", "cause"),
    [
        ("overall", 0, "unweighted_batches"),
        ("overall", 1, "last_batch_only"),
        ("overall", 2, "wrong_divisor"),
        ("per class", 0, "wrong_axis"),
        ("per class", 1, "wrong_divisor"),
        ("per class", 3, "counts_other_classes"),
        ("per class", 5, "off_by_one"),
    ],
)
def test_usual_mistakes_in_an_exam_are_named(suite, kind, index, cause):
    exam = suite.accuracy.make_exam(1, 230, 64)
    wrong = [float(share) for share in mistakes(exam.labels, exam.classes, 64)[kind == "per class"][index]]
    with pytest.raises(CheckFailed) as failure:
        suite.accuracy._fail_measured(measured(suite, wrong if len(wrong) > 1 else wrong[0]), kind, exam, None)
    assert failure.value.explanation.cause == cause


def test_an_answer_that_no_mistake_explains_has_no_cause(suite):
    exam = suite.accuracy.make_exam(1, 230, 64)
    with pytest.raises(CheckFailed) as failure:
        suite.accuracy._fail_measured(measured(suite, 0.123456), "overall", exam, None)
    assert failure.value.explanation.cause is None


def test_the_answers_of_a_pass_are_read_only_where_nothing_was_trained(suite):
    labels, classes = np.arange(20) % 10, np.zeros(20, dtype=np.int64)
    trained = Pass(1, 1, "D", True, 4, True, 5, steps=5, labels=labels, classes=classes)
    tested = Pass(2, 2, "D", False, 4, False, 5, steps=0, labels=labels, classes=classes)
    blind = Pass(3, 2, "D", False, 4, False, 5)
    assert suite.accuracy.answers_seen(seen_records(trained, tested, blind)) == [(labels, classes)]


# ---- Training -------------------------------------------------------------------------------------------------------


def seen_records(*events) -> Records:
    raw = {"events": [], "counts": {}, "networks": [], "optimizers": [], "ended": None, "errors": [], "entry": None,
           "files": []}  # fmt: skip
    return Records(**{**{name: getattr(read_records(raw), name) for name in raw}, "events": list(events)})


def loss(at, value):
    return Loss(at, "nll_loss", 1, value, True, (4, 10), (4,), None, None)


def training(suite, *events, classes=None):
    return suite.training.Training("train(...)", seen_records(*events), classes is not None, 2, classes, "")


def test_without_the_network_a_falling_loss_is_learning(suite):
    falling = training(suite, *(loss(at, 2.3 - 0.2 * at) for at in range(8)))
    assert suite.training.assert_learns(falling, SimpleNamespace()) is None
    with pytest.raises(CheckFailed, match="first steps"):
        suite.training.assert_learns(training(suite, *(loss(at, 2.3) for at in range(8))), SimpleNamespace())


def test_a_network_that_guesses_has_not_learned(suite):
    clothes = SimpleNamespace(test=np.zeros((200, 1)), test_labels=np.arange(200) % 10)
    right = np.where(np.arange(200) % 3 == 0, 0, np.arange(200) % 10)
    assert suite.training.assert_learns(training(suite, classes=right), clothes) > 0.6
    with pytest.raises(CheckFailed, match="recognises 10%"):
        suite.training.assert_learns(training(suite, classes=np.zeros(200, dtype=int)), clothes)


def test_batches_that_are_left_out_are_counted(suite):
    with pytest.raises(CheckFailed, match="for 0 batches"):
        suite.training.assert_every_batch(training(suite, classes=np.zeros(1)))


def test_a_problem_is_told_by_every_check_and_met_once(suite):
    seen, met = Once(), []

    def make():
        met.append(1)
        raise CheckFailed(SimpleNamespace(called="", got="bad", expected="", worst="", sentence=""))

    for _ in range(2):
        with pytest.raises(CheckFailed, match="bad"):
            seen.once("it", make)
    assert met == [1]
    assert seen.once("other", lambda: 5) == 5


# ---- Calling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "role"),
    [("model", "model"), ("net", "model"), ("trainloader", "train_loader"), ("train_dl", "train_loader"),
     ("test_loader", "test_loader"), ("val_loader", "test_loader"), ("loader", "loader"), ("num_epochs", "epochs"),
     ("epoch", "epochs"), ("loss_fn", "criterion"), ("criterion", "criterion"), ("optimizer", "optimizer"),
     ("lr", "rate"), ("writer", None), ("x", None), ("device", "device"), ("class_names", "classes")],
)  # fmt: skip
def test_the_name_of_a_parameter_tells_what_it_wants(name, role):
    assert role_of(name) == role


def test_a_function_is_filled_by_role_and_what_it_can_do_without_is_left_out():
    function = Function("fit", 3, (("net", True, False), ("writer", False, False), ("loader", True, False),
                                   ("epochs", True, True)))  # fmt: skip
    filled = fill(function, {"model": "M", "train_loader": "L", "epochs": 2})
    assert filled is not None
    assert (filled.arguments, filled.keywords) == (("M",), {"loader": "L", "epochs": 2})
    assert filled.roles == {"model", "train_loader", "epochs"}


def test_a_function_that_wants_something_unknown_is_not_called():
    function = Function("fit", 3, (("net", True, False), ("writer", True, False)))
    assert fill(function, {"model": "M"}) is None
    assert missing(function, {"model": "M"}) == ["writer"]


# ---- Problem 1 ------------------------------------------------------------------------------------------------------


def test_our_loss_has_the_sign_of_equation_5(suite):
    example = suite.two_layers.make_example((2, 3, 2), 0)
    assert suite.two_layers.loss(example, example.parameters) < 0


@pytest.mark.parametrize("seed", range(3))
def test_every_slip_of_the_chain_rule_is_wrong_for_some_parameter(suite, seed):
    example = suite.two_layers.make_example((2, 3, 2), seed)
    slips = suite.two_layers.wrong_loss_gradients(example)
    for cause in slips["W1"]:
        forms = zip(*(slips[name][cause] for name in suite.two_layers.NAMES), strict=True)
        for form in forms:
            assert any(
                not np.allclose(numerical_gradient(
                    lambda value, name=name: suite.two_layers.loss(example, example.changed(name, value)),
                    getattr(example, name),
                ), wrong, atol=1e-6)
                for name, wrong in zip(suite.two_layers.NAMES, form, strict=True)
            ) or cause == "missing_term"  # fmt: skip


def test_slips_of_forward_are_wrong(suite):
    example = suite.two_layers.make_example((2, 3, 2), 1)
    right = suite.two_layers.outputs(example.x, *example.parameters)
    for forms in suite.two_layers.wrong_outputs(example).values():
        assert not any(np.allclose(form, right) for form in forms)


def test_a_bias_gradient_may_be_a_row_but_no_single_number(suite):
    like = np.zeros(3)
    assert suite.two_layers.in_shape(np.ones((1, 3)), like, "b1").shape == (3,)
    assert suite.two_layers.in_shape(1.0, like, "b1").shape == ()
    with pytest.raises(CheckFailed):
        suite.two_layers.in_shape(None, like, "b1")


# ---- Notebooks ------------------------------------------------------------------------------------------------------


def notebook(*cells: str) -> str:
    made = [{"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": cell}
            for cell in cells]  # fmt: skip
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def grade(folder: Path) -> dict:
    results = folder.parent / f"{folder.name}.json"
    subprocess.run(
        [sys.executable, "-m", "autograder", "grade", str(folder), "--assignment", "cis520_hw4", "--no-pictures",
         "--results", str(results)],
        env={**os.environ, "AUTOGRADER_ROOT": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, timeout=500, check=True,
    )  # fmt: skip
    return json.loads(results.read_text())


def test_the_solution_as_a_notebook_gets_full_points(tmp_path):
    source = (REFERENCE / "hw4.py").read_text()
    head, network, rest = source.partition("class ConvNet")
    folder = tmp_path / "handed_in"
    folder.mkdir()
    (folder / "My Homework.ipynb").write_text(notebook("%matplotlib inline\n!nvidia-smi", head, network + rest))
    results = grade(folder)
    assert [test["name"] for test in results["tests"] if test["score"] < test["max_score"]] == []
    assert results["score"] == 25


def test_the_notebook_that_is_handed_out_gets_full_points_once_it_is_filled_in(tmp_path):
    """Also where the program beside it is still blank: who writes in the notebook hands in the whole folder."""
    folder = shutil.copytree(ROOT / "stencils" / "cis520_hw4", tmp_path / "handed_in")
    (folder / "hw4.ipynb").write_bytes(notebook_of((REFERENCE / "hw4.py").read_text(), "hw4.py"))
    results = grade(folder)
    assert [test["name"] for test in results["tests"] if test["score"] < test["max_score"]] == []
    assert results["score"] == 25


def test_the_notebook_that_is_handed_out_gets_no_point_while_it_is_blank(tmp_path):
    folder = tmp_path / "handed_in"
    folder.mkdir()
    shutil.copy(ROOT / "stencils" / "cis520_hw4" / "hw4.ipynb", folder)
    results = grade(folder)
    assert results["score"] == 0
    assert all("not written yet" in test["output"] for test in results["tests"] if test["max_score"])


def test_an_error_in_a_notebook_names_its_cell(tmp_path):
    folder = tmp_path / "handed_in"
    folder.mkdir()
    broken = "def train(model, train_loader):\n    return undefined_name\n"
    network = "import torch\nnet = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))\n"
    (folder / "hw4.ipynb").write_text(notebook("%pylab inline", network, broken))
    results = grade(folder)
    text = next(test["output"] for test in results["tests"] if test["number"] == "2.2.1.1")
    assert "code cell 3" in text
    assert "undefined_name" in text
    assert sum(test["score"] for test in results["tests"] if test["number"].startswith("2.2.1")) == 0
