"""A results document for people: on a terminal, and as one page that looks as Gradescope shows it.

Both are made from the document alone, so they can be made again from a results.json at any time. rich is imported only
where a terminal report is made: a run on Gradescope makes none.
"""

from __future__ import annotations

import html
import io
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from autograder.grading.results import (
    GRADER_ERROR,
    LATER,
    SUMMARY,
    CheckResult,
    ItemRecord,
    Results,
    earned,
    grouped,
    summarize,
    total,
)
from autograder.grading.sections import Section, read_html, render_html

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EXPLAINED = 2
"""Failures that the terminal report explains in full; the others get a line each."""
LISTED = 12
WIDTH = 80
INDENT = 4
NOTHING_THERE = ("not_implemented", "syntax_error")
"""Causes with which there is no code yet to give advice on."""
OUTCOME_WORDS = {
    "passed": "passed",
    "failed": "failed",
    "error": "stopped with an error",
    "timeout": "took too long",
    "crash": "ended the process",
    "not_run": "not run",
}
_VISIBILITY_WORDS = {
    "hidden": "never shown to students",
    "after_due_date": "shown to students after the due date",
    "after_published": "shown to students once grades are published",
}


# ---- What both show -------------------------------------------------------------------------------------------------


def lost_points(results: Results) -> list[CheckResult]:
    """The checks that cost points, in the document's order; not those that the grader itself failed to judge."""
    return [test for test in results.tests if test.score < test.max_score and test.extra_data.cause != GRADER_ERROR]


def is_advice(test: CheckResult) -> bool:
    """Whether a check costs nothing and has something to say that graded checks do not say already."""
    silent = test.extra_data.outcome in ("passed", "not_run") or test.extra_data.cause in NOTHING_THERE
    return test.max_score == 0 and not silent


def points_text(score: float, max_score: float) -> str:
    """Points as people write them."""
    return f"{score:g} / {max_score:g}"


def first_lines(test: CheckResult) -> list[str]:
    """The lines that say what is wrong: the first section's."""
    sections = read_html(test.output)
    return sections[0].body.splitlines() if sections and sections[0].body else []


# ---- On a terminal --------------------------------------------------------------------------------------------------


def print_report(
    results: Results,
    *,
    file: TextIO | None = None,
    title: str = "",
    everything: bool = False,
    see_rest: str = "",
) -> None:
    """Print the report to `file` (standard output where None), in colour and full width where that is a terminal.

    title: what was graded. everything: explain every failure, not only the first ones. see_rest: the words that tell
    how to see the rest, such as a command.
    """
    from rich.console import Console

    file = file or sys.stdout
    there = Console(file=file)
    if there.is_terminal:
        stream = io.StringIO()
        console = Console(
            file=stream, force_terminal=True, no_color=there.no_color, width=there.width, legacy_windows=False, **_PLAIN
        )
        _print_to(console, results, title, everything, see_rest)
        text = stream.getvalue()
    else:
        text = terminal_text(results, title=title, everything=everything, see_rest=see_rest)
    # A student's text may hold what this terminal's encoding does not: a question mark is better than no report.
    encoding = getattr(file, "encoding", None) or "utf-8"
    file.write(text.encode(encoding, "replace").decode(encoding))
    file.flush()


def terminal_text(
    results: Results, *, title: str = "", everything: bool = False, see_rest: str = "", width: int = WIDTH
) -> str:
    """The report as plain text, without colours and without spaces at the ends of lines."""
    from rich.console import Console

    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, **_PLAIN)
    _print_to(console, results, title, everything, see_rest)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


# Rich's own ideas of how text should look are kept away from a student's.
_PLAIN: dict[str, Any] = {"highlight": False, "emoji": False, "markup": False}


def _print_to(console: Console, results: Results, title: str, everything: bool, see_rest: str) -> None:
    from rich.text import Text

    if title:
        console.print(Text(title, style="bold"))
    console.print(_items_table(results))
    _print_notes(console, results)
    groups = _alike(lost_points(results))
    explained = groups if everything else groups[:EXPLAINED]
    for group in explained:
        _print_failure(console, group)
    rest = groups[len(explained) :]
    if rest:
        count = sum(len(group) for group in rest)
        heading = "One more check did not pass:" if count == 1 else f"{count} more checks did not pass:"
        _print_list(console, heading, rest, "red")
    hints = [[test] for test in results.tests if is_advice(test)]
    if hints:
        _print_list(console, "Advice, which costs nothing:", hints, "yellow")
    if (rest or hints) and see_rest and not everything:
        console.print(Text(f"To see all of it: {see_rest}", style="cyan"))


def _items_table(results: Results) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, show_footer=True, footer_style="bold")
    score, max_score = earned(results)
    table.add_column("Item", Text("Total"), ratio=1)
    table.add_column("Points", Text(points_text(score, max_score)), justify="right", no_wrap=True)
    table.add_column("Checks passed", "", justify="right", no_wrap=True)
    for row in summarize(results, visible_only=False):
        colour = "green" if row.score == row.max_score else "red" if row.score == 0 else "yellow"
        table.add_row(
            Text(f"{row.item.id}  {row.item.title}"),
            Text(points_text(row.score, row.max_score), style=colour),
            Text(f"{row.passed} of {row.checks}", style=colour),
        )
    return table


def _print_notes(console: Console, results: Results) -> None:
    """What concerns the whole submission: faults of the grader, an unfinished run, remarks on files."""
    from rich.text import Text

    extra = results.extra_data
    faulty = [test.number for test in results.tests if test.extra_data.cause == GRADER_ERROR and test.extra_data.item]
    if extra.faults:
        where = f"in {_listed(faulty)}" if faulty else "in this run"
        words = f"The autograder itself failed {where}. Those points were not judged; it is not the submission's fault."
        console.print(Text(f"{words}\n", style="bold red"))
    elif not extra.finished:
        console.print(Text("The run did not end: some checks were not run.\n", style="bold red"))
    for remark in extra.remarks:
        text = remark.text if remark.file in remark.text else f"{remark.file}: {remark.text}"
        console.print(Text(f"Note: {text}", style="yellow"))
    if extra.remarks:
        console.print()


def _listed(numbers: Sequence[str]) -> str:
    shown = ", ".join(numbers[:LISTED])
    return f"{shown} and {len(numbers) - LISTED} more" if len(numbers) > LISTED else shown


def _alike(tests: Sequence[CheckResult]) -> list[list[CheckResult]]:
    """The tests, those with word for word the same output together: a missing file is one failure, not forty."""
    groups: dict[str, list[CheckResult]] = {}
    for test in tests:
        groups.setdefault(test.output or test.number, []).append(test)
    return list(groups.values())


def _print_failure(console: Console, group: Sequence[CheckResult]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    first = group[0]
    lost = total(test.max_score - test.score for test in group)
    cost = f"-{lost:g}" if len(group) == 1 else f"-{lost:g} in {len(group)} checks"
    console.print(_title_line(first, "bold red", cost))
    sections = read_html(first.output)
    for place, section in enumerate(sections):
        if place == 0 or not _says_the_same(section, sections[0]):
            console.print(Padding.indent(_section_text(section), INDENT))
    if len(group) > 1:
        others = _listed([test.number for test in group[1:]])
        console.print(Padding.indent(Text(f"The same holds for {others}.", style="red"), INDENT))
    console.print()


def _says_the_same(section: Section, lead: Section) -> bool:
    """Whether the lines at the top of a failure said so already."""
    return bool(section.body) and section.body.casefold().rstrip(".") in lead.body.casefold()


def _title_line(test: CheckResult, colour: str, right: str = "") -> RenderableType:
    """Number and name, the name wrapped below itself, and a note at the right."""
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(justify="right", no_wrap=True)
    line.add_row(Text(f"x {test.number}", style=colour), Text(test.name, style=colour), Text(right, style=colour))
    return line


def _section_text(section: Section) -> RenderableType:
    """The heading, and the body indented below it; wrapped lines keep the indentation."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    body = f"[picture: {section.body}]" if section.image else section.body
    text = Text("\n".join([*body.splitlines(), *_table_lines(section.table)]))
    if not section.heading:
        return text
    return Group(Text(section.heading, style="bold"), Padding.indent(text, 2))


def _table_lines(table: Sequence[Sequence[str]]) -> list[str]:
    """A table in columns of equal width; terminals are narrow, and these tables are small."""
    columns = max((len(row) for row in table), default=0)
    rows = [[" ".join(cell.split()) for cell in row] + [""] * (columns - len(row)) for row in table]
    widths = [max(len(row[column]) for row in rows) for column in range(columns)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _print_list(console: Console, heading: str, groups: Sequence[Sequence[CheckResult]], colour: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print(Text(heading, style="bold"))
    for group in groups[:LISTED]:
        console.print(_title_line(group[0], colour, f"and {len(group) - 1} more" if len(group) > 1 else ""))
        for line in first_lines(group[0])[:1]:
            console.print(Padding.indent(Text(line), INDENT))
    if len(groups) > LISTED:
        console.print(Text(f"... and {len(groups) - LISTED} more"))
    console.print()


# ---- As a page ------------------------------------------------------------------------------------------------------


def html_page(results: Results, *, title: str = "") -> str:
    """One self-contained page: no scripts, nothing loaded from anywhere, every text escaped.

    `title` is what was graded. Outputs are read and rendered anew, so that a document from elsewhere cannot bring
    markup of its own.
    """
    title = title or f"Autograder results: {results.extra_data.assignment}"
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return _PAGE.format(
        title=_escape(title), style=style, main=_main_html(results), side=_side_html(results), head=_escape(title)
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{head}</h1></header>
<div class="columns">
<main>
{main}
</main>
<aside aria-label="Points">
{side}
</aside>
</div>
</body>
</html>
"""


def _main_html(results: Results) -> str:
    parts = []
    notice = [section for section in read_html(results.output) if section.heading not in (SUMMARY, LATER)]
    if notice:
        parts.append(f'<section class="notice">{render_html(notice)}</section>')
    items = {item.id: item for item in results.extra_data.items}
    for item_id, tests in groupby(results.tests, key=lambda test: test.extra_data.item):
        parts.append(_item_html(items.get(item_id), list(tests)))
    return "\n".join(parts)


def _item_html(item: ItemRecord | None, tests: Sequence[CheckResult]) -> str:
    name = f"{item.id} {item.title}" if item else "Beside the checks"
    points = points_text(total(test.score for test in tests), total(test.max_score for test in tests))
    heading = f'<h2>{_escape(name)} <span class="points">{points}</span></h2>'
    return "<section>\n" + "\n".join([heading, *(_test_html(test) for test in tests)]) + "\n</section>"


def _test_html(test: CheckResult) -> str:
    state = _state(test)
    opened = " open" if state == "bad" else ""
    number = f"{_escape(test.number)}) " if test.number else ""
    words = "advice" if is_advice(test) else OUTCOME_WORDS[test.extra_data.outcome]
    later = _VISIBILITY_WORDS.get(test.visibility)
    notes = "".join(f'<span class="tag">{_escape(note)}</span>' for note in (later, *test.tags) if note)
    body = render_html(read_html(test.output)) or "<p>Nothing to add.</p>"
    return (
        f'<details class="{state}"{opened}><summary><span class="name">{number}{_escape(test.name)}</span>'
        f'<span class="word">{words}</span><span class="points">{points_text(test.score, test.max_score)}</span>'
        f'</summary><div class="output">{notes}{body}</div></details>'
    )


def _state(test: CheckResult) -> str:
    """The colour: what cost points is bad, what gave them good, and advice or what was not counted neither."""
    if test.score < test.max_score:
        return "bad"
    return "good" if test.extra_data.outcome == "passed" else "plain"


def _side_html(results: Results) -> str:
    score, max_score = earned(results)
    rows = [
        f"<tr><td>{_escape(row.item.id)} {_escape(row.item.title)}</td>"
        f"<td>{points_text(row.score, row.max_score)}</td></tr>"
        for row in summarize(results, visible_only=False)
    ]
    passed = sum(test.extra_data.outcome == "passed" for test in results.tests if test.max_score > 0)
    graded = sum(test.max_score > 0 for test in results.tests)
    board = _leaderboard_html(results)
    return (
        f'<p class="total"><span>Total points</span><strong>{points_text(score, max_score)}</strong></p>'
        f"<p>{passed} of {graded} checks passed</p>"
        f"<table><thead><tr><th>Item</th><th>Points</th></tr></thead><tbody>{''.join(rows)}</tbody></table>{board}"
    )


def _leaderboard_html(results: Results) -> str:
    if not results.leaderboard:
        return ""
    rows = "".join(
        f"<tr><td>{_escape(entry.name)}</td><td>{_escape(_value_text(entry.value))}</td></tr>"
        for entry in results.leaderboard
    )
    return f"<h3>Leaderboard</h3><table><tbody>{rows}</tbody></table>"


def _value_text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _escape(text: str) -> str:
    return html.escape(text, quote=True)


def fault_text(results: Results) -> str:
    """The grader's own failures in full, for the instructor's terminal; "" where there are none."""
    parts = [
        f"{'checks ' + numbers if numbers else 'the whole run'}: {fault.text}\n{fault.traceback}".rstrip()
        for numbers, fault in grouped(results.extra_data.faults)
    ]
    return "\n\n".join(parts)
