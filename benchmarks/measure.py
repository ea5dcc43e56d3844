"""Runs a command on one core and reads what it cost: wall time, and the peak of all its processes' memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

SAMPLE_SECONDS = 0.02
MEGABYTE = 1 << 20


class Cost(NamedTuple):
    """seconds: wall time. processor_seconds: of all processes. peak_mb: proportional set size, summed, sampled."""

    seconds: float
    processor_seconds: float
    peak_mb: float


def run(command: list[str], core: int | None = 0) -> Cost:
    """Run `command` (its output dropped) on one core; a failing command raises CalledProcessError."""
    before = os.times()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        preexec_fn=None if core is None else (lambda: os.sched_setaffinity(0, {core})),
    )
    peak = _Peak(process.pid)
    peak.start()
    code = process.wait()
    seconds = time.perf_counter() - started
    peak.stop.set()
    peak.join()
    after = os.times()
    if code:
        raise subprocess.CalledProcessError(code, command)
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(seconds, used, peak.megabytes)


class _Peak(threading.Thread):
    """Samples the memory of a process and all its descendants."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.megabytes = 0.0
        self._root = root

    def run(self) -> None:
        while not self.stop.wait(SAMPLE_SECONDS):
            total = sum(_proportional_bytes(process) for process in _family(self._root))
            self.megabytes = max(self.megabytes, total / MEGABYTE)


def _family(root: int) -> list[int]:
    parents = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    family = [root]
    for process in family:
        family += [child for child, parent in parents.items() if parent == process]
    return family


def _proportional_bytes(process: int) -> int:
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
