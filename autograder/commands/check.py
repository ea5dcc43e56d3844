"""`autograder check PATH`: what a student runs before submitting: the public checks, explained one at a time."""

from __future__ import annotations

import argparse

from autograder.commands import grade, options


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser("check", help="run the public checks on your own work")
    options.add_submission(parser)
    options.add_worker(parser)
    parser.add_argument("--verbose", action="store_true", help="explain every failed check, not only the first")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the public checks; 0 once they ran, whatever they found."""
    assignment = options.chosen_assignment(arguments)
    return grade.grade(assignment, arguments, results=None, html=None, public_only=True)
