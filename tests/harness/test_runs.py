"""Training records: what the course's main writes is read, and anything else is explained."""

import json

import pytest

from autograder.checks.compare import CheckFailed
from autograder.checks.runs import LARGEST_RECORD, find_record, read_record

RIGHT = {"train": [0.1, 0.6, 0.8], "val": [0.1, 0.5, 0.7], "test": 0.75, "time": 12.5}


def read(record):
    return read_record(json.dumps(record).encode(), "MLP.json", called="main(main_params)")


def test_a_right_record_is_read():
    assert read(RIGHT) == RIGHT
    assert read({**RIGHT, "more": "is fine"}) == RIGHT


def test_numbers_in_lists_of_one_are_fine():
    assert read({**RIGHT, "train": [[0.1], [0.6], [0.8]], "test": [0.75], "time": [12.5]}) == RIGHT


@pytest.mark.parametrize(
    "change",
    [
        {"train": []},
        {"train": None},
        {"train": "0.5"},
        {"train": [0.1, 0.6]},
        {"train": [0.1, 0.6, 80.0]},
        {"train": [0.1, 0.6, -0.1]},
        {"val": {"0": 0.1}},
        {"val": [0.1, None, 0.2]},
        {"test": 75.0},
        {"test": "0.75"},
        {"test": [0.1, 0.2]},
        {"time": -1.0},
        {"time": None},
    ],
    ids=json.dumps,
)
def test_a_wrong_entry_is_explained(change):
    (key,) = change
    with pytest.raises(CheckFailed, match=key):
        read({**RIGHT, **change})


@pytest.mark.parametrize("key", RIGHT)
def test_a_missing_entry_is_named(key):
    with pytest.raises(CheckFailed, match=key):
        read({name: value for name, value in RIGHT.items() if name != key})


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"[1, 2]", b"null", b'"text"', b" " * (LARGEST_RECORD + 1)],
    ids=lambda content: repr(content[:5]),
)
def test_what_is_no_record_is_explained(content):
    with pytest.raises(CheckFailed, match=r"MLP\.json"):
        read_record(content, "MLP.json", called="main(main_params)")


def test_nan_is_no_accuracy():
    content = json.dumps({**RIGHT, "test": float("nan")}).encode()
    with pytest.raises(CheckFailed) as caught:
        read_record(content, "MLP.json", called="main(main_params)")
    assert caught.value.explanation.cause == "nan_or_inf"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["MLP.json", "other.json"], "MLP.json"),
        (["log.txt", "mlp_results.json"], "mlp_results.json"),  # a wrong name costs the check of the name alone
    ],
)
def test_the_record_is_found_by_its_name_or_as_the_only_json_file(files, found):
    assert find_record(files, "MLP.json", called="main(main_params)") == found


@pytest.mark.parametrize("files", [[], ["log.txt"], ["one.json", "two.json"]])
def test_where_no_file_can_be_the_record_the_message_says_which_is_missing(files):
    with pytest.raises(CheckFailed) as caught:
        find_record(files, "MLP.json", called="main(main_params)")
    assert "MLP.json" in str(caught.value)
