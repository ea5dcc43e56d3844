"""The same checks in one process without isolation: what the cold grade is compared with.

A plain gradescope-utils runner, as courses write it: the submission is imported into the process that judges it, the
checks become unittest methods, JSONTestRunner writes the document. Usage: plain_runner.py FOLDER ASSIGNMENT OUTPUT
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import os
import random
import sys
import tempfile
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import numpy as np
from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner

from autograder.assignment import Assignment, find_root, load_assignment
from autograder.data import prepare_data
from autograder.grading import examples
from autograder.grading.fixtures import Show
from autograder.sandbox.proxy import StandIn


def localize(value: Any) -> Any:
    """Stand-ins inside `value` as ordinary objects of this process."""
    if isinstance(value, StandIn):
        methods = {
            name: (lambda this, *arguments, _method=method: _method(this, *arguments))
            for name, method in value.methods.items()
        }
        local = type(value.name, (), methods)()
        local.__dict__.update(localize(vars(value.fields)))
        value.fields = local
        return local
    if isinstance(value, dict):
        return {key: localize(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(localize(item) for item in value)
    return np.array(value) if isinstance(value, np.ndarray) else value


class PlainSubmission:
    """The module itself; only its functions' arguments are made local (fresh arrays, stand-ins as objects)."""

    def __init__(self, module: ModuleType) -> None:
        self.__dict__["_module"] = module

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._module, name, localize(value))

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            return PlainCallable(value)
        return value


class PlainCallable:
    def __init__(self, function: Any) -> None:
        self.__dict__["_function"] = function

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._function(*map(localize, arguments), **{key: localize(v) for key, v in keywords.items()})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._function, name, value)


class PlainProbes:
    """The probes' answers without a worker."""

    def __init__(self, data_folder: Path, output: io.StringIO) -> None:
        self.data_folder = str(data_folder)
        self.remarks: list[Any] = []
        self._output = output
        self._taken = 0

    def printed(self) -> str:
        text = self._output.getvalue()[self._taken :]
        self._taken += len(text)
        return text

    def module(self, name: str) -> PlainSubmission:
        return PlainSubmission(importlib.import_module(name))

    def seed(self, number: int) -> None:
        random.seed(number)
        np.random.seed(number)

    def files(self) -> list[str]:
        return sorted(os.listdir("."))

    def read_file(self, name: str) -> bytes:
        return Path(name).read_bytes()

    def read_submitted_file(self, name: str) -> bytes:
        raise FileNotFoundError(name)

    def call_and_return_arguments(self, function: Any, *arguments: Any) -> tuple[Any, list[Any]]:
        arguments = [localize(argument) for argument in arguments]
        return function(*arguments), arguments


def load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_case(assignment: Assignment, fixtures: dict[str, Any], output: io.StringIO) -> type[unittest.TestCase]:
    """Every check of the assignment as a method, given what it asks for by name."""
    methods: dict[str, Any] = {}
    for folder in (assignment.public_folder, assignment.hidden_folder):
        for file in sorted(folder.glob("test_*.py")):
            for name, check in vars(load_module(file)).items():
                if name.startswith("test_") and callable(check):
                    methods[f"{name}_{file.stem}_{folder.name}"] = as_method(check, fixtures, output)
    return type("Checks", (unittest.TestCase,), methods)


def as_method(check: Any, fixtures: dict[str, Any], output: io.StringIO) -> Any:
    wanted = [name for name in inspect.signature(check).parameters if name in fixtures]

    def method(self: unittest.TestCase) -> None:
        module = vars(fixtures["submission"]._module)
        before = dict(module)
        try:
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(output):
                check(**{name: fixtures[name] for name in wanted})
        finally:
            module.update(before)  # what a check replaced in the submission must not reach the next

    for attribute in ("__weight__", "__number__", "__tags__", "__visibility__"):
        if hasattr(check, attribute):
            setattr(method, attribute, getattr(check, attribute))
    method.__doc__ = check.__doc__
    return method


def main(folder: str, assignment_id: str, results: str) -> None:
    assignment = load_assignment(find_root() / "tests" / assignment_id)
    output = io.StringIO()
    with tempfile.TemporaryDirectory() as name:
        for data in assignment.data:
            prepare_data(data, assignment.root, Path(name) / data)
        sys.path.insert(0, folder)
        submission = PlainSubmission(load_module(Path(folder) / assignment.main))
        fixtures = {
            "submission": submission,
            "reference": load_module(assignment.reference_folder / assignment.main),
            "probes": PlainProbes(Path(name), output),
            "set_score": lambda value: None,
            "set_leaderboard_value": lambda value: None,
            "show": Show(),
        }
        with examples.profile():
            suite = unittest.defaultTestLoader.loadTestsFromTestCase(test_case(assignment, fixtures, output))
            with open(results, "w", encoding="utf-8") as stream:
                JSONTestRunner(stream=stream, visibility="visible").run(suite)


if __name__ == "__main__":
    main(*sys.argv[1:])
