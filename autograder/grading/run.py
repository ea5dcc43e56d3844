"""One grading run: pytest, started inside this process with nothing but what grading needs."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import msgspec
import pytest

from autograder.assignment import Assignment
from autograder.grading.plugin import GradingPlugin
from autograder.grading.results import Fault, Results, ResultsWriter
from autograder.grading.sections import clean

COMPLETE, GRADER_FAILED, INTERRUPTED = 0, 3, 130
"""Exit codes: graded, whatever the grade; the grader failed somewhere; somebody stopped it."""

# Builtin plugins that grading has no use for: each one costs time at every start.
_UNUSED = (
    *("cacheprovider", "debugging", "doctest", "faulthandler", "junitxml", "legacypath", "logging", "pastebin"),
    *("recwarn", "setuponly", "setupplan", "stepwise", "terminal", "threadexception", "unittest"),
    *("unraisableexception", "warnings"),
)
# What a shell may hold for other runs of pytest is none of this run's business.
_SHELL_SETTINGS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


class RunReport(msgspec.Struct, frozen=True):
    """How a run ended: the exit code for the command, the document, and what to tell the instructor."""

    exit_code: int
    results: Results

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The grader's own failures, in full."""
        return self.results.extra_data.faults


def run_checks(
    assignment: Assignment,
    session: Any,
    *,
    results_path: Path | None = None,
    public_only: bool = False,
    deadline: float | None = None,
    remarks: Iterable[Any] = (),
    missing: Sequence[str] = (),
    only: str = "",
    pictures: bool = True,
    until_loss: bool = False,
) -> RunReport:
    """Run the checks of `assignment` on the submission that `session` serves, and return how it went.

    results_path: where the document is written, before the first and after every check; None writes none.
    public_only: run the checks in public/ alone. deadline: the end of the run in `time.monotonic()`; the assignment's
    run_seconds from now where None. remarks: the collector's. missing: the required and optional files that were not
    submitted. only: a number, to run the checks below it. pictures: whether they may show pictures.
    until_loss: end with the first check that gives less than its points, as if somebody had interrupted the run.

    Raises GraderError where the document cannot be written; any other failure is in the report.
    """
    plugin = GradingPlugin(
        assignment,
        session,
        ResultsWriter(results_path),
        deadline=time.monotonic() + assignment.budgets.run_seconds if deadline is None else deadline,
        public_only=public_only,
        remarks=remarks,
        missing=missing,
        only=only,
        pictures=pictures,
        until_loss=until_loss,
    )
    plugin.start()
    if "torch" in assignment.preloads and importlib.util.find_spec("torch"):  # else the run will say what is missing
        _load_torch()
    folders = [assignment.public_folder] if public_only else [assignment.public_folder, assignment.hidden_folder]
    said = io.StringIO()
    with _without_shell_settings(), _forgetting_modules_of(assignment.folder), redirect_stderr(said):
        code = pytest.main(pytest_arguments(assignment, folders), plugins=[plugin])
    return _report(plugin, pytest.ExitCode(code), said.getvalue())


def _load_torch() -> None:
    """torch as this process needs it: one thread, so that the same run gives the same numbers on every machine, and
    without the compiler that any optimiser would load."""
    from autograder.sandbox.surroundings import lean_torch  # imports torch, which not every installation has

    lean_torch.postpone_compiler()
    lean_torch.torch.set_num_threads(1)


def pytest_arguments(assignment: Assignment, folders: Sequence[Path]) -> list[str]:
    """Arguments that make pytest look at these folders and nothing else: no settings file, no plugins, no cache.

    A conftest.py counts only inside the assignment's own folder. Asserts stay plain: rewritten ones would show
    expected values, and cost time.
    """
    return [
        *(str(folder) for folder in folders),
        f"--rootdir={assignment.folder}",
        f"--confcutdir={assignment.folder}",
        f"--config-file={os.devnull}",
        "--import-mode=importlib",
        "--assert=plain",
        "--capture=sys",
        "--runxfail",
        "--disable-plugin-autoload",
        *(argument for name in _UNUSED for argument in ("-p", f"no:{name}")),
    ]


def _report(plugin: GradingPlugin, code: pytest.ExitCode, said: str) -> RunReport:
    """`said` is what pytest itself had to say: why it could not begin, or warnings about our own checks."""
    fault = None
    if (
        code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR)
        and not plugin.document().extra_data.faults
    ):
        fault = Fault("", f"pytest could not run the checks ({code.name}):\n{clean(said)}".rstrip())
    else:
        sys.stderr.write(said)
    results = plugin.end(fault)
    if results.extra_data.faults:
        return RunReport(GRADER_FAILED, results)
    return RunReport(COMPLETE if results.extra_data.finished else INTERRUPTED, results)


@contextmanager
def _without_shell_settings() -> Iterator[None]:
    saved = {name: os.environ.pop(name) for name in _SHELL_SETTINGS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(saved)


@contextmanager
def _forgetting_modules_of(folder: Path) -> Iterator[None]:
    """Checks imported in the body are forgotten after it.

    pytest finds a module by its path below the root folder, so that the checks of the next assignment in this process
    would be taken for those of this one.
    """
    before = set(sys.modules)
    try:
        yield
    finally:
        ours = {name for name in set(sys.modules) - before if _is_from(folder, name)}
        for name in ours | {name.rpartition(".")[0] for name in ours} - before:
            sys.modules.pop(name, None)


def _is_from(folder: Path, name: str) -> bool:
    origin = getattr(sys.modules[name], "__file__", None)
    return origin is not None and Path(origin).is_relative_to(folder)
