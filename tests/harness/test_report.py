"""The reports: what a reader of the terminal and of the page gets to see."""

import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from autograder.grading.report import EXPLAINED, fault_text, html_page, print_report, terminal_text
from autograder.grading.results import (
    CheckExtra,
    CheckResult,
    Fault,
    ItemRecord,
    LeaderboardEntry,
    RemarkRecord,
    Results,
    RunExtra,
    with_summary,
)
from autograder.grading.sections import Section, render_html

SECTIONS = (
    Section("", "gradient['W'] is not right.\nThe gradient has the wrong sign."),
    Section("What was called", "layer.backward(X, grad)", True),
    Section("What came", "[[1. 2.]\n [3. 4.]]", True),
    Section("Likely cause", "The gradient has the wrong sign."),
)
ITEMS = (ItemRecord("1", "Linear layer", 6), ItemRecord("2", "ReLU", 4))


def check(number, score=1.0, max_score=1.0, sections=(), name=None, outcome=None, cause=None, visibility="visible"):
    outcome = outcome or ("passed" if score == max_score else "failed")
    return CheckResult(
        number=number,
        name=name or f"Check {number}",
        score=score,
        max_score=max_score,
        status="passed" if outcome == "passed" else "failed",
        output=render_html(sections),
        visibility=visibility,
        extra_data=CheckExtra(number[:1], outcome, cause),
    )


def results(*tests, **extra):
    run = RunExtra(**({"assignment": "toy", "finished": True, "points": 10, "items": ITEMS} | extra))
    return with_summary(Results(score=0, execution_time=1, tests=tests, extra_data=run))


def wrong(number, word="wrong", **options):
    return check(number, 0, sections=(Section("", f"The {word} answer to {number}."), *SECTIONS[1:]), **options)


# ---- On a terminal --------------------------------------------------------------------------------------------------


def test_the_table_gives_points_and_passed_checks_of_each_item_and_the_total():
    text = terminal_text(results(check("1.1"), wrong("1.2"), check("2.1", 2, 2)))
    assert re.search(r"1  Linear layer +1 / 2 +1 of 2", text)
    assert re.search(r"2  ReLU +2 / 2 +1 of 1", text)
    assert re.search(r"Total +3 / 4", text)


def test_three_lines_say_what_to_look_at():
    text = terminal_text(results(check("1.1", 0, sections=SECTIONS, name="backward stores dLoss/dW")))
    start = text.splitlines().index(next(line for line in text.splitlines() if line.startswith("x 1.1")))
    assert [line.strip() for line in text.splitlines()[start : start + 3]] == [
        "x 1.1 backward stores dLoss/dW" + " " * (80 - 30 - 2) + "-1",
        "gradient['W'] is not right.",
        "The gradient has the wrong sign.",
    ]


def test_what_the_first_lines_say_is_not_said_again_and_wrapped_lines_keep_their_indentation():
    came = Section("What came", "the loss is wrong", True)
    expected = Section("What was expected", "something else " * 10, True)
    text = terminal_text(results(check("1.1", 0, sections=(Section("", "The loss is wrong."), came, expected))))
    assert "What came" not in text
    assert all(line.startswith("      something") for line in text.splitlines() if line.strip().startswith("something"))


def test_the_first_failures_are_explained_and_the_others_get_a_line():
    tests = [wrong(f"1.{place}") for place in range(1, EXPLAINED + 3)]
    text = terminal_text(results(*tests), see_rest="autograder check . --verbose")
    assert text.count("layer.backward(X, grad)") == EXPLAINED
    assert "2 more checks did not pass:" in text
    assert "The wrong answer to 1.4." in text
    assert "To see all of it: autograder check . --verbose" in text


def test_everything_explains_every_failure_and_gives_no_hint():
    tests = [wrong(f"1.{place}") for place in range(1, EXPLAINED + 3)]
    text = terminal_text(results(*tests), everything=True, see_rest="autograder check . --verbose")
    assert text.count("layer.backward(X, grad)") == EXPLAINED + 2
    assert "To see all" not in text


def test_a_failure_that_many_checks_share_is_told_once():
    missing = (Section("", "`toy.py` is not in your submission."),)
    tests = [check(f"1.{place}", 0, 0.5, missing, outcome="not_run") for place in range(1, 41)]
    text = terminal_text(results(*tests))
    assert text.count("is not in your submission") == 1
    assert "-20 in 40 checks" in text
    assert "The same holds for 1.2, 1.3," in text
    assert len(text.splitlines()) < 20


def test_nothing_is_explained_where_everything_passed():
    text = terminal_text(results(check("1.1"), check("2.1")), see_rest="--verbose")
    assert "x " not in text
    assert "--verbose" not in text


def test_advice_is_listed_apart_and_costs_nothing():
    advice = check("1.9", 0, 0, (Section("", "You might shift the logits."),), outcome="failed")
    text = terminal_text(results(check("1.1"), advice))
    assert "Advice, which costs nothing:" in text
    assert "You might shift the logits." in text
    assert re.search(r"Total +1 / 1", text)


def test_there_is_no_advice_on_code_that_is_not_written():
    advice = check("1.9", 0, 0, (Section("", "Not written yet."),), outcome="error", cause="not_implemented")
    assert "Not written yet" not in terminal_text(results(check("1.1"), advice))


def test_a_fault_of_the_grader_is_not_told_as_a_failure_of_the_submission():
    broken = check("1.1", 0, 1, (Section("", "Not your fault."),), outcome="not_run", cause="grader_error")
    document = results(broken, faults=(Fault("1.1", "KeyError: 'W'", "Traceback: line 3"),))
    text = terminal_text(document)
    assert "The autograder itself failed in 1.1." in text
    assert "x 1.1" not in text
    assert fault_text(document) == "checks 1.1: KeyError: 'W'\nTraceback: line 3"
    assert fault_text(results()) == ""


def test_one_mistake_in_many_checks_is_told_once():
    faults = tuple(Fault(f"1.{place}", "KeyError: 'W'", "line 3") for place in range(3))
    assert fault_text(results(faults=faults)) == "checks 1.0, 1.1, 1.2: KeyError: 'W'\nline 3"


def test_an_unfinished_run_and_remarks_are_told():
    remark = RemarkRecord("warning", "Toy.py", "It was taken for toy.py.")
    text = terminal_text(results(check("1.1"), finished=False, remarks=(remark,)))
    assert "The run did not end" in text
    assert "Note: Toy.py: It was taken for toy.py." in text


def test_plain_text_fits_eighty_columns_and_has_no_codes():
    long = Section("What came", "word " * 100)
    tests = [
        check("1.1", 0, sections=(Section("", "long " * 60), long), name="A name " * 20),
        wrong("1.2"),
        wrong("1.3"),
    ]
    text = terminal_text(
        results(*tests, remarks=(RemarkRecord("info", "f" * 60, "text " * 40),)), title="A title " * 20
    )
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert not re.search(r" $", text, re.MULTILINE)


def test_a_students_text_is_never_taken_for_markup_or_codes():
    hostile = Section("", "[red]not red[/red] :smile: \x1b[31mno\x1b[0m")
    text = terminal_text(results(check("1.1", 0, sections=(hostile,), name="[bold]name[/bold]")))
    assert "[red]not red[/red] :smile: no" in text
    assert "[bold]name[/bold]" in text


class Stream(io.TextIOWrapper):
    """A stream that says whether it is a terminal, and takes only what its encoding holds."""

    def __init__(self, terminal, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self._terminal = terminal

    def isatty(self):
        return self._terminal

    def text(self):
        return self.buffer.getvalue().decode(self.encoding)


def test_colour_comes_only_to_a_terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for terminal in (True, False):
        stream = Stream(terminal)
        print_report(results(wrong("1.1")), file=stream)
        assert ("\x1b[" in stream.text()) is terminal
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Stream(True)
    print_report(results(wrong("1.1")), file=stream)
    assert "\x1b[3" not in stream.text()


@pytest.mark.parametrize("terminal", [True, False])
def test_an_old_encoding_costs_characters_but_not_the_report(terminal):
    stream = Stream(terminal, "cp1252")
    print_report(results(check("1.1", 0, sections=(Section("", "∂L/∂W → 完"),))), file=stream)
    assert "Linear layer" in stream.text()


def test_tables_and_pictures_have_words_on_a_terminal():
    shown = (
        Section("", "No"),
        Section("Runs", table=(("epoch", "loss"), ("1", "0.25"))),
        Section("Curve", "a falling line", image="aGk="),
    )
    text = terminal_text(results(check("1.1", 0, sections=shown)))
    assert "epoch  loss" in text
    assert "1      0.25" in text
    assert "[picture: a falling line]" in text


# ---- As a page ------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Checks that tags are balanced, and keeps the tags, attributes and words."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], set(), [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def test_the_page_is_whole_and_shows_each_check_with_its_points():
    document = results(check("1.1", 2, 2), wrong("1.2"), check("2.1", 0.5, 4, visibility="after_published"))
    board = (LeaderboardEntry("accuracy", 0.123456789), LeaderboardEntry("team", "x"))
    page = Page(html_page(msgspec.structs.replace(document, leaderboard=board)))
    assert page.open == []
    for words in (
        "1.1) Check 1.1",
        "2 / 2",
        "The wrong answer to 1.2.",
        "2.5 / 7",
        "once grades are published",
        "0.123457",
    ):
        assert words in page.words


def test_failures_are_open_and_the_rest_is_collapsed():
    page = html_page(results(check("1.1"), wrong("1.2"), check("1.3", 0, 0, outcome="failed")))
    assert re.findall(r'<details class="(\w+)"( open)?>', page) == [("good", ""), ("bad", " open"), ("plain", "")]


def test_the_page_loads_nothing_and_runs_nothing():
    picture = check("1.1", 0, sections=(Section("Curve", "a line", image="aGk="),))
    page = Page(html_page(results(picture, wrong("1.2"))))
    assert page.tags.isdisjoint({"script", "link", "iframe", "object", "form", "base"})
    sources = [value for name, value in page.attributes if name in ("src", "href", "style")]
    assert sources == ["data:image/png;base64,aGk="]
    assert "url(" not in page.words
    assert "@import" not in page.words


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&'


def test_hostile_text_anywhere_stays_text():
    hostile = CheckResult(
        number=HOSTILE,
        name=HOSTILE,
        score=0,
        max_score=1,
        output=HOSTILE + "<style>body{display:none}</style>",  # as a document from elsewhere might bring it
        tags=(HOSTILE,),
        extra_data=CheckExtra("1", "failed", None),
    )
    items = (ItemRecord("1", HOSTILE, 1),)
    remark = RemarkRecord("info", HOSTILE, HOSTILE)
    document = results(hostile, items=items, remarks=(remark,), assignment=HOSTILE)
    document = msgspec.structs.replace(document, leaderboard=(LeaderboardEntry(HOSTILE, HOSTILE),))
    page = Page(html_page(document, title=HOSTILE))
    assert page.open == []
    assert page.tags.isdisjoint({"script", "img"})
    assert all(
        name in ("lang", "charset", "name", "content", "class", "open", "aria-label") for name, _ in page.attributes
    )
    assert "alert(1)" in page.words


def test_what_only_students_are_told_later_is_no_notice_to_the_instructor():
    page = html_page(results(check("1.1"), check("1.2", 0, visibility="after_published")))
    assert "shown later" not in page
    assert 'class="notice"' not in page


# ---- What a run that prints nothing pays -----------------------------------------------------------------------------


def test_grading_alone_imports_no_library_of_the_reports():
    program = "import sys, autograder.grading.run, autograder.grading.report; print(*sys.modules)"
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True)
    assert {"rich", "jsonschema", "matplotlib", "sklearn", "scipy"}.isdisjoint(run.stdout.split())
