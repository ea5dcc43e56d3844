"""The stencil generator: what students get, and that no slip of a marker can hand out a solution."""

import argparse
import ast
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from autograder.assignment import UsageError, list_assignments, load_assignment
from autograder.commands import stencil as command
from autograder.handout_notebook import notebook_of
from autograder.stencil import (
    StencilError,
    find_blocks,
    make_stencil,
    stencil_differences,
    stencil_source,
    write_stencil,
)

ROOT = Path(__file__).resolve().parents[2]
IDS = [assignment.id for assignment in list_assignments(ROOT)]

REFERENCE = '''\
"""A worked solution."""


class Layer:
    def forward(self, X):
        """Double X."""
        # BEGIN SOLUTION 1.2
        # | Return twice X.
        # |   - without a loop
        doubled = X + X
        return doubled
        # END SOLUTION


def halve(x):
    total = 0
    # BEGIN SOLUTION
    # | Halve x.
    # > raise NotImplementedError(f"halve {x}")
    total = x / 2
    # END SOLUTION
    return total
'''

STENCIL = '''\
"""A worked solution."""


class Layer:
    def forward(self, X):
        """Double X."""
        # TODO 1.2:
        # Return twice X.
        #   - without a loop
        raise NotImplementedError("Layer.forward (1.2) is not written yet")


def halve(x):
    total = 0
    # TODO:
    # Halve x.
    raise NotImplementedError(f"halve {x}")
    return total
'''

ASSIGNMENT = """\
id = "toy_hw1"
title = "Toy"
course = "Toys"
points = 1
main = "answer.py"
[files]
required = ["answer.py"]
optional = ["result.json"]
given = ["helper.py"]
[[items]]
id = "1"
title = "All"
points = 1
handout = "1"
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A course root with one small assignment."""
    for folder in ("tests/toy_hw1", "reference/toy_hw1"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tests/toy_hw1/assignment.toml").write_text(ASSIGNMENT)
    (tmp_path / "reference/toy_hw1/answer.py").write_text(REFERENCE)
    (tmp_path / "reference/toy_hw1/helper.py").write_text("HELP = 1\n")
    monkeypatch.setenv("AUTOGRADER_ROOT", str(tmp_path))
    return load_assignment(tmp_path / "tests/toy_hw1")


def test_each_solution_becomes_a_todo_and_a_neutral_body():
    assert stencil_source(REFERENCE, "answer.py") == STENCIL


def test_blocks_say_where_they_stand_and_what_they_hold():
    first, second = find_blocks(REFERENCE, "answer.py")
    assert (first.function, first.pointer, first.begin, first.end) == ("Layer.forward", "1.2", 7, 12)
    assert [line.strip() for line in first.solution] == ["doubled = X + X", "return doubled"]
    assert REFERENCE.splitlines()[first.first_solution_line - 1] == first.solution[0]
    assert (second.function, second.pointer) == ("halve", "")


def test_a_block_in_a_conditional_function_names_that_function():
    inner = function("# BEGIN SOLUTION", "# | Hint.", "return 1", "# END SOLUTION")
    source = "if True:\n" + textwrap.indent(inner, "    ")
    assert find_blocks(source, "a.py")[0].function == "f"


def function(*lines: str) -> str:
    return "\n".join(["def f():", *(f"    {line}" for line in lines)]) + "\n"


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        (["# BEGIN SOLUTION", "# | Hint.", "return 1"], 2, "no # END SOLUTION"),
        (["return 1", "# END SOLUTION"], 3, "none has begun"),
        (["# BEGIN SOLUTION", "# | Hint.", "x = 1", "# BEGIN SOLUTION", "return 1"], 5, "the one of line 2"),
        (["# BEGIN SOLUTION", "return 1", "# END SOLUTION"], 2, "tells the student nothing"),
        (["# BEGIN SOLUTION", "# | Hint.", "# a remark", "# END SOLUTION", "return 1"], 2, "holds no solution"),
        (
            ["# BEGIN SOLUTION", "# | Hint.", "x = 1", "# | More.", "# END SOLUTION", "return 1"],
            5,
            "before the solution",
        ),
        (["#BEGIN SOLUTION", "return 1"], 2, "misspelt marker"),
        (["# Begin solution", "return 1"], 2, "misspelt marker"),
        (["# BEGIN SOLUTOIN", "return 1"], 2, "misspelt marker"),
        (["# begin soluton", "return 1"], 2, "misspelt marker"),
        (["# SOLUTION BEGIN", "return 1"], 2, "misspelt marker"),
        (["return 1  # BEGIN SOLUTION"], 2, "misspelt marker"),
        (["# BEGIN SOLUTION", "# | Hint.", "return 1", "# END SOLUTION 1.2"], 5, "misspelt marker"),
        (["return ("], 2, "not valid Python"),
    ],
)
def test_a_slip_of_a_marker_is_an_error_with_file_and_line(lines, line, words):
    with pytest.raises(StencilError) as caught:
        stencil_source(function(*lines), "answer.py")
    assert str(caught.value).startswith(f"answer.py:{line}: ")
    assert words in str(caught.value)


def test_an_ordinary_comment_is_no_marker():
    assert find_blocks(function("# the end of the solution", "# End of the loop", "return 1"), "answer.py") == []


def test_neutral_code_that_is_not_python_is_an_error():
    source = function("# BEGIN SOLUTION", "# | Hint.", "# > while True", "return 1", "# END SOLUTION")
    with pytest.raises(StencilError, match=r"stencil of answer.py:4: without the solutions the file is not valid"):
        stencil_source(source, "answer.py")


def test_a_block_outside_functions_needs_its_own_neutral_code():
    block = "# BEGIN SOLUTION\n# | Choose a rate.\n{}RATE = 0.1\n# END SOLUTION\n"
    with pytest.raises(StencilError, match="needs its own code"):
        find_blocks(block.format(""), "answer.py")
    assert stencil_source(block.format("# > RATE = None\n"), "answer.py") == "# TODO:\n# Choose a rate.\nRATE = None\n"


def test_given_files_are_copied_and_absent_optional_files_left_out(toy):
    assert make_stencil(toy) == {"answer.py": STENCIL.encode(), "helper.py": b"HELP = 1\n"}


def test_a_given_file_with_a_solution_is_refused(toy):
    (toy.reference_folder / "helper.py").write_text(REFERENCE)
    with pytest.raises(StencilError, match=r"^helper.py:7: a given file"):
        make_stencil(toy)


def test_a_students_file_without_solution_blocks_is_refused(toy):
    (toy.reference_folder / "answer.py").write_text("def f():\n    return 1\n")
    with pytest.raises(StencilError, match="marks no solution block"):
        make_stencil(toy)


def test_a_result_in_the_reference_is_not_handed_out(toy):
    (toy.reference_folder / "result.json").write_text("{}")
    assert "result.json" not in make_stencil(toy)


def test_a_required_file_that_is_not_python_is_refused(toy):
    files = msgspec.structs.replace(toy.files, required=("answer.py", "result.json"), optional=())
    (toy.reference_folder / "result.json").write_text("{}")
    with pytest.raises(StencilError, match=r"\.py files only"):
        make_stencil(msgspec.structs.replace(toy, files=files))


def test_a_missing_reference_file_is_named(toy):
    (toy.reference_folder / "helper.py").unlink()
    with pytest.raises(UsageError, match=r"the reference lacks helper\.py"):
        make_stencil(toy)


PROGRAM = '''\
"""A title.

More.
"""

import math

HALF = 0.5


@staticmethod
# a comment of the function
def half(x):
    # TODO: halve
    raise NotImplementedError


# about main
def main(arguments=None):
    main()
    print("done", arguments)


if __name__ == "__main__":
    main()
'''


def test_a_program_becomes_a_notebook_with_a_section_in_each_cell():
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.reads(notebook_of(PROGRAM, "p.py").decode(), as_version=4)
    nbformat.validate(notebook)
    first, *code = notebook.cells
    assert first.source.startswith("# A title.\n\n")
    assert {cell.cell_type for cell in code} == {"code"}
    assert [cell.source.splitlines()[0] for cell in code] == [
        *('"""A title.', "@staticmethod", "# about main", "def main(arguments=None):", 'if __name__ == "__main__":')
    ]
    assert code[-1].source.endswith("\n    main([])")
    assert "    main()\n" in code[-2].source, "only the last lines are without a command line"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert notebook_of(PROGRAM, "p.py") == notebook_of(PROGRAM, "p.py")


def test_a_notebooks_cells_are_the_program():
    cells = json.loads(notebook_of(PROGRAM, "p.py"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(PROGRAM[:-2] + "[])\n"))


def test_a_program_may_be_handed_out_as_a_notebook_too(toy):
    with_notebook = msgspec.structs.replace(toy, notebooks=("answer.py",))
    stencil = make_stencil(with_notebook)
    assert set(stencil) == {"answer.py", "answer.ipynb", "helper.py"}
    assert stencil["answer.ipynb"] == notebook_of(STENCIL, "answer.py")


def test_writing_replaces_what_was_there_and_is_then_in_step(toy):
    toy.stencil_folder.mkdir(parents=True)
    (toy.stencil_folder / "old.py").write_text("left over")
    assert stencil_differences(make_stencil(toy), toy.stencil_folder) == [
        "answer.py is missing",
        "helper.py is missing",
        "old.py does not belong to the stencil",
    ]
    write_stencil(make_stencil(toy), toy.stencil_folder)
    assert stencil_differences(make_stencil(toy), toy.stencil_folder) == []
    assert not (toy.stencil_folder / "old.py").exists()


def run_command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["stencil", *arguments])
    return parsed.run(parsed)


def test_the_command_generates_and_its_check_notices_a_later_edit(toy, capsys):
    assert run_command("toy_hw1", "--check") == 2
    assert run_command("toy_hw1") == 0
    assert run_command("--check") == 0
    with open(toy.stencil_folder / "answer.py", "a") as file:
        file.write("# edited\n")
    capsys.readouterr()
    assert run_command("toy_hw1", "--check") == 2
    assert "answer.py is out of step" in capsys.readouterr().err
    assert (toy.stencil_folder / "answer.py").read_text().endswith("# edited\n"), "--check must not write"


@pytest.mark.parametrize("name", IDS)
def test_the_stencils_in_the_tree_are_in_step_with_the_references(name):
    assignment = load_assignment(ROOT / "tests" / name)
    assert stencil_differences(make_stencil(assignment), assignment.stencil_folder) == []


def _programs(assignment):
    """The Python files that students write, each with its reference."""
    names = [name for name in make_stencil(assignment) if name.endswith(".py") and name not in assignment.files.given]
    return {name: (assignment.reference_folder / name).read_text(encoding="utf-8") for name in names}


@pytest.mark.parametrize("name", IDS)
def test_no_line_of_a_solution_is_in_the_stencil(name):
    assignment = load_assignment(ROOT / "tests" / name)
    stencil = make_stencil(assignment)
    for file_name, source in _programs(assignment).items():
        # Not the students' other files: two of them may well hold a loop of the same words, one of them given.
        handed_out = b"\n".join(stencil[file] for file in (file_name, *assignment.files.given)).decode()
        blocks = find_blocks(source, file_name)
        solved = {line for block in blocks for line in range(block.begin, block.end + 1)}
        given = {line.strip() for number, line in enumerate(source.splitlines(), 1) if number not in solved}
        for line in (line.strip() for block in blocks for line in block.solution):
            # A line that the given code has too, such as `return model`, gives nothing away, nor does a mere `try:`.
            single = len(re.findall(r"\w+", line)) <= 1
            assert line in given or single or line not in handed_out, f"{file_name} hands out {line!r}"


@pytest.mark.parametrize("name", IDS)
def test_a_stencil_imports_and_says_what_is_missing_when_used(name):
    assignment = load_assignment(ROOT / "tests" / name)
    if "torch" in assignment.extras:
        pytest.importorskip("torch")
    for file_name, source in _programs(assignment).items():
        expected = {block.function for block in find_blocks(source, file_name)}
        program = f"import {Path(file_name).stem} as module; print('imported', module.__doc__ is not None)"
        result = subprocess.run(
            [sys.executable, "-B", "-W", "error", "-c", program],
            cwd=assignment.stencil_folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.stdout, result.stderr) == ("imported True\n", "")
        text = (assignment.stencil_folder / file_name).read_text(encoding="utf-8")
        assert all(f"{function} (" in text for function in expected)
