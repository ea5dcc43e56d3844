"""What a mutation operator must know about the function around a node, and which statements are cosmetic.

A statement is *cosmetic* where no verdict may depend on it, so that its mutants would say nothing about the checks:

- a call of `print`, of a logger, of a progress bar, or of a drawing method that only decorates (a title, an axis);
- an assignment whose names are read by cosmetic statements alone, and an `if` that holds nothing else;
- one that moves a tensor to a device and stores it under its own name: grading has one device.

Imports, docstrings and strings are left alone as well. Everything else is mutated: a function of the homework's own
that prints, such as csci567_hw3's `print_gradients`, is not cosmetic, since its arguments are what is graded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

# Calls that only tell somebody something, by the name that is called...
_TELLING = frozenset({"print", "display", "log", "debug", "info", "warning", "set_description", "set_postfix"})
# ...and methods of figures that only decorate: a figure without them shows the same data.
_DECORATING = frozenset({"suptitle", "title", "set_title", "xlabel", "ylabel", "axis", "legend", "grid", "close"})
# Keyword arguments with the same lack of consequence, and `strict`, which guards against a bug elsewhere.
COSMETIC_KEYWORDS = frozenset({"figsize", "dpi", "cmap", "label", "color", "desc", "leave", "strict"})
_DEVICE_MOVES = frozenset({"to", "cpu", "cuda"})


@dataclass(frozen=True)
class Facts:
    """What is known of one function."""

    keys: dict[str, tuple[str, ...]]
    """The string keys that occur in subscripts, sorted, by the text of what is subscripted and all together as ""."""
    literal_names: frozenset[str]
    """Local names that are bound to a number or to a list or dict display somewhere: no one else holds their value."""
    rebound_names: frozenset[str]
    """Names that already have a value where a later statement binds them again: parameters, and names bound twice."""
    cosmetic_names: frozenset[str]
    """Names that only cosmetic statements read."""
    passed_on: tuple[str, ...] = ()
    """Parameters that are used as arguments of calls and in no other way, in their order."""


NO_FACTS = Facts(keys={}, literal_names=frozenset(), rebound_names=frozenset(), cosmetic_names=frozenset())


def facts_of(function: cst.FunctionDef) -> Facts:
    """Collect the facts of a function, nested functions included."""
    bound = [*(parameter.name.value for parameter in _parameters(function)), *_bound_names(function)]
    return Facts(
        keys=_keys(function),
        literal_names=frozenset(_literal_names(function)),
        rebound_names=frozenset(name for name in bound if bound.count(name) > 1),
        cosmetic_names=_cosmetic_names(function),
        passed_on=_passed_on(function),
    )


def text_of(node: cst.CSTNode) -> str:
    """Return a node's source text."""
    return cst.Module(body=()).code_for_node(node)


def called_name(node: cst.CSTNode) -> str:
    """Return the last name of what a call calls, `sum` for `np.sum(x)`; empty for anything else."""
    function = node.func if isinstance(node, cst.Call) else node
    if isinstance(function, cst.Attribute):
        return function.attr.value
    return function.value if isinstance(function, cst.Name) else ""


def is_cosmetic(statement: cst.CSTNode, facts: Facts) -> bool:
    """Whether no verdict may depend on a statement, by the rules of this module."""
    if isinstance(statement, cst.SimpleStatementLine):
        return all(is_cosmetic(small, facts) for small in statement.body)
    if isinstance(statement, cst.If):
        return statement.orelse is None and all(is_cosmetic(inner, facts) for inner in statement.body.body)
    if isinstance(statement, cst.Expr):
        return called_name(statement.value) in _TELLING | _DECORATING or isinstance(statement.value, cst.SimpleString)
    if isinstance(statement, cst.Assign):
        names = [name for target in statement.targets for name in _names_in(target.target)]
        return _moves_to_device(statement) or _all_cosmetic(names, facts.cosmetic_names)
    if isinstance(statement, cst.AugAssign):
        return _all_cosmetic(_names_in(statement.target), facts.cosmetic_names)
    return isinstance(statement, cst.Import | cst.ImportFrom | cst.Pass | cst.Global | cst.Nonlocal)


def _all_cosmetic(names: list[str], cosmetic: frozenset[str]) -> bool:
    return bool(names) and all(name in cosmetic for name in names)


def _moves_to_device(statement: cst.Assign) -> bool:
    """Whether this is `x = x.to(device)`, or the same for several names."""
    sources = _elements(statement.value)
    targets = [text_of(element) for element in _elements(statement.targets[0].target)]
    moved = [
        text_of(source.func.value)
        for source in sources
        if isinstance(source, cst.Call)
        and isinstance(source.func, cst.Attribute)
        and called_name(source) in _DEVICE_MOVES
    ]
    return moved == targets


def _elements(node: cst.BaseExpression) -> list[cst.BaseExpression]:
    return [element.value for element in node.elements] if isinstance(node, cst.Tuple) else [node]


def _names_in(node: cst.CSTNode) -> list[str]:
    """The plain names that a target binds; empty where it also binds an attribute or an entry."""
    if isinstance(node, cst.Name):
        return [node.value]
    if isinstance(node, cst.Tuple | cst.List):
        names = [_names_in(element.value) for element in node.elements]
        return [name for inner in names for name in inner] if all(names) else []
    return []


def _parameters(function: cst.FunctionDef) -> Iterator[cst.Param]:
    parameters = function.params
    yield from (*parameters.posonly_params, *parameters.params, *parameters.kwonly_params)


def _bound_names(function: cst.FunctionDef) -> Iterator[str]:
    """Yield the names that statements bind, once for each time."""
    for target in m.findall(function.body, m.AssignTarget() | m.For() | m.AnnAssign()):
        assert isinstance(target, cst.AssignTarget | cst.For | cst.AnnAssign)
        yield from _names_in(target.target)


def _literal_names(function: cst.FunctionDef) -> Iterator[str]:
    for statement in m.findall(function.body, m.Assign()):
        assert isinstance(statement, cst.Assign)
        for target in statement.targets:
            names, values = _elements(target.target), _elements(statement.value)
            for name, value in zip(names, values, strict=False):
                if isinstance(name, cst.Name) and isinstance(value, cst.BaseNumber | cst.List | cst.Dict):
                    yield name.value


def _keys(function: cst.FunctionDef) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {"": set()}
    for node in m.findall(function, m.Subscript(slice=[m.SubscriptElement(m.Index(m.SimpleString()))])):
        assert isinstance(node, cst.Subscript)
        key = text_of(node.slice[0].slice)
        found[""].add(key)
        found.setdefault(text_of(node.value), set()).add(key)
    return {base: tuple(sorted(keys)) for base, keys in found.items()}


def _cosmetic_names(function: cst.FunctionDef) -> frozenset[str]:
    """The largest set of local names that nothing reads but cosmetic statements, assuming the set itself."""
    names = frozenset(_bound_names(function)) - {parameter.name.value for parameter in _parameters(function)}
    while True:
        facts = Facts(keys={}, literal_names=frozenset(), rebound_names=frozenset(), cosmetic_names=names)
        read = _names_read(function.body, facts)
        if not names & read:
            return names
        names -= read


def _passed_on(function: cst.FunctionDef) -> tuple[str, ...]:
    names = [parameter.name.value for parameter in _parameters(function)]
    uses = [node.value for node in m.findall(function.body, m.Name()) if isinstance(node, cst.Name)]
    arguments = [
        node.value.value
        for node in m.findall(function.body, m.Arg(value=m.Name(), keyword=None))
        if isinstance(node, cst.Arg) and isinstance(node.value, cst.Name)
    ]
    return tuple(name for name in names if 0 < uses.count(name) == arguments.count(name))


def _names_read(node: cst.CSTNode, facts: Facts) -> set[str]:
    """The names that are not merely bound in a node, cosmetic statements left out."""
    if isinstance(node, cst.BaseStatement | cst.BaseSmallStatement) and is_cosmetic(node, facts):
        return set()
    if isinstance(node, cst.Name):
        return {node.value}
    if isinstance(node, cst.AssignTarget):
        return set() if _names_in(node.target) else _names_read(node.target, facts)
    children = [child for child in node.children if not (isinstance(node, cst.For) and child is node.target)]
    return set().union(*(_names_read(child, facts) for child in children))
