"""Loads a submission forgivingly: what a course would accept is not lost to what happens around it.

Top-level statements run one by one. Definitions and imports always run; anything else (training, plots, reading
arguments) runs for a short while, and when it fails that is a remark, not the end. An import that fails, or a
definition that cannot be made, leaves a placeholder that explains itself when it is used.

Runs inside the worker, so nothing here is trusted with a verdict.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

from autograder.sandbox.cells import place_of

MAX_REMARKS = 40
MAX_TEXT = 400

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Unavailable:
    """Stands for a name whose import or definition failed; says so when it is used, and not before."""

    def __init__(self, name: str, reason: str, error: type[Exception]) -> None:
        self.__dict__.update(_name=name, _reason=reason, _error=error)

    def explain(self, *_: Any, **__: Any) -> NoReturn:
        raise self._error(f"{self._name} is not available: {self._reason}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.explain()

    def __repr__(self) -> str:
        return f"<{self._name}: not available>"

    __call__ = __getitem__ = __setitem__ = __iter__ = __len__ = __enter__ = __add__ = __radd__ = explain
    __sub__ = __mul__ = __rmul__ = __truediv__ = __matmul__ = __lt__ = __gt__ = __bool__ = explain


class StatementTimeout(BaseException):
    """A top-level statement used up its budget; not an Exception, so that `except Exception` lets it through."""


class ForgivingImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads every module that stands in the staged folder; `remarks` collects what went wrong."""

    def __init__(self, folder: Path, statement_seconds: float, definitions_only: bool) -> None:
        self.remarks: list[tuple[str, str, str]] = []
        """(severity, file, text)"""
        self.not_offered: tuple[str, ...] = ()
        """Modules that may be installed here, but not where the homework is graded."""
        self._folder = folder
        self._statement_seconds = statement_seconds
        self._definitions_only = definitions_only

    def find_spec(
        self, name: str, path: Any = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        file = self._folder / f"{name}.py"
        if name in self.not_offered and not file.is_file():
            raise ModuleNotFoundError(f"No module named {name!r}: this homework does without it", name=name)
        if "." in name or not file.is_file():
            return None
        return importlib.util.spec_from_file_location(name, file, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's statements.

        Raises:
            SyntaxError: the file cannot be read as Python.
        """
        file = Path(module.__spec__.origin)  # type: ignore[union-attr, arg-type]
        self.run_statements(parse(file), module, file)

    def run_statements(self, tree: ast.Module, module: ModuleType, file: Path) -> None:
        """Run a file's statements in a module's namespace, one by one; what fails becomes a remark."""
        flags = _future_flags(tree)
        for node in tree.body:
            self._run(node, module, file, flags)

    def _run(self, node: ast.stmt, module: ModuleType, file: Path, flags: int) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                self._run_import(node, alias, module, file, flags)
            return
        if self._definitions_only and not isinstance(node, Definition) and not _is_plain_assignment(node):
            self._remark("warning", file, node, "was left out: loading the file once had already hung or ended Python")
            return
        try:
            with _time_limit(self._statement_seconds):
                _execute(node, module, file, flags)
        except StatementTimeout:
            self._remark(
                "warning", file, node,
                f"was stopped after {self._statement_seconds:g} s; code at the top level runs whenever the file is "
                'imported: put training and plots under `if __name__ == "__main__":`',
            )  # fmt: skip
        except BaseException as error:
            self._forgive(node, module, file, error)

    def _run_import(
        self, node: ast.Import | ast.ImportFrom, alias: ast.alias, module: ModuleType, file: Path, flags: int
    ) -> None:
        """One imported name at a time, so that a missing one does not take its neighbours along."""
        single = (
            ast.Import([alias]) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, [alias], node.level)
        )
        try:
            _execute(ast.copy_location(single, node), module, file, flags)
        except BaseException as error:
            reason = f"its import in {_line(file, node)} failed ({describe(error)})"
            self._remark("warning", file, node, f"failed: {describe(error)}")
            name = alias.asname or alias.name.split(".")[0]
            if name != "*":
                module.__dict__[name] = Unavailable(name, reason, ImportError)

    def _forgive(self, node: ast.stmt, module: ModuleType, file: Path, error: BaseException) -> None:
        """A remark, and placeholders for the names the statement would have made."""
        what = "called exit" if isinstance(error, SystemExit) else f"failed: {describe(error)}"
        severity = "error" if isinstance(node, Definition) else "warning"
        self._remark(severity, file, node, f"{what}; the rest of the file was still loaded")
        for name in _names_made(node):
            if name not in module.__dict__:
                reason = f"{_line(file, node)} {what}"
                module.__dict__[name] = Unavailable(name, reason, NameError)

    def _remark(self, severity: str, file: Path, node: ast.stmt, text: str) -> None:
        if len(self.remarks) < MAX_REMARKS:
            name, line = place_of(file, node.lineno)
            self.remarks.append((severity, name, f"line {line} ({_quote(node)}) {text}"))


def parse(file: Path) -> ast.Module:
    """The file's syntax tree; anything that keeps it from being one is a SyntaxError that says what."""
    try:
        return ast.parse(file.read_bytes(), filename=str(file))
    except ValueError as error:  # a NUL byte, before Python 3.12
        raise SyntaxError(f"{file.name} is not Python text: {error}") from None
    except (RecursionError, MemoryError):
        raise SyntaxError(f"{file.name} nests too deeply to be read") from None


def describe(error: BaseException) -> str:
    """Type and message on one bounded line."""
    text = message_of(error)
    return f"{type(error).__name__}: {text}"[:MAX_TEXT] if text else type(error).__name__


def message_of(error: BaseException) -> str:
    """The error's message on one bounded line; an error whose own text fails says so."""
    try:
        return " ".join(str(error).split())[:MAX_TEXT]
    except BaseException:
        return "(its message could not be made)"


def _execute(node: ast.stmt, module: ModuleType, file: Path, flags: int) -> None:
    tree = ast.Module(body=[node], type_ignores=[])
    exec(compile(tree, str(file), "exec", flags=flags, dont_inherit=True), module.__dict__)


def _future_flags(tree: ast.Module) -> int:
    names = [a.name for node in tree.body if _is_future(node) for a in node.names]  # type: ignore[attr-defined]
    return sum({getattr(__future__, name).compiler_flag for name in names if name in __future__.all_feature_names})


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _is_plain_assignment(node: ast.stmt) -> bool:
    """An assignment that calls nothing, such as `LEARNING_RATE = 0.01`."""
    return isinstance(node, ast.Assign | ast.AnnAssign) and not any(isinstance(n, ast.Call) for n in ast.walk(node))


def _names_made(node: ast.stmt) -> list[str]:
    if isinstance(node, Definition):
        return [node.name]
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _line(file: Path, node: ast.stmt) -> str:
    name, line = place_of(file, node.lineno)
    return f"line {line}" if name == file.name else f"line {line} of {name}"


def _quote(node: ast.stmt) -> str:
    kind = {ast.FunctionDef: "function", ast.AsyncFunctionDef: "function", ast.ClassDef: "class"}.get(type(node))
    if kind:
        return f"{kind} {node.name}"  # type: ignore[attr-defined]
    first = ast.unparse(node).splitlines()[0]
    return first if len(first) <= 60 else first[:57] + "..."


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupts the block after `seconds` of wall time, again and again until it yields (where there is SIGALRM)."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield  # the import as a whole is still bounded from outside
        return
    if signal.getitimer(signal.ITIMER_REAL)[0]:  # inside another statement's time already: an import within it
        yield
        return
    previous = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _interrupt(number: int, stack: FrameType | None) -> None:
    raise StatementTimeout


def install(folder: Path, statement_seconds: float, definitions_only: bool) -> ForgivingImporter:
    """Make the staged folder's modules importable, ahead of everything but what is loaded already."""
    importer = ForgivingImporter(folder, statement_seconds, definitions_only)
    sys.meta_path.insert(0, importer)
    sys.path.append(str(folder))  # for packages, which the importer leaves to Python's own
    return importer
