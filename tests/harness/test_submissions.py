"""Every submission in `submissions/` is graded end to end, and its manifest says what has to come out.

Right ones get full points; a bug costs points on its own item and on no other, and is named where it has a name. The
gradings run beside each other, in as many processes as there are cores, as soon as the first test here asks for one:
only those of the selected tests. Each is a fork of one process that has imported the grader, since starting Python
takes longer than many a grading.
"""

import importlib.util
import io
import math
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from autograder.assignment import Assignment, load_assignment
from autograder.checks.diagnose import CAUSES
from autograder.cli import main
from autograder.grading.results import Results, read_results, total

ROOT = Path(__file__).resolve().parents[2]
SUBMISSIONS = Path(__file__).resolve().parent / "submissions"
IMPORTED = ["autograder.grading.run", "autograder.grading.report", "autograder.workspace", "torch"]
SECONDS = 600
ALL = "AUTOGRADER_ALL_SUBMISSIONS"
ONE_IN = {True: 40, False: 8}
"""Which part of the submissions is graded unless ALL is set: of the PyTorch homeworks, and of the others."""
ENOUGH = {True: (8, 16), False: (10, 20)}
"""Correct and buggy submissions that a homework has at least: with torch, where each takes longer, and without."""


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of a manifest; see submissions/README.md."""

    name: str
    kind: Literal["correct", "buggy"]
    note: str
    item: str | None = None
    cause: str | None = None
    also: tuple[str, ...] = ()
    lost: float | None = None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A homework's manifest.toml."""

    submission: tuple[Submission, ...]
    depends_on_all: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A submission and what it needs to be graded and judged."""

    homework: str
    submission: Submission
    depends_on_all: tuple[str, ...]
    place: int
    """In the manifest, from 0."""

    @property
    def folder(self) -> Path:
        return SUBMISSIONS / self.homework / self.submission.kind / self.submission.name

    @property
    def may_lose(self) -> set[str]:
        """The items that the bug may cost points, by the manifest."""
        return {self.submission.item or "", *self.submission.also, *self.depends_on_all}


@dataclass(frozen=True)
class Grading:
    """How one grading ended."""

    exit_code: int
    said: str
    results: Results

    def lost(self) -> dict[str, float]:
        """The points lost, by item, of those items that lost any."""
        losses = {}
        for item in self.results.extra_data.items:
            checks = [check for check in self.results.tests if check.extra_data.item == item.id]
            missing = total(check.max_score - check.score for check in checks)
            if not math.isclose(missing, 0.0, abs_tol=1e-6):
                losses[item.id] = missing
        return losses

    def causes(self, item: str | None) -> set[str | None]:
        """The causes named by the item's checks that gave less than full points."""
        short = [check for check in self.results.tests if check.score < check.max_score]
        return {check.extra_data.cause for check in short if check.extra_data.item == item}

    def explanation(self) -> str:
        """What a failed test shows: the checks that gave less than full points, with what they told the student."""
        short = [check for check in self.results.tests if check.score < check.max_score]
        lines = [
            f"{check.number} {check.extra_data.outcome} {check.extra_data.cause}: {check.output}" for check in short
        ]
        return "\n".join([*lines, self.said])


def manifest_of(folder: Path) -> Manifest:
    return msgspec.toml.decode((folder / "manifest.toml").read_bytes(), type=Manifest)


HOMEWORKS = sorted(path.parent.name for path in SUBMISSIONS.glob("*/manifest.toml"))
CASES = [
    Case(homework, submission, manifest.depends_on_all, place)
    for homework in HOMEWORKS
    for manifest in [manifest_of(SUBMISSIONS / homework)]
    for place, submission in enumerate(manifest.submission)
]


def optional_items(assignment: Assignment) -> set[str]:
    return {item.id for item in assignment.items if item.optional}


WITH_TORCH = {name for name in HOMEWORKS if "torch" in load_assignment(ROOT / "tests" / name).preloads}
WITHOUT_TORCH = pytest.mark.skip(reason="torch is not installed")
LEFT_OUT = pytest.mark.skip(reason="a sample is graded here, every submission by `make submissions`")


def marks_of(case: Case) -> list:
    """Why a case is left out, if it is: all of them together take longer than everything else."""
    with_torch = case.homework in WITH_TORCH
    if with_torch and importlib.util.find_spec("torch") is None:
        return [WITHOUT_TORCH]
    return [] if os.environ.get(ALL) or case.place % ONE_IN[with_torch] == 0 else [LEFT_OUT]


def of_kind(kind: str) -> list:
    """The cases of one kind, as parameters."""
    return as_parameters(case for case in CASES if case.submission.kind == kind)


def as_parameters(cases: Iterable[Case]) -> list:
    """Cases as parameters named after homework and folder."""
    return [pytest.param(case, id=f"{case.homework}-{case.submission.name}", marks=marks_of(case)) for case in cases]


def run_command(arguments: list[str], said: Path) -> None:
    """The command as an instructor would give it; what it prints goes to `said`."""
    with said.open("w", encoding="utf-8") as file, redirect_stdout(io.StringIO()), redirect_stderr(file):
        sys.exit(main(arguments))


def grade(processes: BaseContext, case: Case, results: Path) -> Grading:
    """Grade in a process of its own."""
    said = results.with_suffix(".txt")
    arguments = ["grade", str(case.folder), "--assignment", case.homework, "--no-pictures", "--results", str(results)]
    process = processes.Process(target=run_command, args=(arguments, said))
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    text = said.read_text("utf-8") if said.is_file() else ""
    if not results.is_file():
        pytest.fail(f"no document was written; exit code {process.exitcode}\n{text}")
    assert process.exitcode is not None
    return Grading(process.exitcode, text, read_results(results))


@pytest.fixture(scope="module")
def gradings(request, tmp_path_factory) -> Iterator[dict[Case, Future]]:
    """The gradings of all selected cases, under way."""
    folder = tmp_path_factory.mktemp("results")
    callspecs = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    cases = [callspec.params["case"] for callspec in callspecs if callspec and "case" in callspec.params]
    cases = [case for case in dict.fromkeys(cases) if not marks_of(case)]  # each once, whatever is asked of it
    # Torch in the importing process takes each fork of it some time to copy: only where a case needs it.
    imported = [name for name in IMPORTED if name != "torch" or WITH_TORCH.intersection(c.homework for c in cases)]
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(imported)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            case: pool.submit(grade, processes, case, folder / f"{case.homework}-{case.submission.name}.json")
            for case in cases
        }
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def assignments() -> dict[str, Assignment]:
    return {homework: load_assignment(ROOT / "tests" / homework) for homework in HOMEWORKS}


@pytest.mark.parametrize("case", of_kind("correct"))
def test_a_correct_submission_gets_full_points(case, gradings, assignments):
    grading = gradings[case].result()
    assert grading.exit_code == 0, grading.explanation()
    assert grading.lost() == {}, grading.explanation()
    assert grading.results.score >= assignments[case.homework].points  # more with an optional part
    assert [remark for remark in grading.results.extra_data.remarks if remark.severity == "error"] == []


@pytest.mark.parametrize("case", of_kind("buggy"))
def test_a_bug_costs_points_on_its_own_item_only(case, gradings):
    grading = gradings[case].result()
    lost = grading.lost()
    assert grading.exit_code == 0, grading.explanation()
    assert grading.results.extra_data.finished
    assert case.submission.item in lost, f"{case.submission.note} It lost nothing there, only {lost}."
    assert set(lost) <= case.may_lose, grading.explanation()
    if case.submission.lost is not None:
        assert lost == {case.submission.item: pytest.approx(case.submission.lost)}, grading.explanation()


@pytest.mark.parametrize("case", as_parameters(case for case in CASES if case.submission.cause))
def test_a_bug_with_a_name_is_named_on_its_item(case, gradings):
    grading = gradings[case].result()
    assert case.submission.cause in grading.causes(case.submission.item), grading.explanation()


@pytest.mark.parametrize("homework", HOMEWORKS)
def test_the_manifest_lists_exactly_the_folders(homework):
    listed = [f"{case.submission.kind}/{case.submission.name}" for case in CASES if case.homework == homework]
    folders = [
        f"{kind}/{path.name}" for kind in ("correct", "buggy") for path in (SUBMISSIONS / homework / kind).iterdir()
    ]
    assert sorted(listed) == sorted(folders)


@pytest.mark.parametrize("homework", HOMEWORKS)
def test_the_manifest_names_known_items_and_causes(homework, assignments):
    manifest = manifest_of(SUBMISSIONS / homework)
    items = {item.id for item in assignments[homework].items}
    assert set(manifest.depends_on_all) <= items
    for submission in manifest.submission:
        if submission.kind == "correct":
            assert (submission.item, submission.cause, submission.also, submission.lost) == (None, None, (), None)
        else:
            assert {submission.item, *submission.also} <= items, submission.name
            assert submission.cause is None or submission.cause in CAUSES, submission.name


@pytest.mark.parametrize("homework", HOMEWORKS)
def test_every_item_has_bugs_and_there_are_enough_submissions(homework, assignments):
    submissions = manifest_of(SUBMISSIONS / homework).submission
    assert {item.id for item in assignments[homework].items} == {s.item for s in submissions} - {None}
    correct, buggy = ENOUGH[homework in WITH_TORCH]
    assert sum(s.kind == "correct" for s in submissions) >= correct
    assert sum(s.kind == "buggy" for s in submissions) >= buggy
