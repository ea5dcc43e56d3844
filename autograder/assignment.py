"""assignment.toml read into a typed, validated record, and the ways to find one.

A course root holds tests/<id>/assignment.toml with the assignment's checks beside it, and reference/<id> and
stencils/<id>. Every mistake in the file is an error at load, which names the file, the key and the remedy.
"""

import difflib
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from autograder.inventory import Limits, any_of, closeness, name_list, open_submission

FILE_NAME = "assignment.toml"
ROOT_VARIABLE = "AUTOGRADER_ROOT"
_DISTRIBUTION = "neural-network-autograder"
_CHECKOUT = Path(__file__).resolve().parents[1]

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")
_ITEM_ID = re.compile(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\.[A-Za-z0-9]+")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


class UsageError(Exception):
    """The grader was asked for something that cannot be done; the message says what to do instead."""


class AssignmentError(Exception):
    """An assignment.toml is wrong: which file, which key, what is wrong there (`problem`) and what to do."""

    def __init__(self, file: Path | str, key: str, remedy: str, problem: str = "") -> None:
        self.file = Path(file)
        self.key = key
        self.remedy = remedy
        self.problem = problem
        where = f"{file}: {key}" if key else str(file)
        super().__init__(f"{where}: {problem + ' ' if problem else ''}{remedy}")


class Files(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file names of an assignment, all of them plain names without folders."""

    required: tuple[str, ...]  # what every submission must hold
    optional: tuple[str, ...] = ()  # collected where present, never missed
    given: tuple[str, ...] = ()  # the course's own files: always the grader's copies


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the handout that has points. The checks of an item carry numbers that start with its id."""

    id: str
    title: str
    points: float
    handout: str  # where the handout asks for it
    optional: bool = False  # its points come on top of the assignment's, and only where it was submitted


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a submission may use. Seconds are wall time."""

    call_seconds: float = 10  # one call into the submission
    check_seconds: float = 30  # one check
    import_seconds: float = 20  # loading the submission
    statement_seconds: float = 3  # one statement at the top level that is neither import nor definition
    run_seconds: float = 540  # everything; Gradescope's own limit is 600
    memory_mb: int = 400  # one worker


class Assignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One homework, as its assignment.toml describes it."""

    id: str
    title: str
    course: str
    points: float
    main: str  # the file whose module the checks call `submission`
    files: Files
    items: tuple[Item, ...]
    budgets: Budgets = Budgets()
    modules: tuple[str, ...] = ()  # further files of the students' that are loaded with main
    notebooks: tuple[str, ...] = ()  # required files that are handed out as a notebook, too
    preloads: tuple[str, ...] = ()  # modules that the worker imports before the submission
    extras: tuple[str, ...] = ()  # extras of this package that submissions need installed
    data: tuple[str, ...] = ()  # names of data sets that the worker can read
    data_at_most: tuple[int, int] | None = None  # training and test pictures of each set, where there are more
    pictures: bool = True  # whether checks show pictures in their output
    folder: Path = Path()  # tests/<id>; set by load_assignment, never by the file
    root: Path = Path()  # the course root; set by load_assignment, never by the file

    @property
    def public_folder(self) -> Path:
        """The checks that students get."""
        return self.folder / "public"

    @property
    def hidden_folder(self) -> Path:
        """The checks that students do not get."""
        return self.folder / "hidden"

    @property
    def reference_folder(self) -> Path:
        """The worked solution."""
        return self.root / "reference" / self.id

    @property
    def stencil_folder(self) -> Path:
        """What students start from."""
        return self.root / "stencils" / self.id

    @property
    def given_folder(self) -> Path:
        """The given files, which lie beside the solution that uses them."""
        return self.reference_folder

    def item_of(self, number: str) -> Item | None:
        """The item a check's number belongs to: the longest id that it equals or continues after a dot."""
        owners = [item for item in self.items if number == item.id or number.startswith(item.id + ".")]
        return max(owners, key=lambda item: len(item.id), default=None)


# ------------------------------------------------------------------------------------------------------ loading

_SET_BY_LOAD = ("folder", "root")
_TABLES: Mapping[str, type[msgspec.Struct]] = {"files": Files, "budgets": Budgets, "items": Item}
_TOML_WORDS = (
    ("`str`", "a text in quotes"),
    ("`float`", "a number"),
    ("`int`", "a whole number"),
    ("`bool`", "true or false"),
    ("`array`", "a list in brackets"),
    ("`object`", "a table"),
)


def load_assignment(folder: Path) -> Assignment:
    """Reads and checks `folder`/assignment.toml, where `folder` is <root>/tests/<id>. Raises AssignmentError."""
    folder = Path(folder).resolve()
    file = folder / FILE_NAME
    document = _read_toml(file)
    _refuse_unknown_keys(file, document)
    _refuse_single_item_table(file, document)
    try:
        assignment = msgspec.convert(document, Assignment)
    except msgspec.ValidationError as error:
        raise _type_error(file, error) from error
    assignment = msgspec.structs.replace(assignment, folder=folder, root=folder.parent.parent)
    first = next(_problems(assignment), None)
    if first is not None:
        key, problem, remedy = first
        raise AssignmentError(file, key, remedy, problem)
    return assignment


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return msgspec.toml.decode(file.read_bytes())
    except OSError as error:
        raise AssignmentError(
            file, "", "Check the name of the assignment: `autograder list` shows those there are.", f"{error.strerror}."
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AssignmentError(
            file, "", "Correct the TOML at that place.", f"This is not valid TOML: {error}."
        ) from error


def _refuse_unknown_keys(file: Path, document: dict[str, Any]) -> None:
    """Unknown keys come first: a typo is what a missing key usually is, and the nearest key is its remedy."""
    places: list[tuple[str, Any, type[msgspec.Struct]]] = [("", document, Assignment)]
    for table, record in _TABLES.items():
        value = document.get(table)
        if isinstance(value, list):
            places += [(f"{table}[{index}].", entry, record) for index, entry in enumerate(value)]
        else:
            places.append((f"{table}.", value, record))
    for prefix, value, record in places:
        if not isinstance(value, dict):
            continue  # a wrong type, which the conversion reports
        known = [name for name in record.__struct_fields__ if record is not Assignment or name not in _SET_BY_LOAD]
        for key in value:
            if key not in known:
                raise AssignmentError(file, prefix + key, _nearest(key, known), "There is no such key.")


def _refuse_single_item_table(file: Path, document: dict[str, Any]) -> None:
    if isinstance(document.get("items"), dict):
        raise AssignmentError(
            file,
            "items",
            "Write [[items]] with two brackets: each one starts a new item.",
            "One table, not a list of them.",
        )


def _nearest(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    lower = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), lower, n=1)
    if near:
        return f"Did you mean {lower[near[0]]!r}?"
    return f"Known here: {', '.join(known)}." if known else "None is known here."


def _type_error(file: Path, error: msgspec.ValidationError) -> AssignmentError:
    match = re.fullmatch(r"(?P<what>.*?)(?: - at `\$?\.?(?P<path>[^`]*)`)?", str(error), re.DOTALL)
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    missing = re.fullmatch(r"Object missing required field `(\w+)`", what)
    if missing:
        key = f"{path}.{missing[1]}" if path else missing[1]
        return AssignmentError(file, key, f"Add a line `{missing[1]} = ...`.", "This key is missing.")
    for code, words in _TOML_WORDS:
        what = what.replace(code, words)
    return AssignmentError(file, path, "Write it in the expected form.", f"{what}.")


# -------------------------------------------------------------------------------- what types alone cannot promise

_Problem = tuple[str, str, str]  # key, problem, remedy


def _problems(assignment: Assignment) -> Iterator[_Problem]:
    yield from _naming_problems(assignment)
    yield from _file_problems(assignment)
    yield from _item_problems(assignment)
    yield from _budget_problems(assignment.budgets)
    yield from _module_problems(assignment)


def _naming_problems(assignment: Assignment) -> Iterator[_Problem]:
    folder = assignment.folder.name
    if not _IDENTIFIER.fullmatch(assignment.id):
        yield (
            "id",
            f"{assignment.id!r} is no id.",
            "Use lower-case letters, digits and underscores, as in 'csci567_hw3'.",
        )
    if assignment.id != folder:
        yield (
            "id",
            f"{assignment.id!r} stands in the folder {folder!r}.",
            f"Write id = {folder!r}, or rename the folder.",
        )
    for key in ("title", "course"):
        if not getattr(assignment, key).strip():
            yield key, "This text is empty.", "Write the words that students know it by."


def _file_problems(assignment: Assignment) -> Iterator[_Problem]:
    files = assignment.files
    if not files.required:
        yield (
            "files.required",
            "It names no file.",
            f"List what students write, as in required = [{assignment.main!r}].",
        )
    for key in Files.__struct_fields__:
        for name in getattr(files, key):
            if not _FILE.fullmatch(name):
                yield f"files.{key}", f"{name!r} is no plain file name.", "Write the name alone: no folder, no spaces."
    every = Counter(name.casefold() for key in Files.__struct_fields__ for name in getattr(files, key))
    for name, count in every.items():
        if count > 1:
            yield "files", f"{name!r} is listed {count} times.", "List each file once: required, optional or given."
    if not re.fullmatch(r"[A-Za-z_]\w*\.py", assignment.main, re.ASCII):
        yield (
            "main",
            f"{assignment.main!r} is no Python module.",
            "Write a name that can be imported, as in 'model.py'.",
        )
    if assignment.main not in files.required:
        yield "main", f"{assignment.main!r} is not among files.required.", f"Add {assignment.main!r} to files.required."
    for name in assignment.modules:
        if name == assignment.main or name not in (*files.required, *files.optional) or not name.endswith(".py"):
            yield (
                "modules",
                f"{name!r} is no further module of the students'.",
                "List Python files of files.required or files.optional other than main.",
            )
    for name in assignment.notebooks:
        if name not in files.required or not name.endswith(".py"):
            yield "notebooks", f"{name!r} is no program of files.required.", "List Python files of files.required."


def _item_problems(assignment: Assignment) -> Iterator[_Problem]:
    if not assignment.items:
        yield "items", "There is no item.", "Add an [[items]] table for each part of the handout that has points."
    for index, item in enumerate(assignment.items):
        key = f"items[{index}]"
        if not _ITEM_ID.fullmatch(item.id):
            yield f"{key}.id", f"{item.id!r} is no id.", "Use letters and digits with dots between, as in '3.1.2'."
        if not item.title.strip():
            yield f"{key}.title", f"Item {item.id} has no title.", "Write the words that students know it by."
        if not _is_positive(item.points):
            yield (
                f"{key}.points",
                f"Item {item.id} has {item.points:g} points.",
                "Write a number above 0.",
            )
    for identifier, count in Counter(item.id for item in assignment.items).items():
        if count > 1:
            yield "items", f"The id {identifier!r} stands {count} times.", "Give every item an id of its own."
    if not _is_positive(assignment.points):
        yield "points", f"{assignment.points:g} points.", "Write the assignment's total, a number above 0."
    total = math.fsum(item.points for item in assignment.items if not item.optional)
    if not math.isclose(total, assignment.points, abs_tol=1e-9):
        yield (
            "points",
            f"The items sum to {total:g} points, not {assignment.points:g}.",
            f"Correct an item's points, or write points = {total:g}. Optional items do not count.",
        )


def _budget_problems(budgets: Budgets) -> Iterator[_Problem]:
    for key in Budgets.__struct_fields__:
        value = getattr(budgets, key)
        if not _is_positive(value):
            yield f"budgets.{key}", f"{value:g} leaves nothing to run with.", "Write a number above 0."
    for shorter, longer in (
        ("call_seconds", "check_seconds"),
        ("check_seconds", "run_seconds"),
        ("statement_seconds", "import_seconds"),
        ("import_seconds", "run_seconds"),
    ):
        inner, outer = getattr(budgets, shorter), getattr(budgets, longer)
        if inner > outer:
            yield f"budgets.{shorter}", f"{inner:g} is more than {longer} = {outer:g}.", f"Lower it, or raise {longer}."


def _module_problems(assignment: Assignment) -> Iterator[_Problem]:
    for key, pattern, example in (
        ("preloads", _MODULE, "sklearn.svm"),
        ("extras", _IDENTIFIER, "csci567_hw3"),
        ("data", _IDENTIFIER, "fashion_mnist"),
    ):
        names = getattr(assignment, key)
        for name, count in Counter(names).items():
            if not pattern.fullmatch(name):
                yield key, f"{name!r} is no name for one.", f"Write it as in {example!r}."
            if count > 1:
                yield key, f"{name!r} is listed {count} times.", "List it once."
    known = _known_extras()
    for name in assignment.extras:
        if known is not None and _normal(name) not in {_normal(extra) for extra in known}:
            yield "extras", f"There is no extra {name!r}.", _nearest(name, known)


def _known_extras() -> list[str] | None:
    """The extras of this package: from its checkout, else as installed; None where neither is at hand."""
    project = _CHECKOUT / "pyproject.toml"
    if project.is_file():
        document = msgspec.toml.decode(project.read_bytes())["project"]
        if document["name"] == _DISTRIBUTION:
            return list(document["optional-dependencies"])
    try:
        return metadata.metadata(_DISTRIBUTION).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return None


def _normal(extra: str) -> str:
    """Extras are the same for pip whatever stands between their words (PEP 685)."""
    return re.sub(r"[-_.]+", "-", extra).casefold()


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


# ------------------------------------------------------------------------------------------------------ finding


def find_root(start: Path | None = None) -> Path:
    """The course root: $AUTOGRADER_ROOT, else the nearest parent of `start` that is one; without `start` the checkout
    that holds this package, else the nearest parent of the working folder. Raises UsageError where there is none.

    The checks of a root run with the grader's rights, so `start` is never a submission, and the working folder, which
    may well be one, comes last.
    """
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        root = Path(named).resolve()
        if not _is_root(root):
            raise UsageError(
                f"{ROOT_VARIABLE} is {named!r}, but there is no tests/<id>/{FILE_NAME} in it. "
                "Set it to the folder that holds tests, or unset it."
            )
        return root
    begin = Path.cwd() if start is None else Path(start).resolve()
    above = (begin, *begin.parents)
    for folder in (_CHECKOUT, *above) if start is None else (*above, _CHECKOUT):
        if _is_root(folder):
            return folder
    raise UsageError(
        f"No tests/<id>/{FILE_NAME} in {begin} or any folder above it. "
        f"Go to the course's folder, or set {ROOT_VARIABLE} to it."
    )


def _is_root(folder: Path) -> bool:
    return any(True for _ in folder.glob(f"tests/*/{FILE_NAME}"))


def list_assignments(root: Path) -> list[Assignment]:
    """Every assignment of a course root, by id. Raises AssignmentError."""
    return sorted(
        (load_assignment(file.parent) for file in root.glob(f"tests/*/{FILE_NAME}")), key=lambda found: found.id
    )


def require_path(path: Path) -> None:
    """Raises UsageError where there is no such file or folder."""
    if not os.path.exists(path):
        raise UsageError(f"There is no file or folder {str(path)!r}. Check the name, and the folder you are in.")


def infer_assignment(root: Path, path: Path) -> Assignment:
    """The assignment that the submission at `path` answers, told by its file names.

    The assignment with the most of its required files wins, then the one with most of its other files, then the one
    whose id stands in the path. Raises UsageError, with the candidates, where that does not leave exactly one.
    """
    require_path(path)
    assignments = list_assignments(root)
    names = _submitted_names(path, assignments)
    scores = {assignment.id: _match(assignment, names, path) for assignment in assignments}
    best = max(scores.values(), default=_NO_MATCH)
    candidates = [assignment for assignment in assignments if scores[assignment.id] == best]
    if best == _NO_MATCH or len(candidates) != 1:
        raise UsageError(_no_single(path, candidates, unmatched=best == _NO_MATCH))
    return candidates[0]


_NO_MATCH = (0.0, 0, False)


def _submitted_names(path: Path, assignments: list[Assignment]) -> set[str]:
    """Which of the assignments' file names a submission holds, harmless differences aside."""
    known = {name for assignment in assignments for name in _all_files(assignment)}
    forms = {name: (name, *_notebook_of(name)) for name in known}
    with open_submission(path, any_of(form for each in forms.values() for form in each), Limits()) as inventory:
        names = {entry.name for entry in inventory.entries}
    return {
        wanted for wanted in known if any(closeness(name, form) is not None for form in forms[wanted] for name in names)
    }


def _notebook_of(name: str) -> tuple[str, ...]:
    """The notebook that may come in a Python file's place."""
    return (name.removesuffix(".py") + ".ipynb",) if name.endswith(".py") else ()


def _all_files(assignment: Assignment) -> tuple[str, ...]:
    return assignment.files.required + assignment.files.optional + assignment.files.given


def _match(assignment: Assignment, names: set[str], path: Path) -> tuple[float, int, bool]:
    required = assignment.files.required
    present = sum(name in names for name in required) / len(required)
    others = sum(name in names for name in assignment.files.optional + assignment.files.given)
    named = any(assignment.id in part.casefold() for part in path.resolve().parts[-2:])
    return (present, others if present else 0, named)


def _no_single(path: Path, candidates: list[Assignment], *, unmatched: bool) -> str:
    """Why no assignment can be told, and which there are to choose from."""
    if not candidates:
        return "The course has no assignments yet."
    choices = "; ".join(f"{found.id} ({name_list(found.files.required)})" for found in candidates)
    problem = "holds no file of any assignment" if unmatched else "could answer more than one assignment"
    return f"{path.name} {problem}. Say which one you mean with --assignment: {choices}."
