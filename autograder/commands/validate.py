"""`autograder validate ID`: try the checks themselves, on known bugs, generated mutants and correct rewrites."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.assignment import Assignment, UsageError, find_root, list_assignments
from autograder.commands import options

if TYPE_CHECKING:
    from rich.progress import Progress

    from autograder.validation.report import Findings
    from autograder.validation.variants import Submission, Variant

FALLS_SHORT = 1
ROUNDS, ROUNDS_WITH_TORCH = 30, 5
BEGIN, END = "<!-- made by `autograder validate --table` -->", "<!-- end -->"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser(
        "validate",
        help="do the checks catch bugs, and spare correct programs?",
        description="Grade known bugs, generated mutants and correct rewrites of a homework's reference. Exit code 0"
        " where every bug loses points on its own item and no correct program any; 1 where something falls short.",
    )
    parser.add_argument("ids", metavar="ID", nargs="*", help="the homeworks (default: all)")
    parser.add_argument("--bugs", action="store_true", help="the catalogue of known bugs")
    parser.add_argument("--rewrites", action="store_true", help="the correct rewrites")
    parser.add_argument("--mutants", action="store_true", help="the generated mutants")
    parser.add_argument("--stability", action="store_true", help="grade a choice of them again and again")
    parser.add_argument("--rounds", type=_positive, metavar="N", help="how often, with --stability")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="the variants of this name")
    parser.add_argument("--list", action="store_true", help="show the variants as diffs and grade none")
    parser.add_argument("--processes", type=_positive, metavar="N", help="gradings at a time (default: the cores)")
    parser.add_argument("--no-cache", action="store_true", help="grade anew what was graded before")
    parser.add_argument("--table", type=Path, metavar="FILE", help="put the table of what was found into this page")
    parser.set_defaults(run=run)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Validate; 0 where nothing falls short."""
    if sys.platform != "linux":
        raise UsageError("validation forks its gradings, which works on Linux only; run it there or in Docker")
    root = find_root()
    assignments = (
        [options.named_assignment(name) for name in arguments.ids] if arguments.ids else list_assignments(root)
    )
    page = _read_page(arguments.table)
    found = []
    for assignment in assignments:
        findings = _validate(assignment, arguments)
        if findings is not None:
            found.append(findings)
    if not found:
        return 0
    from autograder.validation import report

    if arguments.table is not None:
        _write_page(arguments.table, page, report.table(found, page.partition(BEGIN)[2].partition(END)[0]))
    for findings in found:
        print(report.summary(findings))
    return FALLS_SHORT if any(findings.shortfalls() for findings in found) else 0


def _validate(assignment: Assignment, arguments: argparse.Namespace) -> Findings | None:
    """What was found out about one homework; None where its variants were only to be listed."""
    from autograder.validation import report
    from autograder.validation.cache import Cache, cache_folder
    from autograder.validation.trial import try_all
    from autograder.validation.variants import Submission
    from autograder.validation.warm import cores

    submission = Submission(assignment)
    variants = _chosen_variants(assignment, submission, arguments)
    if arguments.list:
        for variant in variants:
            print(f"{variant.key}: {variant.what}\n{submission.diff(variant)}\n")
        return None
    cache = Cache(None if arguments.no_cache else cache_folder(assignment.root), assignment)
    processes = arguments.processes or cores()
    with _progress() as progress:
        task = progress.add_task(assignment.id, total=len(variants))
        outcomes = try_all(
            assignment,
            submission,
            variants,
            cache,
            processes=processes,
            tell=lambda variant, outcome: progress.advance(task),
        )
        repeated, differing = _repeat(assignment, submission, variants, arguments, processes, progress)
    findings = report.Findings(assignment, cache.grader, submission, variants, outcomes, repeated)
    for text in (*report.explain(findings), *differing):
        print(text, end="\n\n")
    return findings


def _chosen_variants(assignment: Assignment, submission: Submission, arguments: argparse.Namespace) -> list[Variant]:
    """The kinds that were asked for, or all. Raises UsageError where nothing is left."""
    from autograder.validation import variants
    from autograder.validation.catalogue import load_catalogue

    catalogue = load_catalogue(assignment)
    everything = not (arguments.bugs or arguments.rewrites or arguments.mutants)
    chosen = [variants.reference_variant(), *variants.known_variants(assignment, catalogue, submission)]
    if everything or arguments.rewrites:
        chosen += variants.generated_rewrites(assignment, submission)
    if everything or arguments.mutants:
        chosen += variants.generated_mutants(assignment, catalogue, submission)
    wanted = {"bug": arguments.bugs, "rewrite": arguments.rewrites, "mutant": arguments.mutants, "reference": True}
    chosen = [variant for variant in chosen if everything or wanted[variant.kind]]
    if arguments.only:
        chosen = [variant for variant in chosen if variant.name in arguments.only]
    if not chosen:
        raise UsageError(f"{assignment.id} has no variant {', '.join(arguments.only)}; see `validate --list`")
    return chosen


def _repeat(
    assignment: Assignment,
    submission: Submission,
    variants: Sequence[Variant],
    arguments: argparse.Namespace,
    processes: int,
    progress: Progress,
) -> tuple[tuple[int, int] | None, list[str]]:
    """(gradings, those that differed) and how they differed, where that was asked for."""
    if not arguments.stability:
        return None, []
    from autograder.validation import stability

    chosen = variants if arguments.only else stability.chosen(variants)
    rounds = arguments.rounds or (ROUNDS_WITH_TORCH if "torch" in assignment.preloads else ROUNDS)
    task = progress.add_task(f"{assignment.id} again", total=rounds)
    count, differing = stability.repeat(
        assignment,
        submission,
        chosen,
        rounds=rounds,
        processes=processes,
        tell=lambda: progress.advance(task),
    )
    return (count, len(differing)), differing


@contextmanager
def _progress() -> Iterator[Progress]:
    """Bars on the terminal's error stream, so that the report can be piped."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as progress:
        yield progress


def _read_page(path: Path | None) -> str:
    """The page whose table is to be replaced. Raises UsageError before anything is graded."""
    if path is None:
        return ""
    try:
        page = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise UsageError(f"{path} has no place for the table: it needs one line {BEGIN} and below it one line {END}")
    return page


def _write_page(path: Path, page: str, table: str) -> None:
    before, _, rest = page.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}", "utf-8")
