"""A stencil as the notebook that some courses hand out: the same program, a section of it in each cell.

The imports and constants are the first cell, and every function and class has one of its own. A notebook has no
command line, so where the program's last lines call `main()`, the notebook's call `main([])`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

_INTRODUCTION = "Write what is marked TODO, run the cells in their order, and submit this notebook under its name."
_CALL, _CALL_WITHOUT_ARGUMENTS = "    main()\n", "    main([])\n"


def notebook_name(program: str) -> str:
    """Return the name of a program as a notebook: "hw4.ipynb" for "hw4.py"."""
    return program.removesuffix(".py") + ".ipynb"


def notebook_of(source: str, file_name: str) -> bytes:
    """Return a program as a notebook (nbformat 4.5) whose code cells, one after the other, are the program.

    The same source gives the same bytes: cells are numbered, and have no outputs.

    :raises SyntaxError: when the program is not valid Python
    """
    title = (ast.get_docstring(ast.parse(source, file_name)) or file_name).splitlines()[0]
    cells = [_cell("markdown", 0, f"# {title}\n\n{_INTRODUCTION}")]
    cells += [_cell("code", number, text) for number, text in enumerate(_sections(source, file_name), 1)]
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _sections(source: str, file_name: str) -> Iterator[str]:
    """The program's text, cut before and behind every function and class of its top level."""
    lines = source.splitlines(keepends=True)
    starts = {0}
    for node in ast.parse(source, file_name).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            starts |= {first - 1, node.end_lineno or first}
    bounds = [*sorted(starts), len(lines)]
    for start, end in pairwise(bounds):
        text = "".join(lines[start:end]).strip("\n")
        if text:
            is_entry = text.startswith("if __name__ ==")
            yield (text + "\n").replace(_CALL, _CALL_WITHOUT_ARGUMENTS).rstrip("\n") if is_entry else text


def _cell(kind: str, number: int, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number:02}",
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell | {"execution_count": None, "outputs": []} if kind == "code" else cell
