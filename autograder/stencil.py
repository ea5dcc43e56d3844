"""Turn a worked solution into the stencil that students get.

A reference file marks each part that students write. The comments that start with ``|`` are for the student, those
that start with ``>`` are code for the stencil, and what follows is the solution::

    def area(self):
        # BEGIN SOLUTION 3.1.1
        # | Return the area of the circle.
        return math.pi * self.radius**2
        # END SOLUTION

becomes ::

    def area(self):
        # TODO 3.1.1:
        # Return the area of the circle.
        raise NotImplementedError("circle.area (3.1.1) is not written yet")

The pointer into the handout after ``BEGIN SOLUTION`` may be missing. With ``>`` lines the stencil holds these instead
of the ``raise``. Every slip of a marker is an error: an overlooked one would hand out the solution.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import Assignment, UsageError
from autograder.handout_notebook import notebook_name, notebook_of

_BEGIN = re.compile(r"(?P<indent>\s*)# BEGIN SOLUTION(?: (?P<pointer>\S.*?))?\s*")
_END = re.compile(r"\s*# END SOLUTION\s*")
_HINT = re.compile(r"\s*# \|(?: (?P<text>.*?))?\s*")
_NEUTRAL = re.compile(r"\s*# >(?: (?P<text>.*?))?\s*")
# What was meant to be a marker: an unusual spelling, or a marker behind code on the same line.
_ALMOST_MARKER = re.compile(r"#\W*(BEGIN|END)\b|(?i:#.*\b(begin|end)\W*sol|#.*\bsolution\W*(begin|end)\b)")


class StencilError(UsageError):
    """A reference file from which no stencil can be made; the message says where, why and what to do."""

    def __init__(self, file_name: str, line: int, problem: str) -> None:
        super().__init__(f"{file_name}:{line}: {problem}")


@dataclass(frozen=True)
class Block:
    """One marked solution: lines are counted from 1, texts come without their marker."""

    file_name: str
    pointer: str
    """Where the handout asks for it, such as "3.1.1"; may be empty."""
    indent: str
    begin: int
    """The line of BEGIN SOLUTION."""
    end: int
    """The line of END SOLUTION."""
    hints: tuple[str, ...]
    neutral: tuple[str, ...]
    """Code for the stencil; empty for the usual NotImplementedError."""
    first_solution_line: int
    solution: tuple[str, ...]
    """The solution's lines as they stand in the file."""
    function: str
    """The function around the block, such as "linear_layer.forward"; empty at the top level."""


def find_blocks(source: str, file_name: str) -> list[Block]:
    """Return the marked solution blocks of a reference file, in order.

    :param file_name: how errors name the file
    :raises StencilError: for Python that does not parse, and for markers that are nested, unbalanced or misspelt,
        or enclose no solution or no hint
    """
    tree = _parse(source, file_name, "the reference is not valid Python")
    blocks: list[Block] = []
    begin: tuple[int, re.Match[str]] | None = None
    lines = source.splitlines()
    for number, line in enumerate(lines, start=1):
        if opening := _BEGIN.fullmatch(line):
            if begin:
                raise StencilError(
                    file_name, number, f"a solution block begins inside the one of line {begin[0]}; end that one first"
                )
            begin = number, opening
        elif _END.fullmatch(line):
            if not begin:
                raise StencilError(file_name, number, "a solution block ends here, but none has begun")
            blocks.append(_read_block(lines, begin[0], number, begin[1], tree, file_name))
            begin = None
        elif _ALMOST_MARKER.search(line):
            raise StencilError(
                file_name,
                number,
                "this looks like a misspelt marker; a marker has its line to itself and reads "
                '"# BEGIN SOLUTION <section>" or "# END SOLUTION"',
            )
    if begin:
        raise StencilError(file_name, begin[0], "this solution block has no # END SOLUTION")
    return blocks


def _parse(source: str, file_name: str, problem: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise StencilError(file_name, error.lineno or 1, f"{problem}: {error.msg}") from error


def _read_block(
    lines: Sequence[str], begin: int, end: int, opening: re.Match[str], tree: ast.Module, file_name: str
) -> Block:
    body = lines[begin : end - 1]
    hints: list[str] = []
    neutral: list[str] = []
    for line in body:
        if hint := _HINT.fullmatch(line):
            hints.append(hint["text"] or "")
        elif code := _NEUTRAL.fullmatch(line):
            neutral.append(code["text"] or "")
        else:
            break
    solution = body[len(hints) + len(neutral) :]
    if not hints:
        raise StencilError(file_name, begin, 'this solution block tells the student nothing; add a "# | ..." line')
    if not any(_is_code(line) for line in solution):
        raise StencilError(file_name, begin, "this solution block holds no solution")
    for number, line in enumerate(solution, start=end - len(solution)):
        if _HINT.fullmatch(line) or _NEUTRAL.fullmatch(line):
            raise StencilError(file_name, number, "lines for the student come before the solution, not after or in it")
    function = _enclosing_function(tree, begin)
    if not function and not neutral:
        raise StencilError(
            file_name, begin, 'a solution block outside functions needs its own code for the stencil; add a "# > ..."'
        )
    return Block(
        file_name=file_name,
        pointer=opening["pointer"] or "",
        indent=opening["indent"],
        begin=begin,
        end=end,
        hints=tuple(hints),
        neutral=tuple(neutral),
        first_solution_line=end - len(solution),
        solution=tuple(solution),
        function=function,
    )


def _is_code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _enclosing_function(tree: ast.Module, line: int) -> str:
    """Return the dotted name of the innermost function around a line, or "" where a class or nothing is around it."""
    names: list[str] = []
    scope: ast.AST = tree
    while inner := next((node for node in _scopes(scope) if _holds(node, line)), None):
        names.append(inner.name)
        scope = inner
    return ".".join(names) if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) else ""


def _scopes(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield the functions and classes below a node, also those inside an `if` or a `try`, but not nested ones."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child
        else:
            yield from _scopes(child)


def _holds(node: ast.stmt, line: int) -> bool:
    # A comment belongs to no node: the last block of a function may end below the function's last statement, but
    # its BEGIN always stands above one.
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def stencil_source(source: str, file_name: str) -> str:
    """Return a reference file's text with each solution block replaced by its hint and a neutral body.

    :raises StencilError: as :func:`find_blocks`, and when what is left is not valid Python
    """
    lines = source.splitlines()
    stencil: list[str] = []
    copied = 0
    for block in find_blocks(source, file_name):
        stencil += lines[copied : block.begin - 1]
        stencil += [(block.indent + line).rstrip() for line in _student_lines(block)]
        copied = block.end
    text = "\n".join(stencil + lines[copied:]) + "\n"
    _parse(text, f"stencil of {file_name}", "without the solutions the file is not valid Python")
    return text


def _student_lines(block: Block) -> list[str]:
    todo = f"# TODO {block.pointer}:" if block.pointer else "# TODO:"
    section = f" ({block.pointer})" if block.pointer else ""
    default = f'raise NotImplementedError("{block.function}{section} is not written yet")'
    return [todo, *(f"# {line}" for line in block.hints), *(block.neutral or (default,))]


def make_stencil(assignment: Assignment) -> dict[str, bytes]:
    """Return the stencil's files, name -> content: the students' files without solutions, and the given files.

    A program that the assignment names under `notebooks` is there as a notebook, too.

    An optional file that is no Python, or that the reference does not hold, is left out: it is a student's own result,
    such as a trained network.

    :raises StencilError: when a required file has no solution block or a given file has one
    :raises UsageError: when the reference lacks a required or given file
    """
    stencil: dict[str, bytes] = {}
    programs = [name for name in assignment.files.optional if name.endswith(".py")]
    written = [name for name in programs if (assignment.reference_folder / name).is_file()]
    for name in (*assignment.files.required, *written):
        source = _read(assignment, name).decode()
        if not name.endswith(".py"):
            raise StencilError(name, 1, "solution blocks can be marked in .py files only")
        if not find_blocks(source, name):
            raise StencilError(name, 1, "students write this file, but it marks no solution block")
        stencil[name] = stencil_source(source, name).encode()
    for name in assignment.notebooks:
        stencil[notebook_name(name)] = notebook_of(stencil[name].decode(), name)
    for name in assignment.files.given:
        stencil[name] = _read(assignment, name)
        if name.endswith(".py") and (blocks := find_blocks(stencil[name].decode(), name)):
            raise StencilError(name, blocks[0].begin, "a given file is handed out as it is and cannot hold a solution")
    return stencil


def _read(assignment: Assignment, name: str) -> bytes:
    path = assignment.reference_folder / name
    if not path.is_file():
        raise UsageError(
            f"{assignment.id}: the reference lacks {name}; add {path}, or take it out of [files] in assignment.toml"
        )
    return path.read_bytes()


def stencil_differences(stencil: Mapping[str, bytes], folder: Path) -> list[str]:
    """Say how a folder differs from the stencil it should hold, one sentence per file; empty when it does not."""
    differences = []
    for name, content in sorted(stencil.items()):
        path = folder / name
        if not path.is_file():
            differences.append(f"{name} is missing")
        elif path.read_bytes() != content:
            differences.append(f"{name} is out of step with the reference")
    return differences + [f"{path.name} does not belong to the stencil" for path in _strangers(stencil, folder)]


def write_stencil(stencil: Mapping[str, bytes], folder: Path) -> None:
    """Make a folder hold the stencil's files and no other file; folders in it, such as caches, are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in _strangers(stencil, folder):
        path.unlink()
    for name, content in stencil.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _strangers(stencil: Mapping[str, bytes], folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name not in stencil)
