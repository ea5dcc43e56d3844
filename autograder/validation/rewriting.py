"""Behaviour-preserving rewrites of a reference, made by rules: right programs that are written otherwise.

A check that fails one of them is wrong. Each kind below changes every file that students write, in one way that does
not change what the program computes; `rewriting_names`, `rewriting_code` and `rewriting_text` say for each why it is
safe. A kind that finds nothing to change in a homework is left out there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from autograder.assignment import Assignment
from autograder.validation import rewriting_code, rewriting_names, rewriting_text
from autograder.validation.mutants import student_programs

_Rule = Callable[[str], str]


class Rewrite(msgspec.Struct, frozen=True):
    """One right program. `files` holds what differs from the reference, by name."""

    name: str
    what: str
    files: Mapping[str, bytes]


_RULES: tuple[tuple[str, str, _Rule], ...] = (
    ("local_names", "Local variables have other names.", rewriting_names.locals_renamed),
    ("self_name", "Methods call their object `this`.", rewriting_names.self_renamed),
    ("import_names", "Imported modules have other short names.", rewriting_names.imports_renamed),
    ("named_constants", "Every number in a function is a constant of the module.", rewriting_names.constants_named),
    ("method_order", "The methods of each class stand in reverse order.", rewriting_code.methods_reversed),
    ("function_order", "Functions that follow each other stand in reverse order.", rewriting_code.functions_reversed),
    ("prints", "Every function says that it is called.", rewriting_code.prints_added),
    ("helpers", "A class and a function of the student's own stand on top.", rewriting_code.helpers_added),
    ("base_class", "The classes inherit from one of the student's own.", rewriting_code.base_class_added),
    ("decorator", "A decorator that passes everything on stands on every function.", rewriting_code.decorated),
    ("optional_parameter", "Every function has one more, optional parameter.", rewriting_code.parameter_added),
    ("no_op_lines", "Functions begin with lines that do nothing.", rewriting_code.no_ops_added),
    ("inner_functions", "The work is done by a function in each function.", rewriting_code.bodies_nested),
    ("finally", "The body of each function stands in try ... finally.", rewriting_code.bodies_in_try),
    ("returned_names", "What is returned gets a name first.", rewriting_code.returns_named),
    ("enumerate", "Loops count along.", rewriting_code.loops_enumerated),
    ("split_tuples", "Each name is assigned in a statement of its own.", rewriting_code.tuples_split),
    ("augmented", "`a += b` on a number is written `a = a + b`.", rewriting_code.augmented_spelled_out),
    ("mirrored", "Comparisons have their sides exchanged.", rewriting_code.comparisons_mirrored),
    ("flipped", "Conditions are negated and their branches exchanged.", rewriting_code.branches_flipped),
    ("main_guard", "The file also runs as a program.", rewriting_code.guard_added),
    ("bare", "There are no docstrings and no comments.", rewriting_text.bare),
    ("tabs", "Lines are indented by tabs.", rewriting_text.tabs),
    ("semicolons", "Statements end in semicolons.", rewriting_text.semicolons),
    ("quotes", "Strings stand in single quotes.", rewriting_text.single_quotes),
    ("parentheses", "Calculations stand in parentheses.", rewriting_text.parenthesized),
    ("format_method", "Messages are made by str.format.", rewriting_text.format_method),
    ("annotations", "Parameters, results and numbers have type annotations.", rewriting_text.annotated),
    ("windows", "Lines end as on Windows, behind a byte order mark.", rewriting_text.windows),
)


def rewrites_of(assignment: Assignment, reference_folder: Path) -> list[Rewrite]:
    """Return the rewrites of a reference, in a fixed order, one for each kind that changes something."""
    sources = {
        name: (reference_folder / name).read_text(encoding="utf-8")
        for name in student_programs(assignment, reference_folder)
    }
    rewrites = []
    for name, what, rule in _RULES:
        changed = {file: rule(source) for file, source in sources.items()}
        files = {file: text.encode() for file, text in changed.items() if text != sources[file]}
        if files:
            rewrites.append(Rewrite(name, what, files))
    return rewrites
