"""The programs that a homework's checks are tried on: its reference with something changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from autograder.assignment import Assignment
from autograder.validation.catalogue import Bug, Catalogue, CatalogueError, Equivalent, Rewrite, changed

Kind = Literal["reference", "bug", "rewrite", "mutant"]


class Variant(msgspec.Struct, frozen=True):
    """One program to be graded.

    files: what differs from the reference, by name; None stands for a file left out. items: it must lose points on one
    of these at least, or none at all where there are none. bug: what the catalogue says of it. equivalent: why a mutant
    must lose none.
    """

    kind: Kind
    name: str
    what: str
    files: Mapping[str, bytes | None]
    items: tuple[str, ...] = ()
    bug: Bug | None = None
    equivalent: Equivalent | None = None

    @property
    def key(self) -> str:
        """Tells it from every other variant of the homework."""
        return f"{self.kind} {self.name}"


class Submission:
    """The files of the reference that a student would submit."""

    def __init__(self, assignment: Assignment) -> None:
        self.folder = assignment.reference_folder
        names = (*assignment.files.required, *assignment.files.optional)
        self.files = {name: (self.folder / name).read_bytes() for name in names if (self.folder / name).is_file()}

    def texts(self) -> dict[str, str]:
        """The programs among them."""
        return {name: content.decode("utf-8") for name, content in self.files.items() if name.endswith(".py")}

    def write(self, variant: Variant, folder: Path) -> Path:
        """Make the variant in a new folder below `folder`, and return that."""
        target = folder / "submission"
        target.mkdir()
        for name, content in {**self.files, **variant.files}.items():
            if content is not None:
                (target / name).write_bytes(content)
        return target

    def diff(self, variant: Variant) -> str:
        """The variant's changes, as a unified diff."""
        return "\n".join(_diffs(self.files, variant.files))


def _diffs(before: Mapping[str, bytes], after: Mapping[str, bytes | None]) -> Iterator[str]:
    for name, content in after.items():
        if content is None:
            yield f"{name} is left out"
            continue
        old = before.get(name, b"").decode("utf-8", "replace").splitlines()
        new = content.decode("utf-8", "replace").splitlines()
        yield from difflib.unified_diff(old, new, name, name, n=1, lineterm="")


def reference_variant() -> Variant:
    """The reference as it is."""
    return Variant("reference", "reference", "The reference itself.", {})


def known_variants(assignment: Assignment, catalogue: Catalogue, submission: Submission) -> list[Variant]:
    """The catalogue's bugs and rewrites. Raises CatalogueError where a change does not fit the reference."""
    bugs = [
        Variant("bug", bug.name, bug.what, _files(assignment, submission, bug), items=(bug.item,), bug=bug)
        for bug in catalogue.bugs
    ]
    rewrites = [
        Variant("rewrite", rewrite.name, rewrite.what, _files(assignment, submission, rewrite))
        for rewrite in catalogue.rewrites
    ]
    return bugs + rewrites


def _files(assignment: Assignment, submission: Submission, entry: Bug | Rewrite) -> dict[str, bytes | None]:
    try:
        texts = changed(submission.texts(), entry.change, assignment)
    except CatalogueError as error:
        raise CatalogueError(f"{assignment.id}: {entry.name}: {error}") from None
    return {name: None if text is None else text.encode() for name, text in texts.items()}


def generated_rewrites(assignment: Assignment, submission: Submission) -> list[Variant]:
    """Rewrites made from the reference by rules."""
    from autograder.validation.rewriting import rewrites_of  # needs libcst, which only maintainers have

    return [
        Variant("rewrite", rewrite.name, rewrite.what, dict(rewrite.files))
        for rewrite in rewrites_of(assignment, submission.folder)
    ]


def generated_mutants(assignment: Assignment, catalogue: Catalogue, submission: Submission) -> list[Variant]:
    """Mutants made from the reference's solution blocks by operators on the syntax tree.

    Raises CatalogueError where the catalogue lists an equivalent mutant that there is not: it may hide a new one.
    """
    from autograder.validation.mutants import mutants_of  # needs libcst, which only maintainers have

    equivalents = {entry.mutant: entry for entry in catalogue.equivalents}
    variants = []
    for mutant in mutants_of(assignment, submission.folder):
        entry = equivalents.pop(mutant.id, None)
        elsewhere = entry.item if entry is not None else ""
        variants.append(
            Variant(
                "mutant",
                mutant.id,
                mutant.operator,
                {mutant.file: mutant.source.encode()},
                items=(elsewhere,) if elsewhere else mutant.items,
                equivalent=None if elsewhere else entry,
            )
        )
    if equivalents:
        raise CatalogueError(
            f"{assignment.id}: equivalent.toml lists mutants that there are not (any more): {', '.join(equivalents)}; "
            "look at each again, and remove or rename its entry"
        )
    return variants
