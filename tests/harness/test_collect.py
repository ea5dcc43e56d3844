"""Whatever a student submits becomes a staged folder of plain files, or a remark that says what to do."""

import io
import json
import os
import random
import socket
import stat
import struct
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.assignment import Assignment, AssignmentError, Files, Item, UsageError
from autograder.collect import Collected, Limits, collect
from autograder.inventory import closeness, shown

SOLUTION = "x = 1\n"
UTILS = "def softmax():\n    return 1\n"


@pytest.fixture
def assignment(tmp_path: Path) -> Assignment:
    return make_assignment(tmp_path / "course", required=("net.py",), optional=("curve.json",), given=("utils.py",))


def make_assignment(root: Path, **files: tuple[str, ...]) -> Assignment:
    reference = root / "reference" / "hw"
    reference.mkdir(parents=True)
    for name in files.get("given", ()):
        (reference / name).write_text(UTILS)
    return Assignment(
        id="hw",
        title="A homework",
        course="CS 1",
        points=1,
        main=files["required"][0],
        files=Files(**files),
        items=(Item("1", "All", 1, "1"),),
        preloads=("numpy",),
        folder=root / "tests" / "hw",
        root=root,
    )


@contextmanager
def temporary_course() -> Iterator[tuple[Assignment, Path]]:
    """An assignment and an empty folder, for a test that hypothesis runs many times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "submission"
        folder.mkdir()
        yield make_assignment(Path(name) / "course", required=("net.py",), given=("utils.py",)), folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "submission"
    folder.mkdir()
    return folder


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    return tmp_path / "staged"


def put(folder: Path, contents: dict[str, str | bytes]) -> None:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def zipped(contents: dict[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return memory.getvalue()


def special_member(name: str, mode: int, content: str = "") -> bytes:
    """A zip with one member that claims to be a link, a pipe or a device."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr(info, content)
    return memory.getvalue()


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def said(collected: Collected, severity: str | None = None) -> str:
    return "\n".join(remark.text for remark in collected.remarks if severity in (None, remark.severity))


def assert_taken(collected: Collected, origin: str = "net.py") -> None:
    assert collected.missing == []
    assert collected.found["net.py"] == origin
    assert (collected.folder / "net.py").read_text() == SOLUTION


def assert_missing(collected: Collected, *words: str) -> None:
    assert collected.missing == ["net.py"]
    assert "net.py" not in collected.found
    assert files_of(collected.folder) == ["utils.py"]
    for word in words:
        assert word in said(collected, "error")


# ------------------------------------------------------------------------------------------------ honest submissions


def test_a_folder_is_staged_without_a_remark(assignment, source, staged):
    put(source, {"net.py": SOLUTION, "utils.py": UTILS})
    collected = collect(source, assignment, staged)
    assert_taken(collected)
    assert collected.remarks == []
    assert files_of(staged) == ["net.py", "utils.py"]


def test_a_single_file_is_staged(assignment, source, staged):
    put(source, {"net.py": SOLUTION, "helper.py": ""})
    assert_taken(collect(source / "net.py", assignment, staged))
    assert files_of(staged) == ["net.py", "utils.py"]


def test_an_optional_file_is_staged_and_never_missed(assignment, source, staged):
    put(source, {"net.py": SOLUTION, "curve.json": "[1]"})
    collected = collect(source, assignment, staged)
    assert collected.found == {"net.py": "net.py", "curve.json": "curve.json"}
    assert (staged / "curve.json").read_text() == "[1]"


@pytest.fixture
def with_program(tmp_path: Path) -> Assignment:
    """An assignment with an optional program whose stencil is handed out."""
    made = make_assignment(tmp_path / "course", required=("net.py",), optional=("extra.py",))
    put(made.stencil_folder, {"extra.py": STENCIL})
    return made


STENCIL = "def extra():\n    raise NotImplementedError\n"
UNTOUCHED = "extra.py is optional and still as it was handed out: it counts as not submitted."


@pytest.mark.parametrize(
    "text", [STENCIL, STENCIL.replace("\n", "\r\n"), "\ufeff" + STENCIL, STENCIL.rstrip() + " \n\n"]
)
def test_an_optional_program_as_handed_out_counts_as_not_submitted(with_program, source, staged, text):
    put(source, {"net.py": SOLUTION, "extra.py": text, "stencils/hw/extra.py": STENCIL})
    collected = collect(source, with_program, staged)
    assert collected.found == {"net.py": "net.py"}
    assert files_of(staged) == ["net.py"]
    assert [(remark.severity, remark.file, remark.text) for remark in collected.remarks] == [
        ("info", "extra.py", UNTOUCHED)
    ]


def test_an_optional_program_that_was_begun_counts(with_program, source, staged):
    put(source, {"net.py": SOLUTION, "extra.py": STENCIL + "x = 1\n", "stencils/hw/extra.py": STENCIL})
    collected = collect(source, with_program, staged)
    assert collected.found == {"net.py": "net.py", "extra.py": "extra.py"}
    assert collected.remarks == []


def test_a_required_program_as_handed_out_is_submitted(with_program, source, staged):
    put(with_program.stencil_folder, {"net.py": SOLUTION})
    put(source, {"net.py": SOLUTION})
    assert_taken(collect(source, with_program, staged))


@pytest.mark.parametrize(
    ("contents", "origin"),
    [
        ({"net.py": SOLUTION}, "net.py"),
        ({"hw3/net.py": SOLUTION}, "hw3/net.py"),
        ({"a/b/c/net.py": SOLUTION, "a/report.pdf": b"%PDF"}, "a/b/c/net.py"),
        ({"hw.zip": zipped({"net.py": SOLUTION})}, "hw.zip/net.py"),
        ({"hw.ZIP": zipped({"hw/net.py": SOLUTION})}, "hw.ZIP/hw/net.py"),
        ({"out.zip": zipped({"in.zip": zipped({"net.py": SOLUTION})})}, "out.zip/in.zip/net.py"),
        ({"my files/net.py": SOLUTION}, "my files/net.py"),
        ({"my hw (1).zip": zipped({"my work/net.py": SOLUTION})}, "my hw (1).zip/my work/net.py"),
    ],
)
@pytest.mark.parametrize("as_zip", [False, True])
def test_it_is_found_wherever_it_lies(assignment, source, staged, contents, origin, as_zip):
    put(source, {"submitted.zip": zipped(contents)} if as_zip else contents)
    collected = collect(source / "submitted.zip" if as_zip else source, assignment, staged)
    assert_taken(collected, origin)
    assert collected.remarks == []


def test_a_zip_is_known_by_its_content(assignment, source, staged):
    put(source, {"upload": zipped({"net.py": SOLUTION})})
    assert_taken(collect(source / "upload", assignment, staged))


def test_a_link_to_the_submission_is_followed(assignment, source, staged, tmp_path):
    put(source, {"net.py": SOLUTION})
    (tmp_path / "link").symlink_to(source)
    assert_taken(collect(tmp_path / "link", assignment, staged))


def test_windows_separators_in_a_zip_are_folders(assignment, source, staged):
    put(source, {"hw.zip": zipped({"hw\\net.py": SOLUTION, "hw\\layers.py": "y = 1\n", "hw\\empty\\": ""})})
    assert_taken(collect(source / "hw.zip", assignment, staged), "hw/net.py")
    assert files_of(staged) == ["layers.py", "net.py", "utils.py"]


def test_macos_leftovers_are_no_second_copy(assignment, source, staged):
    leftovers = {"__MACOSX/._net.py": b"\0\5\26\7", "__MACOSX/net.py": "x", "._net.py": b"\0", ".DS_Store": b"\0"}
    put(source, {"hw.zip": zipped({"net.py": SOLUTION, **leftovers}), **leftovers})
    collected = collect(source, assignment, staged)
    assert_taken(collected, "hw.zip/net.py")
    assert collected.remarks == []


@pytest.mark.parametrize("folder", [".git", "__pycache__", ".ipynb_checkpoints", "venv", "site-packages", ".venv/lib"])
def test_what_tools_keep_is_not_looked_at(assignment, source, staged, folder):
    put(source, {f"{folder}/net.py": "old = 1\n", "net.py": SOLUTION})
    collected = collect(source, assignment, staged)
    assert_taken(collected)
    assert collected.remarks == []


def test_a_virtual_environment_is_not_looked_at_whatever_it_is_called(assignment, source, staged):
    put(source, {"v/pyvenv.cfg": "home = /usr/bin\n", "v/lib/net.py": "old = 1\n", "net.py": SOLUTION})
    (source / "v" / "python").symlink_to("/usr/bin/python3")
    collected = collect(source, assignment, staged)
    assert_taken(collected)
    assert collected.remarks == []


def test_the_same_submission_gives_the_same_result(assignment, source, tmp_path):
    names = [f"{folder}/{name}" for folder in "cab" for name in ("net.py", "helper.py", "Utils.py", "x.zip")]
    for order, into in ((names, "one"), (names[::-1], "two")):
        folder = source / into
        put(folder, dict.fromkeys(order, SOLUTION))
    one, two = (collect(source / into, assignment, tmp_path / f"staged_{into}") for into in ("one", "two"))
    assert one.remarks == two.remarks
    assert one.found == two.found
    assert files_of(one.folder) == files_of(two.folder)


def test_the_result_can_be_written_as_json(assignment, source, staged):
    put(source, {"net.py": b"x = '\xe9'\n", "a\x1b[31m\n.zip": b"", os.fsdecode(b"\xff.ipynb"): "{}"})
    collected = collect(source, assignment, staged)
    assert json.loads(msgspec.json.encode(collected.remarks))
    assert all(character.isprintable() for remark in collected.remarks for character in remark.text)


# ------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    [
        "Net.py",
        "NET.PY",
        "net (1).py",
        "net-1.py",
        "net - Copy.py",
        "net copy 2.py",
        "net 2.py",
        " net.py",
        "net.py.txt",
    ],
)
def test_a_name_that_is_nearly_right_is_taken_with_a_remark(assignment, source, staged, name):
    put(source, {name: SOLUTION})
    collected = collect(source, assignment, staged)
    assert_taken(collected, name)
    assert name in said(collected, "warning")
    assert files_of(staged) == ["net.py", "utils.py"]


@pytest.mark.parametrize(
    ("name", "near"), [("my net.py", 2), ("my-net.py", 2), ("mynet.py", None), ("my_net.json", None)]
)
def test_spaces_and_hyphens_stand_for_underscores(name, near):
    assert closeness(name, "my_net.py") == near


def test_the_only_python_file_is_taken_under_any_name(assignment, source, staged):
    put(source, {"homework three.py": SOLUTION, "utils.py": UTILS, "report.pdf": b"%PDF", "__init__.py": ""})
    collected = collect(source, assignment, staged)
    assert_taken(collected, "homework three.py")
    assert "homework three.py was taken as net.py" in said(collected, "warning")


def test_one_of_several_python_files_is_not_guessed(assignment, source, staged):
    put(source, {"one.py": SOLUTION, "two.py": SOLUTION, "utils.py": UTILS})
    collected = collect(source, assignment, staged)
    assert_missing(collected, "net.py is missing", "one.py, two.py", "name it net.py")
    assert "utils.py" not in said(collected)


def test_a_given_file_is_never_taken_for_the_students(assignment, source, staged):
    put(source, {"utils.py": UTILS})
    assert_missing(collect(source, assignment, staged), "net.py is missing")


def test_no_file_is_guessed_for_one_of_several_required(tmp_path, source, staged):
    assignment = make_assignment(tmp_path / "course", required=("one.py", "two.py"))
    put(source, {"one.py": SOLUTION, "helper.py": SOLUTION})
    collected = collect(source, assignment, staged)
    assert collected.missing == ["two.py"]
    assert files_of(staged) == ["helper.py", "one.py"]


def test_required_files_may_come_in_zips_of_their_own(tmp_path, source, staged):
    assignment = make_assignment(tmp_path / "course", required=("one.py", "two.py"))
    put(source, {f"{name}.zip": zipped({f"{name}.py": SOLUTION, f"for_{name}.py": ""}) for name in ("one", "two")})
    collected = collect(source, assignment, staged)
    assert collected.missing == []
    assert files_of(staged) == ["for_one.py", "for_two.py", "one.py", "two.py"]


# --------------------------------------------------------------------------------------------------- two candidates


@pytest.mark.parametrize(
    ("taken", "left", "why"),
    [
        ("net.py", "Net.py", "name fits better"),
        ("deep/net.py", "Net.py", "name fits better"),
        ("Net.py", "net (1).py", "name fits better"),
        ("deep/down/net.py", "net.zip/net.py", "fewer zips"),
        ("net.py", "old/net.py", "fewer folders"),
        ("a/net.py", "b/net.py", "alphabet"),
    ],
)
def test_of_two_candidates_one_is_taken_for_a_stated_reason(assignment, source, staged, taken, left, why):
    other = {"net.zip": zipped({"net.py": "old = 1\n"})} if ".zip" in left else {left: "old = 1\n"}
    put(source, {taken: SOLUTION, **other})
    if len(list(source.rglob("*.*"))) < 2:
        pytest.skip("this file system does not tell the names apart")
    collected = collect(source, assignment, staged)
    assert_taken(collected, taken)
    assert why in said(collected, "warning")
    assert left in said(collected, "warning")
    assert files_of(staged) == ["net.py", "utils.py"]


def test_two_equal_candidates_are_only_an_information(assignment, source, staged):
    put(source, {"net.py": SOLUTION, "old/net.py": SOLUTION})
    collected = collect(source, assignment, staged)
    assert [remark.severity for remark in collected.remarks] == ["info"]


@pytest.mark.parametrize("bad", ["", " \n", b"%PDF-1.4", b"\0\1\2"])
def test_a_candidate_that_cannot_be_used_yields_to_the_next(assignment, source, staged, bad):
    put(source, {"net.py": bad, "deep/net.py": SOLUTION})
    collected = collect(source, assignment, staged)
    assert_taken(collected, "deep/net.py")
    assert "net.py is" in said(collected, "warning")
    assert said(collected, "error") == ""


def test_of_a_name_twice_in_a_zip_the_last_counts(assignment, source, staged):
    twice = zipped({"old.py": "old = 1\n", "net.py": SOLUTION}).replace(b"old.py", b"net.py")
    put(source, {"hw.zip": twice})
    collected = collect(source, assignment, staged)
    assert_taken(collected, "hw.zip/net.py")
    assert "more than once" in said(collected)


# ------------------------------------------------------------------------------------------ missing, empty, unreadable


@pytest.mark.parametrize("content", ["", "\n \t\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_missing_and_says_so(assignment, source, staged, content):
    put(source, {"net.py": content})
    assert_missing(collect(source, assignment, staged), "net.py is empty")


def test_an_empty_folder_is_missing_everything(assignment, source, staged):
    assert_missing(collect(source, assignment, staged), "net.py is missing")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.4", "PDF"),
        (zipped({"net.py": SOLUTION}), "zip"),
        (bytes(range(256)), "binary"),
        (b"{\\rtf1}", "rich-text"),
    ],
)
def test_a_binary_under_the_wanted_name_is_named(assignment, source, staged, content, words):
    put(source, {"net.py": content})
    assert_missing(collect(source, assignment, staged), words)


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ({"essay.pdf": b"%PDF", "b.png": b"", "c.png": b"", "d.png": b""}, "b.png, c.png, d.png and 1 more"),
        ({"hw.rar": b"Rar!"}, "cannot open hw.rar"),
        ({"hw.tar.gz": b"\x1f\x8b"}, "Compress your files as a zip"),
    ],
)
def test_a_missing_file_says_what_came_instead(assignment, source, staged, contents, words):
    put(source, contents)
    assert_missing(collect(source, assignment, staged), "net.py is missing", words)


def test_a_single_notebook_that_is_none_is_answered_kindly(assignment, source, staged):
    put(source, {"work.ipynb": "{}"})
    assert_missing(collect(source / "work.ipynb", assignment, staged), "work.ipynb is")


def test_a_notebook_that_the_assignment_lists_is_staged(tmp_path, source, staged):
    assignment = make_assignment(tmp_path / "course", required=("net.py", "work.ipynb"))
    put(source, {"net.py": SOLUTION, "work.ipynb": '{"cells": [], "nbformat": 4}'})
    assert collect(source, assignment, staged).missing == []
    assert files_of(staged) == ["net.py", "work.ipynb"]


def test_a_file_without_permission_is_missing(assignment, source, staged, monkeypatch):
    put(source, {"net.py": SOLUTION})

    def refuse(path, flags, *rest):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("autograder.inventory.os.open", refuse)
    assert_missing(collect(source, assignment, staged), "cannot be read (Permission denied)")


def test_a_source_that_does_not_exist_is_a_usage_error(assignment, source, staged):
    with pytest.raises(UsageError, match="no file or folder"):
        collect(source / "nothing", assignment, staged)


def test_a_target_that_is_not_empty_is_a_usage_error(assignment, source):
    put(source, {"net.py": SOLUTION})
    with pytest.raises(UsageError, match="not empty"):
        collect(source, assignment, source)
    with pytest.raises(UsageError, match="is a file"):
        collect(source, assignment, source / "net.py")


# -------------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("x = 'é'\r\n".encode(), None),
        ("x = 'é'\n".encode("utf-8-sig"), None),
        ("x = 'é'\n".encode("latin-1"), "Windows-1252"),
        ("x = 'é'\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_text_is_staged_as_utf8_with_unix_line_ends(assignment, source, staged, raw, words):
    put(source, {"net.py": raw})
    collected = collect(source, assignment, staged)
    assert (staged / "net.py").read_bytes() == "x = 'é'\n".encode()
    assert words is None or words in said(collected, "warning")
    assert bool(collected.remarks) == bool(words)


def test_mixed_indentation_is_staged_and_its_line_named(assignment, source, staged):
    put(source, {"net.py": "if x:\n        a = 1\n\tb = 2\n"})
    collected = collect(source, assignment, staged)
    assert "line 3" in said(collected, "warning")
    assert (staged / "net.py").read_text() == "if x:\n        a = 1\n\tb = 2\n"


def test_a_file_that_is_no_text_is_copied_byte_by_byte(tmp_path, source, staged):
    assignment = make_assignment(tmp_path / "course", required=("net.py",), optional=("weights.pt",))
    content = b"PK\x03\x04\r\n\xef\xbb\xbf" + bytes(200_000)
    put(source, {"net.py": SOLUTION, "weights.pt": content})
    assert collect(source, assignment, staged).found["weights.pt"] == "weights.pt"
    assert (staged / "weights.pt").read_bytes() == content


def test_an_empty_or_huge_checkpoint_is_left_out(tmp_path, source, staged):
    assignment = make_assignment(tmp_path / "course", required=("net.py",), optional=("a.pt", "b.pt"))
    put(source, {"net.py": SOLUTION, "a.pt": b"", "b.pt": bytes(2000)})
    collected = collect(source, assignment, staged, Limits(file_bytes=1000))
    assert collected.missing == []
    assert files_of(staged) == ["net.py"]
    assert "a.pt is empty" in said(collected, "warning")
    assert "b.pt is larger" in said(collected, "warning")


# ------------------------------------------------------------------------------------------------------ other modules


def test_the_students_own_modules_come_along(assignment, source, staged):
    put(source, {"hw/net.py": SOLUTION, "hw/layers.py": "", "hw/parts/__init__.py": "", "hw/parts/a.py": "a = 1\r\n"})
    put(source, {"hw/sizes.json": "{}", "hw/notes.txt": "", "other.py": "", "hw/data/big.npy": b"\0"})
    collected = collect(source, assignment, staged)
    assert collected.remarks == []
    assert files_of(staged) == ["layers.py", "net.py", "parts/__init__.py", "parts/a.py", "sizes.json", "utils.py"]
    assert (staged / "parts/a.py").read_text() == "a = 1\n"


def test_a_helper_that_is_no_text_is_left_out(assignment, source, staged):
    put(source, {"net.py": SOLUTION, "broken.py": b"\0\1"})
    collected = collect(source, assignment, staged)
    assert files_of(staged) == ["net.py", "utils.py"]
    assert "broken.py" in said(collected, "warning")


@pytest.mark.parametrize(
    "name", ["conftest.py", "sitecustomize.py", "usercustomize.py", "parts/conftest.py", "Conftest.py"]
)
def test_files_that_steer_python_or_pytest_are_left_out(assignment, source, staged, name):
    put(source, {"net.py": SOLUTION, name: "raise SystemExit"})
    collected = collect(source, assignment, staged)
    assert files_of(staged) == ["net.py", "utils.py"]
    assert name in said(collected, "warning")


@pytest.mark.parametrize("name", ["pytest.ini", "evil.pth", "setup.cfg", "tox.ini", "evil.so", "net.pyc"])
def test_settings_and_binaries_are_not_staged(assignment, source, staged, name):
    put(source, {"net.py": SOLUTION, name: "import os"})
    collect(source, assignment, staged)
    assert files_of(staged) == ["net.py", "utils.py"]


@pytest.mark.parametrize(
    "name",
    [
        "numpy.py",
        "numpy/__init__.py",
        "NumPy.py",
        "autograder.py",
        "utils/__init__.py",
        "net/__init__.py",
        "tests.py",
    ],
)
def test_modules_that_would_hide_ours_are_left_out(assignment, source, staged, name):
    put(source, {"net.py": SOLUTION, name: "x = 0\n"})
    collected = collect(source, assignment, staged)
    assert files_of(staged) == ["net.py", "utils.py"]
    assert name.split("/")[0] in said(collected, "warning")


@pytest.mark.parametrize("name", ["autograder/x.py", "reference/hw/utils.py", "tests/a.py"])
def test_the_kits_own_folders_are_left_out_without_a_word(assignment, source, staged, name):
    put(source, {"net.py": SOLUTION, name: "x = 0\n"})
    collected = collect(source, assignment, staged)
    assert files_of(staged) == ["net.py", "utils.py"]
    assert collected.remarks == []


def test_a_module_named_like_pythons_own_is_kept_with_a_remark(assignment, source, staged):
    put(source, {"net.py": SOLUTION, "trace.py": "y = 1\n"})
    collected = collect(source, assignment, staged)
    assert files_of(staged) == ["net.py", "trace.py", "utils.py"]
    assert "rename" in said(collected, "warning")


@pytest.mark.parametrize("name", ["UTILS.py", "layers.py", "Layers.py"])
def test_no_helper_is_written_over_another(assignment, source, staged, name):
    put(source, {"hw.zip": zipped({"net.py": SOLUTION, "LAYERS.py": "first = 1\n", name: "second = 1\n"})})
    collect(source, assignment, staged)
    assert files_of(staged) == ["LAYERS.py", "net.py", "utils.py"]
    assert (staged / "LAYERS.py").read_text() == "first = 1\n"
    assert (staged / "utils.py").read_text() == UTILS


@pytest.mark.parametrize(
    "name",
    ["C:evil.py", "parts.py/a.py", "a b/c.py", "x" * 250 + "/a.py", "\N{HIRAGANA LETTER A}" * 150 + ".py", "a:b.py"],
)
def test_a_helper_that_some_system_cannot_hold_is_left_out(assignment, source, staged, name):
    put(source, {"hw.zip": zipped({"hw/net.py": SOLUTION, "hw/parts.py": "", f"hw/{name}": "x = 0\n"})})
    collect(source, assignment, staged)
    assert files_of(staged) == ["net.py", "parts.py", "utils.py"]


def test_the_number_of_helpers_is_bounded(assignment, source, staged):
    put(source, {"net.py": SOLUTION, **{f"h{number}.py": "" for number in range(9)}})
    collected = collect(source, assignment, staged, Limits(helpers=4))
    assert files_of(staged) == ["h0.py", "h1.py", "h2.py", "h3.py", "net.py", "utils.py"]
    assert "more than 4" in said(collected, "warning")


# ------------------------------------------------------------------------------------------------------- given files


@pytest.mark.parametrize("theirs", ["evil = 1\n", b"\0\0", ""])
def test_a_changed_given_file_is_ours_and_said(assignment, source, staged, theirs):
    put(source, {"net.py": SOLUTION, "utils.py": theirs})
    collected = collect(source, assignment, staged)
    assert (staged / "utils.py").read_text() == UTILS
    assert "own copy is used" in said(collected, "info")


@pytest.mark.parametrize("theirs", [UTILS, UTILS.replace("\n", "\r\n"), UTILS + "\n\n", UTILS.replace("\n", "  \n")])
def test_a_given_file_that_editors_touched_is_not_worth_a_remark(assignment, source, staged, theirs):
    put(source, {"net.py": SOLUTION, "utils.py": theirs})
    assert collect(source, assignment, staged).remarks == []


def test_given_files_are_there_whatever_was_submitted(assignment, source, staged):
    collect(source, assignment, staged)
    assert (staged / "utils.py").read_text() == UTILS


def test_a_given_file_that_the_course_lacks_is_the_courses_error(assignment, source, staged):
    put(source, {"net.py": SOLUTION})
    (assignment.given_folder / "utils.py").unlink()
    with pytest.raises(AssignmentError, match=r"files\.given: The course has no 'utils\.py'"):
        collect(source, assignment, staged)


# ------------------------------------------------------------------------------------------------------- modes


@pytest.mark.parametrize("umask", [0o077, 0o777, 0o000])
def test_modes_do_not_depend_on_the_umask(assignment, source, tmp_path, umask):
    put(source, {"net.py": SOLUTION, "parts/deep/a.py": "", "curve.json": "[]"})
    (source / "net.py").chmod(0o4755)
    staged = tmp_path / "staged"
    staged.mkdir()
    before = os.umask(umask)
    try:
        collect(source, assignment, staged)
    finally:
        os.umask(before)
    for path in (staged, *staged.rglob("*")):
        info = path.lstat()
        assert stat.S_ISDIR(info.st_mode) or stat.S_ISREG(info.st_mode)
        assert stat.S_IMODE(info.st_mode) == (0o755 if path.is_dir() else 0o644)


# ------------------------------------------------------------------------------------------ links and special files


@pytest.mark.parametrize("target", ["../secret.py", "/etc/passwd", "net.py", "nowhere", "..", "/dev/zero"])
def test_a_link_out_of_the_tree_is_left_out(assignment, source, staged, target):
    put(source.parent, {"secret.py": "secret = 1\n"})
    (source / "net.py").symlink_to(target)
    collected = collect(source, assignment, staged)
    assert_missing(collected, "net.py is missing")
    assert "a link was left out" in said(collected, "warning")


def test_a_link_to_a_folder_is_not_entered(assignment, source, staged):
    put(source.parent, {"other/net.py": "secret = 1\n"})
    (source / "hw").symlink_to("../other")
    (source / "loop").symlink_to(".")
    collected = collect(source, assignment, staged)
    assert_missing(collected)
    assert "hw, loop" in said(collected, "warning")


def test_a_link_inside_the_tree_is_that_file(assignment, source, staged):
    put(source, {"work/final.py": SOLUTION})
    (source / "net.py").symlink_to("work/final.py")
    assert_taken(collect(source, assignment, staged))


def test_a_helper_link_out_of_the_tree_is_left_out(assignment, source, staged):
    put(source, {"net.py": SOLUTION})
    (source / "helper.py").symlink_to(assignment.given_folder / "utils.py")
    collect(source, assignment, staged)
    assert files_of(staged) == ["net.py", "utils.py"]


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644])
def test_a_link_or_device_inside_a_zip_is_left_out(assignment, source, staged, mode):
    put(source, {"hw.zip": special_member("net.py", mode, "/etc/passwd")})
    collected = collect(source, assignment, staged)
    assert_missing(collected, "net.py is missing")
    assert "hw.zip/net.py" in said(collected, "warning")


def test_a_pipe_is_never_waited_for(assignment, source, staged):
    os.mkfifo(source / "net.py")
    collected = collect(source, assignment, staged)
    assert_missing(collected, "net.py is missing")
    assert "not an ordinary file" in said(collected, "warning")


def test_a_pipe_as_the_submission_is_never_waited_for(assignment, source, staged):
    os.mkfifo(source / "net.py")
    assert_missing(collect(source / "net.py", assignment, staged), "net.py is missing")


def test_a_socket_is_left_out(assignment, source, staged, monkeypatch):
    monkeypatch.chdir(source)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("net.py")
        assert_missing(collect(source, assignment, staged), "net.py is missing")


def test_a_folder_under_the_wanted_name_is_only_a_folder(assignment, source, staged):
    (source / "net.py").mkdir()
    assert_missing(collect(source, assignment, staged), "net.py is missing")


# ---------------------------------------------------------------------------------------------------- hostile zips


@pytest.mark.parametrize("name", ["../net.py", "a/../../net.py", "..\\net.py", "a/b/../../../../etc/cron.d/net.py"])
def test_a_name_that_climbs_out_is_left_out(assignment, source, staged, name):
    put(source, {"hw.zip": zipped({name: "evil = 1\n"})})
    collected = collect(source, assignment, staged)
    assert_missing(collected, "net.py is missing")
    assert "climbs out" in said(collected, "warning")
    assert sorted(path.name for path in source.parent.iterdir()) == ["course", "staged", "submission"]


@pytest.mark.parametrize("name", ["/net.py", "C:\\hw\\net.py", "c:/hw/net.py", "//server/share/net.py", "./net.py"])
def test_an_absolute_name_loses_its_root(assignment, source, staged, name):
    put(source, {"hw.zip": zipped({name: SOLUTION})})
    collected = collect(source / "hw.zip", assignment, staged)
    assert collected.missing == []
    assert (staged / "net.py").read_text() == SOLUTION
    assert files_of(staged) == ["net.py", "utils.py"]


def test_ten_thousand_climbing_names_are_one_remark(assignment, source, staged):
    put(source, {"hw.zip": zipped({f"../{number}.py": "" for number in range(10_000)})})
    collected = collect(source, assignment, staged)
    assert len(collected.remarks) == 2
    assert "and 9997 more" in said(collected, "warning")


def test_a_locked_zip_asks_for_one_without_a_password(assignment, source, staged):
    locked = bytearray(zipped({"net.py": SOLUTION}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(signature) + offset] |= 1
    put(source, {"hw.zip": bytes(locked)})
    assert_missing(collect(source, assignment, staged), "password", "net.py is missing")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_without_a_bound_is_not_unpacked(assignment, source, staged, compression):
    put(source, {"hw.zip": zipped({"net.py": SOLUTION}, compression)})
    assert_missing(collect(source, assignment, staged), "compressed in a way", "net.py is missing")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "hw.zip is empty"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"no zip at all", "damaged or no zip"),
        (zipped({"net.py": SOLUTION})[:-30], "damaged or no zip"),
        (zipped({"net.py": SOLUTION})[20:], "net.py is damaged inside its zip"),
    ],
    ids=["empty", "rar", "7z", "text", "without its end", "without its start"],
)
@pytest.mark.parametrize("alone", [False, True])
def test_a_broken_zip_is_explained(assignment, source, staged, content, words, alone):
    put(source, {"hw.zip": content})
    collected = collect(source / "hw.zip" if alone else source, assignment, staged)
    assert_missing(collected, words)


def test_a_broken_zip_beside_the_work_is_no_error(assignment, source, staged):
    put(source, {"net.py": SOLUTION, "data.zip": b"broken"})
    collected = collect(source, assignment, staged)
    assert_taken(collected)
    assert [remark.severity for remark in collected.remarks] == ["warning"]


def test_a_member_with_damaged_content_is_explained(assignment, source, staged):
    damaged = zipped({"net.py": SOLUTION}, zipfile.ZIP_STORED).replace(b"x = 1", b"y = 1")
    put(source, {"hw.zip": damaged})
    assert_missing(collect(source, assignment, staged), "damaged inside its zip", "CRC")


def test_a_member_that_lies_about_its_size_is_explained(assignment, source, staged):
    packed = bytearray(zipped({"net.py": SOLUTION * 1000}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", packed, packed.index(signature) + offset, 10)
    put(source, {"hw.zip": bytes(packed)})
    assert_missing(collect(source, assignment, staged), "damaged inside its zip")


def test_a_declared_size_is_enough_to_refuse(assignment, source, staged):
    put(source, {"hw.zip": zipped({"net.py": "#" * 5000})})
    assert_missing(collect(source, assignment, staged, Limits(text_bytes=4000)), "net.py is larger than")


def test_a_bomb_is_known_by_its_ratio(assignment, source, staged):
    put(source, {"hw.zip": zipped({"net.py": "#" * 3_000_000})})
    assert_missing(collect(source, assignment, staged, Limits(ratio_floor=1_000_000)), "zip bomb")


def test_a_bomb_costs_no_memory(assignment, source, staged):
    inner = zipped({"net.py": bytes(1 << 20)})
    with zipfile.ZipFile(source / "hw.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("inner.zip", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
        archive.writestr("other.zip", inner)
    tracemalloc.start()
    collected = collect(source, assignment, staged)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert_missing(collected, "inner.zip is larger than")
    assert peak < 20 << 20


def test_zips_inside_zips_end_at_a_depth(assignment, source, staged):
    content = zipped({"net.py": SOLUTION})
    for level in range(4):
        content = zipped({f"level{level}.zip": content})
    put(source, {"hw.zip": content})
    collected = collect(source, assignment, staged)
    assert_missing(collected, "net.py is missing")
    assert "zips inside one another" in said(collected, "warning")


def test_the_number_of_zips_is_bounded(assignment, source, staged):
    put(source, {f"{number}.zip": zipped({"x.txt": ""}) for number in range(5)})
    put(source, {"9.zip": zipped({"net.py": SOLUTION})})
    collected = collect(source, assignment, staged, Limits(archives=5))
    assert_missing(collected)
    assert "9.zip: not opened" in said(collected, "warning")


def test_what_inner_zips_unpack_to_is_bounded_together(assignment, source, staged):
    inner = zipped({"x.bin": random.Random(0).randbytes(3000)}, zipfile.ZIP_STORED)
    put(source, {"hw.zip": zipped({"a.zip": inner, "b.zip": inner, "net.py": SOLUTION})})
    collected = collect(source, assignment, staged, Limits(unpacked_bytes=5000))
    assert_taken(collected, "hw.zip/net.py")
    assert "hw.zip/b.zip is larger" in said(collected)
    assert "hw.zip/a.zip" not in said(collected)


def test_a_table_of_contents_is_bounded(assignment, source, staged):
    put(source, {"hw.zip": zipped({f"{number:0200}.txt": "" for number in range(400)})})
    assert_missing(collect(source, assignment, staged, Limits(listing_bytes=70_000)), "lists too many files")


@settings(deadline=None, database=None, derandomize=True)  # a slow machine is no failure
@given(data=st.data())
def test_no_damage_to_a_zip_raises(data):
    good = bytearray(zipped({"hw/net.py": SOLUTION * 9, "in.zip": zipped({"net.py": SOLUTION})}))
    for _ in range(data.draw(st.integers(1, 6))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with temporary_course() as (assignment, folder):
        put(folder, {"hw.zip": bytes(good)})
        collected = collect(folder, assignment, folder.parent / "staged")
        assert bool(collected.found) != bool(collected.missing)
        assert {"utils.py"} <= set(files_of(collected.folder)) <= {"net.py", "utils.py"}


# ------------------------------------------------------------------------------------------------------ many files


@pytest.mark.parametrize("as_zip", [False, True])
def test_the_work_is_found_among_ten_thousand_files(assignment, source, staged, as_zip):
    contents = {f"images/{number}.png": "" for number in range(9_000)}
    contents |= {f"m{number}.py": "" for number in range(1_000)} | {"net.py": SOLUTION}
    put(source, {"hw.zip": zipped(contents)} if as_zip else contents)
    collected = collect(source / "hw.zip" if as_zip else source, assignment, staged)
    assert_taken(collected)
    assert "more than 500 modules" in said(collected, "warning")
    assert len(files_of(staged)) == 502


@pytest.mark.parametrize("as_zip", [False, True])
def test_looking_ends_somewhere_and_starts_with_what_matters(assignment, source, staged, as_zip):
    contents = {f"{number}.png": "" for number in range(50)} | {"net.py": SOLUTION, "z/deep.py": ""}
    put(source, {"hw.zip": zipped(contents)} if as_zip else contents)
    collected = collect(source / "hw.zip" if as_zip else source, assignment, staged, Limits(entries=20))
    assert_taken(collected)
    assert "more files than the grader looks at (20)" in said(collected, "warning")


@pytest.mark.parametrize("as_zip", [False, True])
def test_folders_inside_folders_end_somewhere(assignment, source, staged, as_zip):
    path = "/".join("d" * 30) + "/net.py"
    put(source, {"hw.zip": zipped({path: SOLUTION})} if as_zip else {path: SOLUTION})
    collected = collect(source, assignment, staged)
    assert_missing(collected)
    assert "too many folders" in said(collected, "warning")


def test_what_is_staged_is_bounded_together(assignment, source, staged):
    put(source, {"net.py": SOLUTION, "a.py": "#" * 400, "b.py": "#" * 400})
    collected = collect(source, assignment, staged, Limits(total_bytes=500))
    assert files_of(staged) == ["a.py", "net.py", "utils.py"]
    assert "b.py is larger" in said(collected, "warning")


def test_the_number_of_remarks_is_bounded(assignment, source, staged):
    put(source, {"net.py": SOLUTION, **{f"h{number}.py": b"\0" for number in range(100)}})
    assert len(collect(source, assignment, staged).remarks) == 41


# ----------------------------------------------------------------------------------------------------------- showing


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("model.py", "model.py"),
        ("\N{SNOWMAN} é.py", "\N{SNOWMAN} é.py"),
        ("a\x1b[2J\n.py", "a\\x1b[2J\\n.py"),
        ("\u202egnp.py", "\\u202egnp.py"),
        (os.fsdecode(b"\xff.py") if os.name == "posix" else "\udcff.py", "\\udcff.py"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)
def test_a_name_is_made_safe_to_show(name, safe):
    assert shown(name) == safe
