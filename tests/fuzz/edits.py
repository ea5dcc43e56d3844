"""Random edits of real-looking submissions: what students' slips, broken downloads and curious hands make of a file.

`edited(seed, folder, bases)` puts one into a folder: a base submission with one to four edits, each a function from the
bytes of a file (or the files of the folder) to others. The same seed gives the same submission.
"""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

TEXT = (".py", ".ipynb", ".json")
_TOKENS = re.compile(r"\w+|\s+|.", re.DOTALL)

ODD_VALUES = (
    *(
        "None",
        "True",
        "-1",
        "0",
        "10**400",
        "float('nan')",
        "float('inf')",
        "1j",
        "'text'",
        "b'bytes'",
        "()",
        "[]",
        "{}",
    ),
    *("[[1, 2], [3]]", "[None]", "{1: {2: 3}}", "set()", "object()", "iter([1])", "(i for i in range(3))", "type"),
    *("lambda *a: a", "np.nan", "np.zeros(0)", "np.zeros((0, 3))", "np.zeros((2, 0))", "np.array('text')"),
    *("np.array(None)", "np.array([1, 'a'], dtype=object)", "np.zeros((1,) * 32)", "np.full((3, 3), np.inf)"),
    *("np.ones((2, 2), np.float16)", "np.ones((2, 2), complex)", "np.ones((2, 2), bool)", "np.ones(3, 'M8[s]')"),
    *("np.ma.array([1, 2], mask=[0, 1])", "np.zeros(2, [('a', 'f8')])", "np.float32(3)", "np.longdouble(3)"),
    *("np.zeros((3000, 3000))", "'x' * 10**6", "list(range(10**5))", "NotImplemented", "...", "Exception('x')"),
    *("np.matrix([[1.0, 2.0]])", "np.zeros((2, 2))[::-1]", "np.arange(6).reshape(2, 3).T", "__import__('os')"),
)
ODD_STATEMENTS = (
    *("raise ValueError", "raise KeyboardInterrupt", "raise BaseException('x')", "raise SystemExit(0)", "exit()"),
    *("import os; os._exit(3)", "import sys; sys.exit('bye')", "import sys; sys.setrecursionlimit(10**8)"),
    *(
        "print('x' * 10**6)",
        "print('\\x1b[31m<b>\\x00')",
        "import sys; sys.stdout.close()",
        "import sys; sys.stdout = None",
    ),
    *(
        "del globals()['np']",
        "np = None",
        "import numpy; numpy.dot = None",
        "x = yield",
        "return",
        "assert False, object()",
    ),
    *(
        "globals().clear()",
        "import nothing_of_this_name",
        "from os import *",
        "def f(): f()\nf()",
        "open('f', 'w').write('x')",
    ),
    *("import warnings; warnings.simplefilter('error')", "import os; os.close(1)", "import os; os.chdir('/')"),
    *("raise type('E' * 300, (Exception,), {})('y' * 10**5)", "import builtins; builtins.len = None", "input()"),
    "class M(type):\n    def __getattr__(c, n): raise RuntimeError(n)\nclass Odd(metaclass=M): pass",
    "import gc; [setattr(o, '__doc__', 1) for o in gc.get_objects()[:50] if type(o) is type]",
)
STALLS = (
    "while True: pass",
    "import time; time.sleep(10**6)",
    "[0] * 10**11",
    "x = []\nwhile True: x.append(b' ' * 10**7)",
)
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp1252", "latin-1", "utf-7", "cp037", "shift_jis")
NAMES = (
    "numpy.py",
    "conftest.py",
    "random.py",
    "utils.py",
    "__init__.py",
    "my model (1).py",
    "sitecustomize.py",
    "x.txt",
)

FileEdit = Callable[[random.Random, bytes], bytes]


# ---- Edits of a file's text -----------------------------------------------------------------------------------------


def _on_text(edit: Callable[[random.Random, str], str]) -> FileEdit:
    return lambda chance, raw: edit(chance, raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _on_lines(edit: Callable[[random.Random, list[str], int], None]) -> FileEdit:
    def changed(chance: random.Random, text: str) -> str:
        lines = text.split("\n")
        edit(chance, lines, chance.randrange(len(lines)))
        return "\n".join(lines)

    return _on_text(changed)


def _swap_tokens(chance: random.Random, text: str) -> str:
    tokens = _TOKENS.findall(text)
    places = [index for index, token in enumerate(tokens) if not token.isspace()]
    if len(places) > 1:
        first, second = chance.sample(places, 2)
        if chance.random() < 0.5:  # neighbours, as typing slips are
            second = places[min(places.index(first) + 1, len(places) - 1)]
        tokens[first], tokens[second] = tokens[second], tokens[first]
    return "".join(tokens)


def _replace_token(chance: random.Random, text: str) -> str:
    tokens = _TOKENS.findall(text)
    places = [index for index, token in enumerate(tokens) if not token.isspace()]
    if places:
        tokens[chance.choice(places)] = tokens[chance.choice(places)] if chance.random() < 0.7 else ""
    return "".join(tokens)


def _change_number(chance: random.Random, text: str) -> str:
    numbers = list(re.finditer(r"\b\d+(\.\d+)?\b", text))
    if not numbers:
        return text
    found = chance.choice(numbers)
    return (
        text[: found.start()] + chance.choice(["0", "1", "2", "-1", "1e308", "0.5", "10**9", "7"]) + text[found.end() :]
    )


def _odd_return(chance: random.Random, text: str) -> str:
    returns = list(re.finditer(r"return .*|(?<== ).*", text))
    if not returns:
        return text
    found = chance.choice(returns)
    keyword = "return " if found[0].startswith("return ") else ""
    return text[: found.start()] + keyword + chance.choice(ODD_VALUES) + text[found.end() :]


def _rebind_name(chance: random.Random, text: str) -> str:
    names = re.findall(r"^(?:def|class) (\w+)", text, re.MULTILINE)
    return text + f"\n{chance.choice(names)} = {chance.choice(ODD_VALUES)}\n" if names else text


def _insert_statement(chance: random.Random, lines: list[str], index: int) -> None:
    indentation = lines[index][: len(lines[index]) - len(lines[index].lstrip())]
    if lines[index].rstrip().endswith(":"):
        indentation, index = indentation + "    ", index + 1
    statement = chance.choice(STALLS if chance.random() < 0.04 else ODD_STATEMENTS)
    lines.insert(index, "\n".join(indentation + line for line in statement.split("\n")))


def _delete_lines(chance: random.Random, lines: list[str], index: int) -> None:
    del lines[index : index + chance.choice([1, 1, 1, 2, 5, 30])]


def _move_line(chance: random.Random, lines: list[str], index: int) -> None:
    lines.insert(chance.randrange(len(lines)), lines.pop(index) if chance.random() < 0.5 else lines[index])


def _indent(chance: random.Random, lines: list[str], index: int) -> None:
    for place in range(index, min(index + chance.choice([1, 3]), len(lines))):
        lines[place] = (
            chance.choice([" ", "\t", "    ", "\xa0"]) + lines[place]
            if chance.random() < 0.6
            else lines[place].lstrip()
        )


def _truncate(chance: random.Random, raw: bytes) -> bytes:
    return raw[: chance.randrange(len(raw) + 1)]


def _insert_garbage(chance: random.Random, raw: bytes) -> bytes:
    place = chance.randrange(len(raw) + 1)
    garbage = chance.choice(
        [chance.randbytes(chance.choice([1, 4, 60])), "é\u2019\u201c\u2014\u202e".encode(), b"\0", b"\x0c", b"(" * 300]
    )
    return raw[:place] + garbage + raw[place:]


def _encode_anew(chance: random.Random, raw: bytes) -> bytes:
    return raw.decode("utf-8", "replace").encode(chance.choice(ENCODINGS), "replace")


def _line_ends(chance: random.Random, raw: bytes) -> bytes:
    return raw.replace(b"\n", chance.choice([b"\r\n", b"\r", b"\n\n", b"\x85"]))


FILE_EDITS: tuple[FileEdit, ...] = (
    *(
        _on_text(edit)
        for edit in (_swap_tokens, _replace_token, _change_number, _odd_return, _odd_return, _rebind_name)
    ),
    *(_on_lines(edit) for edit in (_insert_statement, _insert_statement, _delete_lines, _move_line, _indent)),
    *(_truncate, _insert_garbage, _encode_anew, _line_ends),
)


# ---- Edits of the folder --------------------------------------------------------------------------------------------


def _rename(chance: random.Random, folder: Path, file: Path) -> None:
    target = folder / chance.choice(
        ["sub/" + file.name, file.stem + " (1)" + file.suffix, file.name.upper(), "other.py"]
    )
    target.parent.mkdir(exist_ok=True)
    file.rename(target)


def _delete(chance: random.Random, folder: Path, file: Path) -> None:
    file.unlink()


def _add(chance: random.Random, folder: Path, file: Path) -> None:
    (folder / chance.choice(NAMES)).write_bytes(file.read_bytes() if chance.random() < 0.5 else chance.randbytes(40))


def _as_notebook(chance: random.Random, folder: Path, file: Path) -> None:
    source = file.read_text("utf-8", "replace")
    parts = re.split(r"\n(?=def |class |@)", source)
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": part} for part in parts]
    book = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}
    raw = json.dumps(book).encode()
    file.with_suffix(".ipynb").write_bytes(_truncate(chance, raw) if chance.random() < 0.2 else raw)
    file.unlink()


FOLDER_EDITS = (_rename, _delete, _add, _as_notebook)


def _zipped(chance: random.Random, folder: Path) -> Path:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, f"hw/{file.relative_to(folder)}")
    raw = bytearray(made.getvalue())
    for _ in range(chance.choice([0, 0, 1, 5])):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    zipped = folder.with_suffix(".zip")
    zipped.write_bytes(bytes(raw))
    return zipped


def edited(seed: str, folder: Path, bases: Sequence[Path]) -> Path:
    """One of `bases` (files or folders), edited, in the new folder `folder`; the path of the submission."""
    chance = random.Random(seed)
    base = chance.choice(bases)
    if base.is_dir():
        shutil.copytree(base, folder, ignore=shutil.ignore_patterns("__pycache__", "*.pt", "*.png"))
    else:
        folder.mkdir()
        shutil.copy(base, folder)
    for _ in range(chance.choice([1, 1, 2, 3, 4])):
        files = sorted(path for path in folder.rglob("*") if path.suffix in TEXT)
        if not files:
            break
        file = chance.choice(files)
        if chance.random() < 0.08:
            chance.choice(FOLDER_EDITS)(chance, folder, file)
        else:
            file.write_bytes(chance.choice(FILE_EDITS)(chance, file.read_bytes()))
    return _zipped(chance, folder) if chance.random() < 0.1 else folder
