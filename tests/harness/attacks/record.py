"""What one attack is: a submission with something hostile in it, and what may come of it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECOND = ("2.1", "2.2")
"""The checks that call `second`, the function that most attacks are in."""
ALL = ("1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "3.1", "3.2")

HONEST = """
import numpy as np

def first(x):
    return 2 * x

def second(x):
    return 3 * x

def third(x):
    return 5 * x

class Model:
    def __init__(self, size):
        self.params = {"W": np.ones((size, size))}

    def forward(self, X):
        return X @ self.params["W"]

def apply(layer, x):
    return layer.forward(x)
"""

PRELUDE = '''
import ctypes, errno, os, struct, sys, time
GRADER = os.getppid()  # while the submission is loaded, its parent is the grader
{facts}
REPORT = []

def attempt(words, action, *arguments):
    """Try it, and remember how that went."""
    try:
        seen = action(*arguments)
    except BaseException as error:
        REPORT.append(f"CLOSED {{words}}: {{type(error).__name__}} {{error}}")
    else:
        REPORT.append(f"OPEN {{words}}: {{seen!r:.3000}}")

def tell():
    print("\\n".join(REPORT))

def read(path):
    with open(path, "rb") as file:
        return file.read(4000)

def write(path, text="{{}}"):
    with open(path, "w") as file:
        return file.write(text)

def system_call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    words = [ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_void_p(a) for a in (number, *arguments)]
    result = libc.syscall(*words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
'''


@dataclass(frozen=True)
class Attack:
    """One attack.

    name: of the test. tries: what it is after, in a sentence. source: replaces parts of the honest submission, which
    it follows in the file. evidence: a pattern that the results show only if the attack was really carried out (of
    "NUMBER OUTCOME CAUSE: TEXT" for each check, and the remarks). loses: the checks that then give nothing; may_lose:
    those that may give nothing; every other check gives its full points. files: more files of the submission.
    pack: makes what is handed in of the submission's folder, where that is not the folder itself; the second argument
    is the attack's own folder, with the course and its secrets in it. harmless: "OPEN" in the report proves nothing.
    needs: what the machine must have ("root", "torch"). protected_by: protections without which it is known to work,
    as docs/security.md says; one of them must hold, or the attack is skipped.
    """

    name: str
    tries: str
    source: str
    evidence: str
    loses: tuple[str, ...] = SECOND
    may_lose: tuple[str, ...] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    pack: Callable[[Path, Path], Path] | None = None
    harmless: bool = False
    needs: tuple[str, ...] = ()
    protected_by: tuple[str, ...] = ()


def in_second(body: str) -> str:
    """`body` as what `second` does before it tells how that went."""
    return "def second(x):\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n    return tell()\n"


def while_loaded(code: str) -> str:
    """`code` as it stands in the file, before what is put after it."""
    return textwrap.dedent(code).strip("\n") + "\n\n"


def submission_text(attack: Attack | None, facts: Mapping[str, object]) -> str:
    """The main file of the submission; the honest one where `attack` is None."""
    if attack is None:
        return HONEST
    known = "\n".join(f"{name} = {value!r}" for name, value in facts.items())
    return HONEST + PRELUDE.format(facts=known) + "\n" + textwrap.dedent(attack.source)
