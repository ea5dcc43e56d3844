"""Inputs that fuzzing found (tests/fuzz), each kept as a test of what must happen instead."""

import pytest

from autograder.sandbox.policy import Policy
from autograder.sandbox.proxy import StudentError
from autograder.sandbox.session import Session, Setting


@pytest.fixture
def submission(tmp_path):
    """A worker's module with a layer whose length is a lie."""
    for folder in ("submission", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "submission" / "student.py").write_text(
        "class Layer:\n    def __len__(self): return 10**12\n    def __getitem__(self, i): return i\n"
    )
    setting = Setting(
        tmp_path / "submission", tmp_path, "student.py", tmp_path / "data", policy=Policy(), confine="off"
    )
    with Session(setting) as session, session.check(30) as check:
        yield check.submission


def test_a_length_beyond_all_memory_is_the_students_error(submission):
    # list() asks for a length and makes room before the first item: a MemoryError or OverflowError in the grader.
    layer = submission.Layer()
    with pytest.raises(StudentError, match=r"1,000,000,000,000; at most 1,000,000 items"):
        len(layer)
    with pytest.raises(StudentError):
        list(layer)
