"""`autograder grade PATH`: grade one submission, show the report, write results.json and a page."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from autograder.assignment import Assignment, UsageError
from autograder.commands import options


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser("grade", help="grade a submission with every check")
    options.add_submission(parser)
    options.add_worker(parser)
    parser.add_argument("--results", metavar="FILE", type=Path, help="write Gradescope's results.json here")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the results as one page")
    parser.add_argument("--public", action="store_true", help="run only the checks that students have")
    parser.add_argument("--verbose", action="store_true", help="explain every failed check, not only the first")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Grade; 0 once grading completed, 3 when the grader failed."""
    return grade(
        options.chosen_assignment(arguments),
        arguments,
        results=arguments.results,
        html=arguments.html,
        public_only=arguments.public,
    )


def grade(
    assignment: Assignment,
    arguments: argparse.Namespace,
    *,
    results: Path | None,
    html: Path | None,
    public_only: bool,
) -> int:
    """Grade the submission that `arguments` names and show what came of it; the exit code."""
    from autograder.grading import report
    from autograder.grading.run import run_checks
    from autograder.workspace import open_workspace

    started = time.monotonic()
    with open_workspace(
        arguments.path, assignment, confine=arguments.confine, forks=options.forks(arguments)
    ) as opened:
        outcome = run_checks(
            assignment,
            opened.session,
            results_path=results,
            public_only=public_only,
            deadline=started + assignment.budgets.run_seconds,
            remarks=opened.collected.remarks,
            missing=opened.missing,
            only=arguments.only,
            pictures=arguments.pictures,
        )
    title = f"{assignment.title} - {arguments.path}"
    see_rest = f"{_program()} {arguments.command} {arguments.path} --verbose"
    report.print_report(outcome.results, title=title, everything=arguments.verbose, see_rest=see_rest)
    if outcome.faults:
        print(report.fault_text(outcome.results), file=sys.stderr)
    if html is not None:
        _write_page(html, report.html_page(outcome.results, title=title))
    return outcome.exit_code


def _write_page(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"The submission was graded, but the page cannot be written to {path}: {error.strerror}. "
            "Choose a file in a folder that you may write to (--html FILE)."
        ) from None


def _program() -> str:
    """How this program was called: a student's kit is run without being installed."""
    return "python -m autograder" if Path(sys.argv[0]).name == "__main__.py" else "autograder"
