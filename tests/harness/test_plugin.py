"""The plugin, end to end: a tiny suite is written and graded, and results.json is looked at."""

import importlib
import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import hypothesis
import pytest

from autograder.sandbox.proxy import Frame, GraderError, StudentCrash, StudentError, StudentTimeout

ONE_CHECK = """
@number("1.1")
@weight(2)
def test_double(submission):
    \"\"\"double doubles\"\"\"
    assert submission.double(3) == 6, "double(3) is not 6"
"""


@pytest.fixture
def one_item(suite):
    """A suite whose only item has 2 points."""
    suite.item("1", 2)
    return suite


def raising(error):
    def function(*_):
        raise error

    return function


# ---- The faults of gradescope-utils' own runner, none of which may happen here --------------------------------------


def test_a_failed_subtest_is_one_failed_entry(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        def test_many(submission, subtests):
            \"\"\"All numbers\"\"\"
            for number in range(4):
                with subtests.test(number=number):
                    assert submission.double(number) == 2 * number, f"wrong for {number}"
    """)
    graded = one_item.grade(one_item.fake(double=lambda x: 4 if x == 3 else 2 * x))
    assert graded.numbers == ["1.1"]
    assert graded["1.1"]["status"] == "failed"
    assert graded["1.1"]["score"] == 0
    assert "wrong for 3" in graded["1.1"]["output"]


@pytest.mark.parametrize("skip", ['pytest.skip("not today")', "pytest.importorskip('no_such_module')"])
def test_a_check_that_skips_itself_is_listed_as_a_fault(one_item, skip):
    one_item.public(f"""
        @number("1.1")
        @weight(2)
        def test_skips():
            \"\"\"Skips\"\"\"
            {skip}
    """)
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"] == {"item": "1", "outcome": "not_run", "cause": "grader_error"}
    assert graded["1.1"]["max_score"] == 2
    assert "not your fault" in graded["1.1"]["output"]
    assert graded.report.exit_code == 3
    assert "skipped itself" in graded.faults


def test_a_check_marked_to_be_skipped_is_listed_as_a_fault(one_item):
    one_item.public("@pytest.mark.skip(reason='flaky')" + ONE_CHECK)
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"]["cause"] == "grader_error"
    assert "flaky" in graded.faults


def test_advice_may_skip_itself_and_is_listed(suite):
    suite.item("1", 2)
    suite.public(ONE_CHECK)
    suite.public(
        """
        @number("1.2")
        @weight(0)
        def test_advice():
            \"\"\"Some advice\"\"\"
            pytest.skip("nothing to say")
        """,
        "test_advice.py",
    )
    graded = suite.grade()
    assert graded["1.2"]["extra_data"] == {"item": "1", "outcome": "not_run", "cause": "skipped"}
    assert "nothing to say" in graded["1.2"]["output"]
    assert "status" not in graded["1.2"]
    assert graded.report.exit_code == 0


@pytest.mark.parametrize("arguments", ["", "(strict=True)", "(run=False)"])
@pytest.mark.parametrize(("right", "score"), [(True, 2), (False, 0)])
def test_an_expected_failure_is_graded_like_any_check(one_item, arguments, right, score):
    one_item.public(f"@pytest.mark.xfail{arguments}" + ONE_CHECK)
    graded = one_item.grade(one_item.fake(double=lambda x: 6 if right else 7))
    assert graded["1.1"]["score"] == score
    assert graded["1.1"]["extra_data"]["outcome"] == ("passed" if right else "failed")


def test_calling_xfail_does_not_hide_a_check(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        def test_gives_up():
            \"\"\"Gives up\"\"\"
            pytest.xfail("known bug")
    """)
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"]["cause"] != "skipped"
    assert graded.numbers[0] == "1.1"


@pytest.mark.parametrize("scope", ["module", "class", "function"])
def test_a_failing_fixture_loses_no_check_and_is_no_students_fault(one_item, scope):
    one_item.public(f"""
        @pytest.fixture(scope="{scope}")
        def prepared():
            raise OSError("the data is gone")

        class TestAll:
            @number("1.1")
            @weight(1)
            def test_one(self, submission, prepared):
                \"\"\"One\"\"\"

            @number("1.2")
            @weight(1)
            def test_two(self, submission):
                \"\"\"Two\"\"\"
    """)
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"]["cause"] == "grader_error"
    assert graded["1.2"]["score"] == 1
    assert "the data is gone" not in graded["1.1"]["output"]
    assert "the data is gone" in graded.faults


def test_partial_credit_without_a_score_gives_nothing_and_tells_the_instructor(one_item):
    one_item.public("""
        @number("1.1")
        @partial_credit(2)
        def test_partial(set_score=None):
            \"\"\"Partial\"\"\"
    """)
    graded = one_item.grade()
    assert graded["1.1"]["score"] == 0
    assert graded["1.1"]["max_score"] == 2
    assert graded["1.1"]["extra_data"]["cause"] == "grader_error"
    assert "set_score" in graded.faults


@pytest.mark.parametrize(
    ("set_to", "score", "status"),
    [
        ("1.5", 1.5, "failed"),
        ("2", 2, "passed"),
        ("7", 2, "passed"),
        ("-1", 0, "failed"),
        ("np.float64(1)", 1, "failed"),
    ],
)
def test_a_partial_score_is_kept_between_nothing_and_the_weight(one_item, set_to, score, status):
    one_item.public(f"""
        @number("1.1")
        @partial_credit(2)
        def test_partial(set_score=None):
            \"\"\"Partial\"\"\"
            set_score({set_to})
    """)
    graded = one_item.grade()
    assert (graded["1.1"]["score"], graded["1.1"]["status"]) == (score, status)
    assert graded.document["score"] == score


@pytest.mark.parametrize("score", ["float('nan')", "'2'", "None"])
def test_a_score_that_is_no_number_is_a_fault(one_item, score):
    one_item.public(f"""
        @number("1.1")
        @partial_credit(2)
        def test_partial(set_score):
            \"\"\"Partial\"\"\"
            set_score({score})
    """)
    assert one_item.grade()["1.1"]["extra_data"]["cause"] == "grader_error"


def test_a_leaderboard_check_keeps_its_points_and_fills_its_column(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        @leaderboard("accuracy", "desc")
        def test_board(submission, set_leaderboard_value=None):
            \"\"\"Board\"\"\"
            set_leaderboard_value(np.float32(0.5))
    """)
    graded = one_item.grade()
    assert graded["1.1"]["score"] == 2
    assert graded.document["leaderboard"] == [{"name": "accuracy", "value": 0.5, "order": "desc"}]


def test_a_leaderboard_value_that_is_not_finite_is_left_out(one_item):
    one_item.public("""
        @leaderboard("loss", "asc")
        @number("1.1")
        @weight(2)
        def test_board(submission, set_leaderboard_value):
            \"\"\"Board\"\"\"
            set_leaderboard_value(float("nan"))
    """)
    graded = one_item.grade()
    assert graded.document["leaderboard"] == []
    assert graded["1.1"]["score"] == 2


def test_hide_errors_hides_the_error_and_what_was_printed(one_item):
    one_item.public('@hide_errors("Have another look.")' + ONE_CHECK)
    graded = one_item.grade(one_item.fake(double=raising(StudentError("ValueError", "secret")), printed="also secret"))
    assert "Have another look." in graded["1.1"]["output"]
    assert "secret" not in graded["1.1"]["output"]
    assert graded["1.1"]["extra_data"]["outcome"] == "error"


def test_ending_the_process_costs_only_the_checks_that_call_it(suite):
    suite.item("1", 2)
    suite.public("""
        @number("1.1")
        @weight(1)
        def test_exit(submission):
            \"\"\"Exits\"\"\"
            submission.leave()

        @number("1.2")
        @weight(1)
        def test_double(submission):
            \"\"\"Doubles\"\"\"
            assert submission.double(2) == 4
    """)
    graded = suite.grade_source("""
        import os

        def leave():
            os._exit(0)

        def double(x):
            return 2 * x
    """)
    assert graded["1.1"]["extra_data"] == {"item": "1", "outcome": "crash", "cause": "crash"}
    assert graded["1.2"]["score"] == 1
    assert graded.report.exit_code == 0


# ---- Decorators, in any order ---------------------------------------------------------------------------------------


NUMBER, SCORE, TAGS, GIVEN = (
    "@number('1.1')",
    "@partial_credit(2)",
    "@tags('public', 'fast')",
    "@given(x=st.integers())",
)
FEWER = "@settings(max_examples=5)"


@pytest.mark.parametrize(
    "decorators",
    [
        [GIVEN, NUMBER, SCORE, TAGS],
        [NUMBER, SCORE, TAGS, GIVEN],
        [SCORE, GIVEN, TAGS, NUMBER],
        [TAGS, FEWER, GIVEN, NUMBER, SCORE],
        [FEWER, NUMBER, "@given(st.integers())", SCORE, TAGS],
    ],
)
def test_decorators_work_above_and_below_given(one_item, decorators):
    one_item.public(
        "\n".join(decorators)
        + '''
def test_check(submission, set_score, x):
    """Title"""
    set_score(2 if submission.double(x) == 2 * x else 0)
'''
    )
    graded = one_item.grade()
    assert graded["1.1"]["score"] == 2
    assert graded["1.1"]["tags"] == ["public", "fast"]


@pytest.mark.parametrize("above", [True, False])
def test_each_parameter_set_is_a_check_with_its_own_number(suite, above):
    suite.item("1", 3)
    parametrize = "@pytest.mark.parametrize('size', [1, 2, 3])"
    order = [parametrize, "@weight(1)", "@given(x=st.integers())", "@number('1.7')"]
    suite.public(
        "\n".join(order if above else order[::-1])
        + '''
def test_sizes(submission, size, x):
    """Sizes"""
    assert size < 3, "too large"
'''
    )
    graded = suite.grade()
    assert graded.numbers == ["1.7.1", "1.7.2", "1.7.3"]
    assert [test["score"] for test in graded.document["tests"]] == [1, 1, 0]
    assert graded["1.7.2"]["name"] == "Sizes [2]"


def test_a_score_of_one_parameter_set_does_not_count_for_the_next(one_item):
    one_item.public("""
        @pytest.mark.parametrize("first", [True, False])
        @number("1.1")
        @partial_credit(1)
        def test_partial(first, set_score=None):
            \"\"\"Partial\"\"\"
            if first:
                set_score(1)
    """)
    graded = one_item.grade()
    assert graded["1.1.1"]["score"] == 1
    assert graded["1.1.2"]["extra_data"]["cause"] == "grader_error"


def test_the_lowest_score_of_all_examples_counts(one_item):
    one_item.public("""
        @number("1.1")
        @partial_credit(2)
        @given(x=st.integers(0, 9))
        def test_partial(submission, set_score, x):
            \"\"\"Partial\"\"\"
            set_score(2 if submission.double(x) == 2 * x else 0.5)
    """)
    assert one_item.grade(one_item.fake(double=lambda x: 2 * x if x < 7 else 0))["1.1"]["score"] == 0.5


def test_credit_earned_before_a_failure_is_kept(one_item):
    one_item.public("""
        @number("1.1")
        @partial_credit(2)
        def test_partial(set_score):
            \"\"\"Partial\"\"\"
            set_score(0.5)
            assert False, "the second half is missing"
    """)
    graded = one_item.grade()
    assert graded["1.1"]["score"] == 0.5
    assert "second half" in graded["1.1"]["output"]


# ---- What the student's code did ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome", "cause", "text"),
    [
        (StudentError("ValueError", "shapes differ"), "error", "raises", "Your code raised ValueError: shapes differ"),
        (StudentError("NotImplementedError", ""), "error", "not_implemented", "not written yet"),
        (StudentTimeout("double(...)", 10), "timeout", "timeout", "did not finish within 10 s"),
        (StudentCrash("double(...) ended the Python process"), "crash", "crash", "ended the Python process"),
        (
            StudentError("SyntaxError", "invalid syntax", [Frame("toy.py", 3, "", "x = = 1\n    ^")]),
            "error",
            "syntax_error",
            "Python cannot read toy.py, line 3: invalid syntax.",
        ),
        (
            StudentError("RuntimeError", "layer.backward: CheckFailed: What came: grad has shape ()"),
            "error",
            "raises",
            "Your code calls `layer.backward` with something that does not fit.<br>What came: grad has shape ()",
        ),
        (
            StudentError("AttributeError", "module 'toy' has no attribute 'double'"),
            "error",
            "not_implemented",
            "There is no `double` in toy.py.",
        ),
        (
            StudentError("AttributeError", "'Layer' object has no attribute 'W'"),
            "error",
            "raises",
            "`Layer` has no `W`.",
        ),
        (
            StudentError("KeyError", "'W'", [Frame("toy.py", 8, "forward", "  return self.params['W']")]),
            "error",
            "raises",
            "toy.py, line 8, in forward\n    return self.params[&#x27;W&#x27;]",
        ),
    ],
)
def test_what_the_students_code_does_becomes_an_outcome_and_a_cause(one_item, error, outcome, cause, text):
    one_item.public(ONE_CHECK)
    graded = one_item.grade(one_item.fake(double=raising(error)))
    assert graded["1.1"]["extra_data"] == {"item": "1", "outcome": outcome, "cause": cause}
    assert text in graded["1.1"]["output"]
    assert graded.report.exit_code == 0


@pytest.mark.parametrize(
    "error", [StudentError("SyntaxError", "bad line"), StudentTimeout("loading", 20), StudentCrash("x")]
)
def test_a_submission_that_cannot_be_loaded_fails_every_check_in_words(one_item, error):
    one_item.public(ONE_CHECK)
    session = one_item.fake()
    session.problem = error
    graded = one_item.grade(session)
    assert graded["1.1"]["extra_data"]["outcome"] in ("error", "timeout", "crash")
    assert graded.report.exit_code == 0


@pytest.mark.parametrize(
    "statement", ['assert 1 == 2, "the reason"', 'pytest.fail("the reason")', 'fail("the reason")']
)
def test_a_wrong_answer_is_a_failure_with_its_reason(one_item, statement):
    one_item.public(f"""
        @number("1.1")
        @weight(2)
        def test_it():
            \"\"\"It\"\"\"
            {statement}
    """)
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"]["outcome"] == "failed"
    assert "he reason" in graded["1.1"]["output"]


def test_a_plain_assert_does_not_show_what_was_expected(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        def test_it(submission):
            \"\"\"It\"\"\"
            assert submission.double(3) == 4242
    """)
    _, document = one_item.grade_in_a_process()
    assert document["tests"][0]["extra_data"]["outcome"] == "failed"
    assert "4242" not in document["tests"][0]["output"]


@pytest.mark.parametrize("visibility", ["hidden", "after_due_date", "after_published"])
def test_prints_are_shown_where_the_check_is_visible_and_nowhere_else(suite, visibility):
    suite.item("1", 2)
    suite.public(ONE_CHECK.replace("weight(2)", "weight(1)"))
    suite.hidden(
        f"""
        @number("1.2")
        @weight(1)
        @visibility("{visibility}")
        def test_hidden(submission):
            \"\"\"Hidden\"\"\"
            assert submission.double(3) == 7, "not 7"
        """
    )
    graded = suite.grade(suite.fake(double=lambda x: 2 * x, printed="hello from the student"))
    assert "hello from the student" in graded["1.1"]["output"]
    assert "hello" not in graded["1.2"]["output"]
    assert graded["1.2"]["visibility"] == visibility


def test_what_a_real_submission_prints_is_shown_escaped_and_clean(one_item):
    one_item.public(ONE_CHECK)
    graded = one_item.grade_source(r"""
        def double(x):
            print("<b>bold</b>\0\x1b[31mred\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
            return 2 * x
    """)
    output = graded["1.1"]["output"]
    assert "&lt;b&gt;bold&lt;/b&gt;" in output
    assert "\0" not in output
    assert "\x1b" not in output


def test_the_same_submission_gives_the_same_document_but_for_times(suite):
    suite.item("1", 2)
    suite.public("""
        @number("1.1")
        @weight(2)
        @given(x=st.integers(-50, 50), y=st.lists(st.floats(0, 1), max_size=3))
        def test_it(submission, x, y):
            \"\"\"It\"\"\"
            assert_close(submission.double(x), 2 * x, "the result", called="double(x)")
    """)
    source = """
        def double(x):
            print(object(), __file__)
            return 2 * x if x < 20 else "nonsense"
    """
    first, second = (suite.grade_source(source).document for _ in range(2))
    assert first.pop("execution_time") >= 0
    assert second.pop("execution_time") >= 0
    assert first == second
    assert "double" in first["tests"][0]["output"]


# ---- Property checks ------------------------------------------------------------------------------------------------

PROPERTY = """
@number("1.1")
@weight(2)
@given(x=st.integers(-1000, 1000), size=st.integers(1, 5))
def test_property(submission, x, size):
    \"\"\"A property\"\"\"
    assert_close(submission.double(x), 2 * x, "the result", called="double(x)")
"""


def test_the_simplest_failing_example_is_shown(one_item):
    one_item.public(PROPERTY)
    graded = one_item.grade(one_item.fake(double=lambda x: 2 * x if x < 17 else 0))
    assert "x = 17\nsize = 1<" in graded["1.1"]["output"]
    assert "the result = 34" in graded["1.1"]["output"]


def test_a_property_check_may_be_a_method(one_item):
    one_item.public(
        "class TestAll:\n" + textwrap.indent(PROPERTY.replace("(submission, x", "(self, submission, x"), "    ")
    )
    assert one_item.grade()["1.1"]["score"] == 2


def test_every_example_starts_from_fresh_state_and_there_are_fifty(one_item):
    one_item.public(PROPERTY)
    session = one_item.fake(double=lambda x: 2 * x)
    assert one_item.grade(session)["1.1"]["score"] == 2
    assert [worker.examples for worker in session.workers] == [50]


def test_arrays_of_an_example_are_laid_out_with_their_shape(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        @given(rows=st.integers(2, 4))
        def test_property(submission, rows):
            \"\"\"A property\"\"\"
            check(submission, rows)

        @number("1.2")
        @weight(0)
        @given(batch=st.integers(2, 4).map(lambda rows: np.arange(2.0 * rows).reshape(rows, 2)))
        def test_array(submission, batch):
            \"\"\"An array\"\"\"
            assert submission.double(batch) is None, "it is something"

        def check(submission, rows):
            pass
    """)
    output = one_item.grade()["1.2"]["output"]
    assert "batch: shape (2, 2)\n[[0. 1.]\n [2. 3.]]" in output


@pytest.mark.parametrize(
    "error", [StudentTimeout("double(...)", 1), StudentCrash("gone"), StudentError("NotImplementedError", "")]
)
def test_a_hang_a_crash_and_unwritten_code_end_the_search_at_once(one_item, error):
    one_item.public(PROPERTY)
    session = one_item.fake(double=raising(error))
    graded = one_item.grade(session)
    assert session.workers[0].examples == 1
    assert graded["1.1"]["extra_data"]["outcome"] in ("timeout", "crash", "error")


def test_the_search_for_a_simpler_example_is_bounded(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        @given(x=st.lists(st.integers(0, 10**9), min_size=20))
        def test_property(submission, x):
            \"\"\"A property\"\"\"
            assert submission.double(sum(x)) < 10**9, "too large"
    """)
    session = one_item.fake(double=lambda x: 2 * x)
    graded = one_item.grade(session)
    assert session.workers[0].examples <= 151
    assert "too large" in graded["1.1"]["output"]
    assert "x = [" in graded["1.1"]["output"]


def test_a_failure_found_before_a_hang_is_the_one_that_is_told(one_item):
    def double(x):
        if x in (17, 18):
            raise StudentTimeout("double(...)", 1)
        return 2 * x if x < 17 else 0

    one_item.public(PROPERTY)
    graded = one_item.grade(one_item.fake(double=double))
    assert graded["1.1"]["extra_data"]["outcome"] == "failed"


def test_an_answer_that_depends_on_earlier_calls_is_said_to(one_item):
    calls = []

    def double(x):
        calls.append(x)
        return 2 * x if len(calls) != 9 else -1

    one_item.public(PROPERTY)
    graded = one_item.grade(one_item.fake(double=double))
    assert graded["1.1"]["extra_data"]["outcome"] == "failed"
    assert "depends on what was called before" in graded["1.1"]["output"]
    assert "the result = -1" in graded["1.1"]["output"]
    assert graded.report.exit_code == 0


def test_examples_that_assume_rejects_are_no_failures(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        @given(x=st.integers())
        def test_property(submission, x):
            \"\"\"A property\"\"\"
            assume(x % 2 == 0)
            assert submission.double(x) % 4 == 0
    """)
    assert one_item.grade()["1.1"]["score"] == 2


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("assume(False)", "FailedHealthCheck"),
        ("raise KeyError('of ours')", "KeyError"),
    ],
)
def test_a_property_check_that_does_not_work_is_a_fault(one_item, line, word):
    one_item.public(f"""
        @number("1.1")
        @weight(2)
        @given(x=st.integers())
        def test_property(submission, x):
            \"\"\"A property\"\"\"
            {line}
    """)
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"]["cause"] == "grader_error"
    assert word in graded.faults


def test_a_cause_that_only_the_simplest_example_suggests_is_not_claimed(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        @given(x=st.integers(0, 1000))
        def test_property(submission, x):
            \"\"\"A property\"\"\"
            fail("it is wrong", cause="sign_flipped" if x < 2 else None)
    """)
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"]["cause"] is None
    assert "Likely cause" not in graded["1.1"]["output"]


def test_a_cause_that_the_examples_agree_on_is_claimed_and_shown_first(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        @given(x=st.integers(0, 1000))
        def test_property(submission, x):
            \"\"\"A property\"\"\"
            fail("it is wrong", cause="sign_flipped" if x != 1 else None)
    """)
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"]["cause"] == "sign_flipped"
    assert "sign" in graded["1.1"]["output"].split("</p>")[0]


def test_the_first_lines_say_what_came_what_was_expected_and_why(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        def test_it(submission):
            \"\"\"It\"\"\"
            fail("not one of the sums is right", expected="sums of 4", cause="off_by_one")
    """)
    output = one_item.grade()["1.1"]["output"]
    first = output.split("</p>")[0]
    assert first == "<p>Not one of the sums is right.<br>Expected: sums of 4.<br>An index or a count is off by one."
    assert "What came" not in output
    assert "What was expected" not in output


def test_of_two_arrays_the_first_line_names_the_entry_that_is_furthest_off(one_item):
    one_item.public("""
        import numpy as np
        from autograder.checks.compare import assert_close

        @number("1.1")
        @weight(2)
        def test_it(submission):
            \"\"\"It\"\"\"
            assert_close(np.array([1.0, 2.5]), [1.0, 4.0], "the result")
    """)
    output = one_item.grade()["1.1"]["output"]
    assert output.startswith("<p>The result is not right: entry [1]: yours is 2.5, expected 4.</p>")
    assert "[1.  2.5]" in output
    assert "The entry that is furthest off" not in output


def test_the_examples_do_not_depend_on_what_else_is_imported_and_leave_nothing_behind(one_item, monkeypatch):
    one_item.public("""
        @number("1.1")
        @weight(2)
        @given(x=st.lists(st.integers(-1000, 1000), min_size=20, max_size=20))
        def test_property(submission, x):
            \"\"\"A property\"\"\"
            submission.double(x)
    """)

    def drawn():
        examples = []
        one_item.grade(one_item.fake(double=examples.append))
        return examples

    monkeypatch.chdir(one_item.root)
    first = drawn()
    local = one_item.root / "of_somebody.py"
    local.write_text(f"NUMBERS = {list(range(100, 900, 7))}")
    monkeypatch.syspath_prepend(one_item.root)
    importlib.import_module("of_somebody")
    assert drawn() == first
    assert len(first) == 50
    assert not (one_item.root / ".hypothesis").exists()


def test_hypothesis_is_left_as_it_was(one_item):
    before = hypothesis.settings.get_current_profile_name()
    one_item.public(PROPERTY)
    one_item.grade()
    assert hypothesis.settings.get_current_profile_name() == before


# ---- Faults of the grader -------------------------------------------------------------------------------------------


def test_a_bug_in_a_check_costs_no_student_silently(suite):
    suite.item("1", 2)
    suite.public("""
        @number("1.1")
        @weight(1)
        def test_broken(submission):
            \"\"\"Broken\"\"\"
            undefined_name

        @number("1.2")
        @weight(1)
        def test_fine(submission):
            \"\"\"Fine\"\"\"
    """)
    graded = suite.grade()
    assert graded["1.1"]["extra_data"] == {"item": "1", "outcome": "not_run", "cause": "grader_error"}
    assert "not your fault" in graded["1.1"]["output"]
    assert "undefined_name" not in graded["1.1"]["output"]
    assert graded["1.2"]["score"] == 1
    assert graded.report.exit_code == 3
    fault = graded.report.faults[0]
    assert "undefined_name" in fault.text
    assert fault.traceback.startswith("  File ")
    assert "in test_broken\n    undefined_name" in fault.traceback
    assert fault.traceback.count("  File ") == 1
    assert "not your fault" in graded.document["output"]


def test_the_instructor_finds_a_fault_in_an_entry_that_students_never_see(one_item):
    one_item.public(ONE_CHECK)
    graded = one_item.grade(one_item.fake(double=raising(RuntimeError("deep inside"))))
    entry = graded.document["tests"][-1]
    assert entry["visibility"] == "hidden"
    assert entry["max_score"] == 0
    assert "deep inside" in entry["output"]


def test_a_failing_teardown_is_a_fault(one_item):
    one_item.public(
        """
        @pytest.fixture
        def prepared():
            yield
            raise OSError("cannot clean up")
    """
        + ONE_CHECK.replace("(submission)", "(submission, prepared)").replace("\n", "\n        ")
    )
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"]["cause"] == "grader_error"


def test_a_failure_of_the_student_stays_one_when_cleaning_up_fails_too(one_item):
    one_item.public(
        """
        @pytest.fixture
        def prepared():
            yield
            raise OSError("cannot clean up")
    """
        + ONE_CHECK.replace("(submission)", "(submission, prepared)").replace("\n", "\n        ")
    )
    graded = one_item.grade(one_item.fake(double=lambda x: 0))
    assert graded["1.1"]["extra_data"]["outcome"] == "failed"


@pytest.mark.parametrize(
    "statement", ["raise SystemExit(0)", "raise KeyboardInterrupt", "pytest.exit('enough')", "os._exit"]
)
def test_a_check_that_tries_to_end_the_run_leaves_a_whole_document(suite, statement):
    suite.item("1", 2)
    suite.public(f"""
        @number("1.1")
        @weight(1)
        def test_ends(submission):
            \"\"\"Ends\"\"\"
            {statement}

        @number("1.2")
        @weight(1)
        def test_after(submission):
            \"\"\"After\"\"\"
    """)
    graded = suite.grade()
    assert graded.numbers[:2] == ["1.1", "1.2"]
    assert graded["1.1"]["extra_data"]["outcome"] == "not_run"
    assert graded.report.exit_code != 0


def test_a_machine_without_workers_is_told_once(suite):
    suite.item("1", 2)
    for number in ("1.1", "1.2"):
        suite.public(ONE_CHECK.replace("1.1", number).replace("(2)", "(1)"), f"test_{number[-1]}.py")
    session = suite.fake()
    session.problem = GraderError("confinement was required, and this machine cannot give it")
    graded = suite.grade(session)
    assert [graded[number]["extra_data"]["cause"] for number in ("1.1", "1.2")] == ["grader_error"] * 2
    assert graded.faults == "confinement was required, and this machine cannot give it"
    assert graded.report.exit_code == 3


def test_a_public_check_cannot_use_the_reference(one_item):
    one_item.public(ONE_CHECK.replace("(submission)", "(submission, reference)"))
    graded = one_item.grade()
    assert graded["1.1"]["extra_data"]["cause"] == "grader_error"
    assert "Move it to hidden/" in graded.faults


def test_a_hidden_check_gets_the_reference_with_its_given_files(one_item):
    one_item.reference("""
from __future__ import annotations
from dataclasses import dataclass
import given_numbers

@dataclass
class Factor:
    value: int = given_numbers.THREE

def triple(x):
    return Factor().value * x
""")
    (one_item.root / "reference" / "toy" / "given_numbers.py").write_text("THREE = 3\n")
    one_item.hidden("""
        @number("1.1")
        @weight(2)
        @visibility("after_published")
        def test_reference(submission, reference):
            \"\"\"As ours\"\"\"
            assert reference.triple(2) == 6
    """)
    assert one_item.grade()["1.1"]["score"] == 2
    assert "given_numbers" not in sys.modules


# ---- Mistakes in a suite --------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::pytest.PytestCollectionWarning")
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('@number("1.1")', "", ["no number"]),
        ('@number("1.1")', '@number("9.1")', ["'9.1'", "the items are 1"]),
        ('@number("1.1")', '@number("11")', ["'11'"]),
        ("@weight(2)", "", ["no weight", "@weight(0)"]),
        ("@weight(2)", "@weight(-1)", ["-1"]),
        ("@weight(2)", "@weight('2')", ["'2'"]),
        ("@weight(2)", "@weight(float('nan'))", ["nan"]),
        ("@weight(2)", '@weight(2)\n@visibility("after_publshed")', ["after_publshed", "after_published"]),
        ("@weight(2)", "@weight(2)\n@hide_errors", ["brackets"]),
        ("@weight(2)", "@weight(2)\n@tags(3)", ["tags"]),
        ("@weight(2)", "@weight(2)\n@leaderboard('a', 'up')", ["'up'", "desc"]),
        ('    """double doubles"""\n', "", ["docstring"]),
        ("@weight(2)", "@weight(1)", ["add up", "2        1", "not equal"]),
        ("@weight(2)", "@weight(3)", ["add up"]),
        ("@weight(2)", "@weight(2)\n@pytest.mark.needs_file('nothing.py')", ["nothing.py", "second.py"]),
        ("@weight(2)", "@weight(2)\n@pytest.mark.needs_file('extra.json')", ["extra.json", "not optional"]),
    ],
)
def test_a_mistake_in_a_declaration_is_told_and_nothing_is_run(one_item, old, new, words):
    assert old in ONE_CHECK
    one_item.public(ONE_CHECK.replace(old, new))
    session = one_item.fake(double=lambda x: 2 * x)
    graded = one_item.grade(session)
    assert all(word in graded.faults for word in words), graded.faults
    assert graded.report.exit_code == 3
    assert session.workers == []
    assert graded.document["score"] == 0


def test_a_hidden_check_without_a_visibility_is_a_mistake(one_item):
    one_item.hidden(ONE_CHECK)
    assert "after_published" in one_item.grade().faults


def test_two_checks_with_one_number_are_a_mistake(suite):
    suite.item("1", 4)
    suite.public(ONE_CHECK)
    suite.public(ONE_CHECK, "test_again.py")
    assert "test_again.py::test_double" in suite.grade().faults


@pytest.mark.filterwarnings("ignore::pytest.PytestCollectionWarning")
@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import no_such_module\n", "no_such_module"),
        ("pytest.skip('not here', allow_module_level=True)\n", "not here"),
        ("import unittest\nclass TestOld(unittest.TestCase):\n    def test_x(self):\n        pass\n", "unittest"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_run_and_the_others_are_listed(one_item, source, word):
    one_item.public(ONE_CHECK)
    one_item.public(source, "test_unusable.py")
    graded = one_item.grade()
    assert word in graded.faults
    assert graded["1.1"]["extra_data"]["cause"] == "grader_error"
    assert graded.report.exit_code == 3


def test_a_conftest_that_cannot_be_imported_is_a_fault_that_names_the_reason(one_item):
    one_item.public(ONE_CHECK)
    (one_item.folder / "conftest.py").write_text("import no_such_library\n")
    graded = one_item.grade()
    assert "no_such_library" in graded.faults
    assert graded.report.exit_code == 3
    assert "not your fault" in graded.document["output"]


def test_a_missing_folder_of_checks_is_a_fault(one_item):
    one_item.public(ONE_CHECK)
    (one_item.folder / "hidden").rmdir()
    assert "hidden" in one_item.grade().faults


def test_an_assignment_without_checks_is_a_fault(one_item):
    graded = one_item.grade()
    assert "no checks" in graded.faults
    assert "not your fault" in graded.document["output"]


def test_all_mistakes_are_told_at_once(suite):
    suite.item("1", 2)
    suite.public(ONE_CHECK.replace('@number("1.1")', ""))
    suite.public(ONE_CHECK.replace("@weight(2)", ""), "test_other.py")
    faults = suite.grade().faults
    assert "no number" in faults
    assert "no weight" in faults


# ---- Files that are missing -----------------------------------------------------------------------------------------


def test_a_missing_main_file_fails_every_check_of_it_fast_and_in_one_sentence(suite):
    suite.item("1", 2)
    suite.public(PROPERTY)
    session = suite.fake()
    graded = suite.grade(session, missing=["toy.py"])
    assert session.workers == []
    assert graded["1.1"]["extra_data"] == {"item": "1", "outcome": "not_run", "cause": "missing_file"}
    assert "`toy.py` is not in your submission" in graded["1.1"]["output"]
    assert graded["1.1"]["status"] == "failed"
    assert graded.report.exit_code == 0


def test_a_missing_second_file_costs_only_the_checks_that_need_it(suite):
    suite.item("1", 2)
    suite.item("2", 2)
    suite.public(ONE_CHECK)
    suite.public(
        "pytestmark = pytest.mark.needs_file('second.py')\n"
        + ONE_CHECK.replace("1.1", "2.1").replace("(submission)", "(probes)").replace("submission.double(3)", "6"),
        "test_second.py",
    )
    graded = suite.grade(missing=["second.py"])
    assert graded["1.1"]["score"] == 2
    assert graded["2.1"]["extra_data"]["cause"] == "missing_file"


@pytest.mark.parametrize(("missing", "max_score"), [(["extra.json"], 0), ([], 3)])
def test_an_optional_item_counts_only_where_it_was_submitted(suite, missing, max_score):
    suite.item("1", 2)
    suite.item("2", 3, optional=True)
    suite.public(ONE_CHECK)
    optional_check = ONE_CHECK.replace("1.1", "2.1").replace("(2)", "(3)")
    suite.public("pytestmark = pytest.mark.needs_file('extra.json')\n" + optional_check, "test_extra.py")
    graded = suite.grade(missing=missing)
    assert graded["2.1"]["max_score"] == max_score
    assert graded.document["score"] == 2 + max_score
    assert ("optional, not submitted" in graded["2.1"]["name"]) == bool(missing)
    assert graded["1.1"]["score"] == 2


# ---- Time -----------------------------------------------------------------------------------------------------------


def test_after_the_deadline_checks_are_listed_as_not_run(one_item):
    one_item.public(ONE_CHECK)
    session = one_item.fake(double=lambda x: 2 * x)
    graded = one_item.grade(session, deadline=time.monotonic())
    assert graded["1.1"]["extra_data"] == {"item": "1", "outcome": "not_run", "cause": "deadline"}
    assert "time for the whole submission" in graded["1.1"]["output"]
    assert session.workers == []
    assert graded.report.exit_code == 0


def test_the_deadline_ends_a_check_of_ours_that_hangs(suite):
    suite.item("1", 2)
    suite.public("""
        @number("1.1")
        @weight(1)
        def test_hangs(submission):
            \"\"\"Hangs\"\"\"
            while True:
                try:
                    sum(range(10))
                except Exception:
                    pass

        @number("1.2")
        @weight(1)
        def test_after(submission):
            \"\"\"After\"\"\"
    """)
    start = time.monotonic()
    graded = suite.grade(deadline=start + 1.3)
    assert time.monotonic() - start < 4
    assert [graded[number]["extra_data"]["cause"] for number in ("1.1", "1.2")] == ["deadline", "deadline"]


def test_a_check_of_ours_that_overruns_its_own_time_is_a_fault_and_the_next_one_runs(suite, monkeypatch):
    monkeypatch.setattr("autograder.grading.plugin.OVERRUN_FACTOR", 0.3)
    suite.item("1", 2)
    suite.check_seconds = 1
    suite.public("""
        @number("1.1")
        @weight(1)
        @given(x=st.integers())
        def test_hangs(submission, x):
            \"\"\"Hangs\"\"\"
            while True:
                pass

        @number("1.2")
        @weight(1)
        def test_after(submission):
            \"\"\"After\"\"\"
    """)
    graded = suite.grade()
    assert graded["1.1"]["extra_data"]["cause"] == "grader_error"
    assert graded["1.2"]["score"] == 1


def test_an_endless_loop_of_a_real_submission_costs_one_check(suite):
    suite.item("1", 2)
    suite.public("""
        @number("1.1")
        @weight(1)
        @given(x=st.integers())
        def test_hangs(submission, x):
            \"\"\"Hangs\"\"\"
            submission.hang(x)

        @number("1.2")
        @weight(1)
        def test_after(submission):
            \"\"\"After\"\"\"
            assert submission.double(1) == 2
    """)
    graded = suite.grade_source("""
        def hang(x):
            while True:
                pass

        def double(x):
            return 2 * x
    """)
    assert graded["1.1"]["extra_data"]["outcome"] == "timeout"
    assert graded["1.2"]["score"] == 1


# ---- The document while the run goes on -----------------------------------------------------------------------------

WATCHING = """
import json, pathlib
RESULTS = pathlib.Path({path!r})

def outcomes():
    return [test["extra_data"]["outcome"] for test in json.loads(RESULTS.read_text())["tests"]]

@number("1.1")
@weight(1)
def test_first(submission):
    \"\"\"First\"\"\"
    assert outcomes() == ["not_run", "not_run"], str(outcomes())

@number("1.2")
@weight(1)
def test_second(submission):
    \"\"\"Second\"\"\"
    assert outcomes() == ["passed", "not_run"], str(outcomes())
"""


def test_the_document_is_whole_before_the_first_and_after_every_check(one_item):
    one_item.public(WATCHING.format(path=str(one_item.results)))
    graded = one_item.grade()
    assert graded.document["score"] == 2, graded.document["tests"]
    assert graded.document["extra_data"]["finished"] is True


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal here")
def test_killing_the_grader_leaves_the_last_document(one_item):
    one_item.public("""
        import os, signal

        @number("1.1")
        @weight(1)
        def test_first(submission):
            \"\"\"First\"\"\"

        @number("1.2")
        @weight(1)
        def test_second(submission):
            \"\"\"Second\"\"\"
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    status, document = one_item.grade_in_a_process()
    assert status == -signal.SIGKILL
    assert [test["extra_data"]["outcome"] for test in document["tests"]] == ["passed", "not_run"]
    assert document["extra_data"]["finished"] is False
    assert document["score"] == 1
    assert [path.name for path in one_item.results.parent.iterdir()] == ["results.json"]


def test_results_that_cannot_be_written_are_told_with_a_remedy(one_item):
    one_item.public(ONE_CHECK)
    one_item.results = one_item.root / "a_file" / "results.json"
    one_item.results.parent.write_text("")
    with pytest.raises(GraderError, match="--results"):
        one_item.grade()


# ---- Nothing but the assignment's own checks ------------------------------------------------------------------------


def test_public_only_runs_the_public_checks_and_needs_no_hidden_folder(suite):
    suite.item("1", 4)
    suite.public(ONE_CHECK)
    (suite.folder / "hidden").rmdir()
    graded = suite.grade(public_only=True)
    assert graded.numbers == ["1.1"]
    assert graded.report.exit_code == 0


def test_public_checks_may_not_give_more_than_the_items_points(suite):
    suite.item("1", 1)
    suite.public(ONE_CHECK)
    assert "add up" in suite.grade(public_only=True).faults


def test_only_keeps_to_the_checks_below_a_number(suite):
    suite.item("1.1", 2)
    suite.item("1.10", 2)
    suite.public(ONE_CHECK.replace('"1.1"', '"1.1.1"'))
    suite.public(ONE_CHECK.replace('"1.1"', '"1.10.1"'), "test_ten.py")
    assert suite.grade(only="1.1").numbers == ["1.1.1"]
    assert suite.grade().numbers == ["1.1.1", "1.10.1"]
    assert "no checks 7" in suite.grade(only="7").faults


def test_checks_stand_in_the_order_of_the_handout(suite):
    for identifier in ("2", "10", "1"):
        suite.item(identifier, 2)
    for place, number in enumerate(("1.10", "1.9", "10.1", "10.2", "2.2", "2.1")):
        check = ONE_CHECK.replace("1.1", number).replace("weight(2)", "weight(1)")
        suite.public(check, f"test_{place}.py")
    assert suite.grade().numbers == ["2.1", "2.2", "10.1", "10.2", "1.9", "1.10"]


def test_settings_of_other_runs_and_folders_above_do_not_reach_a_run(one_item, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    (one_item.root / "conftest.py").write_text("raise RuntimeError('not mine')")
    (one_item.root / "pytest.ini").write_text("[pytest]\naddopts = --another-bad-option\n")
    one_item.public(ONE_CHECK)
    assert one_item.grade()["1.1"]["score"] == 2
    assert os.environ["PYTEST_ADDOPTS"] == "--no-such-option"


def test_a_run_leaves_no_cache_and_none_of_its_modules(one_item):
    one_item.public(ONE_CHECK)
    before = set(sys.modules)
    one_item.grade()
    assert not list(one_item.root.rglob(".pytest_cache"))
    assert not [name for name in set(sys.modules) - before if "test_public" in name]


def test_a_suite_may_have_its_own_fixtures(one_item):
    (one_item.folder / "conftest.py").write_text("import pytest\n\n@pytest.fixture\ndef three():\n    return 3\n")
    one_item.public(ONE_CHECK.replace("(submission)", "(submission, three)"))
    assert one_item.grade()["1.1"]["score"] == 2


def test_a_check_can_show_a_table_and_a_figure(one_item):
    one_item.public("""
        @number("1.1")
        @weight(2)
        def test_shows(submission, show):
            \"\"\"Shows\"\"\"
            show.table("Runs", [("epoch", "loss"), (1, 0.5)])
            show.figure("Curve", b"\\x89PNG", "a falling line")
    """)
    output = one_item.grade()["1.1"]["output"]
    assert "<td>0.5</td>" in output
    assert 'alt="a falling line"' in output


def test_the_document_tells_what_held_and_which_versions_computed(one_item):
    one_item.public(ONE_CHECK)
    session = one_item.fake(double=lambda x: 2 * x)
    session.remarks = [("warning", "toy.py", "a print at the top level")]
    extra = one_item.grade(session).document["extra_data"]
    assert extra["protections"] == {"files": "held"}
    assert {"python", "numpy", "hypothesis"} <= set(extra["versions"])
    assert extra["remarks"] == [{"severity": "warning", "file": "toy.py", "text": "a print at the top level"}]
    assert extra["assignment"] == "toy"


def test_the_reports_path_is_made_where_it_is_missing(one_item):
    one_item.public(ONE_CHECK)
    one_item.results = one_item.root / "deep" / "down" / "results.json"
    assert one_item.grade()["1.1"]["score"] == 2
    assert Path(one_item.results).is_file()
