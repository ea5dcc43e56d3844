"""What a check tells the student: a list of sections, and the HTML form of that list.

Gradescope shows HTML, a terminal shows text, and a page shows HTML again. All three are made from sections, and
:func:`read_html` gets the sections back out of our own HTML, so a results document is all that a report needs.
Every text here may come from a student's code: it is cleaned of what Gradescope cannot store and a terminal should not
obey, cut to a bounded length, and escaped.
"""

from __future__ import annotations

import base64
import html
import re
import tempfile
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html.parser import HTMLParser

import msgspec

OUTPUT_LIMIT = 90_000
"""Characters of one `output`; Gradescope cuts the middle out of longer ones at 100,000, wherever that falls."""
BODY_LIMIT = 6_000
"""Characters of one section's text: about a screen."""
RAW_LIMIT = 100_000
"""Characters of one section's text that are looked at before it is cleaned."""
TABLE_ROWS = 60
CELL_LIMIT = 200
IMAGE_LIMIT = 60_000
"""Characters of one inline image; half an image is none, so a larger one is left out and a note says so."""

_TERMINAL_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
# Control characters but newline and tab, lone surrogates, marks that reverse the reading direction, non-characters.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,16}\b")
_PROGRESS_TIMES = re.compile(r"\[\d+:\d\d(?::\d\d)?<[^\[\]\n]{1,60}\]")
"""How tqdm tells the time in its bars: [00:01<00:03, 12.34it/s]."""
_IMAGE = "data:image/png;base64,"


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One part of what a check says.

    heading: a few words, or "" for a part that needs none.
    body: text; blank lines separate paragraphs, unless it is preformatted. For an image: what it shows.
    preformatted: code, arrays, printed text: shown in a fixed width, line breaks kept.
    table: rows of cells, the first row is the header; shown after the body.
    image: a PNG in base64, or "".
    """

    heading: str = ""
    body: str = ""
    preformatted: bool = False
    table: tuple[tuple[str, ...], ...] = ()
    image: str = ""


def image_section(heading: str, png: bytes, description: str) -> Section:
    """A section that shows a picture; `description` is what it shows in words."""
    return Section(heading, description, image=base64.b64encode(png).decode("ascii"))


# ---- Cleaning and cutting -------------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """`text` without what Gradescope cannot store, a terminal would obey, or a second run would print differently.

    Terminal codes, NULs, other control characters and lone surrogates go, and so does what a line held before it was
    begun again; addresses, paths of temporary folders and the times of progress bars, which differ from run to run, are
    replaced.
    """
    text = _TERMINAL_CODES.sub("", text.replace("\r\n", "\n"))
    if "\r" in text:
        text = "\n".join(_overwritten(line) for line in text.split("\n"))
    text = _PROGRESS_TIMES.sub("[...]", text)
    text = _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    text = _ADDRESS.sub("0x...", text)
    return _temporary_paths().sub("", text)


def _overwritten(line: str) -> str:
    """What a terminal shows in the end of a line that was begun again and again, as progress bars do."""
    return next((part for part in reversed(line.split("\r")) if part), "").rstrip()


@lru_cache(maxsize=1)
def _temporary_paths() -> re.Pattern[str]:
    folders = "|".join(re.escape(folder) for folder in sorted({tempfile.gettempdir(), "/tmp", "/var/tmp"}))
    return re.compile(rf"(?:{folders})/[^/\s'\"]+/?")


def shorten(text: str, limit: int) -> str:
    """`text` with its middle left out where it is longer than `limit` characters; a note says how much is missing."""
    if len(text) <= limit:
        return text
    note = f"\n... {len(text) - limit:,} characters left out ...\n"
    kept = max(0, limit - len(note))
    head = kept - kept // 3
    return text[:head] + note + text[len(text) - kept // 3 :]


def collapse_repeats(text: str) -> str:
    """`text` with runs of equal lines written once: a property check may run a student's print a hundred times."""
    lines: list[str] = []
    counts: list[int] = []
    for line in text.split("\n"):
        if lines and lines[-1] == line:
            counts[-1] += 1
        else:
            lines.append(line)
            counts.append(1)
    return "\n".join(
        f"{line}   [{count} times]" if count > 1 and line.strip() else line
        for line, count in zip(lines, counts, strict=True)
    )


# ---- To HTML --------------------------------------------------------------------------------------------------------


def render_html(sections: Iterable[Section], limit: int = OUTPUT_LIMIT) -> str:
    """The sections as HTML of at most `limit` characters, every text escaped."""
    cleaned = [_clean_section(section) for section in sections]
    body_limit = BODY_LIMIT
    while True:
        rendered = "\n".join(_section_html(section, body_limit) for section in cleaned)
        if len(rendered) <= limit:
            return rendered
        if body_limit <= 100:
            return _fewer(cleaned, limit, body_limit)
        body_limit //= 2


def _fewer(sections: Sequence[Section], limit: int, body_limit: int) -> str:
    note = "<p>(The rest is left out: it is too long to show.)</p>"
    parts: list[str] = []
    room = limit - len(note)
    for section in sections:
        part = _section_html(section, body_limit) + "\n"
        if len(part) > room:
            break
        parts.append(part)
        room -= len(part)
    return "".join(parts) + note


def _clean_section(section: Section) -> Section:
    image, body = section.image, section.body
    if len(image) > IMAGE_LIMIT:
        image, body = "", f"{body}\n\n(The picture is too large to show here.)".strip()
    rows = section.table[:TABLE_ROWS]
    if len(section.table) > TABLE_ROWS:
        rows = (*rows, (f"... {len(section.table) - TABLE_ROWS} more rows",))
    table = tuple(tuple(shorten(clean(shorten(cell, RAW_LIMIT)), CELL_LIMIT).strip() for cell in row) for row in rows)
    body = clean(shorten(body, RAW_LIMIT))
    body = body.rstrip() if section.preformatted else body.strip()
    heading = " ".join(shorten(clean(section.heading), CELL_LIMIT).split())
    return Section(heading, body, section.preformatted, table, image)


def _section_html(section: Section, body_limit: int) -> str:
    parts = []
    if section.heading:
        parts.append(f"<h4>{_escape(section.heading)}</h4>")
    body = shorten(section.body, body_limit)
    if section.image:
        parts.append(f'<p><img src="{_IMAGE}{section.image}" alt="{_escape(" ".join(body.split()))}"></p>')
    elif body and section.preformatted:
        # HTML drops the first newline in <pre>, so we give it one to drop.
        parts.append(f"<pre>\n{_escape(body)}</pre>")
    elif body:
        parts.extend(f"<p>{_paragraph(part)}</p>" for part in re.split(r"\n{2,}", body) if part.strip())
    if section.table:
        parts.append(_table_html(section.table))
    return "\n".join(parts)


def _escape(text: str) -> str:
    return html.escape(text, quote=True)


def _paragraph(text: str) -> str:
    return "<br>".join(_escape(line.strip()) for line in text.split("\n"))


def _table_html(table: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{_paragraph(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + row(table[0], "th") + "".join(row(cells, "td") for cells in table[1:]) + "</table>"


# ---- And back -------------------------------------------------------------------------------------------------------


def read_html(rendered: str) -> list[Section]:
    """The sections that :func:`render_html` made `rendered` from; of HTML from elsewhere, its text."""
    reader = _Reader()
    reader.feed(rendered)
    reader.close()
    return reader.finish()


class _Reader(HTMLParser):
    """Collects the parts of our own, small HTML: h4, p, br, pre, table, tr, th, td, img."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._sections: list[Section] = []
        self._text: list[str] = []
        self._row: list[str] = []
        self._rows: list[tuple[str, ...]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._text.append("\n")
        elif tag == "img":
            values = {name: value or "" for name, value in attrs}
            source = values.get("src", "")
            if source.startswith(_IMAGE):
                self._add(Section(body=values.get("alt", ""), image=source[len(_IMAGE) :]))
        elif tag in ("h4", "p", "pre"):
            self._loose_text()

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "h4":
            self._sections.append(Section(self._take().strip()))
        elif tag == "p":
            self._loose_text()
        elif tag == "pre":
            text = self._take()
            self._add(Section(body=text[1:] if text.startswith("\n") else text, preformatted=True))
        elif tag in ("td", "th"):
            self._row.append(self._take().strip())
        elif tag == "tr":
            self._rows.append(tuple(self._row))
            self._row = []
        elif tag == "table":
            self._add(Section(table=tuple(self._rows)))
            self._rows = []

    def finish(self) -> list[Section]:
        self._loose_text()
        return self._sections

    def _take(self) -> str:
        text = "".join(self._text)
        self._text = []
        return text

    def _loose_text(self) -> None:
        text = self._take().strip()
        if text:
            self._add(Section(body=text))

    def _add(self, part: Section) -> None:
        """Append `part`, joining it to the section before where the two were rendered from one."""
        if not self._sections:
            self._sections.append(part)
            return
        last = self._sections[-1]
        if last.heading and not (last.body or last.table or last.image):
            self._sections[-1] = msgspec.structs.replace(part, heading=last.heading)
        elif part.table and not last.table and not last.image:
            self._sections[-1] = msgspec.structs.replace(last, table=part.table)
        elif _is_text(part) and _is_text(last):
            self._sections[-1] = msgspec.structs.replace(last, body=f"{last.body}\n\n{part.body}")
        else:
            self._sections.append(part)


def _is_text(section: Section) -> bool:
    return bool(section.body) and not (section.preformatted or section.table or section.image)
