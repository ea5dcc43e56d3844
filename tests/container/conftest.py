"""Says at the end how many attacks were held in containers."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            properties = dict(report.user_properties)
            if report.when == "call" and "words" in properties:
                counted = counts.setdefault(str(properties["words"]), Counter())
                counted.update({name: int(properties[name]) for name in ("held", "tried", "skipped")})
    for words, counted in counts.items():
        skipped = f", {counted['skipped']} cannot be tried or are not defended there" if counted["skipped"] else ""
        terminalreporter.write_line(f"attacks: held {counted['held']} of {counted['tried']} ({words}{skipped})")
