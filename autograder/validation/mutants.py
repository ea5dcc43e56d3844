"""Generic mutants of a reference: one small mistake each, in what students write.

A good check fails for a wrong program. To measure the checks, each mutant changes one place in one of the reference's
marked solution blocks (see :mod:`autograder.stencil`), by one of the operators of
:mod:`autograder.validation.operators`; the rest of the file keeps its text, comments and layout included.

Why not a mutation engine: mutmut and cosmic-ray both run a test suite on a project, and neither offers its operators as
a library. mutmut's are private functions over libcst that know nothing of arrays (no axis, keepdims, transpose, modes
or copies) and come with a terminal application; cosmic-ray's count positions through a whole file on parso trees, and
come with a database and an HTTP client. What could be shared are three tables of a few lines. So the operators are our
own, on the same concrete syntax tree: libcst.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import CodeType

import libcst as cst
import msgspec
from libcst.metadata import MetadataWrapper, PositionProvider

from autograder.assignment import Assignment, UsageError
from autograder.stencil import Block, find_blocks
from autograder.validation.facts import NO_FACTS, Facts, facts_of, is_cosmetic
from autograder.validation.operators import OPERATORS, inner_nodes, is_left_alone

_Path = tuple[cst.CSTNode, ...]


class Mutant(msgspec.Struct, frozen=True):
    """One wrong variant of the reference."""

    id: str
    """<file>:<function>:<operator>:<hash>: the same as long as the changed lines' text and the function's name are."""
    file: str
    function: str
    """The function around the change, such as "linear_layer.forward"; "module" at the top level."""
    items: tuple[str, ...]
    """The ids of the items that the block belongs to: the mutant is to lose points in one of them."""
    operator: str
    line: int
    """The first line that changes, counted from 1."""
    diff: str
    """What changes, as a unified diff with two lines around."""
    source: str
    """The whole file, mutated."""

    @property
    def item(self) -> str:
        """The item to which the block's pointer belongs, the first where it names several."""
        return self.items[0]


def mutants_of(assignment: Assignment, reference_folder: Path) -> list[Mutant]:
    """Return the mutants of every solution block of a reference, in the order of files, lines and operators.

    Two changes that come to the same program, and such as change nothing, count once and not at all: programs are
    compared as compiled.

    :raises StencilError: as :func:`autograder.stencil.find_blocks`
    :raises UsageError: when a block's pointer names no item
    """
    mutants: list[Mutant] = []
    for name in student_programs(assignment, reference_folder):
        found = _file_mutants(assignment, name, (reference_folder / name).read_text(encoding="utf-8"))
        mutants += sorted(found, key=lambda mutant: mutant.line)
    return mutants


def student_programs(assignment: Assignment, reference_folder: Path) -> list[str]:
    """Return the names of the Python files that students write and the reference holds."""
    names = (*assignment.files.required, *assignment.files.optional)
    return [name for name in names if name.endswith(".py") and (reference_folder / name).is_file()]


def items_of(assignment: Assignment, block: Block) -> tuple[str, ...]:
    """Return the ids of the items that a block's pointer names: "P6.1, P6.3", or "4 (4.2)" with a remark behind it.

    :raises UsageError: when the pointer, or a part of it, belongs to no item
    """
    ids = []
    for pointer in re.sub(r"\(.*?\)", "", block.pointer).split(","):
        item = assignment.item_of(pointer.strip())
        if item is None:
            raise UsageError(
                f"{assignment.id}: {block.file_name}:{block.begin}: the pointer {block.pointer!r} belongs to no item; "
                'begin it with the id of one, as in "# BEGIN SOLUTION 3.1.1"'
            )
        ids.append(item.id)
    return tuple(dict.fromkeys(ids))


def _file_mutants(assignment: Assignment, name: str, source: str) -> Iterator[Mutant]:
    module = MetadataWrapper(cst.parse_module(source))
    seen = {_program(source)}
    alike: Counter[str] = Counter()
    for block in find_blocks(source, name):
        items = items_of(assignment, block)
        for operator, mutated in _changed_sources(module, block):
            program = _program(mutated)
            if program not in seen:
                seen.add(program)
                yield _mutant(name, block, items, operator, source, mutated, alike)


def _changed_sources(module: MetadataWrapper, block: Block) -> Iterator[tuple[str, str]]:
    """Yield operator and changed source for every change in a block, from its first line to its last."""
    function, paths = _statements(module, block)
    facts = facts_of(function) if function else NO_FACTS
    lines = module.module.code.splitlines(keepends=True)
    positions = module.resolve(PositionProvider)
    for path in paths:
        statement, around = path[-1], path[:-1]
        original = _statement_lines(statement, around)
        first = _place(lines, original, positions[statement].start.line)
        for node, above in _nodes(statement, around[-1:], facts):
            for operator in OPERATORS:
                for replacement in operator(node, above[-1], facts):
                    changed = _statement_lines(_replace(node, replacement, above[1:]), around)
                    yield operator.__name__, "".join([*lines[:first], *changed, *lines[first + len(original) :]])


def _replace(node: cst.CSTNode, replacement: cst.CSTNode, ancestors: _Path) -> cst.CSTNode:
    """Return the outermost ancestor with a node replaced. libcst's own way visits every node, which takes long."""
    for parent in reversed(ancestors):
        for field in fields(parent):
            value = getattr(parent, field.name)
            if value is node:
                changed: object = replacement
            elif isinstance(value, list | tuple) and any(element is node for element in value):
                changed = [replacement if element is node else element for element in value]
            else:
                continue
            node, replacement = parent, parent.with_changes(**{field.name: changed})
            break
    return replacement


def _statement_lines(statement: cst.CSTNode, around: _Path) -> list[str]:
    """Return a statement's lines as they stand in the file, its comments above included.

    Writing the whole module out takes long. So the statement alone is written, at its depth in blocks of one line.
    """
    assert isinstance(around[0], cst.Module)
    blocks = [node for node in around if isinstance(node, cst.IndentedBlock)]
    for block in reversed(blocks):
        statement = cst.If(test=cst.Integer("1"), body=block.with_changes(body=[statement], footer=[]))
    return around[0].with_changes(body=[statement], header=[], footer=[]).code.splitlines(keepends=True)[len(blocks) :]


def _place(lines: list[str], statement: list[str], line: int) -> int:
    """Return the index of the first of a statement's lines in the file, given the number of a line of it."""
    starts = range(line - len(statement), line)
    return next(start for start in starts if start >= 0 and lines[start : start + len(statement)] == statement)


def _statements(module: MetadataWrapper, block: Block) -> tuple[cst.FunctionDef | None, list[_Path]]:
    """Return the outermost statements that lie in a block, with their ancestors, and the innermost function around."""
    positions = module.resolve(PositionProvider)
    function: cst.FunctionDef | None = None
    found: list[_Path] = []
    waiting: list[_Path] = [(module.module,)]
    while waiting:
        path = waiting.pop(0)
        node = path[-1]
        first, last = positions[node].start.line, positions[node].end.line
        if isinstance(node, cst.BaseStatement) and block.begin < first < block.end:
            found.append(path)
        elif first <= block.end and last >= block.begin:
            if isinstance(node, cst.FunctionDef):
                function = node
            waiting = [*((*path, child) for child in node.children if _may_hold_statements(child)), *waiting]
    return function, found


def _may_hold_statements(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.BaseStatement | cst.BaseSuite | cst.Else | cst.Finally | cst.ExceptHandler)


def _nodes(node: cst.CSTNode, above: _Path, facts: Facts) -> Iterator[tuple[cst.CSTNode, _Path]]:
    """Yield each node that may be mutated with its ancestors, from the outside to the inside, in the source's order."""
    if is_left_alone(node) or (
        isinstance(node, cst.BaseStatement | cst.BaseSmallStatement) and is_cosmetic(node, facts)
    ):
        return
    yield node, above
    if isinstance(node, cst.Raise):
        return  # dropped as a whole; what it says is a message
    for child in inner_nodes(node):
        yield from _nodes(child, (*above, node), facts)


def _mutant(
    name: str,
    block: Block,
    items: tuple[str, ...],
    operator: str,
    source: str,
    mutated: str,
    alike: Counter[str],
) -> Mutant:
    diff = list(difflib.unified_diff(source.splitlines(), mutated.splitlines(), name, name, n=2, lineterm=""))
    first = next(number for number, line in enumerate(diff[3:]) if line[0] != " ")
    hunk = re.match(r"@@ -(\d+)", diff[2])
    assert hunk is not None
    where = f"{name}:{block.function or 'module'}:{operator}"
    text = "\n".join([where, *(line[0] + line[1:].strip() for line in diff[3:] if line[0] != " ")])
    digest = hashlib.sha256(f"{text}\n{alike[text]}".encode()).hexdigest()[:6]
    alike[text] += 1
    return Mutant(
        id=f"{where}:{digest}",
        file=name,
        function=block.function or "module",
        items=items,
        operator=operator,
        line=int(hunk[1]) + first,
        diff="\n".join(diff),
        source=mutated,
    )


def _program(source: str) -> object:
    """Return what a source comes to when compiled, line numbers aside: equal for programs that do the same."""
    return _signature(compile(source, "reference", "exec", dont_inherit=True))


def _signature(code: CodeType) -> object:
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    constants = tuple(
        _signature(value) if isinstance(value, CodeType) else (type(value).__name__, repr(value))
        for value in code.co_consts
    )
    return (code.co_name, code.co_flags, code.co_code, names, constants)
