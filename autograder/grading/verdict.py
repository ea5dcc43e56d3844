"""From what a check raised to what happened in the student's words: an outcome, a cause, and sections to read.

A check's outcome is the student's, unless the check raised something of its own: then the grader is at fault, the
student is told so, and the details go to the instructor alone.
"""

from __future__ import annotations

import re
import traceback

import msgspec
import pytest

from autograder.checks.compare import CheckFailed, Explanation
from autograder.grading.examples import Evidence
from autograder.grading.listing import CheckInfo
from autograder.grading.results import GRADER_ERROR, NOT_YOUR_FAULT, Fault, Outcome
from autograder.grading.sections import Section, clean, collapse_repeats, shorten
from autograder.sandbox.proxy import GraderError, StudentCrash, StudentError, StudentTimeout

SHOWN_FRAMES = 6
SHOWN_MESSAGE = 1_500
SHOWN_PRINTS = 3_000
SHOWN_FAULT = 3_000
BRIEF = 120
"""Characters of what was expected that still fit among the first lines."""
FLAKY = (
    "Given the same input again, your code did not give the same answer: the result depends on what was called before."
    " Look for something that is kept between calls: a global variable, a list as a default argument, an attribute"
    " that is added to instead of set."
)


class Verdict(msgspec.Struct, frozen=True):
    """What happened in a check. `fault` is set where the grader failed, and then nothing else is the student's."""

    outcome: Outcome
    cause: str | None = None
    sections: tuple[Section, ...] = ()
    fault: Fault | None = None


def judge(error: BaseException | None, info: CheckInfo, evidence: Evidence) -> Verdict:
    """The verdict on a check that raised `error`, or nothing."""
    if error is None:
        return Verdict("passed")
    if isinstance(error, StudentTimeout):
        verdict = Verdict("timeout", "timeout", (_timeout(error),))
    elif isinstance(error, StudentCrash):
        verdict = Verdict("crash", "crash", (_crash(error),))
    elif isinstance(error, StudentError):
        verdict = _student_error(error)
    elif isinstance(error, CheckFailed):
        return _with_end(_comparison(error, evidence), info, evidence)
    elif isinstance(error, (AssertionError, pytest.fail.Exception)):
        verdict = Verdict("failed", None, (Section("", _message(error) or "What this check asks for does not hold."),))
    elif isinstance(error, pytest.skip.Exception):
        return _skipped(error, info)
    else:
        return grader_fault(error, info.number)
    # On which input code is not written yet, or cannot be read, tells nothing.
    example = () if verdict.cause in ("not_implemented", "syntax_error") else _example(evidence)
    return _with_end(_add(verdict, *example), info, evidence)


def grader_fault(error: BaseException, number: str) -> Verdict:
    """The grader failed in check `number`: not run, no points, and the instructor gets the details."""
    return Verdict("not_run", GRADER_ERROR, (Section("", NOT_YOUR_FAULT),), describe_fault(error, number))


def describe_fault(error: BaseException, number: str = "") -> Fault:
    """A fault for the instructor: what happened, and where in our own code and checks."""
    text = str(error) if isinstance(error, GraderError) else f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if not _MACHINERY.search(frame.filename)] or frames
    lines = traceback.format_list(ours[-SHOWN_FRAMES:])
    return Fault(number, clean(shorten(text, SHOWN_FAULT)), clean(shorten("".join(lines).rstrip(), SHOWN_FAULT)))


# Frames of the libraries that call a check say nothing about what is wrong with it.
_MACHINERY = re.compile(
    r"[/\\](_pytest|pluggy|hypothesis)[/\\]|<frozen |[/\\](contextlib|functools|grading[/\\](fixtures|examples))\.py$"
)


def hidden_errors(verdict: Verdict, message: str) -> Verdict:
    """`verdict` for a check with `hide_errors`: where it did not pass, the message in place of everything else."""
    if verdict.outcome == "passed" or verdict.fault is not None:
        return verdict
    return msgspec.structs.replace(verdict, sections=(Section("", message),))


def printed_section(printed: str) -> Section | None:
    """What the student's code printed, or None where that was nothing."""
    text = collapse_repeats(clean(printed)).strip("\n")
    return Section("What your code printed", shorten(text, SHOWN_PRINTS), preformatted=True) if text.strip() else None


# ---- The student's code raised, hung or ended -----------------------------------------------------------------------


def _timeout(error: StudentTimeout) -> Section:
    return Section(
        "", f"Your code took too long: {error}.\nLook for a loop that does not end, or for far more work than needed."
    )


def _crash(error: StudentCrash) -> Section:
    text = f"Your code ended the whole Python process: {error}."
    hint = next((hint for words, hint in _CRASH_HINTS if words in text), "")
    return Section("", f"{text}\n{hint}".rstrip())


# How the worker's end is told (sandbox.session.describe_status), and what to look for.
_CRASH_HINTS = (
    ("exit code", "Look for exit(), quit() or os._exit()."),
    ("memory", "Look for a list or an array that grows without end."),
    ("SIGSEGV", "Look for a function that calls itself without end."),
)


def _student_error(error: StudentError) -> Verdict:
    message = shorten(error.message, SHOWN_MESSAGE)
    if error.type_name == "NotImplementedError":
        return _not_written(error, message)
    if error.type_name in ("SyntaxError", "IndentationError", "TabError"):
        return _unreadable(error, message)
    absent = _ABSENT.fullmatch(message) if error.type_name == "AttributeError" and not error.frames else None
    if absent:
        return _absent_name(absent["kind"], absent["owner"], absent["name"])
    if error.type_name == "SystemExit":
        lead = "Your code ends the whole program: look for exit(), quit() or sys.exit(). Nothing after it runs."
        return Verdict("error", "crash", (Section("", lead), *_frames(error)))
    refused = _REFUSED.fullmatch(message) if error.type_name == "RuntimeError" else None
    if refused:
        lead = f"Your code calls `{refused['called']}` with something that does not fit.\n{refused['text']}"
    else:
        lead = f"Your code raised {error.type_name}" + (f": {message}" if message else ".")
    return Verdict("error", "raises", (Section("", lead), *_frames(error)))


# How the worker tells that a stand-in of ours raised an error on what the student's code gave it.
_REFUSED = re.compile(r"(?P<called>\w+\.\w+): \w+: (?P<text>.+)", re.DOTALL)


def _not_written(error: StudentError, message: str) -> Verdict:
    place = error.frames[-1] if error.frames else None
    where = f"`{place.function}` in {place.file}, line {place.line}" if place else "this part"
    lead = f"This part is not written yet: {where} raises NotImplementedError."
    remark = message if message not in lead else ""
    return Verdict("error", "not_implemented", (Section("", f"{lead}\n{remark}".rstrip()),))


def _unreadable(error: StudentError, message: str) -> Verdict:
    place = error.frames[-1] if error.frames else None
    where = f"{place.file}, line {place.line}" if place else "your file"
    sections = [
        Section("", f"Python cannot read {where}: {message}.\nNothing in this file can be graded until it can.")
    ]
    if place and place.source:
        # The line and the caret below it: nothing may be stripped from their starts.
        sections.append(Section("Where", place.source, preformatted=True))
    return Verdict("error", "syntax_error", tuple(sections))


# Python's words where a check asks for a name that is not there; inside the student's own code there would be frames.
_ABSENT = re.compile(r"(?P<kind>module |type object )?'(?P<owner>[\w.]+)'(?: object)? has no attribute '(?P<name>\w+)'")


def _absent_name(kind: str | None, owner: str, name: str) -> Verdict:
    if kind == "module ":
        text = f"There is no `{name}` in {owner}.py.\nDefine it under exactly this name, at the top level of the file."
    else:
        text = f"`{owner}` has no `{name}`.\nDefine or set it under exactly this name."
    return Verdict("error", "not_implemented" if kind else "raises", (Section("", text),))


def _frames(error: StudentError) -> tuple[Section, ...]:
    if not error.frames:
        return ()
    shown = error.frames[-SHOWN_FRAMES:]
    lines = [f"{frame.file}, line {frame.line}, in {frame.function}\n    {frame.source.strip()}" for frame in shown]
    if len(error.frames) > len(shown):
        lines.insert(0, f"({len(error.frames) - len(shown)} calls before these)")
    return (Section("Where (the last line is where it happened)", "\n".join(lines), preformatted=True),)


# ---- The student's answer is wrong ----------------------------------------------------------------------------------


def _comparison(error: CheckFailed, evidence: Evidence) -> Verdict:
    """In the order in which it helps: what is wrong, what was called, with what, what came, what should have come."""
    explanation = error.explanation
    # Many examples are better evidence than one: a cause that the others contradict is not named.
    cause = evidence.cause if evidence.failures else explanation.cause
    likely = explanation.sentence if cause is not None and cause == explanation.cause else None
    lead = _lead(explanation)
    parts: list[Section] = [Section("", f"{lead}\n{likely}" if likely else lead)]
    if explanation.called:
        parts.append(Section("What was called", explanation.called, preformatted=True))
    parts.extend(_example(evidence))
    for heading, body in (
        ("What came", explanation.got),
        ("What was expected", explanation.expected),
        ("The entry that is furthest off", explanation.worst),
    ):
        if body and _bare(body) not in lead:  # what the first line says already is not said again
            parts.append(Section(heading, body, preformatted=True))
    if likely:
        parts.append(Section("Likely cause", likely))
    return Verdict("failed", cause, tuple(parts))


_ORDINARY_WORDS = (
    "a",
    "after",
    "all",
    "an",
    "at",
    "each",
    "for",
    "from",
    "in",
    "it",
    "no",
    "not",
    "on",
    "one",
    "the",
    "with",
)


def _lead(explanation: Explanation) -> str:
    """A line or two that say what is wrong: with the likely cause below them often all that a student needs to read."""
    first = _first_line(explanation.got)
    name, equals, _ = first.partition(" =")
    if equals:
        first = f"{name} is not right" + (f": {explanation.worst}." if explanation.worst else ".")
    elif first.endswith(":"):
        first = first[:-1] + "."
    elif first[-1:] not in (".", "!", "?"):
        first += "."
    # Names of the student's stay as they are written; ordinary words begin a sentence.
    if first.split(" ")[0] in _ORDINARY_WORDS:
        first = first[0].upper() + first[1:]
    expected = explanation.expected or ""
    brief = not equals and expected and "\n" not in expected and len(expected) <= BRIEF
    return f"{first}\nExpected: {expected}." if brief else first


def _bare(text: str) -> str:
    """A text as it stands within the lead, whose first letter may be a capital one."""
    return text[1:].rstrip(".")


def _example(evidence: Evidence) -> tuple[Section, ...]:
    if not evidence.failures:
        return ()
    arguments = evidence.chosen().arguments
    body = "\n".join(f"{name}: {text}" if "\n" in text else f"{name} = {text}" for name, text in arguments)
    return (Section("The simplest input found on which it fails", body, preformatted=True),) if body else ()


def _with_end(verdict: Verdict, info: CheckInfo, evidence: Evidence) -> Verdict:
    """What closes every failure: a note on flaky answers, and where the handout speaks of it."""
    end = []
    if evidence.flaky:
        end.append(Section("Not always the same", FLAKY))
    if info.item.handout and verdict.cause != "syntax_error":
        end.append(Section("In the handout", f"{info.item.handout}: {info.item.title}"))
    return _add(verdict, *end)


def _skipped(error: BaseException, info: CheckInfo) -> Verdict:
    """A check that skips itself judged nothing: fine for advice and optional parts, a fault where points hang on it."""
    reason = _message(error) or "no reason given"
    if info.weight == 0 or info.item.optional:
        return Verdict("not_run", "skipped", (Section("", f"Not run: {reason}"),))
    fault = GraderError(f"the check skipped itself ({reason}), so its {info.weight:g} points were not judged")
    return grader_fault(fault, info.number)


def _message(error: BaseException) -> str:
    return str(getattr(error, "msg", None) or error).strip()


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _add(verdict: Verdict, *sections: Section) -> Verdict:
    return msgspec.structs.replace(verdict, sections=(*verdict.sections, *sections))
