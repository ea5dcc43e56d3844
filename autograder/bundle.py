"""Zips whose bytes depend on their content alone, and the parts that every zip of ours holds.

An instructor who builds the same assignment twice, or on two machines, gets the same file, so that a hash tells which
autograder a class was graded with.
"""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import msgspec

from autograder.assignment import Assignment
from autograder.data import find_digits, has_real_files, prepare_data, real_folder

# Zip stores times without a zone and none before 1980.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3
PACKAGE_SUFFIXES = frozenset({".py", ".json", ".html", ".css"})


@dataclass(frozen=True)
class Entry:
    """One file of a zip. `name` is its path within, with forward slashes."""

    name: str
    content: bytes
    executable: bool = False


class _Project(msgspec.Struct, rename="kebab"):
    name: str
    dependencies: list[str]
    optional_dependencies: dict[str, list[str]]


class _Pyproject(msgspec.Struct):
    project: _Project


def write_zip(path: Path, entries: Iterable[Entry]) -> None:
    """Write `entries` to `path`, sorted by name, with one fixed time and two fixed modes.

    The file appears at once and whole. Raises ValueError where two entries share a name.
    """
    ordered = sorted(entries, key=lambda entry: entry.name)
    for first, second in pairwise(ordered):
        if first.name == second.name:
            raise ValueError(f"two files of the zip are both named {first.name!r}; give one of them another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".half")
    with zipfile.ZipFile(half, "w") as archive:
        for entry in ordered:
            archive.writestr(_zip_info(entry), entry.content, zipfile.ZIP_DEFLATED, 9)
    os.replace(half, path)


def _zip_info(entry: Entry) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(entry.name, FIXED_TIME)
    info.create_system = UNIX  # otherwise a zip written on Windows would differ, and lose the executable bits
    info.external_attr = (0o100755 if entry.executable else 0o100644) << 16
    return info


def file_entry(path: Path, name: str) -> Entry:
    """The file at `path` as the entry `name`."""
    return Entry(name, path.read_bytes())


def script_entry(path: Path, name: str) -> Entry:
    """An executable script. Line ends become Unix's: a checkout on Windows may have changed them, and bash minds."""
    return Entry(name, path.read_bytes().replace(b"\r\n", b"\n"), executable=True)


def folder_entries(folder: Path, name: str) -> Iterator[Entry]:
    """Every file below `folder` as `name`/... (at the top for ""), without what Python leaves beside sources."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if path.is_file() and not hidden:
            yield file_entry(path, str(PurePosixPath(name) / relative.as_posix()))


def package_entries() -> Iterator[Entry]:
    """The autograder package that is running now, as `autograder/...`."""
    package = Path(__file__).resolve().parent
    return (entry for entry in folder_entries(package, "autograder") if Path(entry.name).suffix in PACKAGE_SUFFIXES)


def data_source_entries(assignment: Assignment) -> Iterator[Entry]:
    """What a grader makes the assignment's data from: real files where there are any, the embedded digits otherwise.

    With these, grading needs no scikit-learn, and reports still tell embedded data from real.
    """
    embedded = False
    for name in assignment.data:
        if has_real_files(name, assignment.root):
            yield from folder_entries(real_folder(name, assignment.root), f"data/{name}")
        else:
            embedded = True
    if embedded:
        yield file_entry(find_digits(assignment.root), "data/digits.csv.gz")


def ready_data_entries(assignment: Assignment) -> Iterator[Entry]:
    """The assignment's data in the files that a student's own run reads, as `data/<name>/...`."""
    for name in assignment.data:
        with tempfile.TemporaryDirectory() as scratch:
            prepare_data(name, assignment.root, Path(scratch), assignment.data_at_most)
            yield from folder_entries(Path(scratch), f"data/{name}")


def handed_out_entries(assignment: Assignment, stencil: Mapping[str, bytes]) -> Iterator[Entry]:
    """Of the stencil's files the students' programs, by which the collector knows one that nobody has written in."""
    for name, content in stencil.items():
        if name in assignment.files.required + assignment.files.optional:
            yield Entry(f"stencils/{assignment.id}/{name}", content)


def requirements_entry(assignment: Assignment) -> Entry:
    """`requirements.txt`: every pin of pyproject.toml that grading this assignment needs."""
    lines = requirement_lines(assignment.root / "pyproject.toml", assignment.extras)
    return Entry("requirements.txt", "".join(f"{line}\n" for line in lines).encode())


def requirement_lines(pyproject: Path, extras: Iterable[str]) -> list[str]:
    """The core's dependencies and those of `extras`, as pyproject.toml pins them, extras of extras included.

    Raises ValueError for an extra that pyproject.toml does not have.
    """
    project = msgspec.toml.decode(pyproject.read_bytes(), type=_Pyproject).project
    lines = list(project.dependencies)
    for extra in extras:
        lines += _extra_lines(project, extra)
    return list(dict.fromkeys(lines))


def _extra_lines(project: _Project, extra: str) -> Iterator[str]:
    if extra not in project.optional_dependencies:
        known = ", ".join(sorted(project.optional_dependencies))
        raise ValueError(f"pyproject.toml has no extra {extra!r}, only {known}; correct `extras` in assignment.toml")
    for line in project.optional_dependencies[extra]:
        of_itself = re.fullmatch(re.escape(project.name) + r"\[(.*)\]", line)
        if of_itself:
            for name in of_itself[1].split(","):
                yield from _extra_lines(project, name.strip())
        else:
            yield line
