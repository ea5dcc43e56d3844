"""The automatic rewrites: what each changes, and that the program computes what it computed before."""

import ast
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("libcst")

from autograder.assignment import list_assignments, load_assignment
from autograder.validation import rewriting_code, rewriting_names, rewriting_text
from autograder.validation.mutants import student_programs
from autograder.validation.rewriting import Rewrite, rewrites_of

ROOT = Path(__file__).resolve().parents[2]
IDS = [assignment.id for assignment in list_assignments(ROOT)]


@pytest.mark.parametrize(
    ("rule", "source", "expected"),
    [
        (
            rewriting_names.locals_renamed,
            """
            total = 1

            def f(total, size=2):
                count = total.count
                for item in size:
                    count += item
                return g(count=count), [item for item in size]
            """,
            """
            total = 1

            def f(total, size=2):
                my_count = total.count
                for my_item in size:
                    my_count += my_item
                return g(count=my_count), [item for item in size]
            """,
        ),
        (
            rewriting_names.locals_renamed,
            "def f():\n    global x\n    x = 1\n    def g():\n        return y\n    y = x\n",
            "def f():\n    global x\n    x = 1\n    def g():\n        return my_y\n    my_y = x\n",
        ),
        (
            rewriting_names.self_renamed,
            "class A:\n    def f(self, x):\n        return lambda: self.x\n    def g(x):\n        return x.self\n",
            "class A:\n    def f(this, x):\n        return lambda: this.x\n    def g(x):\n        return x.self\n",
        ),
        (
            rewriting_names.imports_renamed,
            "import numpy as np\nimport os\ndef f(x):\n    np.sum(x.np)\ndef g(np):\n    np.sum()\n",
            "import numpy as np_module\nimport os\ndef f(x):\n    np_module.sum(x.np)\ndef g(np):\n    np.sum()\n",
        ),
        (
            rewriting_names.constants_named,
            "LIMIT = 3\ndef f(x=1):\n    return x[0] + 0.5 + 0\n",
            "LIMIT = 3\nNUMBER_0 = 0\nNUMBER_1 = 0.5\ndef f(x=1):\n    return x[NUMBER_0] + NUMBER_1 + NUMBER_0\n",
        ),
        (
            rewriting_code.methods_reversed,
            "class A:\n    x = 1\n    def f(self): pass\n    y = 2\n    def g(self): pass\n",
            "class A:\n    x = 1\n    def g(self): pass\n    y = 2\n    def f(self): pass\n",
        ),
        (
            rewriting_code.functions_reversed,
            "def f(): pass\ndef g(): pass\nx = g()\ndef h(): pass\n",
            "def g(): pass\ndef f(): pass\nx = g()\ndef h(): pass\n",
        ),
        (
            rewriting_code.prints_added,
            'def top5_of(x):\n    """Say."""\n    return x\n',
            'def top5_of(x):\n    """Say."""\n    print("now in top of")\n    return x\n',
        ),
        (
            rewriting_code.parameter_added,
            "def f(a, b=1): pass\ndef g(*a): pass\n",
            "def f(a, b=1, verbose = False): pass\ndef g(*a): pass\n",
        ),
        (
            rewriting_code.bodies_nested,
            "def f(a):\n    b = a\n    return b\ndef g(a):\n    a += 1\n",
            "def f(a):\n    def work():\n        b = a\n        return b\n    return work()\ndef g(a):\n    a += 1\n",
        ),
        (
            rewriting_code.returns_named,
            "def f(a):\n    if a:\n        return\n    return a, 1\n",
            "def f(a):\n    if a:\n        return\n    returned = a, 1\n    return returned\n",
        ),
        (
            rewriting_code.loops_enumerated,
            "for a, b in c:\n    pass\n",
            "for position, (a, b) in enumerate(c):\n    pass\n",
        ),
        (
            rewriting_code.tuples_split,
            "a, b = c, d\na, b = b, a\na, b = f()\n",
            "a = c\nb = d\na, b = b, a\na, b = f()\n",
        ),
        (
            rewriting_code.augmented_spelled_out,
            "def f(x):\n    n = 0\n    n += g(x)\n    x += 1\n    m = 0\n    m = x\n    m += 1\n",
            "def f(x):\n    n = 0\n    n = n + (g(x))\n    x += 1\n    m = 0\n    m = x\n    m += 1\n",
        ),
        (rewriting_code.comparisons_mirrored, "a > b\na <= b == c\na is b\n", "b < a\na <= b == c\na is b\n"),
        (
            rewriting_code.branches_flipped,
            "if a:\n    b\nelif c:\n    d\nelse:\n    e\nf = g if h else j\n",
            "if not (a):\n    if not (c):\n        e\n    else:\n        d\nelse:\n    b\nf = j if not (h) else g\n",
        ),
        (
            rewriting_text.bare,
            '"""Module."""\n# why\nx = 1  # one\ndef f():\n    """Say."""\n    # end\n',
            "x = 1\ndef f():\n    pass\n",
        ),
        (rewriting_text.tabs, "def f():\n    if x:\n        return\n", "def f():\n\tif x:\n\t\treturn\n"),
        (rewriting_text.semicolons, "x = 1\nif x:\n    y()\n", "x = 1;\nif x:\n    y();\n"),
        (rewriting_text.single_quotes, 'x = "a" + "it\'s" + f"{b}"\n', "x = 'a' + \"it's\" + f\"{b}\"\n"),
        (rewriting_text.parenthesized, "x = a + b * c\n", "x = (a + (b * c))\n"),
        (
            rewriting_text.format_method,
            'x = f"{a!r} {{b}} {c + 1:.{d}f} {e:>4}"\n',
            'x = "{!r} {{b}} {:.{}f} {:>4}".format(a, c + 1, d, e)\n',
        ),
        (rewriting_text.windows, "x = 1\n", "\ufeffx = 1\r\n"),
    ],
)  # fmt: skip
def test_rule_rewrites(rule: Callable[[str], str], source: str, expected: str) -> None:
    assert rule(textwrap.dedent(source)) == textwrap.dedent(expected)


def test_names_that_exist_are_not_taken() -> None:
    source = "my_x = 1\ndef f():\n    x = my_x\n    return x\n"
    assert rewriting_names.locals_renamed(source) == "my_x = 1\ndef f():\n    my_x_ = my_x\n    return my_x_\n"


def test_docstring_of_the_module_stays_where_the_program_reads_it() -> None:
    source = '"""Usage."""\nprint(__doc__)\n'
    assert rewriting_text.bare(source) == source


@cache
def rewrites_of_reference(identifier: str) -> list[Rewrite]:
    """A homework's rewrites, made once: many rules on many files take seconds."""
    assignment = load_assignment(ROOT / "tests" / identifier)
    return rewrites_of(assignment, assignment.reference_folder)


@pytest.mark.parametrize("identifier", IDS)
def test_every_reference_has_valid_rewrites_of_many_kinds(identifier: str) -> None:
    assignment = load_assignment(ROOT / "tests" / identifier)
    rewrites = rewrites_of_reference(identifier)
    assert len(rewrites) >= 25
    assert len({rewrite.name for rewrite in rewrites}) == len(rewrites)
    for rewrite in rewrites:
        assert rewrite.files.keys() <= set(student_programs(assignment, assignment.reference_folder))
        for name, content in rewrite.files.items():
            assert content != (assignment.reference_folder / name).read_bytes()
            ast.parse(content)


# ------------------------------------------------------------------------------- the same numbers as the reference


def multilayer_perceptron(module: Any) -> list[Any]:
    """Two steps of training, the gradient check's effect on the parameters, and an accuracy."""
    np.random.seed(3)
    model = module.build_model(6)
    data = module.DataSplit(np.random.rand(12, 6), np.arange(12).reshape(12, 1) % 10)
    before = module.accuracy(model, data)
    for _ in range(2):
        model = module.train_one_epoch(model, data, 5, 0.5)
    module.gradient_checker(data, model)
    layers = [model[name] for name in ("L1", "L2")]
    return [before, model["nonlinear1"].forward(np.eye(3) - 0.5)] + [
        value for layer in layers for held in (layer.params, layer.gradient) for value in held.values()
    ]


def one_layer(module: Any) -> list[Any]:
    """Training, and the loss of an image."""
    np.random.seed(3)
    module.random.seed(3)
    settings = types.SimpleNamespace(num_epochs=2, learning_rate=0.1, batch_size=1)
    images, labels = np.random.rand(9, 4), np.arange(9) % 3
    model = module.Model(images, labels, 3, settings, images, labels)
    model.train_nn()
    probabilities = model.forward_pass(images[0])
    return [model.W, model.b, model.loss(probabilities, 1), *model.back_propagation(images[0], probabilities, 2)]


def derivatives(module: Any) -> list[Any]:
    """All gradients for one example."""
    random = np.random.default_rng(3)
    parameters = [random.normal(size=shape) for shape in ((2, 5), 5, (5, 2), 2)]
    return list(module.gradients(random.normal(size=2), np.array([0, 1]), *parameters).values())


def convolutional_network(module: Any) -> list[Any]:
    """Training on two batches, and both accuracies."""
    torch = module.torch
    torch.manual_seed(3)
    model = module.ConvNet((4, 3, 1), 0.1, True)
    loader = [(torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 2, 3])) for _ in range(2)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses, accuracies = module.train(model, "cpu", loader, loader, optimizer, 2)
    return [losses, accuracies, module.class_accuracies(model, "cpu", loader)[:4]]


SCENARIOS: dict[tuple[str, str], Callable[[Any], list[Any]]] = {
    ("csci567_hw3", "neural_networks.py"): multilayer_perceptron,
    ("csci1430_hw5", "model.py"): one_layer,
    ("cis520_hw4", "backprop.py"): derivatives,
    ("cis520_hw4", "hw4.py"): convolutional_network,
}


@pytest.fixture(params=SCENARIOS, ids="/".join)
def scenario(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str, Callable[[bytes], list[Any]]]]:
    """A homework, one of its files, and how to run a program in that file's place: what it computes."""
    identifier, name = request.param
    pytest.importorskip({"model.py": "sklearn", "hw4.py": "torch"}.get(name, "numpy"))
    folder = ROOT / "reference" / identifier
    given = {path.stem for path in folder.glob("*.py")}
    monkeypatch.syspath_prepend(str(folder))

    def run(source: bytes) -> list[Any]:
        module = types.ModuleType("homework")
        exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
        return SCENARIOS[identifier, name](module)

    for module in given:  # another homework's files may have the same names
        monkeypatch.delitem(sys.modules, module, raising=False)
    yield identifier, name, run
    for module in given:
        sys.modules.pop(module, None)


def test_rewrites_compute_what_the_reference_computes(
    scenario: tuple[str, str, Callable[[bytes], list[Any]]],
) -> None:
    identifier, name, run = scenario
    assignment = load_assignment(ROOT / "tests" / identifier)
    expected = run((assignment.reference_folder / name).read_bytes())
    for rewrite in (found for found in rewrites_of_reference(identifier) if name in found.files):
        results = run(rewrite.files[name])
        assert len(results) == len(expected)
        for result, value in zip(results, expected, strict=True):
            assert np.array_equal(result, value), rewrite.name
