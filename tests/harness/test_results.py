"""The results document: its schema, its figures, its text, and how it gets onto the disk."""

import json
import os
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.grading import results as documents
from autograder.grading.results import (
    CheckExtra,
    CheckResult,
    Fault,
    ItemRecord,
    LeaderboardEntry,
    RemarkRecord,
    Results,
    ResultsWriter,
    RunExtra,
    encode,
    read_results,
    total,
    with_summary,
)
from autograder.grading.sections import OUTPUT_LIMIT, Section, clean, read_html, render_html, shorten
from autograder.sandbox.proxy import GraderError

SCHEMA = Path(documents.__file__).with_name("results_schema.json")


def check(number="1.1", score=1.0, max_score=1.0, visibility="visible", outcome=None, output="", item="1", cause=None):
    outcome = outcome or ("passed" if score == max_score else "failed")
    return CheckResult(
        number=number,
        name=f"Check {number}",
        score=score,
        max_score=max_score,
        status="passed" if outcome == "passed" else "failed",
        output=output,
        visibility=visibility,
        extra_data=CheckExtra(item, outcome, cause),
    )


def results(*tests, **extra):
    known = {"assignment": "toy", "finished": True, "points": 4, "items": (ItemRecord("1", "First", 4),)}
    run = RunExtra(**(known | extra))
    return with_summary(Results(score=0, execution_time=0.5, tests=tests, extra_data=run))


# ---- The schema -----------------------------------------------------------------------------------------------------


def test_the_schema_in_the_package_is_that_of_the_records():
    assert SCHEMA.read_text() == documents.schema_text(), (
        "python -m autograder.grading.results > autograder/grading/results_schema.json"
    )


def test_a_full_document_is_valid_and_a_wrong_one_is_not():
    fault = Fault("1.1", "it broke", "Traceback")
    document = results(
        check(),
        check("1.2", 0, 2, "after_published", cause="sign_flipped", output="<p>No</p>"),
        faults=(fault,),
        remarks=(RemarkRecord("info", "toy.py", "all is well"),),
    )
    board = (LeaderboardEntry("accuracy", 0.5), LeaderboardEntry("name", "x", "asc"))
    document = msgspec.structs.replace(document, leaderboard=board)
    schema = json.loads(SCHEMA.read_text())
    written = json.loads(encode(document))
    jsonschema.Draft202012Validator(schema).validate(written)
    for place, wrong in (
        ("visibility", "public"),
        ("score", -1),
        ("status", "ok"),
        ("output", "x" * (OUTPUT_LIMIT + 1)),
    ):
        bad = json.loads(encode(document))
        bad["tests"][0][place] = wrong
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(bad)


def test_a_graded_submissions_document_is_valid(suite):
    suite.item("1", 2)
    suite.public("""
        @number("1.1")
        @weight(2)
        @leaderboard("accuracy")
        def test_it(submission, set_leaderboard_value):
            \"\"\"It\"\"\"
            set_leaderboard_value(3)
            raise RuntimeError("ours")
    """)
    written = suite.grade().document
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(written)
    assert isinstance(written["execution_time"], float)


# ---- Figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.1, 0.2], 0.3), ([1 / 3] * 3, 1.0), ([0.333333] * 3, 1.0), ([], 0.0), ([0.25, 0.5], 0.75)],
)
def test_totals_have_no_binary_dust(scores, expected):
    assert total(scores) == expected


def test_the_score_is_the_sum_of_all_checks_hidden_ones_included():
    assert results(check(), check("1.2", 0.5, 2, "after_published")).score == 1.5


def test_the_summary_that_students_read_tells_nothing_of_hidden_checks_but_that_they_exist():
    document = results(check(), check("1.2", 0, 2, "after_published"), check("1.3", 0, 1, "hidden"))
    assert "<td>1 / 1</td><td>1 of 1</td>" in document.output
    assert "1 more check is shown later, worth 2 points in all" in document.output
    assert "3" not in document.output.replace("h4", "")


def test_the_summary_names_remarks_faults_and_an_unfinished_run():
    document = results(
        check(outcome="not_run", score=0),
        finished=False,
        remarks=(RemarkRecord("warning", "Toy.py", "was taken for toy.py"),),
        faults=(Fault("1.1", "secret details"),),
    )
    for words in ("Toy.py", "was taken for toy.py", "not your fault", "had not been run"):
        assert words in document.output
    assert "secret details" not in document.output


# ---- On the disk ----------------------------------------------------------------------------------------------------


def test_what_is_written_is_what_is_read_and_folders_are_made(tmp_path):
    path = tmp_path / "results" / "deep" / "results.json"
    document = results(check())
    ResultsWriter(path).write(document)
    assert read_results(path) == document
    assert os.listdir(path.parent) == ["results.json"]


def test_a_write_that_fails_leaves_the_old_document_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    writer = ResultsWriter(path)
    writer.write(results(check()))

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(GraderError, match="No space left"):
        writer.write(results())
    assert read_results(path) == results(check())
    assert os.listdir(tmp_path) == ["results.json"]


def test_an_unwritable_place_is_named_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GraderError, match=r"results\.json.*Choose a file"):
        ResultsWriter(tmp_path / "file" / "results.json").write(results())


def test_no_path_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ResultsWriter(None).write(results(check()))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{}", '{"score": 1}', "not json"])
def test_a_file_that_is_no_results_document_is_refused_in_words(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(GraderError, match="not a results document"):
        read_results(path)
    with pytest.raises(GraderError):
        read_results(tmp_path / "missing.json")


# ---- Sections and their HTML ----------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cf")), max_size=12)
LINES = st.lists(WORDS.filter(bool), max_size=4)
HEADINGS = WORDS.filter(bool)
SECTIONS = st.one_of(
    st.builds(lambda heading, lines: Section(heading, "\n".join(lines)), HEADINGS, LINES),
    st.builds(lambda heading, lines: Section(heading, "\n".join(lines), True), HEADINGS, LINES.filter(bool)),
    st.builds(lambda heading, row: Section(heading, table=(row,)), HEADINGS, st.tuples(WORDS, WORDS)),
    st.builds(lambda heading: Section(heading, "what it shows", image="aGVsbG8="), HEADINGS),
)


@given(sections=st.lists(SECTIONS, max_size=4))
def test_sections_survive_the_way_through_html_and_back(sections):
    # What cannot be shown is replaced on the way; comparing with what was cleaned before leaves that out.
    cleaned = read_html(render_html(sections))
    assert read_html(render_html(cleaned)) == cleaned
    assert [section.heading for section in cleaned] == [
        " ".join(clean(section.heading).split()) for section in sections
    ]
    assert [section.preformatted for section in cleaned] == [section.preformatted for section in sections]
    assert [bool(section.table) for section in cleaned] == [bool(section.table) for section in sections]
    assert [section.image for section in cleaned] == [section.image for section in sections]


@given(text=st.text(max_size=200), preformatted=st.booleans())
def test_no_text_becomes_markup(text, preformatted):
    rendered = render_html([Section(text, text, preformatted, ((text,),))])
    for tag in ("h4", "p", "br", "pre", "table", "tr", "th", "td"):
        rendered = rendered.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    assert "<" not in rendered
    assert ">" not in rendered
    assert '"' not in rendered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\ud800x", "\N{REPLACEMENT CHARACTER}x"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("one\r\ntwo\rthree", "one\nthree"),
        ("\r 10%\r 90%\r     \rdone", "done"),
        ("\r 10%|█| 1/9 [00:00<00:01, 7.1it/s]\r100%|█| 9/9 [00:01<00:00, 8.2it/s]\n", "100%|█| 9/9 [...]\n"),
        ("took [1, 2] and [3:4]", "took [1, 2] and [3:4]"),
        ("<Layer object at 0x7f3a2b1c9d40>", "<Layer object at 0x...>"),
        ("in /tmp/autograder-x1y2/model.py, line 3", "in model.py, line 3"),
        ("\u202egnp.exe", "\N{REPLACEMENT CHARACTER}gnp.exe"),
        ("0xff is 255\tand\nmore", "0xff is 255\tand\nmore"),
    ],
)
def test_text_is_cleaned_of_what_cannot_be_shown_or_differs_from_run_to_run(text, expected):
    assert clean(text) == expected


def test_cleaned_text_can_be_encoded():
    encode(results(check(output=render_html([Section("\udcff", "\ud83d", True, (("\ude00",),))]))))


def test_a_long_text_is_cut_in_the_middle_with_a_note():
    text = shorten("a" * 500 + "b" * 500, 300)
    assert len(text) <= 300
    assert text.startswith("aaa")
    assert text.endswith("bbb")
    assert "characters left out" in text


@pytest.mark.parametrize("character", ["x", '"', "\n", "é", "\U0001f600"])
def test_an_output_stays_below_the_limit_whatever_it_holds(character):
    sections = [Section("Heading", character * 1_000_000, place % 2 == 0) for place in range(40)]
    rendered = render_html(
        [*sections, Section("Last", "", image="A" * 59_000), Section("Huge", "", image="A" * 70_000)]
    )
    assert len(rendered) <= OUTPUT_LIMIT
    assert rendered.startswith("<h4>Heading</h4>")
    assert "A" * 60_001 not in rendered


def test_a_picture_that_is_too_large_is_left_out_whole():
    assert "too large" in render_html([Section("Curve", "a line", image="A" * 60_001)])


def test_html_from_elsewhere_gives_its_text_alone():
    assert read_html("<script>alert(1)</script><b>bold</b> words<p>more</p>") == [
        Section(body="alert(1)bold words\n\nmore")
    ]
