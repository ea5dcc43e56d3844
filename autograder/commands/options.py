"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from autograder.assignment import Assignment, UsageError, find_root, infer_assignment, list_assignments, load_assignment
from autograder.sandbox.policy import CONFINE_MODES


def add_submission(parser: argparse.ArgumentParser) -> None:
    """PATH and --assignment."""
    parser.add_argument("path", metavar="PATH", type=Path, help="the submission: a file, folder or zip")
    parser.add_argument(
        "--assignment", metavar="ID", help="which assignment it answers (default: found from the files' names)"
    )
    parser.add_argument("--no-pictures", dest="pictures", action="store_false", help="no pictures in the results")
    parser.add_argument("--only", metavar="ITEM", default="", help="run the checks of one item alone, such as 3.1.1")


def add_worker(parser: argparse.ArgumentParser) -> None:
    """--confine and --start."""
    parser.add_argument(
        "--confine",
        choices=CONFINE_MODES,
        default="auto",
        help="confine the submission as far as this machine can (auto), or refuse to run otherwise (require)",
    )
    parser.add_argument(
        "--start",
        choices=("auto", "fork", "spawn"),
        default="auto",
        help="how a check gets its worker: a fork of the loaded one, or a new one (what macOS and Windows do)",
    )


def forks(arguments: argparse.Namespace) -> bool | None:
    """What --start means for the session; None leaves it to the platform."""
    return {"auto": None, "fork": True, "spawn": False}[arguments.start]


def chosen_assignment(arguments: argparse.Namespace) -> Assignment:
    """The assignment named, or the one that the submission's files speak for. Raises UsageError."""
    root = find_root()
    if arguments.assignment is None:
        return infer_assignment(root, arguments.path)
    return named_assignment(arguments.assignment)


def named_assignment(name: str) -> Assignment:
    """The assignment of that id. Raises UsageError listing those there are."""
    root = find_root()
    if not (root / "tests" / name / "assignment.toml").is_file():
        known = ", ".join(assignment.id for assignment in list_assignments(root)) or "none"
        raise UsageError(f"there is no assignment {name!r} here; there are: {known}")
    return load_assignment(root / "tests" / name)
