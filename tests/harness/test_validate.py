"""`autograder validate`: a course in a folder, its checks tried, and told what they missed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from autograder.assignment import load_assignment
from autograder.validation import stability
from autograder.validation.cache import Cache, _imported
from autograder.validation.catalogue import (
    Bug,
    Catalogue,
    CatalogueError,
    Change,
    Equivalent,
    changed,
    load_catalogue,
)
from autograder.validation.report import Findings, explain, summary, table
from autograder.validation.variants import (
    Submission,
    Variant,
    generated_mutants,
    known_variants,
    reference_variant,
)
from autograder.validation.verdicts import Outcome, named, standing_of, wrong_causes
from autograder.validation.warm import Job, grade_all

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="validation forks, on Linux")

ASSIGNMENT = """
id = "numbers"
title = "Numbers"
course = "Toys"
points = 3
main = "sums.py"
preloads = ["numpy"]
[files]
required = ["sums.py"]
[budgets]
call_seconds = 1
check_seconds = 2
[[items]]
id = "1"
title = "Twice"
points = 2
handout = "page 1"
[[items]]
id = "2"
title = "Half"
points = 1
handout = "page 2"
"""
REFERENCE = '''"""Numbers."""


def twice(x):
    # BEGIN SOLUTION 1
    # | Return twice x.
    return x + x
    # END SOLUTION


def half(x):
    # BEGIN SOLUTION 2
    # | Return half of x.
    return x / 2
    # END SOLUTION
'''
CHECKS = '''
from gradescope_utils.autograder_utils.decorators import *
from autograder.checks.compare import assert_close


@number("1.1")
@weight(2)
@tags("public")
def test_twice(submission):
    """twice doubles"""
    assert_close(submission.twice(3), 6, "twice(3)")


@number("2.1")
@weight(1)
@tags("public")
def test_half(submission):
    """half halves"""
    assert_close(submission.half(6), 3, "half(6)")
'''
BUGS = """
[[bug]]
name = "negative"
what = "The sign is wrong."
item = "1"
cause = "sign_flipped"
[[bug.change]]
old = "x + x"
new = "-x - x"
"""
BLIND = """
[[bug]]
name = "only_for_three"
what = "Right for 3 alone."
item = "1"
cause = "off_by_one"
[[bug.change]]
old = "x + x"
new = "x + 3"
"""
REWRITES = """
[[rewrite]]
name = "product"
what = "A product."
[[rewrite.change]]
old = "x + x"
new = "2 * x"
"""


@pytest.fixture
def course(tmp_path):
    """A course with one homework of two small functions."""
    for name, text in {
        "tests/numbers/assignment.toml": ASSIGNMENT,
        "tests/numbers/public/test_numbers.py": CHECKS,
        "tests/numbers/hidden/.keep": "",
        "tests/numbers/validity/bugs.toml": BUGS,
        "tests/numbers/validity/rewrites.toml": REWRITES,
        "reference/numbers/sums.py": REFERENCE,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def add(course, name, text):
    path = course / "tests" / "numbers" / "validity" / name
    path.write_text((path.read_text() if path.exists() else "") + text)


def load(course):
    return load_assignment(course / "tests" / "numbers")


def validate(course, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "autograder", "validate", "numbers", *arguments],
        env={**os.environ, "AUTOGRADER_ROOT": str(course), "PYTHONPATH": str(ROOT)},
        cwd=course,
        capture_output=True,
        text=True,
        check=False,
    )


# ---- The command ----------------------------------------------------------------------------------------------------


def test_checks_that_catch_every_bug_and_spare_every_rewrite_are_all_well(course):
    result = validate(course, "--bugs", "--rewrites")
    assert result.returncode == 0, result.stdout + result.stderr
    last = result.stdout.splitlines()[-1]
    assert last.startswith("numbers: 1 of 1 known bugs caught; 1 named, 0 misnamed;")
    assert last.endswith(": all well")


def test_a_bug_that_costs_nothing_is_shown_with_its_diff(course):
    add(course, "bugs.toml", BLIND)
    result = validate(course, "--bugs")
    assert result.returncode == 1
    assert "only_for_three cost nothing. Right for 3 alone." in result.stdout
    assert "+    return x + 3" in result.stdout
    assert "1 of 2 known bugs caught" in result.stdout.splitlines()[-1]


def test_a_rewrite_that_loses_points_is_a_false_alarm(course):
    add(course, "rewrites.toml", REWRITES.replace("product", "wrong").replace("2 * x", "3 * x"))
    result = validate(course, "--rewrites")
    assert result.returncode == 1
    assert "wrong is right, and lost points" in result.stdout
    assert re.search(r"1 false alarms in \d+ rewrites", result.stdout.splitlines()[-1])


def test_mutants_that_survive_are_shown_and_may_be_listed_as_equivalent(course):
    result = validate(course, "--mutants")
    survivors = re.findall(r"^generated mutants: (\S+) cost nothing", result.stdout, re.MULTILINE)
    assert (result.returncode == 1) == bool(survivors)
    for name in survivors:
        add(course, "equivalent.toml", f'[[equivalent]]\nmutant = "{name}"\nchange = "see"\nreason = "for the test"\n')
    again = validate(course, "--mutants")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 of" in again.stdout.splitlines()[-1]
    assert f"{len(survivors)} as listed" in again.stdout.splitlines()[-1]


@pytest.fixture
def mutant_elsewhere(course):
    """The id of a mutant of item 2's code that costs points on item 1 alone."""
    checks = CHECKS.replace("submission.twice(3)", "submission.twice(submission.half(6))")
    checks = checks.replace("submission.half(6), 3,", "6 / 2, 3,")
    (course / "tests" / "numbers" / "public" / "test_numbers.py").write_text(checks)
    listing = validate(course, "--mutants", "--list").stdout
    return re.search(r"^mutant (\S+:half:\S+):", listing, re.MULTILINE)[1]


@pytest.mark.parametrize(
    ("entry", "returncode", "told"),
    [
        ("", 1, "none on its own item"),
        ("item = '1'", 0, "all well"),
        ("item = '7'", 2, "no such item: 7"),
    ],
)
def test_a_reviewed_mutant_may_cost_on_another_item(course, mutant_elsewhere, entry, returncode, told):
    if entry:
        add(course, "equivalent.toml", f"[[equivalent]]\nmutant = '{mutant_elsewhere}'\nchange = 'x'\nreason = 'y'\n")
        add(course, "equivalent.toml", entry)
    result = validate(course, "--only", mutant_elsewhere)
    assert result.returncode == returncode, result.stdout + result.stderr
    assert told in result.stdout + result.stderr


def test_a_list_of_equivalent_mutants_that_is_out_of_date_is_an_error(course):
    add(course, "equivalent.toml", '[[equivalent]]\nmutant = "gone"\nchange = "x"\nreason = "y"\n')
    result = validate(course)
    assert result.returncode == 2
    assert "lists mutants that there are not" in result.stderr
    assert "gone" in result.stderr


def test_a_second_run_grades_nothing(course, monkeypatch):
    assert validate(course, "--bugs").returncode == 0
    kept = sorted((course / ".cache" / "validate" / "numbers").iterdir())
    times = [path.stat().st_mtime_ns for path in kept]
    assert kept
    assert validate(course, "--bugs").returncode == 0
    assert [path.stat().st_mtime_ns for path in kept] == times


def test_the_listing_shows_diffs_and_grades_nothing(course):
    result = validate(course, "--list", "--only", "negative")
    assert result.returncode == 0
    assert "+    return -x - x" in result.stdout
    assert not (course / ".cache").exists()


def test_an_unknown_variant_is_an_error(course):
    result = validate(course, "--only", "nothing_like_it")
    assert result.returncode == 2
    assert "has no variant nothing_like_it" in result.stderr


def test_the_table_stands_where_the_page_has_its_place(course):
    page = course / "page.md"
    rows = ["| homework | old |", "|---|---|", "| numbers | old |", "| other | kept |"]
    begin, end = "<!-- made by `autograder validate --table` -->", "<!-- end -->"
    page.write_text("\n".join(["Before", begin, *rows, end, "After\n"]))
    assert validate(course, "--bugs", "--table", str(page)).returncode == 0
    text = page.read_text()
    assert "\n| other | kept |\n" in text
    assert "| numbers | 1 of 1 | 1 of 1 (100%) | 0 of 1 |" in text
    assert text.startswith("Before\n")
    assert text.endswith("-->\nAfter\n")
    assert "old" not in text


def test_a_page_without_a_place_for_the_table_is_an_error_before_anything_is_graded(course):
    (course / "page.md").write_text("Nothing here")
    result = validate(course, "--table", "page.md")
    assert result.returncode == 2
    assert "has no place for the table" in result.stderr
    assert not (course / ".cache").exists()


def test_repetition_finds_a_document_that_differs(course):
    public = course / "tests" / "numbers" / "public" / "test_numbers.py"
    public.write_text(CHECKS + "\n\nassert_close.__doc__\n")
    result = validate(course, "--only", "negative", "--stability", "--rounds", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 of 2 repeated gradings differ" in result.stdout.splitlines()[-1]
    # A check whose message depends on the hash seed of its process.
    public.write_text(CHECKS.replace('"twice(3)"', 'f"twice(3) {hash(str(3))}"'))
    result = validate(course, "--only", "negative", "--stability", "--rounds", "2")
    assert result.returncode == 1
    assert "1 of 2 repeated gradings differ" in result.stdout.splitlines()[-1]
    assert "bug negative: round 2: .tests.0.output" in result.stdout


# ---- The catalogue --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("bugs.toml", BUGS.replace('item = "1"', 'item = "7"'), "no such item: 7"),
        ("bugs.toml", BUGS.replace("sign_flipped", "bad_luck"), "no such cause: bad_luck"),
        ("bugs.toml", BUGS + BUGS, "used twice: negative"),
        ("bugs.toml", BUGS.replace("what =", "waht ="), "waht"),
        ("rewrites.toml", "[[rewrite", "rewrites.toml"),
    ],
)
def test_a_slip_in_the_catalogue_is_told(course, name, text, told):
    (course / "tests" / "numbers" / "validity" / name).write_text(text)
    with pytest.raises(CatalogueError, match=re.escape(told)):
        load_catalogue(load(course))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change(old="return", new="yield"), "exactly once, not 2 times"),
        (Change(old="no such text", new=""), "exactly once, not 0 times"),
        (Change(old="", new="x"), "exactly once, not 0 times"),
        (Change(old="x + x", new="x + x"), "changes nothing"),
        (Change(file="other.py", old="x", new="y"), "no file 'other.py'"),
    ],
)
def test_a_change_that_does_not_fit_is_told(course, change, told):
    with pytest.raises(CatalogueError, match=re.escape(told)):
        changed({"sums.py": REFERENCE}, [change], load(course))


def test_changes_follow_each_other_and_files_can_be_left_out(course):
    changes = [Change(old="x + x", new="2 * x"), Change(old="2 * x", new="x * 2"), Change(file="a.pt", delete=True)]
    files = changed({"sums.py": REFERENCE, "a.pt": ""}, changes, load(course))
    assert files == {"sums.py": REFERENCE.replace("x + x", "x * 2"), "a.pt": None}


def test_an_entry_that_does_not_fit_is_named(course):
    assignment = load(course)
    catalogue = Catalogue(bugs=(Bug(name="lost", what="", item="1", cause="raises", change=(Change(old="?"),)),))
    with pytest.raises(CatalogueError, match="numbers: lost: what is to be replaced"):
        known_variants(assignment, catalogue, Submission(assignment))


@pytest.mark.parametrize("homework", sorted(path.parent.name for path in ROOT.glob("tests/*/validity")))
def test_the_catalogues_fit_the_references(homework):
    assignment = load_assignment(ROOT / "tests" / homework)
    catalogue = load_catalogue(assignment)
    submission = Submission(assignment)
    variants = known_variants(assignment, catalogue, submission)
    assert len({variant.key for variant in variants}) == len(catalogue.bugs) + len(catalogue.rewrites)
    assert len(catalogue.bugs) >= 30
    generated_mutants(assignment, catalogue, submission)  # raises where the list of equivalent ones is out of date


# ---- Verdicts -------------------------------------------------------------------------------------------------------

BUG = Bug(name="b", what="", item="1", cause="transposed", also=("2",), accepts=("wrong_axis",), change=())
EQUIVALENT = Equivalent("m", "", "")


@pytest.mark.parametrize(
    ("variant", "lost", "standing"),
    [
        (Variant("bug", "b", "", {}, items=("1",), bug=BUG), {"1": 1.0}, "right"),
        (Variant("bug", "b", "", {}, items=("1",), bug=BUG), {"1": 1.0, "2": 1.0}, "right"),
        (Variant("bug", "b", "", {}, items=("1",), bug=BUG), {"1": 1.0, "3": 1.0}, "spilled"),
        (Variant("bug", "b", "", {}, items=("1",), bug=BUG), {"2": 1.0}, "elsewhere"),
        (Variant("bug", "b", "", {}, items=("1",), bug=BUG), {}, "survived"),
        (Variant("mutant", "m", "", {}, items=("1",)), {"1": 0.5, "3": 1.0}, "right"),
        (Variant("mutant", "m", "", {}, items=("1", "2")), {"2": 0.5}, "right"),
        (Variant("mutant", "m", "", {}, items=("1",)), {}, "survived"),
        (Variant("mutant", "m", "", {}, items=("1",), equivalent=EQUIVALENT), {}, "right"),
        (Variant("mutant", "m", "", {}, items=("1",), equivalent=EQUIVALENT), {"1": 1.0}, "listed"),
        (Variant("rewrite", "r", "", {}), {}, "right"),
        (Variant("rewrite", "r", "", {}), {"1": 0.5}, "false alarm"),
        (reference_variant(), {"1": 0.5}, "false alarm"),
    ],
)
def test_what_a_loss_says_of_the_checks(variant, lost, standing):
    assert standing_of(variant, Outcome(lost)) == standing
    assert standing_of(variant, Outcome(lost, failure="the grader broke")) == "grader failed"


def test_a_cause_is_wrong_unless_it_is_expected_accepted_or_merely_observed():
    bug = Variant("bug", "b", "", {}, items=("1",), bug=BUG)
    told = Outcome({"1": 1.0}, {"1": ["transposed", "wrong_axis", "raises"]})
    assert named(bug, told)
    assert wrong_causes(bug, told) == []
    elsewhere = Outcome({"1": 1.0, "2": 1.0}, {"1": ["wrong_shape"], "2": ["sign_flipped", "transposed"]})
    assert not named(bug, elsewhere)
    assert wrong_causes(bug, elsewhere) == ["sign_flipped"]


def findings(course, outcome, repeated=None):
    assignment = load(course)
    submission = Submission(assignment)
    variants = known_variants(assignment, load_catalogue(assignment), submission)
    return Findings(assignment, "abc", submission, variants, {v.key: outcome(v) for v in variants}, repeated)


def test_a_wrong_cause_falls_short_even_where_the_bug_is_caught(course):
    found = findings(course, lambda v: Outcome({"1": 2.0}, {"1": ["transposed"]}) if v.kind == "bug" else Outcome())
    assert found.shortfalls() == 1
    assert "negative was told a wrong cause: expected sign_flipped, told transposed." in list(explain(found))
    assert summary(found).endswith("1 fall short")
    assert "| numbers | 1 of 1 | 0 of 1 (0%) | 1 of 1 |" in table([found])


def test_a_grading_that_failed_falls_short_and_says_why(course):
    found = findings(course, lambda variant: Outcome(failure="no space left"))
    assert found.shortfalls() >= 2
    assert any("no space left" in text for text in explain(found))


def test_repeated_gradings_that_differ_fall_short(course):
    right = {"bug": Outcome({"1": 2.0}, {"1": ["sign_flipped"]}), "rewrite": Outcome()}
    assert findings(course, lambda variant: right[variant.kind]).shortfalls() == 0
    assert findings(course, lambda variant: right[variant.kind], repeated=(9, 2)).shortfalls() == 2


# ---- Keeping outcomes -----------------------------------------------------------------------------------------------


def test_an_outcome_is_kept_under_its_content(course, tmp_path):
    cache = Cache(tmp_path / "kept", load(course))
    key = cache.key({"a.py": b"1"}, "", False)
    assert cache.get(key) is None
    cache.put(key, Outcome({"1": 0.5}, {"1": ["raises"]}))
    assert cache.get(key) == Outcome({"1": 0.5}, {"1": ["raises"]})
    others = [cache.key({"a.py": b"2"}, "", False), cache.key({"b.py": b"1"}, "", False)]
    others += [cache.key({"a.py": b"1"}, "1", False), cache.key({"a.py": b"1"}, "", True), cache.key({"a.py": None})]
    assert key not in others


def test_a_failure_of_the_grader_is_not_kept_and_a_broken_entry_is_none(course, tmp_path):
    cache = Cache(tmp_path / "kept", load(course))
    cache.put("0" * 32, Outcome(failure="the disk was full"))
    assert cache.get("0" * 32) is None
    cache.put("1" * 32, Outcome())
    (tmp_path / "kept" / "numbers" / ("1" * 32 + ".json")).write_text("{half")
    assert cache.get("1" * 32) is None


@pytest.mark.parametrize("name", ["tests/numbers/public/test_numbers.py", "reference/numbers/sums.py"])
def test_another_check_or_reference_is_another_grader(course, name):
    before = Cache(None, load(course)).grader
    add_to = course / name
    add_to.write_text(add_to.read_text() + "\n")
    assert Cache(None, load(course)).grader != before


def test_only_what_the_checks_import_is_part_of_the_grader(course):
    """A change of a helper that other homeworks use alone does not have this one graded anew."""
    found = {path.name for path in _imported([course / "tests" / "numbers" / "public" / "test_numbers.py"])}
    assert {"__init__.py", "compare.py", "diagnose.py"} <= found
    assert not {"checkers.py", "networks.py", "validate.py"} & found


def test_another_catalogue_is_the_same_grader(course):
    before = Cache(None, load(course)).grader
    add(course, "bugs.toml", BLIND)
    assert Cache(None, load(course)).grader == before


# ---- Grading by forks -----------------------------------------------------------------------------------------------


def job(name, source):
    def prepare(folder):
        (folder / "submission").mkdir()
        (folder / "submission" / "sums.py").write_text(source)
        return folder / "submission"

    return Job(name, prepare)


def test_every_job_is_graded_by_itself(course):
    sources = {"right": REFERENCE, "wrong": REFERENCE.replace("x + x", "x"), "ends": "import os\nos._exit(0)\n"}
    jobs = [job(name, source) for name, source in sources.items()]
    scores = {done.name: graded.results.score for done, graded in grade_all(load(course), jobs, processes=2)}
    assert scores == {"right": 3, "wrong": 1, "ends": 0}


def test_a_run_until_the_first_loss_ends_there(course):
    first = job("wrong", REFERENCE.replace("x + x", "x"))
    [(_, graded)] = grade_all(load(course), [msgspec.structs.replace(first, until_loss=True)], processes=1)
    assert [check.extra_data.outcome for check in graded.results.tests] == ["failed", "not_run"]
    assert not graded.failure


def test_a_grading_that_is_killed_is_a_failure_of_the_grader(course):
    def kills_its_grading(folder):
        return folder / "no such submission"

    def dies(folder):
        raise AssertionError

    [(_, graded)] = grade_all(load(course), [Job("lost", kills_its_grading)], processes=1)
    assert "no document was written" in graded.failure
    assert "no such submission" in graded.failure
    with pytest.raises(AssertionError):
        list(grade_all(load(course), [Job("dies", dies)], processes=1))


def test_leaving_early_ends_what_is_under_way(course):
    gradings = grade_all(load(course), [job("a", REFERENCE), job("b", REFERENCE + "while True: pass\n")], processes=2)
    next(gradings)
    gradings.close()
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert [c for c in children if "autograder" in Path(f"/proc/{c}/cmdline").read_text()] == []


def test_the_document_compared_leaves_out_times_alone(course):
    [(_, graded)] = grade_all(load(course), [job("right", REFERENCE)], processes=1)
    later = msgspec.structs.replace(graded.results, execution_time=99.0)
    lower = msgspec.structs.replace(graded.results, score=2.0)
    assert stability.comparable(later) == stability.comparable(graded.results)
    assert stability.comparable(lower) != stability.comparable(graded.results)
