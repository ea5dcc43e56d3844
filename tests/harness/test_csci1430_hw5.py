"""The checks of csci1430_hw5: right ways to write `train_nn` pass, and nothing a submission returns upsets a check."""

from __future__ import annotations

import functools
import importlib
import inspect
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from autograder.checks.compare import CheckFailed
from autograder.grading import examples
from autograder.sandbox.policy import Policy
from autograder.sandbox.proxy import StudentError
from autograder.sandbox.session import Session, Setting

ROOT = Path(__file__).resolve().parents[2]
SUITE = "csci1430_hw5"
TOPICS = ("init", "train_nn", "forward_pass", "gradient_descent", "loss", "back_propagation")

MODEL = """
import random
import numpy as np

class Base:
    def __init__(self, train_images, train_labels, num_classes, hp, test_images=None, test_labels=None):
        self.x, self.y, self.tx, self.ty = train_images, train_labels, test_images, test_labels
        self.epochs, self.rate = hp.num_epochs, hp.learning_rate
        self.W, self.b = np.zeros((train_images.shape[1], num_classes)), np.zeros((1, num_classes))

    def train_nn(self):
        indices = list(range(len(self.x)))
        for epoch in range(self.epochs):
            random.shuffle(indices)
            total = 0
            for i in indices:
                p = self.forward_pass(self.x[i])
                total += self.loss(p, self.y[i])
                self.gradient_descent(*self.back_propagation(self.x[i], p, self.y[i]))
            print("epoch", epoch, "loss", total)

    def forward_pass(self, inputs):
        e = np.exp(inputs @ self.W + self.b - (inputs @ self.W + self.b).max())
        return e / e.sum(axis=1, keepdims=True)

    def gradient_descent(self, gradW, gradB):
        self.W = self.W - self.rate * gradW
        self.b = self.b - self.rate * gradB

    @staticmethod
    def loss(probabilities, gt_label):
        return -np.log(probabilities[0, gt_label] + 1e-10)

    @staticmethod
    def back_propagation(img, probabilities, gt_label):
        gradB = probabilities.copy()
        gradB[0, gt_label] -= 1
        return np.outer(img, gradB), gradB
"""

# Bodies of `train_nn` that a course would accept. `{step}` is replaced by a plain step for image i.
STEP = "p = self.forward_pass(self.x[i]); total += self.loss(p, self.y[i])"
RIGHT = {
    "computes everything itself": """
        order = np.arange(len(self.x))
        for epoch in range(self.epochs):
            np.random.shuffle(order)
            total = 0.0
            for i in order:
                z = self.x[i] @ self.W + self.b[0]
                p = np.exp(z - z.max()); p /= p.sum()
                total -= np.log(p[self.y[i]] + 1e-10)
                p[self.y[i]] -= 1
                self.W -= self.rate * np.outer(self.x[i], p)
                self.b[0] -= self.rate * p
            print(f"{epoch}: {total}")
    """,
    "takes the step itself": """
        for epoch in range(self.epochs):
            total = 0.0
            for i in np.random.permutation(len(self.x)):
                p = self.forward_pass(self.x[i])
                total += self.loss(p, self.y[i])
                gradW, gradB = self.back_propagation(self.x[i], p, self.y[i])
                self.W -= self.rate * gradW
                self.b -= self.rate * gradB
            print("total loss: %.3f" % total)
    """,
    "computes the gradients itself": """
        for epoch in range(self.epochs):
            total = 0.0
            for i in random.sample(range(len(self.x)), len(self.x)):
                p = self.forward_pass(self.x[i])
                total += self.loss(p, self.y[i])
                error = p - np.eye(p.shape[1])[self.y[i]]
                self.gradient_descent(self.x[i][:, None] * error, error)
            print("total loss", total)
    """,
    "calls through the class": """
        indices = list(range(len(self.x)))
        for epoch in range(self.epochs):
            random.shuffle(indices)
            losses = []
            for i in indices:
                p = self.forward_pass(self.x[i])
                losses.append(Model.loss(p, self.y[i]))
                Model.gradient_descent(self, *Model.back_propagation(self.x[i], p, self.y[i]))
            print("mean loss", np.mean(losses))
    """,
    "uses keywords and storage": """
        indices = list(range(len(self.x)))
        for epoch in range(self.epochs):
            random.shuffle(indices)
            total = 0
            for i in indices:
                dW, db = np.zeros(self.W.shape), np.zeros(self.b.shape)
                p = self.forward_pass(inputs=self.x[i])
                total = total + self.loss(probabilities=p, gt_label=self.y[i])
                gradW, gradB = self.back_propagation(img=self.x[i], probabilities=p, gt_label=self.y[i])
                dW += gradW
                db += gradB
                self.gradient_descent(gradW=dW, gradB=db)
            print("Total loss: {:.1f}".format(total))
    """,
    "passes rows and shuffles copies": """
        for epoch in range(self.epochs):
            order = np.random.permutation(len(self.x))
            images, labels = self.x[order], self.y[order]
            total = 0
            for row in range(len(images)):
                p = self.forward_pass(images[row : row + 1])
                total += self.loss(p, labels[row])
                self.gradient_descent(*self.back_propagation(images[row], p, labels[row]))
            print("loss of epoch", epoch, "is", total)
    """,
    "measures itself after each epoch": """
        indices = list(range(len(self.x)))
        for epoch in range(self.epochs):
            random.shuffle(indices)
            total = 0
            for i in indices:
                p = self.forward_pass(self.x[i])
                total += self.loss(p, self.y[i])
                self.gradient_descent(*self.back_propagation(self.x[i], p, self.y[i]))
            right = sum(int(np.argmax(self.forward_pass(x)) == y) for x, y in zip(self.x, self.y))
            guesses = np.argmax(self.forward_pass(self.tx), axis=1)
            print(epoch, total, right / len(self.x), np.mean(guesses == self.ty))
    """,
    "shuffles once": """
        order = list(range(len(self.x)))
        random.shuffle(order)
        for epoch in range(self.epochs):
            total = 0
            for i in order:
                p = self.forward_pass(self.x[i])
                total += self.loss(p, self.y[i])
                self.gradient_descent(*self.back_propagation(self.x[i], p, self.y[i]))
            print(total)
    """,
}

# Bugs in other methods, beside a right train_nn.
ELSEWHERE = {
    "forward_pass hangs": "def forward_pass(self, inputs):\n    while True: pass",
    "forward_pass exits": "def forward_pass(self, inputs):\n    import os; os._exit(1)",
    "loss returns None": "@staticmethod\ndef loss(p, y): pass",
    "back_propagation is swapped": "@staticmethod\ndef back_propagation(img, p, y):\n    return p, np.outer(img, p)",
    "gradient_descent ascends": "def gradient_descent(self, gW, gB):\n    self.W = self.W + gW; self.b = self.b + gB",
}

# Bugs of train_nn: the body, and the causes of Q6.2.1 to Q6.2.3 (None: passes, "": fails without a cause).
WRONG = {
    "draws with replacement": (
        """
        for epoch in range(self.epochs):
            for _ in range(len(self.x)):
                i = random.randrange(len(self.x))
                p = self.forward_pass(self.x[i])
                self.gradient_descent(*self.back_propagation(self.x[i], p, self.y[i]))
        """,
        ("", None, ""),
    ),
    "steps twice, once by hand": (
        """
        indices = list(range(len(self.x)))
        for epoch in range(self.epochs):
            random.shuffle(indices)
            total = 0
            for i in indices:
                p = self.forward_pass(self.x[i])
                total += self.loss(p, self.y[i])
                gradW, gradB = self.back_propagation(self.x[i], p, self.y[i])
                self.W -= self.rate * gradW
                self.gradient_descent(gradW, gradB)
            print(total)
        """,
        ("scaled_by_constant", None, None),
    ),
    "adds up the losses of all epochs": (
        """
        indices, total = list(range(len(self.x))), 0
        for epoch in range(self.epochs):
            random.shuffle(indices)
            for i in indices:
                p = self.forward_pass(self.x[i])
                total += self.loss(p, self.y[i])
                self.gradient_descent(*self.back_propagation(self.x[i], p, self.y[i]))
            print(total)
        """,
        (None, None, ""),
    ),
    "computes everything itself, in order, with the next label": (
        """
        for epoch in range(self.epochs):
            for i in range(len(self.x)):
                z = self.x[i] @ self.W + self.b[0]
                p = np.exp(z - z.max()); p /= p.sum()
                p[self.y[i - 1]] -= 1
                self.W -= self.rate * np.outer(self.x[i], p)
                self.b[0] -= self.rate * p
        """,
        ("", "", ""),
    ),
    "does nothing": ("pass", ("", "", "")),
}

HOSTILE = """
import itertools
import numpy as np

class Thing:
    def __getattr__(self, name): return Thing()
    def __call__(self, *arguments, **keywords): return Thing()

deep = []
for _ in range(20): deep = [deep]
VALUES = itertools.cycle([
    None, "text", b"bytes", object(), [[1], [1, 2]], float("nan"), 10**400, np.array(["a"]), {}, {"W": 1}, len, 1j,
    np.inf, (1,), (None, None), ("a", "b"), deep, Thing(), [], np.zeros((0, 3)), np.zeros((2, 0)), True, set(),
    (np.nan, np.nan), np.array(None, dtype=object), (np.zeros((3, 3)), object()), iter([1]), type, np.ma.masked,
    np.float16(3), -0.0, ([[1], [2, 3]], 1), np.datetime64("2020-01-01"), Exception("no"),
])

class Answers:
    def __init__(self, *arguments): pass
    W = property(lambda self: next(VALUES), lambda self, value: None)
    b = property(lambda self: next(VALUES), lambda self, value: None)
    clf = property(lambda self: next(VALUES))
    def train_nn(self): return next(VALUES)
    def train_svm(self): return next(VALUES)
    def forward_pass(self, inputs): return next(VALUES)
    def gradient_descent(self, gradW, gradB): return next(VALUES)
    @staticmethod
    def loss(probabilities, gt_label): return next(VALUES)
    @staticmethod
    def back_propagation(img, probabilities, gt_label): return next(VALUES)

class Vandal(Answers):
    W, b = None, None
    def __init__(self, x, *arguments): self.W, self.b, self.x = np.zeros((2, 2)), np.zeros((1, 2)), x
    def train_nn(self):
        for value in itertools.islice(VALUES, 40):
            for name, count in (("forward_pass", 1), ("loss", 2), ("gradient_descent", 2), ("back_propagation", 3)):
                for owner in (self, Model):
                    try: getattr(owner, name)(*[value] * count)
                    except Exception: pass
        del self.W
        self.b = object()
        print(float("nan"), "1e999999", 10**50, "-" * 1000)
    def forward_pass(self, inputs):
        del self.W, self.b
    gradient_descent = 3

Number = 3
Function = lambda *arguments: None
"""
HOSTILE_EXAMPLES = 12


def class_named(name: str, *methods: str) -> str:
    bodies = "\n".join(textwrap.indent(textwrap.dedent(method), "    ") for method in methods)
    return f"class {name}(Base):\n{bodies}\n"


def identifier(name: str) -> str:
    return "Model_" + "".join(letter if letter.isalnum() else "_" for letter in name)


def with_train_nn(name: str, body: str) -> str:
    method = "def train_nn(self):\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return class_named(identifier(name), method)


def source() -> str:
    """One module with a class for every variant; a test makes the one it is about the module's `Model`."""
    classes = [with_train_nn(name, body) for name, body in RIGHT.items()]
    classes += [with_train_nn(name, body) for name, (body, _) in WRONG.items()]
    classes += [class_named(identifier(name), method) for name, method in ELSEWHERE.items()]
    return "\n".join((MODEL, *classes, HOSTILE))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder, workspace = tmp_path_factory.mktemp("staged"), tmp_path_factory.mktemp("workspace")
    (folder / "model.py").write_text(source())
    for given in ("hyperparameters.py", "datasets.py"):
        shutil.copy(ROOT / "reference" / SUITE / given, folder)
    policy = Policy(call_seconds=2, check_seconds=20)
    with Session(Setting(folder, workspace, "model.py", workspace, policy=policy, confine="off")) as started:
        yield started


@pytest.fixture(scope="module")
def checks() -> Iterator[dict[str, Callable[..., Any]]]:
    """The suite's checks by number."""
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        with examples.profile():
            names = [f"{SUITE}.{folder}.test_{topic}" for folder in ("public", "hidden") for topic in TOPICS]
            modules = [importlib.import_module(name) for name in names]
            functions = [value for module in modules for value in vars(module).values() if hasattr(value, "__number__")]
            yield {function.__number__: function for function in functions}
    finally:
        sys.path.remove(str(ROOT / "tests"))


@contextmanager
def submitted(session: Session, name: str) -> Iterator[dict[str, Any]]:
    """The fixtures of a check whose submission has the named class as its `Model`."""
    with session.check(seconds=20) as worker:
        worker.submission.Model = getattr(worker.submission, name)
        yield {"submission": worker.submission, "probes": worker.probes}


def failures_of(
    check: Callable[..., Any], fixtures: dict[str, Any], enough: int = 1
) -> list[CheckFailed | StudentError]:
    """The first `enough` failures of a check in its examples, if it has any; anything else that it raises is raised."""
    failures: list[CheckFailed | StudentError] = []
    handle = getattr(check, "hypothesis", None)
    body = handle.inner_test if handle else check

    @functools.wraps(body)
    def watched(**arguments: Any) -> None:
        try:
            body(**arguments)
        except (CheckFailed, StudentError) as failure:
            failures.append(failure)
            if len(failures) == enough:
                raise examples.ExamplesEnded from None

    wanted = {name: value for name, value in fixtures.items() if name in inspect.signature(check).parameters}
    if handle is not None:
        handle.inner_test = watched
    try:
        (watched if handle is None else check)(**wanted)
    except examples.ExamplesEnded:
        pass  # there are enough of them
    finally:
        if handle is not None:
            handle.inner_test = body
    return failures


TRAINING = ("Q6.2.1", "Q6.2.2", "Q6.2.3", "Q6.2.4", "Q6.2.5")


@pytest.mark.parametrize("number", TRAINING)
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_train_nn_passes_however_it_is_written(name, number, session, checks):
    with submitted(session, identifier(name)) as fixtures:
        assert failures_of(checks[number], fixtures) == []


@pytest.mark.parametrize("number", TRAINING)
@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_bug_in_another_method_does_not_cost_train_nn(name, number, session, checks):
    with submitted(session, identifier(name)) as fixtures:
        assert failures_of(checks[number], fixtures) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_train_nn_fails_where_it_is_wrong(name, session, checks):
    causes = []
    for number in TRAINING[:3]:
        with submitted(session, identifier(name)) as fixtures:
            failures = failures_of(checks[number], fixtures)
        explained = [failure.explanation for failure in failures if isinstance(failure, CheckFailed)]
        causes.append((explained[0].cause or "") if explained else None)
    assert tuple(causes) == WRONG[name][1]


@pytest.mark.parametrize("name", ["Answers", "Vandal", "Number", "Function", "Thing"])
def test_every_check_fails_on_hostile_answers_and_none_breaks(name, session, checks):
    passed = []
    for number, check in checks.items():
        with submitted(session, name) as fixtures:
            if not failures_of(check, fixtures, enough=HOSTILE_EXAMPLES):
                passed.append(number)
    assert passed == []
