"""`autograder stencil`: generate what students get from the worked solution, or check that it is in step."""

from __future__ import annotations

import argparse
import sys

from autograder.assignment import find_root, list_assignments
from autograder.commands.options import named_assignment
from autograder.stencil import make_stencil, stencil_differences, write_stencil


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser(
        "stencil",
        help="generate students' files from the reference",
        description="Generate stencils/<ID>/ from reference/<ID>/: each marked solution becomes a TODO.",
    )
    parser.add_argument("ids", metavar="ID", nargs="*", help="assignments to generate (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 2 if a stencil is out of step")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Generate or check the stencils; return 0, or 2 when a checked stencil is out of step."""
    assignments = [named_assignment(name) for name in arguments.ids] or list_assignments(find_root())
    out_of_step = False
    for assignment in assignments:
        stencil = make_stencil(assignment)
        folder = assignment.stencil_folder
        if not arguments.check:
            write_stencil(stencil, folder)
            print(f"{assignment.id}: wrote {', '.join(sorted(stencil))} to {folder}")
        elif differences := stencil_differences(stencil, folder):
            out_of_step = True
            print(f"{assignment.id}: {'; '.join(differences)}", file=sys.stderr)
        else:
            print(f"{assignment.id}: the stencil is in step with the reference")
    if out_of_step:
        print("Run `autograder stencil` to generate the stencils anew.", file=sys.stderr)
        return 2
    return 0
