"""What isolation costs: a cold `autograder grade` of a reference, beside the same checks in one plain process.

Both run alternately on one core in the same minute, since these machines are noisy: read the ratio. A PyTorch homework
asks its questions through probes beside the student's objects, so it has no plain runner to be compared with: there
the first line is what counts, and what pictures and confinement add to it.
Usage: cold_grade.py [ASSIGNMENT] [REPETITIONS]
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

import measure

from autograder.assignment import load_assignment

ROOT = Path(__file__).resolve().parents[1]
REQUIRED, OFF = "isolated, --confine require", "isolated, --confine off"


def main(assignment: str = "csci567_hw3", repetitions: str = "5") -> None:
    submission = str(ROOT / "reference" / assignment)
    grade = [sys.executable, "-m", "autograder", "grade", submission, "--assignment", assignment]
    with tempfile.TemporaryDirectory() as folder:
        results, plain_results = Path(folder, "results.json"), Path(folder, "plain.json")
        isolated = [*grade, "--results", str(results)]
        plain = [
            *(sys.executable, str(ROOT / "benchmarks" / "plain_runner.py")),
            *(submission, assignment, str(plain_results)),
        ]
        commands = {REQUIRED: [*isolated, "--confine", "require"], OFF: [*isolated, "--confine", "off"]}
        if uses_torch(assignment):
            commands["isolated, --no-pictures"] = [*isolated, "--no-pictures"]
        else:
            spawn = [*isolated, "--start", "spawn"]
            commands = {"plain, one process": plain, **commands, "isolated, a worker started per check": spawn}
        costs: dict[str, list[measure.Cost]] = {name: [] for name in commands}
        for _ in range(int(repetitions)):
            for name, command in commands.items():
                costs[name].append(measure.run(command))
        documents = [json.loads(file.read_text()) for file in (results, plain_results) if file.is_file()]
    print(f"{assignment}: cold grade of the reference on one core, median of {repetitions} alternating runs; "
          f"{described(*documents)}")  # fmt: skip
    pairs = zip(costs[REQUIRED], costs[OFF], strict=True)
    ratio = statistics.median(required.seconds / off.seconds for required, off in pairs)
    first = statistics.median(cost.seconds for cost in next(iter(costs.values())))
    for name, runs in costs.items():
        seconds, processor, peak = (statistics.median(values) for values in zip(*runs, strict=True))
        print(
            f"  {name:38} {seconds:6.2f} s wall ({seconds / first:4.2f}x)  {processor:6.2f} s cpu  {peak:5.0f} MB peak"
        )
    print(f"  what the protections cost: --confine require takes {ratio:.2f} times as long as off (median of pairs)")


def uses_torch(assignment: str) -> bool:
    return "torch" in load_assignment(ROOT / "tests" / assignment).preloads


def described(*documents: dict) -> str:
    """What was graded, and a guard against comparing different work: all ran the same checks and found the same."""
    passed = {round(sum(test["score"] for test in document["tests"]), 6) for document in documents}
    counts = {len(document["tests"]) for document in documents}
    if len(counts) > 1 or len(passed) > 1:
        raise SystemExit(f"the runs differ: {counts} checks, {passed} points")
    return f"{counts.pop()} checks, {passed.pop():g} points"


if __name__ == "__main__":
    main(*sys.argv[1:])
