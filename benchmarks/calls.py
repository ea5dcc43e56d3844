"""The unit costs of isolation: one proxied call, one attribute, one worker per check.

Both processes run on one core, as in the grader's container; on two of an idle machine a call takes longer, since the
other core must be woken each time.

Usage: calls.py [CORES]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from autograder.sandbox.session import Session, Setting

MODULE = """
import numpy as np

class Layer:
    def __init__(self):
        self.params = {"W": np.ones((4, 3)), "b": np.zeros((1, 3))}
    def forward(self, X):
        return X @ self.params["W"] + self.params["b"]
"""


def microseconds(action: Callable[[], object], count: int, rounds: int = 9) -> float:
    """Median over rounds of the mean time of one action."""
    means = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(count):
            action()
        means.append((time.perf_counter() - started) / count * 1e6)
    return statistics.median(means)


def measure(workspace: Path, forks: bool) -> None:
    """Print the costs for one way of serving."""
    folder = workspace / "submission"
    folder.mkdir(exist_ok=True)
    (folder / "student.py").write_text(MODULE)
    for path in (workspace, folder):
        path.chmod(0o755)
    X = np.round(np.random.default_rng(0).normal(size=(5, 4)), 1)
    with Session(Setting(folder, workspace, "student.py", folder, forks=forks)) as session:
        session.load()

        def one_check() -> None:
            with session.check(30):
                pass

        print("a fork of the loaded worker per check" if forks else "a worker started per check")
        print(f"  worker for a check   {microseconds(one_check, 10 if forks else 1):9.0f} µs")
        with session.check(60) as check:
            layer = check.submission.Layer()
            print(f"  call, (5, 4) array   {microseconds(lambda: layer.forward(X), 500):9.1f} µs")
            print(f"  attribute, two arrays{microseconds(lambda: layer.params, 500):9.1f} µs")
            print(f"  new example          {microseconds(check.begin_example, 500):9.1f} µs")


if __name__ == "__main__":
    os.sched_setaffinity(0, range(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
    for forks in (True, False):
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), forks)
