"""Whether an attack was held, from what was observed: every way in which it could have got somewhere, in words."""

from __future__ import annotations

import html
import importlib.util
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec

import autograder.grading.results
from attacks.grading import Ended, Observed
from attacks.record import ALL, Attack
from autograder.grading.results import Results

TAGS = re.compile(r"<[^>]*>")
PASSIVE = {
    *("a", "b", "br", "code", "col", "div", "em", "h2", "h3", "h4", "img", "li", "ol", "p", "pre", "span", "strong"),
    *("details", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
"""The tags of an output that do nothing but show."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that drive a terminal, or turn the order of what is read."""
COMPLETE = 0


def judged(attack: Attack, seen: Observed) -> list[str]:
    """Everything that the attack achieved, or that shows that it was never carried out; empty where it held."""
    found = [
        *(f"left running: {process}" for process in seen.running),
        *(f"left or changed: {path}" for path in seen.left),
        *seen.contacts,
        *leaks(seen),
        *(f"the submission itself: {text}" for text in wrong_with(seen.attacked)),
        *(f"the next submission: {text}" for text in wrong_with(seen.afterwards)),
    ]
    attacked, afterwards = document_of(seen.attacked), document_of(seen.afterwards)
    if attacked is not None:
        found += points_against(attack, attacked)
        found += evidence_against(attack, attacked)
    if afterwards is not None:
        found += [f"the next submission lost {number}" for number, score in scores(afterwards).items() if score < 1]
    return found


def document_of(ended: Ended) -> Results | None:
    try:
        return msgspec.json.decode(ended.results, type=Results)
    except (msgspec.DecodeError, ValueError):
        return None


def wrong_with(ended: Ended) -> Iterator[str]:
    """A grading that did not end as every grading must."""
    if ended.exit_code != COMPLETE:
        yield f"the grader ended with {ended.exit_code}: {ended.said[-3000:]}"
    document = document_of(ended)
    if document is None:
        yield f"the results are none: {ended.results[:300]}"
        return
    if not document.extra_data.finished or document.extra_data.faults:
        yield f"the grader's own faults: {document.extra_data.faults}"
    if sorted(scores(document)) != sorted(ALL):
        yield f"the checks in the results are {sorted(scores(document))}"
    if document.score != sum(scores(document).values()):
        yield f"the total is {document.score}"
    yield from schema_violations(ended.results)
    yield from shown_raw(ended)


def schema_violations(results: str) -> Iterator[str]:
    """By the published schema, where a validator is installed (the records that decoded it are as strict)."""
    if importlib.util.find_spec("jsonschema"):
        import jsonschema

        schema = json.loads(Path(autograder.grading.results.__file__).with_name("results_schema.json").read_text())
        for error in jsonschema.Draft202012Validator(schema).iter_errors(json.loads(results)):
            yield f"the schema: {error.message[:200]}"


def shown_raw(ended: Ended) -> Iterator[str]:
    """Text that would act in a terminal or a page instead of being read."""
    without_colours = re.sub(r"\x1b\[[0-9;]*m", "", ended.said)
    if match := CONTROL.search(without_colours):
        yield f"the terminal got {match[0]!r} in {without_colours[max(0, match.start() - 80) : match.end() + 40]!r}"
    if match := CONTROL.search(ended.page):
        yield f"the page holds {match[0]!r}"
    outputs = [test["output"] for test in json.loads(ended.results)["tests"]]
    for text in outputs:
        yield from (f"an output acts: {tag}" for tag in active_tags(text))
        if match := CONTROL.search(text):
            yield f"an output holds {match[0]!r}"


class _Tags(HTMLParser):
    """Collects the tags that a browser would act upon."""

    def __init__(self) -> None:
        super().__init__()
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        remote = values.get("src", "data:")[:5] != "data:" or "javascript:" in values.get("href", "").lower()
        if tag not in PASSIVE or remote or any(name.startswith("on") for name in values):
            self.active.append(f"{tag} {values}"[:200])


def active_tags(text: str) -> list[str]:
    parser = _Tags()
    parser.feed(text)
    parser.close()
    return parser.active


def scores(document: Results) -> dict[str, float]:
    """Each check's score, but of advice."""
    return {check.number: check.score for check in document.tests if check.max_score}


def points_against(attack: Attack, document: Results) -> Iterator[str]:
    for number, score in scores(document).items():
        if number in attack.loses and score:
            yield f"it gained {score:g} points in check {number}"
        if number not in (*attack.loses, *attack.may_lose) and score != 1:
            yield f"check {number} lost its points: {output_of(document, number)[:500]}"


def evidence_against(attack: Attack, document: Results) -> Iterator[str]:
    """That the attack was not carried out, or that it says of itself that something was open."""
    text = told(document)
    if not re.search(attack.evidence, text, re.S):
        yield f"nothing shows that it was carried out ({attack.evidence!r}): {text[:3000]}"
    if not attack.harmless and (match := re.search(r"OPEN [^\n]*", text)):
        yield f"it found {match[0][:300]}"


def told(document: Results) -> str:
    """What the results say, as text: a line or more per check, and the remarks."""
    checks = [f"{check.number} {check.extra_data.outcome} {check.extra_data.cause}: {plain(check.output)}"
              for check in document.tests]  # fmt: skip
    remarks = [f"{remark.severity} {remark.file}: {remark.text}" for remark in document.extra_data.remarks]
    return "\n".join([*checks, *remarks])


def plain(output: str) -> str:
    return html.unescape(TAGS.sub(" ", output))


def output_of(document: Results, number: str) -> str:
    return next(plain(check.output) for check in document.tests if check.number == number)


def leaks(seen: Observed) -> Iterator[str]:
    """Secrets that came out, wherever."""
    for where in ("said", "results", "page"):
        for graded in (seen.attacked, seen.afterwards):
            for place, secret in seen.secrets.items():
                if secret in getattr(graded, where):
                    yield f"the secret of {place} came out in {where}"
