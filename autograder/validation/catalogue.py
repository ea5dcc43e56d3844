"""What a course author writes about the validity of a homework's checks: known bugs, rewrites, equivalent mutants.

`tests/<id>/validity/` holds three files, each of which may be missing:

    bugs.toml         students' classic mistakes: what, on which item it costs points, by which cause it is to be named
    rewrites.toml     other ways to write the same program, which get full marks
    equivalent.toml   generated mutants that no check may tell from the reference, each with the reason

A bug or a rewrite is a list of changes of the reference; a reference that has moved on makes it an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from autograder.assignment import Assignment, UsageError
from autograder.checks.diagnose import CAUSES

FOLDER = "validity"


class CatalogueError(UsageError):
    """A slip in the files of `validity/`: which file and entry, what is wrong and what to do."""


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """One change of a reference file: `new` in the place of `old`, or the file left out.

    file: the assignment's main file where "". old: must stand in the file exactly once.
    """

    file: str = ""
    old: str = ""
    new: str = ""
    delete: bool = False


class Rewrite(Struct, frozen=True, forbid_unknown_fields=True):
    """A correct program written in another way."""

    name: str
    what: str
    change: tuple[Change, ...]


class Bug(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mistake that students make.

    item: where it must cost points. also: items on which it may cost points as well, as nobody could grade around it.
    cause: what a failed check of the item must name. accepts: causes that are true of it too.
    """

    name: str
    what: str
    item: str
    cause: str
    also: tuple[str, ...] = ()
    accepts: tuple[str, ...] = ()
    change: tuple[Change, ...]


class Equivalent(Struct, frozen=True, forbid_unknown_fields=True):
    """A generated mutant that behaves as the handout asks. mutant: its id. change: what it changes, for the reader.

    item: where it costs points nevertheless, and rightly so: it changes this item's code, and another item's behaviour.
    """

    mutant: str
    change: str
    reason: str
    item: str = ""


class Catalogue(Struct, frozen=True):
    """What `tests/<id>/validity/` holds."""

    bugs: tuple[Bug, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    equivalents: tuple[Equivalent, ...] = ()


class _Bugs(Struct, frozen=True, forbid_unknown_fields=True):
    bug: tuple[Bug, ...] = ()


class _Rewrites(Struct, frozen=True, forbid_unknown_fields=True):
    rewrite: tuple[Rewrite, ...] = ()


class _Equivalents(Struct, frozen=True, forbid_unknown_fields=True):
    equivalent: tuple[Equivalent, ...] = ()


def load_catalogue(assignment: Assignment) -> Catalogue:
    """Read and check the assignment's `validity/`.

    Raises CatalogueError: a typo, an unknown item or cause, a name used twice.
    """
    folder = assignment.folder / FOLDER
    catalogue = Catalogue(
        _read(folder / "bugs.toml", _Bugs).bug,
        _read(folder / "rewrites.toml", _Rewrites).rewrite,
        _read(folder / "equivalent.toml", _Equivalents).equivalent,
    )
    _refuse_repetitions(folder / "bugs.toml", [bug.name for bug in catalogue.bugs])
    _refuse_repetitions(folder / "rewrites.toml", [rewrite.name for rewrite in catalogue.rewrites])
    _refuse_repetitions(folder / "equivalent.toml", [entry.mutant for entry in catalogue.equivalents])
    items = [item.id for item in assignment.items]
    for bug in catalogue.bugs:
        where = f"{folder / 'bugs.toml'}: {bug.name}"
        _refuse_unknown(where, "item", (bug.item, *bug.also), items)
        _refuse_unknown(where, "cause", (bug.cause, *bug.accepts), CAUSES)
    for entry in catalogue.equivalents:
        where = f"{folder / 'equivalent.toml'}: {entry.mutant}"
        _refuse_unknown(where, "item", (entry.item,) if entry.item else (), items)
    return catalogue


def changed(files: Mapping[str, str], changes: Sequence[Change], assignment: Assignment) -> dict[str, str | None]:
    """Apply `changes` to `files` (name → text) and return those that differ; None stands for a file left out.

    Raises CatalogueError where a change does not fit the files.
    """
    result: dict[str, str | None] = {}
    for change in changes:
        name = change.file or assignment.main
        if change.delete:
            result[name] = None
            continue
        text = result.get(name, files.get(name))
        if text is None:
            raise CatalogueError(f"there is no file {name!r} to change; there are: {', '.join(files)}")
        found = text.count(change.old) if change.old else 0
        if found != 1:
            raise CatalogueError(
                f"what is to be replaced must stand in {name} exactly once, not {found} times:\n{change.old}"
            )
        result[name] = text.replace(change.old, change.new)
    if not changes or any(text is not None and text == files[name] for name, text in result.items()):
        raise CatalogueError("it changes nothing; say what to replace (old) and what with (new)")
    return result


_T = TypeVar("_T")


def _read(path: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return kind()
    except (OSError, msgspec.DecodeError) as error:
        raise CatalogueError(f"{path}: {error}") from None


def _refuse_repetitions(path: Path, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise CatalogueError(f"{path}: used twice: {', '.join(repeated)}; give each entry a name of its own")


def _refuse_unknown(where: str, kind: str, used: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    unknown = [name for name in used if name not in known]
    if unknown:
        raise CatalogueError(f"{where}: no such {kind}: {', '.join(unknown)}; there are: {', '.join(known)}")
