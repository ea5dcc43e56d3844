"""The zips for Gradescope and for students: the same bytes each time, all that is needed, and nothing that leaks."""

from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from autograder.assignment import Assignment, list_assignments
from autograder.bundle import Entry, folder_entries, requirement_lines, script_entry, write_zip
from autograder.collect import collect
from autograder.commands.build import build_entries
from autograder.commands.kit import kit_entries, readme
from autograder.data import prepare_data
from autograder.stencil import find_blocks

ROOT = Path(__file__).resolve().parents[2]
ASSIGNMENTS = list_assignments(ROOT)
LONGEST_COMMON_LINE = 24  # shorter lines ("return loss") are everybody's


@pytest.fixture(scope="module", params=ASSIGNMENTS, ids=lambda assignment: assignment.id)
def assignment(request: pytest.FixtureRequest) -> Assignment:
    return request.param


def by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


def zip_bytes(folder: Path, entries: Iterable[Entry]) -> bytes:
    write_zip(folder / "out.zip", entries)
    return (folder / "out.zip").read_bytes()


# ---- The writer -----------------------------------------------------------------------------------------------------


def test_a_zip_depends_on_names_and_content_only(tmp_path):
    entries = [Entry("b.sh", b"echo", executable=True), Entry("a/b.txt", b"text" * 1000)]
    first = zip_bytes(tmp_path, entries)
    assert zip_bytes(tmp_path, reversed(entries)) == first
    assert zip_bytes(tmp_path, [*entries[:1], Entry("a/b.txt", b"other")]) != first


def test_times_and_modes_are_fixed_and_scripts_can_run(tmp_path):
    content = zip_bytes(tmp_path, [Entry("run", b"", executable=True), Entry("text", b"")])
    run, text = zipfile.ZipFile(io.BytesIO(content)).infolist()
    assert [stat.S_IMODE(info.external_attr >> 16) for info in (run, text)] == [0o755, 0o644]
    assert {info.date_time for info in (run, text)} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.create_system for info in (run, text)} == {3}


def test_two_files_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"both named 'a\.txt'"):
        write_zip(tmp_path / "out.zip", [Entry("a.txt", b"1"), Entry("a.txt", b"2")])
    assert not (tmp_path / "out.zip").exists()


def test_a_script_from_a_windows_checkout_runs_on_linux(tmp_path):
    (tmp_path / "setup.sh").write_bytes(b"#!/bin/bash\r\necho\r\n")
    entry = script_entry(tmp_path / "setup.sh", "setup.sh")
    assert entry == Entry("setup.sh", b"#!/bin/bash\necho\n", executable=True)


def test_a_folder_goes_in_without_what_tools_leave_in_it(tmp_path):
    for name in ("a.py", "deep/b.py", "__pycache__/a.pyc", ".hypothesis/x", ".DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(by_name(folder_entries(tmp_path, "to"))) == ["to/a.py", "to/deep/b.py"]
    assert sorted(by_name(folder_entries(tmp_path, ""))) == ["a.py", "deep/b.py"]


# ---- requirements.txt -----------------------------------------------------------------------------------------------

PROJECT = """
[project]
name = "course"
dependencies = ["numpy==2"]
[project.optional-dependencies]
plots = ["matplotlib==3", "numpy==2"]
all = ["course[plots,torch]"]
torch = ["torch==2"]
"""


@pytest.fixture
def pyproject(tmp_path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path / "pyproject.toml"


@pytest.mark.parametrize(
    ("extras", "lines"),
    [
        ([], ["numpy==2"]),
        (["plots"], ["numpy==2", "matplotlib==3"]),
        (["all"], ["numpy==2", "matplotlib==3", "torch==2"]),
    ],
)
def test_requirements_are_the_cores_and_the_extras_pins(pyproject, extras, lines):
    assert requirement_lines(pyproject, extras) == lines


def test_an_unknown_extra_is_an_error_that_names_the_known_ones(pyproject):
    with pytest.raises(ValueError, match="no extra 'plot', only all, plots, torch"):
        requirement_lines(pyproject, ["plot"])


def test_every_requirement_is_pinned(assignment):
    for line in requirement_lines(ROOT / "pyproject.toml", assignment.extras):
        assert re.fullmatch(r"[\w-]+==[\w.]+(; .+)?", line), line


# ---- autograder build -----------------------------------------------------------------------------------------------


def handed_out(assignment: Assignment) -> set[str]:
    """The students' programs as they get them: by these the collector knows what nobody has written in."""
    names = assignment.files.required + assignment.files.optional
    programs = [name for name in names if (assignment.stencil_folder / name).is_file()]
    return {f"stencils/{assignment.id}/{name}" for name in programs}


def test_building_twice_gives_the_same_bytes(assignment, tmp_path):
    assert zip_bytes(tmp_path, build_entries(assignment)) == zip_bytes(tmp_path, build_entries(assignment))


def test_the_build_holds_what_gradescope_runs_and_this_assignment_only(assignment):
    entries = by_name(build_entries(assignment))
    assert {name for name, entry in entries.items() if entry.executable} == {
        *("install_cpu_torch.sh", "run_autograder", "setup.sh"),
    }
    for other in ASSIGNMENTS:
        for folder in (f"reference/{other.id}/", f"tests/{other.id}/public/", f"tests/{other.id}/hidden/"):
            assert any(name.startswith(folder) for name in entries) == (other == assignment), folder
    assert f"reference/{assignment.id}/{assignment.main}" in entries
    assert {name for name in entries if name.startswith("stencils/")} == handed_out(assignment)
    assert {name.split("/")[0] for name in entries} == {
        *("README.md", "autograder", "bundle.env", "data", "install_cpu_torch.sh", "pyproject.toml", "reference"),
        *("requirements.txt", "run_autograder", "setup.sh", "stencils", "tests"),
    }


def test_the_build_tells_the_shell_what_it_must_know(assignment):
    settings = by_name(build_entries(assignment))["bundle.env"].content.decode()
    assert settings == f"ASSIGNMENT_ID={assignment.id}\nRUN_SECONDS={assignment.budgets.run_seconds:.0f}\n"


def test_the_build_makes_its_data_without_what_made_it_here(assignment, tmp_path, monkeypatch):
    unpack(build_entries(assignment), tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)  # no scikit-learn
    for name in assignment.data:
        source = prepare_data(name, tmp_path, tmp_path / "made" / name)
        assert source.kind == "embedded"


def unpack(entries: Iterable[Entry], folder: Path) -> None:
    for entry in entries:
        (folder / entry.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / entry.name).write_bytes(entry.content)


# ---- autograder kit -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kit(assignment) -> dict[str, Entry]:
    return by_name(kit_entries(assignment))


def lines_of(source: str) -> set[str]:
    return {line.strip() for line in source.splitlines() if len(line.strip()) >= LONGEST_COMMON_LINE}


def leaked(secret: set[str], kit: dict[str, Entry]) -> list[tuple[str, str]]:
    """(file of the kit, line) for each secret line that stands in the kit."""
    texts = {name: entry.content.decode() for name, entry in kit.items() if not name.endswith(".gz")}
    return [(name, line) for name, text in texts.items() for line in sorted(secret & lines_of(text))]


def solution_lines(assignment: Assignment) -> set[str]:
    """The lines of the marked solutions that the file does not also hold outside of them, as given code."""
    secret = set()
    for file in assignment.reference_folder.glob("*.py"):
        source = file.read_text(encoding="utf-8")
        outside = source.splitlines()
        for block in find_blocks(source, file.name):
            secret |= lines_of("\n".join(block.solution))
            outside[block.begin - 1 : block.end] = [""] * (block.end - block.begin + 1)
        secret -= lines_of("\n".join(outside))
    return secret


@pytest.mark.parametrize("extras", [(), ("torch",)])
def test_the_kits_page_tells_of_the_small_torch_where_torch_is_needed(extras):
    page = readme(msgspec.structs.replace(ASSIGNMENTS[0], extras=extras))
    assert ("--torch-backend=cpu" in page) == bool(extras)


def test_no_line_of_a_solution_is_in_the_kit(assignment, kit):
    secret = solution_lines(assignment)
    assert len(secret) > 5, "no solution was found, so this test would prove nothing"
    assert leaked(secret, kit) == []


def test_the_search_for_leaks_finds_one(assignment, kit):
    reference = (assignment.reference_folder / assignment.main).read_bytes()
    assert leaked(solution_lines(assignment), {**kit, "leak.py": Entry("leak.py", reference)})


def test_nothing_of_a_hidden_check_is_in_the_kit(assignment, kit):
    public = set().union(*(lines_of(file.read_text()) for file in assignment.public_folder.rglob("*.py")))
    secret = set().union(*(lines_of(file.read_text()) for file in assignment.hidden_folder.rglob("*.py"))) - public
    package = set().union(*(lines_of(file.read_text()) for file in (ROOT / "autograder").rglob("*.py")))
    assert len(secret) > 5, "no hidden check was found, so this test would prove nothing"
    assert leaked(secret - package, kit) == []
    assert not [name for name in kit if "hidden" in name]


def test_the_kit_has_the_students_files_on_top_and_the_public_checks(assignment, kit):
    for name in (*assignment.files.required, *assignment.files.given):
        assert kit[name].content == (assignment.stencil_folder / name).read_bytes()
    public = {f"public/{file.name}" for file in assignment.public_folder.glob("*.py")}
    checks = {name.removeprefix(f"tests/{assignment.id}/") for name in kit if name.startswith("tests/")}
    assert checks - {"__init__.py"} == {"assignment.toml", *public}
    assert {name for name in kit if name.startswith("reference/")} == {
        f"reference/{assignment.id}/{name}" for name in assignment.files.given
    }
    assert {name for name in kit if name.startswith("stencils/")} == handed_out(assignment)


def test_the_kits_readme_is_one_page_with_both_commands(assignment, kit):
    page = kit["README.md"].content.decode()
    assert "python -m pip install -r requirements.txt" in page
    assert "python -m autograder check ." in page
    assert "{" not in page
    assert len(page.splitlines()) < 60
    assert max(map(len, page.splitlines())) <= 120


def test_the_kit_checks_its_own_stencil_with_its_one_command(assignment, kit, tmp_path):
    unpack(kit.values(), tmp_path)
    environment = {name: value for name, value in os.environ.items() if name not in ("AUTOGRADER_ROOT", "PYTHONPATH")}
    run = subprocess.run(
        [sys.executable, "-m", "autograder", "check", "."],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"Total\s+0 / [1-9]", run.stdout), run.stdout
    assert "not written yet" in run.stdout
    assert "python -m autograder check . --verbose" in run.stdout


def test_handing_in_the_whole_kit_is_no_mistake(assignment, kit, tmp_path):
    unpack(kit.values(), tmp_path / "kit")
    collected = collect(tmp_path / "kit", assignment, tmp_path / "staged")
    assert collected.missing == []
    # Nothing was written yet: optional programs count as not submitted, and of a pair the notebook is read.
    optional = {name for name in assignment.files.optional if name.endswith(".py")}
    assert {remark.file for remark in collected.remarks} == {*optional, *assignment.notebooks}
    assert {remark.severity for remark in collected.remarks} <= {"info"}
    staged = {path.name for path in (tmp_path / "staged").iterdir()}
    assert staged == {*assignment.files.required, *assignment.files.given}


def test_making_a_kit_twice_gives_the_same_bytes(assignment, tmp_path):
    assert zip_bytes(tmp_path, kit_entries(assignment)) == zip_bytes(tmp_path, kit_entries(assignment))
