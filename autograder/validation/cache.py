"""Outcomes of earlier gradings, kept by content: what has not changed need not be graded again."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from autograder.assignment import Assignment
from autograder.data import real_folder
from autograder.validation.verdicts import Outcome

PACKAGE = Path(__file__).resolve().parents[1]
ROOMS = ("grading", "sandbox")
"""Rooms of the package that have a say in every verdict; of the others, what these and the checks import."""
LIBRARIES = ("numpy", "torch", "torchvision", "hypothesis", "pytest", "msgspec", "scikit-learn", "scipy", "matplotlib")


class Cache:
    """The outcomes of one assignment's gradings, below `folder`; None keeps nothing."""

    def __init__(self, folder: Path | None, assignment: Assignment) -> None:
        self._folder = None if folder is None else folder / assignment.id
        self.grader = digest_of_grader(assignment)
        """Stands for everything but the submission that an outcome depends on."""

    def key(self, files: Mapping[str, bytes | None], *settings: object) -> str:
        """The name of one grading: of these files, under these settings, by this grader."""
        hasher = hashlib.sha256(repr((self.grader, settings)).encode())
        for name in sorted(files):
            content = files[name]
            hasher.update(repr((name, None if content is None else hashlib.sha256(content).digest())).encode())
        return hasher.hexdigest()[:32]

    def get(self, key: str) -> Outcome | None:
        """The outcome kept under `key`, if there is one that can be read."""
        if self._folder is None:
            return None
        try:
            return msgspec.json.decode((self._folder / f"{key}.json").read_bytes(), type=Outcome)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def put(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome. A failure of the grader is not kept: it may not happen again."""
        if self._folder is None or outcome.failure:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{key}.json"
        half = target.with_suffix(f".{os.getpid()}")
        half.write_bytes(msgspec.json.encode(outcome))
        half.replace(target)


def cache_folder(root: Path) -> Path:
    """Where the outcomes of a working copy are kept."""
    return root / ".cache" / "validate"


def digest_of_grader(assignment: Assignment) -> str:
    """A digest of the checks, the reference, the package, the interpreter and the libraries."""
    hasher = hashlib.sha256(repr((sys.version, sorted(_versions()))).encode())
    for path in _files(assignment):
        hasher.update(repr((path.name, hashlib.sha256(path.read_bytes()).digest())).encode())
    return hasher.hexdigest()[:12]


def _versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def _files(assignment: Assignment) -> Iterable[Path]:
    """Everything that has a say in a verdict, in a fixed order."""
    checks = _below(assignment.folder, leave_out=("validity",))
    rooms = [path for room in ROOMS for path in _below(PACKAGE / room)]
    yield from sorted({*rooms, *_imported([*checks, *rooms])})
    yield from checks
    yield from _below(assignment.reference_folder)
    for data in assignment.data:
        yield from _below(real_folder(data, assignment.root))


def _imported(paths: Iterable[Path]) -> set[Path]:
    """The files of the package that these ones import, and what those import in turn."""
    found: set[Path] = set()
    waiting = [path for path in paths if path.suffix == ".py"]
    while waiting:
        new = {path for name in _names_imported(waiting.pop()) for path in _files_of(name)} - found
        found |= new
        waiting += new
    return found


def _names_imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files_of(name: str) -> Iterator[Path]:
    """The file of a module of the package, and those of the packages it stands in."""
    first, *rest = name.split(".")
    if first == PACKAGE.name:
        places = [PACKAGE.joinpath(*rest[:depth]) for depth in range(len(rest) + 1)]
        files = [*(place / "__init__.py" for place in places), places[-1].with_suffix(".py")]
        yield from (path for path in files if path.is_file())


def _below(folder: Path, leave_out: Iterable[str] = ()) -> list[Path]:
    ignored = {"__pycache__", *leave_out}
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not ignored.intersection(path.relative_to(folder).parts)
    )
