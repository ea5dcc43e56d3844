"""What isolation costs: a cold `autograder grade` of a reference, beside the same checks in one plain process.

Both run alternately on one core in the same minute, since these machines are noisy: read the ratio.
Usage: cold_grade.py [ASSIGNMENT] [REPETITIONS]
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

import measure

ROOT = Path(__file__).resolve().parents[1]


def main(assignment: str = "csci567_hw3", repetitions: str = "5") -> None:
    submission = str(ROOT / "reference" / assignment)
    grade = [sys.executable, "-m", "autograder", "grade", submission, "--assignment", assignment]
    with tempfile.TemporaryDirectory() as folder:
        results, plain_results = Path(folder, "results.json"), Path(folder, "plain.json")
        commands = {
            "plain, one process": [
                *(sys.executable, str(ROOT / "benchmarks" / "plain_runner.py")),
                *(submission, assignment, str(plain_results)),
            ],
            "isolated": [*grade, "--results", str(results)],
            "isolated, --confine off": [*grade, "--results", str(results), "--confine", "off"],
            "isolated, a worker started per check": [*grade, "--results", str(results), "--start", "spawn"],
        }
        costs: dict[str, list[measure.Cost]] = {name: [] for name in commands}
        for _ in range(int(repetitions)):
            for name, command in commands.items():
                costs[name].append(measure.run(command))
        same = compare(json.loads(results.read_text()), json.loads(plain_results.read_text()))
    print(f"{assignment}: cold grade of the reference on one core, median of {repetitions} alternating runs; {same}")
    plain = statistics.median(cost.seconds for cost in costs["plain, one process"])
    for name, runs in costs.items():
        seconds, processor, peak = (statistics.median(values) for values in zip(*runs, strict=True))
        print(
            f"  {name:38} {seconds:6.2f} s wall ({seconds / plain:4.2f}x)  {processor:6.2f} s cpu  {peak:5.0f} MB peak"
        )


def compare(ours: dict, plain: dict) -> str:
    """A guard against comparing different work: both ran the same checks and found the same."""
    passed = [sum(test["score"] for test in document["tests"]) for document in (ours, plain)]
    counts = [len(document["tests"]) for document in (ours, plain)]
    if counts[0] != counts[1] or abs(passed[0] - passed[1]) > 1e-6:
        raise SystemExit(f"the two runs differ: {counts} checks, {passed} points")
    return f"{counts[0]} checks, {passed[0]:g} points in both"


if __name__ == "__main__":
    main(*sys.argv[1:])
