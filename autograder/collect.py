"""Any submission (file, folder, zip, notebook) becomes a staged folder of plain files and a list of remarks.

What counts is decided by name: first a file with exactly the wanted name, then one that differs in case, then one
with a copy's mark; among equals the one outside of zips, then the one in the outermost folder, then the first by path.
A file that cannot be used yields to the next. Where a Python file is missing, a notebook is turned into it.
Nothing a student submits raises an exception here; writing errors of the machine do, because they are the grader's.
"""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from autograder.assignment import Assignment, AssignmentError, UsageError, require_path
from autograder.handout_notebook import notebook_name
from autograder.inventory import (
    Entry,
    Inventory,
    Limits,
    Remark,
    Unreadable,
    any_of,
    closeness,
    name_list,
    open_submission,
)
from autograder.notebook import NotebookError, convert
from autograder.source_text import NotText, decode_source, inconsistent_indentation

__all__ = ["Collected", "Limits", "Remark", "collect"]

_TEXT = frozenset({".py", ".json", ".ipynb"})
_HELPERS = frozenset({".py", ".json"})
_FOREIGN_ARCHIVES = frozenset({".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz"})
# Files that would steer Python or pytest instead of being imported.
_STEERING = frozenset({"conftest.py", "sitecustomize.py", "usercustomize.py", "setup.py"})
# Folders of the students' kit. Who hands in the whole kit has done nothing wrong, and need not hear about them.
_KIT_FOLDERS = frozenset({"autograder", "reference", "stencils", "tests"})
# What a helper's name may hold: nothing that any file system reads as a path, a drive or a stream.
_HELPER_NAME = re.compile(r"[\w .()\-]+")
_LONGEST_PART = 255  # bytes, on common file systems
_LONGEST_PATH = 1000  # bytes, well below what the system calls take
_MOST_REMARKS = 40
_MOST_COMPARED = 5
_MOST_TRIED = 20
_WORST_FIRST = ("error", "warning", "info")

_Severity = Literal["info", "warning", "error"]


class Collected(msgspec.Struct, frozen=True):
    """What became of a submission."""

    folder: Path  # the staged folder
    found: dict[str, str]  # required and optional names that were staged, and where each came from in the submission
    missing: list[str]  # required names that were not
    remarks: list[Remark]  # errors first


def collect(source: Path, assignment: Assignment, into: Path, limits: Limits | None = None) -> Collected:
    """Stages the submission at `source` in `into`, a folder that is empty or does not exist yet.

    Staged are the required and optional files, the student's other Python and JSON files beside them, and the grader's
    own copies of the given files; all as plain files of mode 0644 in folders of mode 0755.
    Raises UsageError for a source that does not exist or a folder that is not empty, AssignmentError for a given file
    that the course itself lacks.
    """
    require_path(source)
    _prepare(into)
    limits = limits or Limits()
    stage = _Stage(assignment, into, limits)
    stage.copy_given_files()
    with open_submission(Path(source), _keeper(assignment), limits) as inventory:
        stage.take(inventory)
    return stage.collected()


def _prepare(into: Path) -> None:
    if os.path.lexists(into) and not into.is_dir():
        raise UsageError(f"{str(into)!r} is a file. Name a folder that is empty or does not exist yet.")
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise UsageError(f"The folder {str(into)!r} is not empty. Name an empty one, or one that does not exist yet.")
    into.chmod(0o755)


def _keeper(assignment: Assignment) -> Callable[[str], bool]:
    is_named = any_of(_all_names(assignment))

    def keep(name: str) -> bool:
        """Whether a file matters by its name: wanted or given, a possible helper, or worth naming in a remark."""
        suffix = "." + name.rpartition(".")[2].casefold()
        return suffix in _TEXT or suffix in _FOREIGN_ARCHIVES or is_named(name)

    return keep


def _all_names(assignment: Assignment) -> tuple[str, ...]:
    return assignment.files.required + assignment.files.optional + assignment.files.given


class _Stage:
    """The folder being filled, and what there is to say about it."""

    def __init__(self, assignment: Assignment, into: Path, limits: Limits) -> None:
        self._assignment = assignment
        self._files = assignment.files
        self._into = into
        self._limits = limits
        self._room = limits.total_bytes
        self._found: dict[str, Entry] = {}
        self._remarks: list[Remark] = []
        self._explained: set[str] = set()  # required names whose absence a remark already explains
        self._hiding: set[str] = set()  # modules that a remark already says are hidden

    def collected(self) -> Collected:
        remarks = sorted(self._remarks, key=lambda remark: _WORST_FIRST.index(remark.severity))
        if len(remarks) > _MOST_REMARKS:
            rest = Remark("info", "", f"There are {len(remarks) - _MOST_REMARKS} more remarks of this kind.")
            remarks = [*remarks[:_MOST_REMARKS], rest]
        return Collected(
            folder=self._into,
            found={name: entry.path for name, entry in self._found.items()},
            missing=[name for name in self._files.required if name not in self._found],
            remarks=remarks,
        )

    def copy_given_files(self) -> None:
        """Ours come first, so that nothing of the student's can stand in their place."""
        for name in self._files.given:
            file = self._assignment.given_folder / name
            if not file.is_file():
                raise AssignmentError(
                    self._assignment.folder / "assignment.toml",
                    "files.given",
                    f"Put the file into {self._assignment.given_folder}, or take it off the list.",
                    f"The course has no {name!r}.",
                )
            _write(self._into / name, [file.read_bytes()])

    def take(self, inventory: Inventory) -> None:
        for name in self._files.required + self._files.optional:
            self._take_wanted(name, inventory)
        self._take_notebooks(inventory)
        self._take_only_python_file(inventory)
        beside = self._beside_wanted(inventory)
        self._take_helpers(beside)
        self._compare_given(beside)
        self._explain_missing(inventory)
        self._add_remarks_of(inventory)

    def _add_remarks_of(self, inventory: Inventory) -> None:
        """What could not be read is an error only where something is missing."""
        complete = all(name in self._found for name in self._files.required)
        for remark in inventory.remarks:
            severity = "warning" if complete and remark.severity == "error" else remark.severity
            self._remark(severity, remark.file, remark.text)

    # -- required and optional files

    def _take_wanted(self, name: str, inventory: Inventory) -> None:
        candidates = self._written(name, inventory)
        unusable: list[tuple[Entry, str]] = []
        for index, entry in enumerate(candidates):
            problem = self._stage(entry, name)
            if problem is None:
                self._found[name] = entry
                self._remark_on_name(name, entry)
                self._remark_on_others(name, entry, candidates[index + 1 :])
                break
            unusable.append((entry, problem))
        for entry, problem in unusable:
            severity: _Severity = "error" if name in self._files.required and name not in self._found else "warning"
            self._remark(severity, name, f"{entry.path} {problem}.")
            self._explained.add(name)

    def _written(self, name: str, inventory: Inventory) -> list[Entry]:
        """The candidates, without copies that are as they were handed out where something else was written.

        Something else: another candidate or a notebook. An optional program that nobody has written in is not there.
        """
        entries = self._candidates(name, inventory)[:_MOST_TRIED]
        handed_out = self._assignment.stencil_folder / name
        if not name.endswith(".py") or not handed_out.is_file():
            return entries
        written = [entry for entry in entries if not self._same_text(entry, handed_out)]
        if written or not entries or self._named_notebooks(name, inventory):
            return written
        if name in self._files.required:
            return entries[:1]
        self._remark(
            "info", name, f"{entries[0].path} is optional and still as it was handed out: it counts as not submitted."
        )
        return []

    def _candidates(self, name: str, inventory: Inventory) -> list[Entry]:
        """The entries that could be meant, the best one first."""
        taken = set(self._found.values())
        ranked = []
        for entry in inventory.entries:
            near = closeness(entry.name, name)
            if near is None or entry in taken or self._belongs_elsewhere(entry, name, near):
                continue
            ranked.append(((near, entry.archives, entry.depth, entry.path), entry))
        return [entry for _, entry in sorted(ranked, key=lambda pair: pair[0])]

    def _belongs_elsewhere(self, entry: Entry, name: str, near: int) -> bool:
        """Whether the file is nearer to another name of the assignment."""
        distances = (closeness(entry.name, other) for other in _all_names(self._assignment) if other != name)
        return any(distance is not None and distance < near for distance in distances)

    def _remark_on_name(self, name: str, entry: Entry) -> None:
        if entry.name != name:
            self._remark(
                "warning", name, f"You named this file {entry.name}; it was taken as {name}. Please name it exactly so."
            )

    def _remark_on_others(self, name: str, chosen: Entry, others: list[Entry]) -> None:
        """Says which of several files was taken and why; two of the same content are no loss to anybody."""
        if not others:
            return
        digest = self._digest(chosen)
        different = [other for other in others[:_MOST_COMPARED] if digest is None or self._digest(other) != digest]
        paths = name_list([other.path for other in different or others], len(others))
        if not different:
            self._remark("info", name, f"{name} came more than once with the same content; {paths} was not needed.")
            return
        why = _advantage(name, chosen, different[0])
        self._remark("warning", name, f"{name} came more than once: {chosen.path} was taken, {why}; not {paths}.")

    def _digest(self, entry: Entry) -> bytes | None:
        digest = hashlib.sha256()
        try:
            for block in entry.chunks(self._limits.file_bytes, self._limits):
                digest.update(block)
        except Unreadable:
            return None
        return digest.digest()

    def _take_only_python_file(self, inventory: Inventory) -> None:
        """A single Python file under another name is what the student meant, where nothing else can be."""
        lacking = [name for name in self._files.required if name not in self._found]
        scripts = [name for name in self._files.required if name.endswith(".py")]
        if len(lacking) != 1 or lacking != scripts:
            return
        strangers = [entry for entry in inventory.entries if entry.suffix == ".py" and self._is_stranger(entry)]
        if len(strangers) != 1:
            return
        name, entry = lacking[0], strangers[0]
        problem = self._stage(entry, name)
        if problem is not None:
            self._remark("error", name, f"{entry.path} {problem}.")
            self._explained.add(name)
            return
        self._found[name] = entry
        self._remark(
            "warning",
            name,
            f"{entry.path} was taken as {name}, as the only Python file. Please name it {name} next time.",
        )

    def _is_stranger(self, entry: Entry) -> bool:
        """Whether a file has no other part to play: not wanted, not given, not steering, not empty."""
        known = any(closeness(entry.name, name) is not None for name in _all_names(self._assignment))
        return not known and entry.name.casefold() not in _STEERING and entry.name != "__init__.py" and entry.size > 0

    # -- notebooks

    def _take_notebooks(self, inventory: Inventory) -> None:
        """A notebook in place of a missing Python file: the one of its name, or for a last missing one the only one."""
        notebooks = _notebooks(inventory)
        scripts = [name for name in self._files.required + self._files.optional if name.endswith(".py")]
        for name in scripts:
            named = self._named_notebooks(name, inventory)
            if name not in self._found:
                self._take_first_notebook(name, named)
            elif named:
                self._remark("info", name, f"{name} was graded and {named[0].path} was not read: you submitted both.")
        lacking = [name for name in self._files.required if name.endswith(".py") and name not in self._found]
        if self._assignment.main in lacking and not self._has_exported(notebooks, inventory):
            used = set(self._found.values())
            self._take_first_notebook(self._assignment.main, [entry for entry in notebooks if entry not in used])

    def _named_notebooks(self, name: str, inventory: Inventory) -> list[Entry]:
        """The notebooks that have a program's name."""
        twin = notebook_name(name)
        return [entry for entry in _notebooks(inventory) if closeness(entry.name, twin) is not None]

    def _has_exported(self, notebooks: list[Entry], inventory: Inventory) -> bool:
        """Whether a stranger's Python file has a notebook's name: then that is the notebook, exported."""
        names = {os.path.splitext(entry.name)[0] for entry in notebooks}
        return any(
            entry.suffix == ".py" and os.path.splitext(entry.name)[0] in names and self._is_stranger(entry)
            for entry in inventory.entries
        )

    def _take_first_notebook(self, name: str, notebooks: list[Entry]) -> None:
        """Stages the first usable one of some notebooks as the module `name`."""
        for index, entry in enumerate(notebooks[:_MOST_TRIED]):
            try:
                raw = entry.read(min(self._limits.notebook_bytes, self._room), self._limits)
                converted = convert(raw, entry.name)
            except (Unreadable, NotebookError) as error:
                self._remark("error", name, f"{entry.path} {error.reason}.")
                self._explained.add(name)
                continue
            self._room -= _write(self._into / name, [converted.text.encode("utf-8", "backslashreplace")])
            self._found[name] = entry
            self._remark(
                "info",
                name,
                f"{entry.path} was read as {name}: its {converted.cells} code cells in their order. Commands for the "
                "notebook itself (%magics, !shell) were left out.",
            )
            if index + 1 < len(notebooks):
                rest = name_list([other.path for other in notebooks[index + 1 :]])
                self._remark("warning", name, f"You submitted several notebooks; {rest} was not read.")
            return

    # -- staging one file

    def _stage(self, entry: Entry, target: str, *, may_be_empty: bool = False) -> str | None:
        """Writes an entry into the staged folder. Returns what is wrong with it, or None."""
        path = self._into / target
        try:
            if os.path.splitext(target)[1].casefold() in _TEXT:
                written = _write(path, [self._text(entry, target, may_be_empty)])
            else:
                written = self._copy(entry, path)
        except Unreadable as error:
            return error.reason
        self._room -= written
        return None

    def _copy(self, entry: Entry, path: Path) -> int:
        """Streams a file that is not text, such as a checkpoint."""
        if entry.size == 0:
            raise Unreadable("is empty; save it and submit it again")
        try:
            return _write(path, entry.chunks(min(self._limits.file_bytes, self._room), self._limits))
        except Unreadable:
            path.unlink()
            raise

    def _text(self, entry: Entry, target: str, may_be_empty: bool) -> bytes:
        """The content as UTF-8 with Unix line ends."""
        raw = entry.read(min(self._limits.text_bytes, self._room), self._limits)
        suffix = os.path.splitext(target)[1].casefold()
        try:
            text, encoding = decode_source(raw, suffix)
        except NotText as error:
            raise Unreadable(f"is not the text file it should be but {error.kind}") from error
        if not text.strip() and not may_be_empty:
            raise Unreadable("is empty; save it in your editor and submit it again")
        if encoding is not None:
            self._remark(
                "warning",
                target,
                f"{entry.path} is not plain UTF-8 text but {encoding}. It was converted, and letters with accents may "
                "have changed: save it as UTF-8.",
            )
        line = inconsistent_indentation(text) if suffix == ".py" else None
        if line is not None:
            self._remark(
                "warning",
                target,
                f"{entry.path}, line {line}: the indentation mixes tabs and spaces, so Python cannot tell which block "
                "the line belongs to. Convert the tabs to spaces; your editor has a command for it.",
            )
        return text.encode("utf-8")

    # -- the student's other modules

    def _take_helpers(self, beside: list[tuple[str, Entry]]) -> None:
        """The student's own modules, from where the wanted scripts lay and below, under the same names."""
        staged = {name.casefold() for name in (*self._files.given, *self._found)}
        count = 0
        for relative, entry in beside:
            if relative.casefold() in staged or not self._may_help(relative):
                continue
            if count >= self._limits.helpers:
                self._remark(
                    "warning", "", f"You submitted more than {count} modules of your own; the rest was left out."
                )
                return
            count += 1
            staged.add(relative.casefold())
            problem = self._stage(entry, relative, may_be_empty=True)
            if problem is not None:
                self._remark("warning", relative, f"{entry.path} {problem}. It was left out.")

    def _beside_wanted(self, inventory: Inventory) -> list[tuple[str, Entry]]:
        """What lies in the folders of the wanted scripts or below, with paths relative to them; main's folder first."""
        found = sorted(self._found.items(), key=lambda pair: pair[0] != self._assignment.main)
        bases = dict.fromkeys((entry.archives, entry.folder) for name, entry in found if name.endswith(".py"))
        used = set(self._found.values())
        return [
            (entry.path[len(folder) :], entry)
            for archives, folder in bases
            for entry in inventory.entries
            if entry.archives == archives and entry.path.startswith(folder) and entry not in used
        ]

    def _may_help(self, relative: str) -> bool:
        """Whether a file can be imported or read by the student's code and hides nothing that must stay visible."""
        *folders, name = relative.split("/")
        if os.path.splitext(name)[1].casefold() not in _HELPERS or not _is_plain(folders, name):
            return False
        if folders and folders[0] in _KIT_FOLDERS:
            return False
        if any(closeness(name, wanted) is not None for wanted in self._files.required + self._files.optional):
            return False  # another copy of a wanted file
        if name.casefold() in _STEERING:
            self._remark(
                "warning", name, f"{relative} was left out: it would steer Python or pytest, not your program."
            )
            return False
        return bool(not folders and name.casefold().endswith(".json")) or not self._hides_module(relative)

    def _hides_module(self, relative: str) -> bool:
        """Whether Python would import this file or folder in place of a module that the grader provides."""
        top = relative.partition("/")[0]
        module = top.casefold().removesuffix(".py")
        own = {name.casefold().removesuffix(".py") for name in _all_names(self._assignment) if name.endswith(".py")}
        library = {name.casefold().partition(".")[0] for name in self._assignment.preloads}
        hidden = module in own or module in library or module in ("autograder", "tests")
        shadows = module in sys.stdlib_module_names
        if (hidden or shadows) and module not in self._hiding:
            self._hiding.add(module)
            outcome = "was left out: it" if hidden else "was taken along, but it"
            self._remark("warning", top, f"{top} {outcome} has the name of another module, {module}. Please rename it.")
        return hidden

    def _compare_given(self, beside: list[tuple[str, Entry]]) -> None:
        """A changed copy of a given file is no mistake, but its author should know that ours is used."""
        for name in self._files.given:
            theirs = [entry for relative, entry in beside if relative.casefold() == name.casefold()]
            if any(not self._same_text(entry, self._into / name) for entry in theirs):
                self._remark(
                    "info", name, f"Your {name} differs from the course's. The course's own copy is used for grading."
                )

    def _same_text(self, entry: Entry, ours: Path) -> bool:
        try:
            theirs = decode_source(entry.read(self._limits.text_bytes, self._limits), ours.suffix).text
            expected = decode_source(ours.read_bytes(), ours.suffix).text
        except (Unreadable, NotText):
            return False
        return _essence(theirs) == _essence(expected)

    # -- what is missing

    def _explain_missing(self, inventory: Inventory) -> None:
        for name in self._files.required:
            if name not in self._found and name not in self._explained:
                self._remark("error", name, f"{name} is missing. {self._way_out(name, inventory)}")

    def _way_out(self, name: str, inventory: Inventory) -> str:
        """What the student can do, judged by what came instead."""
        used = set(self._found.values())
        unused = [entry for entry in inventory.entries if entry not in used]
        notebooks = [entry.path for entry in unused if entry.suffix == ".ipynb"]
        archives = [entry.path for entry in unused if entry.suffix in _FOREIGN_ARCHIVES]
        scripts = [entry.path for entry in unused if entry.suffix == ".py" and not self._is_given(entry)]
        if notebooks and name.endswith(".py"):
            return (
                f"You submitted a notebook ({name_list(notebooks)}) under another name. "
                f"Name it {os.path.splitext(name)[0]}.ipynb, or export it as {name}."
            )
        if archives:
            return f"The grader cannot open {name_list(archives)}. Compress your files as a zip and submit that."
        if scripts:
            return f"These Python files came: {name_list(scripts)}. If one of them is meant, name it {name}."
        others = [entry.path for entry in unused] + list(inventory.other_names)
        if others:
            count = len(unused) + inventory.others
            return f"Your submission holds other files only ({name_list(others, count)}). Submit {name} itself."
        return f"Your submission holds no file that the grader can read in its place. Submit {name} again."

    def _is_given(self, entry: Entry) -> bool:
        return entry.name.casefold() in {name.casefold() for name in self._files.given}

    def _remark(self, severity: _Severity, file: str, text: str) -> None:
        self._remarks.append(Remark(severity, file, text))


def _notebooks(inventory: Inventory) -> list[Entry]:
    """All notebooks, the outermost first."""
    return sorted(
        (entry for entry in inventory.entries if entry.suffix == ".ipynb"),
        key=lambda entry: (entry.archives, entry.depth, entry.path),
    )


def _advantage(name: str, chosen: Entry, other: Entry) -> str:
    """Why `chosen` came before `other`, in the order of the ranking."""
    if closeness(chosen.name, name) != closeness(other.name, name):
        return "because its name fits better"
    if chosen.archives != other.archives:
        return "because it lies in fewer zips"
    if chosen.depth != other.depth:
        return "because it lies in fewer folders"
    return "because its path comes first in the alphabet"


def _is_plain(folders: Sequence[str], name: str) -> bool:
    """Whether a helper's path can be staged as it is, on every system: importable folders, an ordinary name."""
    parts = (*folders, name)
    lengths = [len(part.encode("utf-8")) for part in parts]
    return (
        all(folder.isidentifier() for folder in folders)
        and _HELPER_NAME.fullmatch(name) is not None
        and max(lengths) <= _LONGEST_PART
        and sum(lengths) + len(lengths) <= _LONGEST_PATH
    )


def _essence(text: str) -> str:
    """A text without what editors change on their own: blanks at the ends of lines and of the file."""
    return "\n".join(line.rstrip() for line in text.split("\n")).rstrip()


def _write(path: Path, blocks: Iterable[bytes]) -> int:
    """Creates a plain file of mode 0644, its folders of mode 0755, whatever the umask. Returns its length."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir()
        folder.chmod(0o755)
    written = 0
    with open(path, "xb") as file:
        for block in blocks:
            written += file.write(block)
    path.chmod(0o644)
    return written
