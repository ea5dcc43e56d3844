"""Notebooks: a submitted .ipynb is graded as the module that its code cells make."""

import ast
import json
import sys

import numpy as np
import pytest

from autograder.assignment import Assignment, Files, Item
from autograder.collect import Limits, collect
from autograder.notebook import MOST_COMMANDS, NotebookError, convert, module_of
from autograder.sandbox.cells import place_of
from autograder.sandbox.policy import Policy
from autograder.sandbox.proxy import StudentError
from autograder.sandbox.session import Session, Setting

pytest.importorskip("nbformat", reason="the torch extra is not installed")
pytest.importorskip("IPython", reason="the torch extra is not installed")


def notebook(*cells, language="python"):
    """A notebook in today's format: texts are code cells, a one-element list is a markdown cell."""
    entries = [
        {"cell_type": "markdown", "metadata": {}, "source": cell[0]}
        if isinstance(cell, list)
        else {"cell_type": "code", "metadata": {}, "source": cell.splitlines(True), "outputs": [], "execution_count": 1}
        for cell in cells
    ]
    kernel = {"kernelspec": {"language": language, "name": "k", "display_name": "K"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 2, "metadata": kernel, "cells": entries}).encode()


def text_of(*cells):
    return module_of(notebook(*cells), "hw.ipynb").text


def code_of(cell):
    """One cell's own lines in the module."""
    return text_of(cell).partition("# Code cell 1 of hw.ipynb\n")[2].rstrip("\n")


class TestText:
    def test_code_cells_come_in_their_order_and_text_is_left_out(self):
        text = text_of("a = 1", ["# Title"], "b = a + 1")
        scope = {}
        exec(text, scope)
        assert scope["b"] == 2
        assert "Title" not in text

    @pytest.mark.parametrize(
        ("line", "becomes"),
        [
            ("%matplotlib inline", "None"),
            ("%load_ext tensorboard", "None"),
            ("!pip install torch", "None"),
            ("?help", "None"),
            ("torch.nn?", "None"),
            ("files = !ls", "files = []"),
            ("x = %time f(3)", "x = f(3)"),
            ("%time y = f(3)", "y = f(3)"),
            ("%timeit f(3)", "None"),
            ("if True:\n    !ls\n    x = 1", "if True:\n    None\n    x = 1"),
            ("%%time\nx = 1\ny = 2", "# %%time\nx = 1\ny = 2"),
            ("%%bash\nrm -rf x\nls", "# %%bash\n# rm -rf x\n# ls"),
            ("pip install torch\nx = 1", "# pip install torch\nx = 1"),
            (">>> x = 1\n>>> y = 2", "x = 1\ny = 2"),
            ("text = '''\n%matplotlib\n!ls\n'''", "text = '''\n%matplotlib\n!ls\n'''"),
            ("x = 7 % 3\ny = x != 1", "x = 7 % 3\ny = x != 1"),
        ],
    )
    def test_commands_for_the_notebook_do_nothing(self, line, becomes):
        assert code_of(line) == becomes

    def test_a_command_over_several_lines_keeps_the_lines_below_in_place(self):
        assert code_of("!pip install \\\n  torch \\\n  tqdm\nx = 1").split("\n")[3] == "x = 1"

    def test_a_cell_that_is_no_python_costs_only_itself(self):
        text = text_of("a = 1", "def f(:\n    pass", "b = 2")
        assert "raise SyntaxError" in text
        assert "(line 1 of the cell)" in text
        ast.parse(text)

    def test_names_that_a_notebook_has_by_itself_exist(self):
        scope = {}
        exec(text_of("display(1)\nkept = get_ipython().run_line_magic('cd', '/')"), scope)
        assert scope["kept"] is None

    def test_endless_commands_in_a_cell_are_not_transformed(self):
        assert code_of("!ls\n" * (MOST_COMMANDS + 1)).startswith("raise SyntaxError('more than")

    def test_a_line_is_found_again_in_its_cell(self, tmp_path):
        file = tmp_path / "student.py"
        file.write_text(text_of("a = 1", ["text"], "\n\n%time a\nb = 1 / 0"))
        line = 1 + file.read_text().split("\n").index("b = 1 / 0")
        assert place_of(file, line) == ("hw.ipynb, code cell 2", 4)
        assert place_of(file, 1) == ("student.py", 1)


class TestFormats:
    def test_the_old_format_with_worksheets_is_read(self):
        old = {
            "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""},
            "worksheets": [{"metadata": {}, "cells": [
                {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python", "outputs": [],
                 "collapsed": False, "metadata": {}, "prompt_number": 1}]}],
        }  # fmt: skip
        assert "x = 1\ny = 2" in module_of(json.dumps(old).encode(), "old.ipynb").text

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"{not json", "is damaged"),
            (b"print('hello')", "is no notebook"),
            (b"\xff\xfe\x00", "is no notebook"),
            (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 7}', "is damaged"),
            (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": [], "cells": []}', "is damaged"),
            (b"[]", "is no notebook"),
            (notebook(["only text"]), "holds no code cell"),
            (notebook("x = 1", language="R"), "is a notebook for R"),
            (notebook("x = 1\n" * 30_000), "holds far more code than a homework"),
        ],
    )
    def test_what_cannot_be_used_is_said_plainly(self, content, reason):
        with pytest.raises(NotebookError, match=reason):
            convert(content, "hw.ipynb")

    def test_nesting_that_breaks_the_reader_is_no_fault_of_the_grader(self):
        with pytest.raises(NotebookError, match=r"read as a notebook|is no notebook|is damaged"):
            convert(b"[" * 200_000, "hw.ipynb")

    def test_a_conversion_that_takes_too_long_is_given_up(self):
        with pytest.raises(NotebookError, match=r"within 0\.01 seconds"):
            convert(notebook("x = 1"), "hw.ipynb", seconds=0.01)


ITEM = Item("1", "One", 1, "page 1")
PYTHON = "def answer(): return 'script'\n"
CELL = "def answer(): return 'notebook'\n"


@pytest.fixture
def submit(tmp_path):
    """Collects files, or one of them by its path, for an assignment that asks for net.py (and others)."""

    def start(files, only=None, required=("net.py",), handed_out=None, **limits):
        assignment = Assignment("toy", "Toy", "Toys", 1, "net.py", Files(required), (ITEM,), root=tmp_path)
        if handed_out is not None:
            assignment.stencil_folder.mkdir(parents=True)
            (assignment.stencil_folder / "net.py").write_text(handed_out)
        source = tmp_path / "submission"
        for name, content in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return collect(source / only if only else source, assignment, tmp_path / "staged", Limits(**limits))

    return start


def taken(collected):
    """What net.py's `answer()` would be."""
    scope = {}
    exec((collected.folder / "net.py").read_text(), scope)
    return scope["answer"]()


def said(collected):
    return " | ".join(f"{remark.severity}: {remark.text}" for remark in collected.remarks)


class TestCollecting:
    def test_a_notebook_stands_in_for_the_missing_file_whatever_its_name(self, submit):
        collected = submit({"Homework 4 final.ipynb": notebook(CELL)})
        assert taken(collected) == "notebook"
        assert collected.missing == []
        assert "info: Homework 4 final.ipynb was read as net.py: its 1 code cells" in said(collected)

    def test_a_notebook_passed_directly(self, submit):
        assert taken(submit({"hw.ipynb": notebook(CELL)}, only="hw.ipynb")) == "notebook"

    def test_the_python_file_of_the_required_name_wins(self, submit):
        collected = submit({"net.py": PYTHON, "net.ipynb": notebook(CELL)})
        assert taken(collected) == "script"
        assert "net.ipynb was not read: you submitted both" in said(collected)

    def test_a_python_file_as_it_was_handed_out_yields_to_the_notebook(self, submit):
        files = {"net.py": PYTHON.replace("\n", "\r\n"), "net.ipynb": notebook(CELL)}
        collected = submit(files, handed_out=PYTHON)
        assert taken(collected) == "notebook"
        assert [remark.severity for remark in collected.remarks] == ["info"]

    def test_a_python_file_as_it_was_handed_out_counts_where_there_is_no_notebook_of_its_name(self, submit):
        files = {"net.py": PYTHON, "other.ipynb": notebook(CELL)}
        assert taken(submit(files, handed_out=PYTHON)) == "script"

    def test_an_exported_file_wins_over_its_notebook_and_a_helper_does_not(self, submit):
        assert taken(submit({"hw.py": PYTHON, "hw.ipynb": notebook(CELL)})) == "script"

    def test_a_helper_beside_the_notebook_is_only_a_helper(self, submit):
        collected = submit({"helper.py": PYTHON, "hw.ipynb": notebook(CELL)})
        assert taken(collected) == "notebook"
        assert (collected.folder / "helper.py").exists()

    def test_of_several_notebooks_the_one_of_the_name_is_read(self, submit):
        collected = submit({"a.ipynb": notebook("answer = 1"), "deep/Net (1).ipynb": notebook(CELL)})
        assert taken(collected) == "notebook"

    def test_a_broken_notebook_yields_to_the_next(self, submit):
        collected = submit({"a.ipynb": b"{", "b.ipynb": notebook(CELL)})
        assert taken(collected) == "notebook"
        assert "a.ipynb is damaged" in said(collected)

    def test_a_broken_notebook_alone_is_said_once(self, submit):
        collected = submit({"a.ipynb": b"{"})
        assert collected.missing == ["net.py"]
        assert said(collected).count("a.ipynb") == 1

    def test_with_several_files_missing_a_notebook_answers_for_its_own_name(self, submit):
        collected = submit(
            {"second.ipynb": notebook("x = 1"), "net.ipynb": notebook(CELL)}, required=("net.py", "second.py")
        )
        assert taken(collected) == "notebook"
        assert collected.missing == []

    def test_a_notebook_larger_than_the_limit(self, submit):
        collected = submit({"hw.ipynb": notebook(CELL)}, notebook_bytes=50)
        assert "hw.ipynb is larger than" in said(collected)


def test_errors_and_remarks_name_the_cell(submit, tmp_path):
    collected = submit(
        {
            "hw.ipynb": notebook(
                "%matplotlib inline\nimport numpy as np",
                ["text"],
                "def fail(x):\n    scale = 2\n    return scale / x",
                "def broken(:",
                "!pip install torch\nfail(0)",
            )
        }
    )
    for folder in (tmp_path, *tmp_path.parents[:2], tmp_path / "staged"):
        folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "data").mkdir()
    setting = Setting(
        collected.folder, tmp_path, "net.py", tmp_path / "data", policy=Policy(import_seconds=30),
        forks=sys.platform == "linux",
    )  # fmt: skip
    with Session(setting) as session, session.check(30) as check:
        np.testing.assert_allclose(check.submission.fail(4), 0.5)
        with pytest.raises(StudentError) as caught:
            check.submission.fail(0)
        remarks = session.remarks
    frame = caught.value.frames[-1]
    assert (frame.file, frame.line, frame.source.strip()) == ("hw.ipynb, code cell 2", 3, "return scale / x")
    assert [(file, text.partition(" ")[0]) for _, file, text in remarks] == [
        ("hw.ipynb, code cell 3", "line"),
        ("hw.ipynb, code cell 4", "line"),
    ]
    assert remarks[1][2].startswith("line 2 (fail(0)) failed: ZeroDivisionError")
