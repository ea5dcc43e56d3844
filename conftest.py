"""Plain `pytest` runs the graded suites too, with the reference solutions as the submissions."""

from pathlib import Path

import pytest

from autograder.grading.reference_run import ReferenceRun


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ReferenceRun(Path(__file__).parent), "reference-run")
