"""Says at the end how many attacks were held, and in which setting."""

from __future__ import annotations

import os

import pytest


def setting() -> str:
    """How the grader is run here."""
    name = os.environ.get("AUTOGRADER_ATTACKS_SETTING")
    return name or ("root" if os.geteuid() == 0 else "an ordinary user")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Only of the attacks themselves: one line for each setting, which `make attacks` shows."""
    counts = {
        outcome: sum("test_the_attack_is_held" in report.nodeid for report in terminalreporter.getreports(outcome))
        for outcome in ("passed", "failed", "error", "skipped")
    }
    tried = counts["passed"] + counts["failed"] + counts["error"]
    if tried:
        skipped = f", {counts['skipped']} cannot be tried here" if counts["skipped"] else ""
        one_in = int(os.environ.get("AUTOGRADER_ATTACKS_ONE_IN") or 1)
        sample = f", one attack in {one_in}" if one_in > 1 else ""
        terminalreporter.write_line(f"attacks: held {counts['passed']} of {tried} ({setting()}{skipped}{sample})")
