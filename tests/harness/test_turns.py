"""A slow item of a homework does not starve the others, and being put off changes no verdict."""

import os
import sys
import time

import pytest

from autograder.grading.alarm import Overrun
from autograder.grading.turns import Turns
from autograder.sandbox.session import Session, Setting
from autograder.sandbox.transport import SocketTransport

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="checks are cut short by a signal that Windows has not")


class Clock:
    """Time that passes only when a check is run."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def run(checks, seconds, budget, least=0.0):
    """Run `checks`, {name: the seconds that it takes}; names are item and number ("A1"). What was run, in order."""
    clock = Clock()
    turns = Turns([(name[0], name) for name in checks], clock.now + budget, least, clock)
    log = []
    while (name := turns.next()) is not None:
        left = turns.seconds_left()
        clock.now += min(seconds.get(name, 1), left)
        if seconds.get(name, 1) > left:
            turns.put_off(name)
            log.append(f"({name})")
        else:
            log.append(name)
    return log


def test_where_nothing_is_slow_checks_are_run_in_the_handouts_order():
    checks = ["A1", "A2", "B1", "C1", "C2", "C3"]
    assert run(checks, {}, budget=100) == checks


def test_an_items_checks_are_put_off_once_its_turn_is_over():
    log = run(["A1", "A2", "A3", "B1", "B2"], {"A1": 30, "A2": 30, "A3": 30}, budget=100, least=30)
    assert log == ["A1", "A2", "B1", "B2", "A3"]


def test_a_check_still_running_at_the_end_of_its_turn_is_run_anew_last_of_all():
    log = run(["A1", "A2", "B1", "C1"], {"A1": 80}, budget=90)
    assert log == ["(A1)", "B1", "C1", "A2", "A1"]


def test_what_was_put_off_is_run_one_of_each_item_after_the_other():
    log = run(["A1", "A2", "A3", "B1", "B2", "B3", "C1"], {"A1": 40, "B1": 40}, budget=120, least=40)
    assert log == ["A1", "B1", "C1", "A2", "B2", "A3", "B3"]


def test_a_check_is_not_cut_short_before_it_had_its_own_budget():
    assert run(["A1", "B1"], {"A1": 30}, budget=40, least=30) == ["A1", "B1"]
    assert run(["A1", "B1"], {"A1": 30}, budget=40, least=20) == ["(A1)", "B1", "A1"]


def test_an_item_alone_has_all_the_time_there_is():
    assert run(["A1", "A2"], {"A1": 1000}, budget=10) == ["A1", "A2"]


def test_each_item_that_stalls_takes_a_share_of_what_the_ones_before_left():
    checks = [item + number for item in "ABCDE" for number in "12345678"]
    log = run(checks, {name: 10**6 for name in checks if name[0] != "E"}, budget=500)
    assert log[:4] == ["(A1)", "(B1)", "(C1)", "(D1)"]
    assert log[4:12] == [f"E{number}" for number in range(1, 9)]


def test_the_next_check_is_foretold_within_a_turn():
    turns = Turns([("A", "A1"), ("A", "A2"), ("B", "B1")], time.monotonic() + 1000)
    foretold = []
    while turns.next() is not None:
        foretold.append(turns.likely_next())
    assert foretold == ["A2", "B1", None]


# ---- In a run -------------------------------------------------------------------------------------------------------

TWO_ITEMS = """
@pytest.mark.parametrize("turn", range({stalls}))
@number("1.1")
@weight({weight})
@visibility("visible")
def test_stalls(submission, turn):
    '''Stalls'''
    for value in range(50):
        assert submission.double(value) == 2 * value

@number("2.1")
@weight(2)
@visibility("visible")
def test_honest(submission):
    '''Honest'''
    assert submission.triple(2) == 6
"""


@pytest.fixture
def two_items(suite):
    """Four checks of an item whose function stalls, and one of an item whose function does not."""
    suite.item("1", 4)
    suite.item("2", 2)
    suite.hidden(TWO_ITEMS.format(stalls=4, weight=1))
    suite.check_seconds = 1
    return suite


STALLING = """
import time

def double(x):
    end = time.process_time() + 0.7
    while time.process_time() < end:
        pass
    return 2 * x

def triple(x):
    return 3 * x
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processor time of the worker is read on Linux")
def test_calls_just_under_their_limit_starve_no_other_item_and_end_with_the_run(two_items):
    budget = 8
    began = time.monotonic()
    graded = two_items.grade_source(STALLING, deadline=began + budget)
    assert graded["2.1"]["score"] == 2
    assert time.monotonic() - began < budget + 5
    stalled = [test["extra_data"]["outcome"] for test in graded.document["tests"] if test["number"] != "2.1"]
    assert set(stalled) <= {"timeout", "not_run"}
    assert graded.report.exit_code == 0


@POSIX
def test_the_document_lists_checks_in_the_handouts_order_whichever_ran_first(two_items):
    ran = []

    def double(x):
        if not ran or ran[-1] != "double":
            ran.append("double")
        if len(ran) == 1:
            time.sleep(0.2)  # called again and again: the first check's time runs out
        return 2 * x

    def triple(x):
        ran.append("triple")
        return 3 * x

    began = time.monotonic()
    graded = two_items.grade(two_items.fake(double=double, triple=triple), deadline=began + 5)
    assert graded.numbers == ["1.1.1", "1.1.2", "1.1.3", "1.1.4", "2.1"]
    assert ran == ["double", "triple", "double"]
    # Cut short once, and then run anew as if nothing had been: all points, and no trace of it.
    assert graded.document["score"] == 6
    assert {test["extra_data"]["outcome"] for test in graded.document["tests"]} == {"passed"}


def test_a_session_scoped_fixture_outlives_a_check_that_is_put_off(two_items):
    (two_items.folder / "hidden" / "conftest.py").write_text(
        "import pytest\nmade = []\n\n@pytest.fixture(scope='session')\n"
        "def kept():\n    made.append(1)\n    return made\n"
    )
    two_items.hidden(
        TWO_ITEMS.format(stalls=4, weight=1)
        .replace("submission)", "submission, kept)")
        .replace("submission.triple(2) == 6", "submission.triple(2) == 6 and len(kept) == 1")
    )
    slept = []

    def double(x):
        if not slept:
            slept.append(time.sleep(0.9))
        return 2 * x

    graded = two_items.grade(two_items.fake(double=double, triple=lambda x: 3 * x), deadline=time.monotonic() + 3)
    assert graded.document["score"] == 6


@pytest.mark.skipif(sys.platform != "linux", reason="workers fork on Linux")
def test_a_check_cut_short_while_its_worker_starts_leaves_nothing_behind(two_items, monkeypatch):
    """An alarm may come at any moment, also between asking for a worker and having it."""

    def interrupted(*_):
        raise Overrun

    meet = SocketTransport.meet
    (two_items.root / "staged").mkdir()
    (two_items.root / "staged" / "toy.py").write_text(STALLING)
    (two_items.root / "workspace").mkdir()
    staged, workspace = two_items.root / "staged", two_items.root / "workspace"
    with Session(Setting(staged, workspace, "toy.py", workspace, confine="off")) as session:
        session.load()
        before = os.listdir("/proc/self/fd")
        monkeypatch.setattr(SocketTransport, "meet", interrupted)
        with pytest.raises(Overrun), session.check(5):
            pass
        assert os.listdir("/proc/self/fd") == before
        monkeypatch.setattr(SocketTransport, "meet", meet)
        with session.check(5) as check:
            assert check.submission.triple(2) == 6
