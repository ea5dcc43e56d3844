"""Grade the same submissions again and again, on a busy machine and with other hash seeds: nothing may differ.

What keeps the machine busy is the gradings themselves: more of them at a time than there are cores.

    python -m autograder.validation.stability ID FOLDER PROCESSES

is one round, in a process of its own since the hash seed of a Python process is fixed at its start: it grades every
folder below FOLDER and writes the document beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autograder.assignment import Assignment, find_root, load_assignment
from autograder.grading.results import Results
from autograder.sandbox.proxy import GraderError
from autograder.validation.variants import Submission, Variant
from autograder.validation.warm import Job, grade_all

VARIANTS_OF_A_KIND = 10
SUBMISSION = "submission"
DOCUMENT = "document.json"
GRADINGS_PER_CORE = 3


def chosen(variants: Sequence[Variant]) -> list[Variant]:
    """The reference, and ten bugs, mutants and rewrites each, spread over the whole lists."""
    choice: list[Variant] = [variant for variant in variants if variant.kind == "reference"]
    for kinds in (("bug", "mutant"), ("rewrite",)):
        several = [variant for variant in variants if variant.kind in kinds and variant.equivalent is None]
        step = max(1, len(several) // VARIANTS_OF_A_KIND)
        choice += several[::step][:VARIANTS_OF_A_KIND]
    return choice


def repeat(
    assignment: Assignment,
    submission: Submission,
    variants: Sequence[Variant],
    *,
    rounds: int,
    processes: int,
    tell: Callable[[], None] = lambda: None,
) -> tuple[int, list[str]]:
    """Grade each variant `rounds` times; return the number of gradings, and for each that differs how it does.

    processes: the cores that are kept busy. `tell` is called after every round.

    Raises GraderError where a round cannot be run.
    """
    first: dict[str, Any] = {}
    differing: list[str] = []
    for seed in range(rounds):
        with tempfile.TemporaryDirectory(prefix="autograder-") as name:
            documents = _one_round(assignment, submission, variants, seed, GRADINGS_PER_CORE * processes, Path(name))
        for key, document in documents.items():
            difference = _difference(first.setdefault(key, document), document)
            if difference:
                differing.append(f"{key}: round {seed + 1}: {difference}")
        tell()
    return rounds * len(variants), differing


def _one_round(
    assignment: Assignment,
    submission: Submission,
    variants: Sequence[Variant],
    seed: int,
    processes: int,
    folder: Path,
) -> dict[str, Any]:
    for number, variant in enumerate(variants):
        (folder / str(number)).mkdir()
        submission.write(variant, folder / str(number))
    done = subprocess.run(
        [sys.executable, "-m", "autograder.validation.stability", assignment.id, str(folder), str(processes)],
        env={**os.environ, "PYTHONHASHSEED": str(seed), "AUTOGRADER_ROOT": str(assignment.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise GraderError(f"a round of gradings failed:\n{done.stderr}")
    return {
        variant.key: json.loads((folder / str(number) / DOCUMENT).read_bytes())
        for number, variant in enumerate(variants)
    }


def _difference(before: Any, after: Any, place: str = "") -> str:
    """The first difference of two documents; "" where there is none."""
    if type(before) is type(after) and isinstance(before, dict | list) and len(before) == len(after):
        keys = before if isinstance(before, dict) else range(len(before))
        for key in keys:
            if isinstance(before, dict) and key not in after:
                return f"{place}.{key} is missing"
            found = _difference(before[key], after[key], f"{place}.{key}")
            if found:
                return found
        return ""
    return "" if before == after else f"{place}: {before!r} became {after!r}"


def comparable(results: Results) -> bytes:
    """The document without what may differ: the time it took, and how the worker was confined."""
    extra = msgspec.structs.replace(results.extra_data, protections={})
    return msgspec.json.encode(msgspec.structs.replace(results, execution_time=0.0, extra_data=extra))


def main(assignment_id: str, folder: Path, processes: int) -> int:
    """One round."""
    assignment = load_assignment(find_root() / "tests" / assignment_id)

    def prepared(path: Path) -> Callable[[Path], Path]:
        return lambda _: path / SUBMISSION

    jobs = [Job(path.name, prepared(path)) for path in sorted(folder.iterdir())]
    for job, graded in grade_all(assignment, jobs, processes=processes):
        if graded.results is None or graded.failure:
            print(f"{job.name}: {graded.failure}", file=sys.stderr)
            return 1
        (folder / job.name / DOCUMENT).write_bytes(comparable(graded.results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
