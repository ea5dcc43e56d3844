"""`autograder list`: the assignments here, with their items and points."""

from __future__ import annotations

import argparse

from autograder.assignment import find_root, list_assignments


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser("list", help="show the assignments, their items and points")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("assignment", "title", "students write", "items", "points", box=None, header_style="bold")
    for assignment in list_assignments(find_root()):
        items = ", ".join(
            f"{item.id} ({item.points:g}{', optional' if item.optional else ''})" for item in assignment.items
        )
        table.add_row(
            assignment.id, assignment.title, ", ".join(assignment.files.required), items, f"{assignment.points:g}"
        )
    Console().print(table)
    return 0
