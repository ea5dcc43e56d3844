"""Makes a training script short without changing what it does: few epochs, few batches, small settings.

The syntax tree is rewritten before the script is run under a watch: every loop is handed to :class:`Brevity`, which
ends it once it has seen enough steps, and numbers of epochs are cut. Loops over epochs keep their last round, since
scripts save and plot there. What a script does afterwards (testing, plotting, saving) therefore still happens.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

EPOCHS = 2
FOR_LOOP, WHILE_LOOP = "__autograder_shortened__", "__autograder_goes_on__"
SHORT_COLLECTION = 8
"""A list of a few things (optimisers, models) is no loop over batches."""
MANY_ITEMS = 100_000

_COUNTS_EPOCHS = re.compile(r"(^|_)n?epochs?$|^(num|max|total)epochs?$|^epochs?_?(num|number|count|total|max)$", re.I)
_IS_EPOCH = re.compile(r"(^|_)(epochs?|ep|n?iter_?epochs?)(_|$)|^e$", re.I)


class Shortener(ast.NodeTransformer):
    """Rewrites loops and numbers of epochs in a script's syntax tree; lines stay where they are."""

    def __init__(self) -> None:
        self._loops = 0

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        call = ast.Call(ast.Name(FOR_LOOP, ast.Load()), [node.iter, ast.Constant(_counts_epochs(node))], [])
        node.iter = ast.copy_location(call, node.iter)
        return ast.fix_missing_locations(node)

    def visit_While(self, node: ast.While) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        self._loops += 1
        name = f"__autograder_loop_{self._loops}__"
        start = ast.Assign([ast.Name(name, ast.Store())], ast.Call(ast.Name(WHILE_LOOP, ast.Load()), [], []))
        goes_on = ast.Call(ast.Name(name, ast.Load()), [], [])
        node.test = ast.copy_location(ast.BoolOp(ast.And(), [goes_on, node.test]), node.test)
        return [ast.fix_missing_locations(ast.copy_location(start, node)), ast.fix_missing_locations(node)]

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        for target in node.targets:
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            if len(names) == len(values):
                for name, value in zip(names, values, strict=True):
                    _cut(_name_of(name), value)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        _cut(_name_of(node.target), node.value)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        _cut(node.arg, node.value)
        return self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        placed = [*node.posonlyargs, *node.args]
        for argument, default in zip(placed[len(placed) - len(node.defaults) :], node.defaults, strict=True):
            _cut(argument.arg, default)
        for argument, value in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            _cut(argument.arg, value)
        return self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                _cut(key.value, value)
        return self.generic_visit(node)


def _cut(name: str | None, value: ast.expr | None) -> None:
    """`epochs = 20` becomes `epochs = 2`."""
    if name is None or not _COUNTS_EPOCHS.search(name):
        return
    if isinstance(value, ast.Constant) and type(value.value) is int and value.value > EPOCHS:
        value.value = EPOCHS


def _name_of(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _counts_epochs(node: ast.For) -> bool:
    """`for epoch in ...`, `for i in range(num_epochs)`; not the batches of one epoch."""
    names = [_name_of(part) or "" for part in ast.walk(node.iter) if isinstance(part, ast.Name | ast.Attribute)]
    if any("load" in name.lower() or "batch" in name.lower() for name in names):
        return False
    targets = [part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)]
    return any(_IS_EPOCH.search(name) for name in targets) or any(_COUNTS_EPOCHS.search(name) for name in names)


class Brevity:
    """Ends loops that have seen enough steps, and answers for arguments that nobody gives."""

    def __init__(
        self,
        count_steps: Callable[[], int],
        seconds_left: Callable[[], float],
        steps: int,
        settings: Mapping[str, float] | None = None,
        count_optimizers: Callable[[], int] = lambda: 0,
    ) -> None:
        """A loop ends after `steps` steps, or once half of the seconds left at the start are used.

        A loop whose rounds make optimisers goes through networks, not through batches, and is counted anew each time.

        `settings`: values for command-line options whose names match a pattern; a switch is turned on.
        """
        self._settings = dict(settings or {})
        self._count_steps = count_steps
        self._count_optimizers = count_optimizers
        self._seconds_left = seconds_left
        self._steps = steps

    def names(self) -> dict[str, Any]:
        """What a rewritten script calls."""
        return {FOR_LOOP: self.shorten, WHILE_LOOP: self.goes_on}

    def shorten(self, items: Iterable[Any], is_epochs: bool) -> Iterator[Any]:
        """A loop's items, as far as needed; of a loop over epochs the first one and the last."""
        if isinstance(items, list | tuple | dict | set | str) and len(items) <= SHORT_COLLECTION and not is_epochs:
            return iter(items)
        if is_epochs and hasattr(items, "__len__") and len(items) <= MANY_ITEMS:  # type: ignore[arg-type]
            return self._first_and_last(list(items))
        return self._few(items)

    def _few(self, items: Iterable[Any]) -> Iterator[Any]:
        goes_on = self.goes_on()
        for item in items:
            if not goes_on():
                return
            yield item

    def _first_and_last(self, items: Sequence[Any]) -> Iterator[Any]:
        """Some more where a round is a single step."""
        start = self._count_steps()
        for item in items[:-1]:
            before = self._count_steps()
            yield item
            if self._count_steps() != before + 1 or before + 1 - start >= self._steps:
                break
        yield from items[-1:]

    def goes_on(self) -> Callable[[], bool]:
        """Asked before each round of one loop: whether there shall be another."""
        start, limit, rounds = self._count_steps(), self._seconds_left() / 2, 0
        optimizers = self._count_optimizers()

        def ask() -> bool:
            nonlocal start, rounds, optimizers
            rounds += 1
            if self._count_optimizers() > optimizers:
                start, optimizers = self._count_steps(), self._count_optimizers()
            steps = self._count_steps() - start
            return not (steps and self._seconds_left() < limit) and (steps < self._steps or rounds <= EPOCHS)

        return ask

    def watch_arguments(self, original: Any) -> Any:
        """ArgumentParser.parse_known_args: what is required gets a likely value, and few epochs are asked for."""

        def parse_known_args(parser: argparse.ArgumentParser, *arguments: Any, **keywords: Any) -> Any:
            for action in parser._actions:
                if action.required:
                    action.required, action.default = False, _likely_value(action)
                    action.nargs = "?" if not action.option_strings else action.nargs
            space, rest = original(parser, *arguments, **keywords)
            self._set(parser, space)
            for name, value in vars(space).items():
                if _COUNTS_EPOCHS.search(name) and type(value) is int and value > EPOCHS:
                    setattr(space, name, EPOCHS)
            return space, rest

        return parse_known_args

    def _set(self, parser: argparse.ArgumentParser, space: argparse.Namespace) -> None:
        for pattern, value in self._settings.items():
            for action in parser._actions:
                if re.search(pattern, action.dest, re.IGNORECASE):
                    setattr(space, action.dest, _set_value(action, value))
                elif action.choices:
                    fitting = [one for one in action.choices if re.search(pattern, str(one), re.IGNORECASE)]
                    setattr(space, action.dest, fitting[0] if fitting else getattr(space, action.dest))


def _set_value(action: argparse.Action, value: float) -> Any:
    """A switch is turned from its default; anything else gets the number in the option's own type."""
    if action.nargs == 0:
        return action.const
    convert: Any = action.type
    return convert(value) if callable(convert) else value


def _likely_value(action: argparse.Action) -> Any:
    """A value of the right type for an argument that the script insists on."""
    if action.choices:
        return next(iter(action.choices))
    name = action.dest.lower()
    if _COUNTS_EPOCHS.search(name):
        return EPOCHS
    if action.type is float:
        return 0.001
    if action.type is int:
        return 64
    return "."
