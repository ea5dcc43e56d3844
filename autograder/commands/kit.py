"""`autograder kit ID -o ZIP`: what students get: the stencil, the data, and the public checks with what runs them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder.assignment import Assignment
from autograder.bundle import (
    Entry,
    file_entry,
    folder_entries,
    handed_out_entries,
    package_entries,
    ready_data_entries,
    requirement_lines,
    requirements_entry,
    write_zip,
)
from autograder.commands.options import named_assignment
from autograder.data import data_set, has_real_files
from autograder.handout_notebook import notebook_name
from autograder.stencil import make_stencil

README = """\
# {course}: {title}

You write {required}.
Everything else is here so that you can try it: the public checks are a part of the checks that your submission is
graded with. They run on your computer, send nothing anywhere, and need no network once installed.

You need Python 3.10 to 3.13 on Windows, macOS or Linux. Unzip this folder, open a terminal in it, and

    python -m pip install -r requirements.txt     (once; a virtual environment of its own is a good place)
    python -m autograder check .                  (as often as you like)

Where your system calls Python `python3` or `py`, write that instead of `python`.
{torch}
## What you see
One line for each check, by item of the handout, with its points, and then the first failure explained: what was called
with which values, what your code gave, and what was expected. `python -m autograder check --help` tells how to see the
others. A check that you pass here passes in the grading too; the grading has more checks for the same items.

## What is here
| | |
|---|---|
{files}
| `requirements.txt` | the libraries, in the versions your submission is graded with |
| `tests/{id}/` | the public checks: read them, they say what each function must do |
| `reference/{id}/` | the given files once more, as the grader uses them |
| `stencils/{id}/` | your files as they were when you got them |
| `autograder/` | what runs the checks; you need not read or change it |

## What you hand in
{submit}
Of the given files the grader uses its own copies, so write nothing into them.

## If something goes wrong
- `No module named autograder`: the terminal is in another folder; go to the one that holds this file.
- `No module named numpy` or the like: the install command has not run with the same `python`.
- A check says that your code took too long or ended: the other checks ran all the same; look at that one.
- Anything else that is no fault of your code: send your course staff the whole text that the command prints.
"""

TORCH = """
On Linux the first command may bring PyTorch with its GPU libraries, which is several gigabytes. Nothing here needs
them: in an activated virtual environment, `python -m pip install uv` and then
`python -m uv pip install --torch-backend=cpu -r requirements.txt` bring the small build instead.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command's arguments."""
    parser = subparsers.add_parser("kit", help="write the zip that students get: stencil, data and public checks")
    parser.add_argument("id", metavar="ID", help="the assignment, as 'autograder list' names it")
    parser.add_argument("-o", "--output", metavar="ZIP", type=Path, help="where to write it (default: ID-kit.zip)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the kit and say where it is."""
    assignment = named_assignment(args.id)
    output = args.output or Path(f"{args.id}-kit.zip")
    write_zip(output, kit_entries(assignment))
    print(f"{output}: {output.stat().st_size / 1024:.0f} KiB; its README.md tells students what to do")
    return 0


def kit_entries(assignment: Assignment) -> Iterator[Entry]:
    """Only what a student may see: nothing from the reference but the given files, and no hidden check.

    Students' and given files stand at the top, where the course's own commands expect them; the given ones a second
    time where the grader takes its own copies from, so that an edited `utils.py` is no surprise after submitting.
    """
    stencil = make_stencil(assignment)
    for name, content in stencil.items():
        yield Entry(name, content)
    for name in assignment.files.given:
        yield file_entry(assignment.given_folder / name, f"reference/{assignment.id}/{name}")
    yield requirements_entry(assignment)
    yield Entry("README.md", readme(assignment).encode())
    for name in ("assignment.toml", "__init__.py"):
        if (assignment.folder / name).is_file():
            yield file_entry(assignment.folder / name, f"tests/{assignment.id}/{name}")
    yield from folder_entries(assignment.public_folder, f"tests/{assignment.id}/public")
    yield from handed_out_entries(assignment, stencil)
    yield from package_entries()
    yield from ready_data_entries(assignment)


def readme(assignment: Assignment) -> str:
    """The kit's one page."""
    files = assignment.files
    notebooks = {name: notebook_name(name) for name in assignment.notebooks}
    rows = [(f"`{name}`", "yours to write") for name in files.required]
    rows += [(f"`{notebook}`", "the same as a notebook, to write in instead") for notebook in notebooks.values()]
    rows += [(f"`{name}`", "given") for name in files.given]
    rows += [(f"`data/{name}/`", _data_words(name, assignment.root)) for name in assignment.data]
    submit = f"Hand in {_listed(files.required)}."
    for name, notebook in notebooks.items():
        submit += f"\nIn place of `{name}` you may hand in the notebook, `{notebook}`; hand in one of the two."
    if files.optional:
        submit += f"\nYou may also hand in {_listed(files.optional)}."
    return README.format(
        id=assignment.id,
        course=assignment.course,
        title=assignment.title,
        required=_listed(files.required),
        files="\n".join(f"| {name} | {meaning} |" for name, meaning in rows),
        submit=submit,
        torch=TORCH if _needs_torch(assignment) else "",
    )


def _needs_torch(assignment: Assignment) -> bool:
    lines = requirement_lines(assignment.root / "pyproject.toml", assignment.extras)
    return any(line.startswith("torch==") for line in lines)


def _data_words(name: str, root: Path) -> str:
    title = data_set(name).title
    return title if has_real_files(name, root) else f"a small stand-in for {title}, in the same files"


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
