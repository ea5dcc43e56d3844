"""matplotlib's lists of the fonts on this machine, for a worker that must not read the folder they are kept in.

Without one, matplotlib reads every font when it is first imported, which takes two seconds and more: in a worker, whose
home is new, again and again. So the lists that matplotlib has made for the grader are copied for it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

LISTS = "fontlist-*.json"
READER = "autograder.sandbox.surroundings.environment"
"""The module, preloaded by the worker, that reads the copies: without it nothing needs them."""
LARGEST_BYTES = 4 << 20


def copy_font_lists(into: Path) -> Path:
    """Make the folder `into`, copy there what lists are found, and return it; none is no mistake, only slower."""
    into.mkdir()
    into.chmod(0o755)  # whatever the umask of whoever started the grader
    for folder in _cache_folders():
        with contextlib.suppress(OSError):  # not there, or not ours to read
            for file in sorted(folder.glob(LISTS)):
                if file.stat().st_size <= LARGEST_BYTES and not (into / file.name).exists():
                    shutil.copyfile(file, into / file.name)
                    (into / file.name).chmod(0o644)
    return into


def _cache_folders() -> list[Path]:
    """Where matplotlib keeps them, in its own order; to ask it would mean to import it."""
    if "MPLCONFIGDIR" in os.environ:
        return [Path(os.environ["MPLCONFIGDIR"])]
    try:
        home = Path.home()
    except RuntimeError:  # a user without one
        return []
    caches = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return [caches / "matplotlib", home / ".matplotlib"]
