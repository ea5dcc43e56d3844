"""Archives: what is handed in is itself hostile, before any of it is run."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

from attacks.record import ALL, Attack, in_second

NOTES = in_second("""
    folder = os.path.dirname(__file__)
    print("has", sorted(os.listdir(folder)))
    for name in sorted(os.listdir(folder)):
        if name != "attacked.py" and os.path.isfile(os.path.join(folder, name)):
            attempt(name, lambda: 1 / (b"CANARY-" in read(os.path.join(folder, name))))
""")


def zipped(change: Callable[[zipfile.ZipFile, Path], None]) -> Callable[[Path, Path], Path]:
    """A zip of the submission's folder with something else in it."""

    def pack(folder: Path, place: Path) -> Path:
        archive = place / "submission.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(folder.iterdir()):
                file.write(path, path.name)
            change(file, place)
        return archive

    return pack


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, str]:
    """An entry that is a symbolic link, as zip programs of Unix write it."""
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry, target


def climb(file: zipfile.ZipFile, place: Path) -> None:
    for name in (
        "../left.py",
        "../../left-behind.py",
        f"{place}/left.py",
        "/tmp/../tmp/left.py",
        "a/../../left.py",
        "..\\left.py",
    ):
        file.writestr(name, "x = 1\n")


def linked(file: zipfile.ZipFile, place: Path) -> None:
    file.writestr(*link("notes.txt", f"{place}/course/tests/attacked/hidden/test_hidden.py"))
    file.writestr(*link("utils.py", f"{place}/course/reference/attacked/attacked.py"))
    file.writestr(*link("results", f"{place}/results"))
    file.writestr("results/results.json", "{}")


def bomb(file: zipfile.ZipFile, place: Path) -> None:
    with file.open(zipfile.ZipInfo("zeros.py"), "w", force_zip64=True) as entry:
        for _ in range(400):
            entry.write(bytes(1 << 20))


def many(file: zipfile.ZipFile, place: Path) -> None:
    for number in range(20_000):
        file.writestr(f"folder/{number}.py", "")


def nested(file: zipfile.ZipFile, place: Path) -> None:
    inner = place / "inner.zip"
    with zipfile.ZipFile(inner, "w") as other:
        other.writestr("attacked.py", "raise SystemExit\n")
        other.writestr("../left.py", "x = 1\n")
    file.write(inner, "inner.zip")
    inner.unlink()


def twice(file: zipfile.ZipFile, place: Path) -> None:
    for name in ("ATTACKED.py", "other/attacked.py", "__MACOSX/._attacked.py", "attacked (1).py"):
        file.writestr(name, "raise SystemExit('the wrong one')\n")


def link_secrets(folder: Path, place: Path) -> Path:
    """A folder as Git would check it out, with links in it."""
    (folder / "notes.txt").symlink_to(place / "course" / "tests" / "attacked" / "hidden" / "test_hidden.py")
    (folder / "utils.py").symlink_to(place / "course" / "reference" / "attacked" / "attacked.py")
    (folder / "token").symlink_to(place / "home" / ".token")
    (folder / "course").symlink_to(place / "course")
    (folder / "loop").symlink_to(folder)
    return folder


def link_the_reference(folder: Path, place: Path) -> Path:
    """The submission is the worked solution itself."""
    (folder / "attacked.py").unlink()
    (folder / "attacked.py").symlink_to(place / "course" / "reference" / "attacked" / "attacked.py")
    return folder


def pipes(folder: Path, place: Path) -> Path:
    """Files at which a reader waits for ever, or never comes to an end."""
    os.mkfifo(folder / "utils.py")
    os.mkfifo(folder / "weights.pt")
    (folder / "zero.py").symlink_to("/dev/zero")
    (folder / "random.txt").symlink_to("/dev/urandom")
    return folder


def only_a_pipe(folder: Path, place: Path) -> Path:
    (folder / "attacked.py").unlink()
    os.mkfifo(folder / "attacked.py")
    return folder


def deep(folder: Path, place: Path) -> Path:
    """Folders in folders, deeper than a recursion reaches."""
    path = folder
    for _ in range(300):
        path = path / "d"
    path.mkdir(parents=True)
    (path / "attacked.py").write_text("raise SystemExit\n")
    return folder


def notebook(folder: Path, place: Path) -> Path:
    """A notebook with more in it than anybody wrote, beside the file."""
    cell = {"cell_type": "code", "source": ["x = 1\n"], "outputs": [{"text": ["y" * 1_000_000]}], "metadata": {}}
    strange = {"cell_type": "code", "source": 7, "outputs": None}
    (folder / "attacked.ipynb").write_text(
        json.dumps({"cells": [cell] * 20 + [strange], "nbformat": 4, "metadata": []})
    )
    (folder / "deep.ipynb").write_text("[" * 100_000)
    return folder


GROUP = (
    Attack(
        "climbs_out_of_the_archive",
        "to be unpacked over files of others",
        NOTES,
        "2.1 failed .*has ",
        pack=zipped(climb),
    ),
    Attack(
        "links_out_of_the_archive",
        "to be unpacked into links to secrets",
        NOTES,
        "2.1 failed .*has ",
        pack=zipped(linked),
        harmless=True,
    ),
    Attack(
        "links_to_secrets",
        "to have secrets copied into its own folder",
        NOTES,
        "2.1 failed .*has ",
        pack=link_secrets,
        harmless=True,
    ),
    Attack(
        "hands_in_a_link_to_the_reference",
        "to be graded as the worked solution, which it links to",
        "",
        "attacked.py",
        loses=ALL,
        pack=link_the_reference,
    ),
    Attack(
        "is_a_bomb",
        "to fill the disk when it is unpacked",
        NOTES,
        "zeros.py|too large|at most|MB",
        loses=(),
        may_lose=ALL,
        pack=zipped(bomb),
    ),
    Attack(
        "has_countless_entries",
        "to take for ever to be unpacked",
        NOTES,
        "files|has ",
        loses=(),
        may_lose=ALL,
        pack=zipped(many),
    ),
    Attack("holds_an_archive", "to be unpacked again and again", NOTES, "2.1 failed .*has ", pack=zipped(nested)),
    Attack(
        "comes_twice", "to have another file graded than staff read", NOTES, "2.1 failed .*has ", pack=zipped(twice)
    ),
    Attack(
        "waits_for_a_reader",
        "to have the grader wait at a pipe, or read without end",
        NOTES,
        "2.1 failed .*has ",
        pack=pipes,
    ),
    Attack(
        "is_a_pipe", "to have the grader wait at the file to be graded", "", "attacked.py", loses=ALL, pack=only_a_pipe
    ),
    Attack("is_deep", "to have the grader walk deeper than it can", NOTES, "2.1 failed .*has ", pack=deep),
    Attack(
        "brings_a_strange_notebook", "to have the grader choke on a notebook", NOTES, "2.1 failed .*has ", pack=notebook
    ),
)
