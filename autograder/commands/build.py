"""`autograder build ID -o ZIP`: the one zip that an instructor uploads to Gradescope."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from autograder.assignment import Assignment
from autograder.bundle import (
    Entry,
    data_source_entries,
    file_entry,
    folder_entries,
    handed_out_entries,
    package_entries,
    requirements_entry,
    script_entry,
    write_zip,
)
from autograder.commands.options import named_assignment
from autograder.stencil import make_stencil


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser("build", help="write the zip that Gradescope takes as an autograder")
    parser.add_argument("id", metavar="ID", help="the assignment, as 'autograder list' names it")
    parser.add_argument("-o", "--output", metavar="ZIP", type=Path, help="where to write it (default: ID.zip)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the zip and say where it is."""
    assignment = named_assignment(args.id)
    output = args.output or Path(f"{args.id}.zip")
    write_zip(output, build_entries(assignment))
    print(f"{output}: {output.stat().st_size / 1024:.0f} KiB; upload it to Gradescope under 'Configure Autograder'")
    return 0


def build_entries(assignment: Assignment) -> Iterator[Entry]:
    """What Gradescope unpacks into /autograder/source: this assignment's files only, hidden checks included."""
    root = assignment.root
    for script in ("setup.sh", "install_cpu_torch.sh", "run_autograder"):
        yield script_entry(root / script, script)
    yield file_entry(root / "pyproject.toml", "pyproject.toml")
    yield file_entry(root / "README.md", "README.md")  # pyproject.toml names it: the package does not build without
    yield requirements_entry(assignment)
    yield settings_entry(assignment)
    yield from package_entries()
    yield from folder_entries(assignment.reference_folder, f"reference/{assignment.id}")
    yield from folder_entries(assignment.folder, f"tests/{assignment.id}")
    yield from handed_out_entries(assignment, make_stencil(assignment))
    yield from data_source_entries(assignment)


def settings_entry(assignment: Assignment) -> Entry:
    """What run_autograder must know before any Python of ours runs, for its shell to read."""
    lines = f"ASSIGNMENT_ID={assignment.id}\nRUN_SECONDS={int(assignment.budgets.run_seconds)}\n"
    return Entry("bundle.env", lines.encode())
