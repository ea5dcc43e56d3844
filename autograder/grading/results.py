"""The results.json document: its records, its schema, its summary, and how it gets onto the disk.

The records are Gradescope's own (its "Autograder Specifications" page); what Gradescope only stores for us stands in
`extra_data`. `results_schema.json` beside this file is the JSON Schema of the same records, for whoever reads the
document without Python. After a change here, make it anew with

    python -m autograder.grading.results > autograder/grading/results_schema.json
"""

from __future__ import annotations

import inspect
import math
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from autograder.grading.sections import OUTPUT_LIMIT, Section, render_html
from autograder.sandbox.proxy import GraderError

Outcome = Literal["passed", "failed", "error", "timeout", "crash", "not_run"]
Visibility = Literal["hidden", "after_due_date", "after_published", "visible"]
Order = Literal["asc", "desc"]
Format = Literal["text", "html", "simple_format", "md", "ansi"]
Points = Annotated[float, Meta(ge=0)]
Output = Annotated[str, Meta(max_length=OUTPUT_LIMIT)]

VISIBILITIES: tuple[str, ...] = get_args(Visibility)
GRADER_ERROR = "grader_error"
NOT_YOUR_FAULT = (
    "This is not your fault: the autograder itself failed here. Your instructor has been told, and can grade your"
    " submission again once it is repaired."
)


class CheckExtra(Struct, frozen=True, forbid_unknown_fields=True):
    """What happened in one check, for programs.

    item: the id of the assignment's item; "" for an entry that is no check.
    outcome: passed, failed (a wrong answer), error (the student's code raised), timeout, crash, or not_run.
    cause: the slug of what went wrong: a named bug, raises, timeout, crash, missing_file, deadline, grader_error, ...
    """

    item: str
    outcome: Outcome
    cause: str | None = None


class CheckResult(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of `tests`. `status` is left out where neither word would be true (an optional part not submitted)."""

    number: str
    name: str
    score: Points
    max_score: Points
    status: Literal["passed", "failed"] | UnsetType = UNSET
    output: Output = ""
    output_format: Format = "html"
    name_format: Format = "text"
    tags: tuple[str, ...] = ()
    visibility: Visibility = "visible"
    extra_data: CheckExtra


class LeaderboardEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One column of the leaderboard; `order` says which end is best."""

    name: str
    value: float | str
    order: Order = "desc"


class ItemRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An item of the assignment: its points in the handout, whatever this submission may earn of them."""

    id: str
    title: str
    points: Points
    optional: bool = False


class RemarkRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Something noticed while collecting or loading the submission; it costs nothing by itself."""

    severity: Literal["info", "warning", "error"]
    file: str
    text: str


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """A failure of the grader itself, for the instructor.

    number: the check in which it happened, "" where it concerns the whole run.
    text: what happened and what to do. traceback: where in the grader.
    """

    number: str
    text: str
    traceback: str = ""


class RunExtra(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happened in the whole run, for programs and for the instructor. Gradescope does not show it to students.

    finished: False as long as checks are still to come (such a document is what a killed grader leaves).
    protections: what held of the worker's confinement. versions: of Python and of the libraries that computed.
    """

    assignment: str
    finished: bool
    points: Points
    items: tuple[ItemRecord, ...] = ()
    versions: dict[str, str] = {}
    protections: dict[str, Any] = {}
    remarks: tuple[RemarkRecord, ...] = ()
    faults: tuple[Fault, ...] = ()


class Results(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole document.

    score: the sum of the checks' scores. Gradescope would add them up itself, but shows what binary fractions make of
    it, and takes no other total when an instructor later hides a check.
    stdout_visibility: what the grader itself prints is for the instructor.
    """

    score: Points
    execution_time: Points
    output: Output = ""
    output_format: Format = "html"
    test_output_format: Format = "html"
    test_name_format: Format = "text"
    stdout_visibility: Visibility = "hidden"
    tests: tuple[CheckResult, ...] = ()
    leaderboard: tuple[LeaderboardEntry, ...] = ()
    extra_data: RunExtra


SUMMARY, LATER = "Summary", "Hidden checks"
"""Headings of the parts that a report for the instructor, who sees all checks, makes itself."""


def total(scores: Iterable[float]) -> float:
    """The sum of `scores` without what binary fractions add to it: 0.1 + 0.2 is 0.3, three thirds are 1."""
    return round(math.fsum(scores), 4)


def earned(results: Results) -> tuple[float, float]:
    """The points this submission got, and the most it could have got in this run."""
    return total(test.score for test in results.tests), total(test.max_score for test in results.tests)


def grouped(faults: Iterable[Fault]) -> list[tuple[str, Fault]]:
    """Faults with the same text and place told once: where they happened, and the first of them."""
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.text, fault.traceback), []).append(fault)
    return [(", ".join(fault.number for fault in group if fault.number), group[0]) for group in groups.values()]


# ---- The summary above the checks -----------------------------------------------------------------------------------


class ItemSummary(Struct, frozen=True):
    """How one item went, counting only some of its checks; `advice` are those that give no points and did not pass."""

    item: ItemRecord
    score: float
    max_score: float
    passed: int
    checks: int
    advice: int


def summarize(results: Results, visible_only: bool) -> list[ItemSummary]:
    """One summary for each item of the assignment that has any of the counted checks."""
    summaries = []
    for item in results.extra_data.items:
        tests = [test for test in results.tests if test.extra_data.item == item.id]
        if visible_only:
            tests = [test for test in tests if test.visibility == "visible"]
        graded = [test for test in tests if test.max_score > 0]
        if tests:
            summaries.append(
                ItemSummary(
                    item=item,
                    score=total(test.score for test in graded),
                    max_score=total(test.max_score for test in graded),
                    passed=sum(test.extra_data.outcome == "passed" for test in graded),
                    checks=len(graded),
                    advice=sum(test.max_score == 0 and test.extra_data.outcome != "passed" for test in tests),
                )
            )
    return summaries


def summary_sections(results: Results) -> list[Section]:
    """What stands above the checks. Students read it, so checks that they may not see yet are not in its figures."""
    extra = results.extra_data
    sections = []
    if extra.faults:
        sections.append(Section("The autograder failed", NOT_YOUR_FAULT))
    if not extra.finished:
        sections.append(Section("Not finished", "The checks marked as not run had not been run when this was written."))
    rows = [
        (f"{row.item.id} {row.item.title}", f"{row.score:g} / {row.max_score:g}", f"{row.passed} of {row.checks}")
        for row in summarize(results, visible_only=True)
    ]
    if rows:
        sections.append(Section(SUMMARY, table=(("Item", "Points", "Checks passed"), *rows)))
    later = [test for test in results.tests if test.visibility in ("after_due_date", "after_published")]
    if later:
        points = total(test.max_score for test in later)
        count = "1 more check is" if len(later) == 1 else f"{len(later)} more checks are"
        sections.append(Section(LATER, f"{count} shown later, worth {points:g} points in all."))
    if extra.remarks:
        notes = [(remark.file, remark.text) for remark in extra.remarks]
        sections.append(Section("Notes on your files", table=(("File", "Note"), *notes)))
    return sections


def with_summary(results: Results) -> Results:
    """`results` with its total and its summary made from its checks."""
    output = render_html(summary_sections(results))
    return msgspec.structs.replace(results, score=earned(results)[0], output=output)


# ---- On the disk ----------------------------------------------------------------------------------------------------


def encode(results: Results) -> bytes:
    """The document as indented JSON in UTF-8."""
    return msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n"


def read_results(path: Path) -> Results:
    """The document at `path`. Raises GraderError where it is none of ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except (OSError, msgspec.DecodeError) as error:
        raise GraderError(f"{path} is not a results document of this autograder: {error}") from error


class ResultsWriter:
    """Puts documents at one path; a reader meets a whole document there at any time, never a part of one."""

    def __init__(self, path: Path | None) -> None:
        """`path` is the file to write, its folder is made where it is missing; None writes nothing at all."""
        self._path = path

    def write(self, results: Results) -> None:
        """Replace the document. Raises GraderError where the folder does not allow it."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _replace(self._path, encode(results))
        except OSError as error:
            raise GraderError(
                f"The results cannot be written to {self._path}: {error.strerror or error}."
                " Choose a file in a folder that this user may write to (--results FILE)."
            ) from error


def _replace(path: Path, content: bytes) -> None:
    # In the same folder, because a rename is only atomic within one file system.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        # No fsync: the rename is whole for whoever is left after a killed grader. It would outlast a power cut, but so
        # would nothing else of the run.
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# ---- The schema -----------------------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the document."""
    made = msgspec.json.schema(Results)
    for record in made["$defs"].values():
        # Python 3.13 takes the indentation out of docstrings itself.
        record["description"] = inspect.cleandoc(record["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "results.json", **made}


def schema_text() -> str:
    """The schema as it stands in results_schema.json."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=2).decode() + "\n"


def main(arguments: Sequence[str] = ()) -> int:
    """Print the schema."""
    sys.stdout.write(schema_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
