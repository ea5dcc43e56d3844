"""The generic mutants: one small mistake each, in what students write, and nothing that only looks like one."""

import ast
import difflib
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("libcst")

from autograder.assignment import UsageError, list_assignments, load_assignment
from autograder.stencil import find_blocks
from autograder.validation.mutants import Mutant, items_of, mutants_of

ROOT = Path(__file__).resolve().parents[2]
IDS = [assignment.id for assignment in list_assignments(ROOT)]
ASSIGNMENT = load_assignment(ROOT / "tests" / "csci567_hw3")


def mutants_in(folder: Path, solution: str, around: str = "", parameters: str = "a, b, c") -> list[Mutant]:
    """The mutants of one function whose body is a solution."""
    lines = ["import numpy as np", around, f"def answer({parameters}):", "    # BEGIN SOLUTION 3.1.1", "    # | Hint."]
    source = "\n".join([*lines, textwrap.indent(textwrap.dedent(solution).strip(), "    "), "    # END SOLUTION", ""])
    (folder / "neural_networks.py").write_text(source)
    return mutants_of(ASSIGNMENT, folder)


def changes(mutants: list[Mutant], operator: str) -> set[str]:
    """The lines that an operator's mutants bring, joined where one brings several."""
    return {
        " ".join(line[1:].strip() for line in mutant.diff.splitlines()[3:] if line[0] == "+")
        for mutant in mutants
        if mutant.operator == operator
    }


@pytest.mark.parametrize(
    ("operator", "solution", "expected"),
    [
        ("arithmetic", "return a + b * c", {"return a - b * c", "return a + b / c"}),
        ("arithmetic", "return a**b", {"return a*b"}),
        ("operand_dropped", "return a * b - c", {"return (a * b)", "return a - c", "return b - c"}),
        ("operands_swapped", "return a @ (b - c)", {"return (b - c) @ a", "return a @ (c - b)"}),
        ("comparison", "return a > b", {"return a >= b", "return a <= b"}),
        ("comparison", "return a in b", {"return a not in b"}),
        ("boolean", "return a and not b", {"return a or not b", "return a and b"}),
        ("boolean", "if a:\n    return b\nreturn c", {"if not a:"}),
        ("constant", "return a[0] + 3", {"return a[1] + 3", "return a[0] + 4"}),
        ("constant", "return f(3)", {"return f(4)", "return f(2)"}),
        ("constant", "return f(0.5)", {"return f(-0.5)", "return f(1.0)"}),
        ("constant", "return max(a, 0.0)", {"return max(a, 1.0)"}),
        ("sign_dropped", "return -(a + b)", {"return (a + b)"}),
        ("transpose", "return a.T @ b", {"return a @ b", "return a.T @ b.T"}),
        ("key_swapped", 'return a["W"] + a["b"]', {'return a["b"] + a["b"]', 'return a["W"] + a["W"]'}),
        ("elements_swapped", "return a, b, c", {"return b, a, c"}),
        ("arithmetic", "return a[b : b + c]", set()),
        ("operand_dropped", "return a[b : b + c]", set()),
        ("slice_bound", "return a[b:c]", {"return a[b + 1:c]", "return a[b:c + 1]"}),
        ("opposite", "return np.argmax(np.sum(a))", {"return np.argmin(np.sum(a))", "return np.argmax(np.mean(a))"}),
        ("opposite", "a.train()", {"a.eval()"}),
        ("opposite", "with torch.no_grad():\n    return a(b)", {"with torch.enable_grad():"}),
        ("axis", "return np.sum(a, axis=0)", {"return np.sum(a)", "return np.sum(a, axis=1)"}),
        ("axis", "return np.mean(a)", {"return np.mean(a, axis=0)"}),
        ("keepdims", "return np.sum(a, axis=0, keepdims=True)", {"return np.sum(a, axis=0)"}),
        ("keepdims", "return np.max(a, axis=0)", {"return np.max(a, axis=0, keepdims=True)"}),
        ("call_dropped", "return np.exp(a - b) / c", {"return (a - b) / c"}),
        ("call_dropped", "return torch.relu(a.detach())", {"return a.detach()", "return torch.relu(a)"}),
        ("layer_dropped", "return nn.Sequential(a, nn.ReLU())", {"return nn.Sequential(a)"}),
        ("layer_dropped", "return [nn.ReLU(), a]", {"return [a]"}),
        ("size", "return nn.Linear(a, b)", {"return nn.Linear(a, b + 1)"}),
        ("size", "return F(a, 4, kernel=3)", {"return F(a, 5, kernel=3)", "return F(a, 4, kernel=4)"}),
        ("size", "return F(padding=1)", {"return F(padding=2)", "return F(padding=0)"}),
        ("arguments_swapped", "return np.where(a, b, c)", {"return np.where(b, a, c)", "return np.where(a, c, b)"}),
        ("argument_replaced", "return f(a) + f(b)", {"return f(b) + f(b)"}),
        ("range_bound", "for _ in range(a):\n    f(b)", {"for _ in range(a + 1):", "for _ in range(a - 1):"}),
        ("statement_dropped", "a.step()\na.x = b\nc -= b", {"pass"}),
        ("return_dropped", "return a", {"return None"}),
        ("in_place", "a -= b\nreturn a", {"a = a - b"}),
        ("in_place", 'c.x["W"] = c.x["W"] - b * a', {'c.x["W"] -= b * a'}),
        ("loop_control", "for x in a:\n    if b:\n        break", {"continue"}),
        ("loop_body_dropped", "for x in a:\n    f(x)\n    g(x)", {"pass"}),
        ("loop_shortened", 'for x in ("W", "b"):\n    f(x)', {'for x in ("b",):', 'for x in ("W",):'}),
        ("loop_shortened", "for x in a.values():\n    f(x)", {"for x in list(a.values())[1:]:"}),
    ],
)  # fmt: skip
def test_operator_makes_its_changes(tmp_path: Path, operator: str, solution: str, expected: set[str]) -> None:
    assert changes(mutants_in(tmp_path, solution), operator) == expected


@pytest.mark.parametrize(
    "solution",
    [
        'print(f"loss {a + 1}")',
        'if a % 10 == 0:\n    print("still here", a - b)',
        "plt.title(a + b)",
        "import os.path",
        '"""A string that documents."""',
        "a, b = a.to(c), b.to(c)",
        "shown = 0\nfor_show = 2 * a\nprint(shown, for_show)",
    ],
)
def test_cosmetic_statement_has_no_mutants(tmp_path: Path, solution: str) -> None:
    assert mutants_in(tmp_path, solution) == []


def test_what_is_read_outside_prints_is_not_cosmetic(tmp_path: Path) -> None:
    mutants = mutants_in(tmp_path, "total = 0\nfor x in a:\n    total += x\nprint(total)\nreturn total")
    assert {"total = 1", "total -= x"} <= changes(mutants, "constant") | changes(mutants, "arithmetic")


def test_message_of_an_error_is_not_mutated_but_its_raise_is_dropped(tmp_path: Path) -> None:
    mutants = mutants_in(tmp_path, 'if a > b:\n    raise ValueError("no", 1 + 1)')
    assert changes(mutants, "statement_dropped") == {"pass"}
    assert {mutant.operator for mutant in mutants} == {"comparison", "statement_dropped"}


def test_number_of_ones_own_is_not_changed_in_place(tmp_path: Path) -> None:
    mutants = mutants_in(tmp_path, "total = 0.0\nfor x in a:\n    total += x\nreturn total")
    assert changes(mutants, "in_place") == set()


def test_nothing_outside_the_blocks_is_mutated(tmp_path: Path) -> None:
    mutants = mutants_in(tmp_path, "return a + b", around="LIMIT = 3 + 4\ndef given(x):\n    return x + 1")
    assert mutants
    for mutant in mutants:
        assert "LIMIT = 3 + 4\ndef given(x):\n    return x + 1" in mutant.source


def test_changes_that_come_to_the_same_program_count_once(tmp_path: Path) -> None:
    """Dropping a loop's only statement is the same as dropping its body."""
    mutants = mutants_in(tmp_path, "for x in a:\n    x.step()")
    assert len([mutant for mutant in mutants if "+        pass" in mutant.diff]) == 1


def test_comments_and_layout_stay(tmp_path: Path) -> None:
    solution = "x = f(  # why\n    a,\n    b,  # and why\n)\n# at last\nreturn x   + 1"
    (mutant,) = [found for found in mutants_in(tmp_path, solution) if found.operator == "arithmetic"]
    before = (tmp_path / "neural_networks.py").read_text().splitlines()
    delta = [line for line in difflib.ndiff(before, mutant.source.splitlines()) if line[0] in "+-"]
    assert delta == ["-     return x   + 1", "+     return x   - 1"]


def test_id_survives_edits_elsewhere_and_tells_equal_lines_apart(tmp_path: Path) -> None:
    body = "b = a + 1\nif c:\n    b = a + 1\nreturn b"
    before = mutants_in(tmp_path, body)
    after = mutants_in(tmp_path, "\n# a comment\n" + body, around="ADDED = 1\n\n")
    assert [mutant.id for mutant in before] == [mutant.id for mutant in after]
    assert len({mutant.id for mutant in before}) == len(before)
    assert [mutant.line for mutant in before] != [mutant.line for mutant in after]


def test_pointer_to_no_item_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    mutants_in(tmp_path, "return a")
    path = tmp_path / "neural_networks.py"
    path.write_text(path.read_text().replace("3.1.1", "9.9"))
    with pytest.raises(UsageError, match=r"neural_networks\.py:4: the pointer '9\.9' belongs to no item"):
        mutants_of(ASSIGNMENT, tmp_path)


def test_pointer_may_name_several_items_and_remarks() -> None:
    assignment = load_assignment(ROOT / "tests" / "cpsc663_ex2")
    sources = {name: (assignment.reference_folder / name).read_text() for name in assignment.files.required}
    blocks = [block for name, source in sources.items() for block in find_blocks(source, name)]
    found = {block.pointer: items_of(assignment, block) for block in blocks}
    assert found["P6.1, P6.3"] == ("P6.1", "P6.3")
    assert found["P4 (4.2 a)"] == ("P4",)


@pytest.mark.parametrize("identifier", IDS)
def test_every_reference_has_mutants_of_every_block(identifier: str) -> None:
    """Each is another valid program with an id of its own, and changes nothing but lines of a block."""
    assignment = load_assignment(ROOT / "tests" / identifier)
    mutants = mutants_of(assignment, assignment.reference_folder)
    assert 50 < len(mutants) < 250
    assert len({mutant.id for mutant in mutants}) == len({mutant.source for mutant in mutants}) == len(mutants)
    for name in {mutant.file for mutant in mutants}:
        source = (assignment.reference_folder / name).read_text()
        blocks = find_blocks(source, name)
        here = [mutant for mutant in mutants if mutant.file == name]
        owners = [[block for block in blocks if block.begin < mutant.line < block.end] for mutant in here]
        assert all(len(found) == 1 for found in owners)
        assert {found[0].begin for found in owners} == {block.begin for block in blocks}
        assert all(ast.dump(ast.parse(mutant.source)) != ast.dump(ast.parse(source)) for mutant in here[:20])
        assert {item for mutant in here for item in mutant.items} <= {item.id for item in assignment.items}


def test_mutants_come_in_the_same_order_every_time() -> None:
    first = mutants_of(ASSIGNMENT, ASSIGNMENT.reference_folder)
    assert [mutant.id for mutant in mutants_of(ASSIGNMENT, ASSIGNMENT.reference_folder)] == [m.id for m in first]
    assert [mutant.line for mutant in first] == sorted(mutant.line for mutant in first)
