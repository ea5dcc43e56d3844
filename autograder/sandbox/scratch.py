"""The one folder that a worker may write: made, measured while it is used, and emptied whatever stands in it.

What stands in it is the student's: folders nested deeper than a path can say, folders that nobody may enter, names that
are no text, and new files while the old ones are removed. So nothing here recurses, follows a link, or waits for ever.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path

from autograder.sandbox.policy import MEGABYTE, Policy
from autograder.sandbox.transport import OutOfSpace

BLOCK = 512
LONGEST_PATH = 2_000
"""Half of what the system takes: to look at ever longer paths costs the square of their length."""
EMPTYING_SECONDS = 1.0
LAST_EMPTYING_SECONDS = 20.0
"""When nobody writes any more: then only the number of files takes time."""


class Scratch:
    """The scratch folder of one run."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.folder = folder
        self._policy = policy

    def prepare(self, user_id: int | None) -> None:
        """Make the folder, for the worker's user where it has one of its own."""
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o700)
        if user_id is not None:
            with contextlib.suppress(OSError):  # an id this container does not have: the worker stays who it is
                os.chown(self.folder, user_id, user_id)

    def check(self) -> None:
        """Raises OutOfSpace where more stands in it than the policy lets."""
        bytes_left, entries_left = self._policy.scratch_mb * MEGABYTE, self._policy.scratch_entries
        waiting, longest = [str(self.folder)], 0
        while waiting:
            for entry in _entries(waiting.pop()):
                entries_left -= 1
                with contextlib.suppress(OSError):  # gone again
                    bytes_left -= entry.stat(follow_symlinks=False).st_blocks * BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                        longest = max(longest, len(entry.path))
                if bytes_left < 0:
                    raise OutOfSpace(f"wrote more than {self._policy.scratch_mb} MB of files")
                if entries_left < 0:
                    raise OutOfSpace(f"made more than {self._policy.scratch_entries:,} files and folders")
                if longest > LONGEST_PATH:
                    raise OutOfSpace("made folders nested deeper than can be looked after")

    def empty(self, seconds: float = EMPTYING_SECONDS) -> None:
        """Remove everything in it; the folder itself stays, since the worker may write no other.

        A process that goes on writing meanwhile is not waited for longer than `seconds`.
        """
        if os.unlink not in os.supports_dir_fd or os.listdir not in os.supports_fd:
            _empty_by_path(self.folder)
            return
        end = time.monotonic() + seconds
        top = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            while (names := os.listdir(top)) and time.monotonic() < end:
                for name in names:
                    with contextlib.suppress(OSError):  # changed under our hands: the next round sees what is there
                        _remove(top, name)
        finally:
            os.close(top)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What stands in `folder`; nothing where it cannot be read, since then nothing can be written there either."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _empty_by_path(folder: Path) -> None:
    """Windows, where no student grades another's work: by path, as far as that goes."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                entry.unlink()


def _remove(top: int, name: str) -> None:
    """Remove the entry `name` of the open folder `top`, or bring what stands in it one level up."""
    if _unlinked(top, name):
        return
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=top)
        return
    folder = _open(top, name)
    try:
        for child in os.listdir(folder):
            if not _unlinked(folder, child):
                _let_in(folder, child)
                os.rename(child, secrets.token_hex(8), src_dir_fd=folder, dst_dir_fd=top)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)


def _unlinked(folder: int, name: str) -> bool:
    """Whether it was a file, and is gone."""
    try:
        os.unlink(name, dir_fd=folder)
    except (IsADirectoryError, PermissionError):
        return False
    return True


def _open(top: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(PermissionError):
        return os.open(name, flags, dir_fd=top)
    _let_in(top, name)
    return os.open(name, flags, dir_fd=top)


def _let_in(folder: int, name: str) -> None:
    """Open a folder that its maker closed. Root needs no such thing, and must not be led to change another's file."""
    if os.geteuid() != 0:
        with contextlib.suppress(OSError):
            os.chmod(name, 0o700, dir_fd=folder)
