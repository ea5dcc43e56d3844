"""A Jupyter notebook's code cells as one Python module: a change of text, in which nothing of the student's runs.

nbformat reads every version of the format, and IPython's own transformer knows what is a magic, a shell line or a
question for help. Those become statements without effect; `%time` and its kin keep the statement that they measure.
Every line stays where it was in its cell, so that a message can name the cell and the line (:mod:`.sandbox.cells`).

The conversion runs in a process of its own, with limits on size and time: IPython would take 40 MB of the grader's
memory for the whole run, and a text made to be slow must not hold up the grader.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autograder.sandbox.cells import marker

SECONDS = 60.0
MOST_CODE = 1 << 20
"""Characters of code in one notebook; outputs and text do not count."""
MOST_CELL = 100_000
MOST_COMMANDS = 100
"""Lines with a magic or a shell command in one cell: the transformer reads the whole cell again for each."""

PACKAGE_PARENT = Path(__file__).resolve().parents[1]
BOOT = "import sys; sys.path[0] = sys.argv[1]; from autograder.notebook import main; main(sys.argv[2])"

MEASURING = frozenset({"time", "timeit", "capture", "prun", "memit"})
"""Cell magics whose body is the cell's Python code."""
MEASURED = frozenset({"time", "prun"})
"""Line magics that run the statement after them once."""
_COMMAND = re.compile(r"^\s*[%!?]|\?\s*$|=\s*[%!]", re.MULTILINE)
_SHELL_WORDS = re.compile(r"\s*(pip|conda|ls|cd|pwd|mkdir|rm|cp|mv|cat|ll)( .*)?")
_CALL = re.compile(r"get_ipython\(\)\.(\w+)(\(.*\))\s*$")

PROVIDED = {
    "display": "def display(*_, **__): pass",
    "get_ipython": "class get_ipython:\n    def __getattr__(self, name): return lambda *_, **__: None",
}
"""Names that a notebook has without an import, and a definition without effect for each."""


class NotebookError(Exception):
    """A notebook cannot be used. `reason` continues a sentence that starts with the file's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Converted(msgspec.Struct, frozen=True):
    """The module's text and the number of code cells in it, or why there is none."""

    text: str = ""
    cells: int = 0
    problem: str = ""


def convert(content: bytes, name: str, seconds: float = SECONDS) -> Converted:
    """The code cells of the notebook `content`, which the student called `name`, as the text of one module.

    Raises NotebookError for what is no notebook of Python code, or is too large or too slow to read.
    """
    command = [sys.executable, "-c", BOOT, str(PACKAGE_PARENT), name]
    try:
        child = subprocess.run(command, input=content, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise NotebookError(
            f"could not be turned into a Python file within {seconds:g} seconds; export it as one and submit that"
        ) from None
    if child.returncode != 0:
        raise NotebookError("cannot be read as a notebook; open it, save it again, and submit the new file")
    converted = msgspec.json.decode(child.stdout, type=Converted)
    if converted.problem:
        raise NotebookError(converted.problem)
    return converted


def main(name: str) -> None:
    """The conversion's own process: a notebook from standard input, the result to standard output."""
    try:
        converted = module_of(sys.stdin.buffer.read(), name)
    except NotebookError as error:
        converted = Converted(problem=error.reason)
    sys.stdout.buffer.write(msgspec.json.encode(converted))


def module_of(content: bytes, name: str) -> Converted:
    """The conversion itself. Raises NotebookError."""
    cells = _code_cells(content)
    if not any(cell.strip() for cell in cells):
        raise NotebookError("holds no code cell with code in it; save it and submit it again")
    if sum(map(len, cells)) > MOST_CODE or max(map(len, cells)) > MOST_CELL:
        raise NotebookError("holds far more code than a homework; keep the homework's cells and submit those")
    transform = _transformer()
    parts = [f"# The code cells of {name}, in their order"]
    parts += [line for word, line in PROVIDED.items() if any(re.search(rf"\b{word}\b", cell) for cell in cells)]
    for number, cell in enumerate(cells, 1):
        parts += [marker(number, name), cell_code(cell, transform)]
    return Converted("\n".join(parts) + "\n", len(cells))


def _code_cells(content: bytes) -> list[str]:
    """The source of every code cell, whichever version of the format it is in."""
    try:
        import nbformat  # only in the conversion's own process: no other part of the grader needs it
    except ImportError:
        raise NotebookError(
            "is a notebook, and what reads notebooks is not installed here; export it as a Python file"
        ) from None
    try:
        notebook = nbformat.reads(content.decode("utf-8-sig"), as_version=4)
        language = notebook.metadata.get("kernelspec", {}).get("language") or "python"
        cells = [cell.source.replace("\r\n", "\n") for cell in notebook.cells if cell.cell_type == "code"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, nbformat.ValidationError) as error:
        kind = "is damaged" if content.lstrip().startswith(b"{") else "is no notebook"
        raise NotebookError(
            f"{kind} ({type(error).__name__}); open it, save it again, and submit the new file"
        ) from None
    if not str(language).casefold().startswith(("python", "ipython")):
        raise NotebookError(f"is a notebook for {str(language)[:40]}, not for Python")
    return cells


def cell_code(cell: str, transform: Callable[[str], str]) -> str:
    """One cell as Python code with as many lines; a cell that is none becomes a statement that says so."""
    lines = cell.rstrip().split("\n")
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        name = lines[first][2:].split(" ")[0].strip()
        if name not in MEASURING:
            return _commented(lines)
        lines[first] = "# " + lines[first]
    code = "\n".join(lines)
    if len(_COMMAND.findall(code)) > MOST_COMMANDS:
        return _failing(lines, f"more than {MOST_COMMANDS} commands for IPython in one cell")
    try:
        code = transform(code) if _COMMAND.search(code) or _problem(code) else code
        problem = _problem(code)
    except (SyntaxError, RuntimeError) as error:  # the transformer's ways to give up
        problem = str(error)
    if problem and any(map(_SHELL_WORDS.fullmatch, lines)):
        lines = ["# " + line if _SHELL_WORDS.fullmatch(line) else line for line in lines]
        return cell_code("\n".join(lines), transform)
    return _failing(lines, problem) if problem else code


def _problem(code: str) -> str:
    """What keeps the code from being Python; nothing where it is."""
    try:
        ast.parse(code)
    except SyntaxError as error:
        return f"{error.msg} (line {error.lineno} of the cell)"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return ""


def _commented(lines: Sequence[str]) -> str:
    return "\n".join("# " + line for line in lines)


def _failing(lines: Sequence[str], problem: str) -> str:
    """The cell as a comment after a statement that fails: the other cells are loaded, and the student is told."""
    rest = _commented(lines[1:])
    return f"raise SyntaxError({problem!r})  # {lines[0]}" + (f"\n{rest}" if rest else "")


def _transformer() -> Callable[[str], str]:
    """IPython's transformation of a cell, with commands that do nothing and every line in its place."""
    from IPython.core import inputtransformer2 as ipython  # only in the conversion's own process

    manager = ipython.TransformerManager()
    manager.cleanup_transforms = [ipython.leading_indent, ipython.classic_prompt, ipython.ipython_prompt]
    manager.line_transforms = []
    manager.token_transformers = [_without_effect(kind) for kind in manager.token_transformers]

    def transform(code: str) -> str:
        return manager.transform_cell(code).rstrip("\n")

    return transform


def _without_effect(kind: Any) -> Any:
    """A token transformer whose commands do nothing, and which leaves the number of lines as it is."""

    class WithoutEffect(kind):
        def transform(self, lines: list[str]) -> list[str]:
            changed = super().transform(lines)
            row = self.start_line
            blank = ["\n"] * (len(lines) - len(changed))
            return [*changed[:row], _harmless(changed[row]), *blank, *changed[row + 1 :]]

    return WithoutEffect


def _harmless(line: str) -> str:
    """`x = get_ipython().getoutput('ls')` → `x = []`; what `%time` measures stays, anything else becomes None."""
    match = _CALL.search(line)
    if match is None:
        return line
    value = "[]" if match[1] == "getoutput" else "None"
    arguments = ast.literal_eval(match[2])
    if match[1] == "run_line_magic" and arguments[0] in MEASURED and not _problem(arguments[1]):
        value = arguments[1]
    return line[: match.start()] + value + "\n"
