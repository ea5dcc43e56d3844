"""One run's private folder: the staged submission, the data, the scratch folder, and a worker session on them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from autograder.assignment import Assignment
from autograder.collect import Collected, collect
from autograder.data import prepare_data
from autograder.font_lists import READER, copy_font_lists
from autograder.sandbox.policy import Policy
from autograder.sandbox.session import FORKS, Session, Setting


class Opened(msgspec.Struct, frozen=True):
    """A submission ready to be graded: the session that serves it, and what the collector says of it.

    missing: the required and optional files that it does not have. data: a sentence per data set about which files are
    in use.
    """

    session: Session
    collected: Collected
    missing: tuple[str, ...]
    data: tuple[str, ...]


@contextlib.contextmanager
def open_workspace(
    path: Path, assignment: Assignment, *, confine: str = "auto", forks: bool | None = None
) -> Iterator[Opened]:
    """Stage the submission at `path` and start its worker; everything is gone afterwards.

    `forks` says how checks get their worker (None: what the platform can). Each data set of the assignment stands in
    a folder of its name below `probes.data_folder`.

    Raises UsageError where `path` does not exist, GraderError where no worker can be started.
    """
    with tempfile.TemporaryDirectory(prefix="autograder-", ignore_cleanup_errors=True) as name:
        workspace = Path(name).resolve()
        workspace.chmod(0o711)  # the worker's user may reach what it is told of, and list nothing
        collected = collect(path, assignment, workspace / "submission")
        asked_for = assignment.files.required + assignment.files.optional
        data_folder = workspace / "data"
        data_folder.mkdir(mode=0o755)
        setting = Setting(
            folder=collected.folder,
            workspace=workspace,
            main=assignment.main,
            modules=assignment.modules,
            data_folder=data_folder,
            preloads=assignment.preloads,
            font_lists=copy_font_lists(workspace / "fonts") if READER in assignment.preloads else None,
            policy=policy_of(assignment),
            confine=confine,
            forks=FORKS if forks is None else forks,
        )
        with Session(setting) as session:  # starts while the data is written
            sources = [
                prepare_data(data, assignment.root, data_folder / data, assignment.data_at_most)
                for data in assignment.data
            ]
            _let_all_read(data_folder)
            missing = tuple(name for name in asked_for if name not in collected.found)
            yield Opened(session, collected, missing, tuple(source.description for source in sources))


def policy_of(assignment: Assignment) -> Policy:
    """The assignment's budgets as limits on its worker."""
    budgets = assignment.budgets
    return Policy(
        memory_mb=budgets.memory_mb,
        call_seconds=budgets.call_seconds,
        check_seconds=budgets.check_seconds,
        import_seconds=budgets.import_seconds,
        statement_seconds=budgets.statement_seconds,
    )


def _let_all_read(folder: Path) -> None:
    """Modes that do not depend on the umask of whoever started the grader."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
