"""Rewrites that give names: other local names, another `self`, other names of imports, names for numbers.

Which names belong together is libcst's scope analysis. What somebody outside may know stays: parameters, which can be
passed by keyword, attributes, and what the module defines.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
from libcst.metadata import Assignment, FunctionScope, GlobalScope, MetadataWrapper, Scope, ScopeProvider


class _Renamed(cst.CSTTransformer):
    """Gives each of some Name nodes its new name."""

    def __init__(self, names: dict[cst.Name, str]) -> None:
        super().__init__()
        self.names = names

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        return updated_node.with_changes(value=self.names.get(original_node, updated_node.value))


def locals_renamed(source: str) -> str:
    """Every local variable of a function gets a new name; not its parameters, inner functions or imports."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    names: dict[cst.Name, str] = {}
    for scope in _scopes(wrapper):
        if not isinstance(scope, FunctionScope):
            continue
        for name, assignments in _assignments(scope):
            if name.startswith("_") or not all(isinstance(found.node, cst.Name) for found in assignments):
                continue
            fresh = fresh_name(f"my_{name}", source)
            for assignment in assignments:
                names.update((node, fresh) for node in _name_nodes(assignment))
    return wrapper.module.visit(_Renamed(names)).code


def self_renamed(source: str) -> str:
    """`self`, which is never passed by keyword, is called `this`."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    fresh = fresh_name("this", source)
    names: dict[cst.Name, str] = {}
    for scope in _scopes(wrapper):
        if isinstance(scope, FunctionScope):
            for name, assignments in _assignments(scope):
                if name == "self" and all(isinstance(found.node, cst.Param) for found in assignments):
                    names.update((node, fresh) for found in assignments for node in _name_nodes(found))
    return wrapper.module.visit(_Renamed(names)).code


def imports_renamed(source: str) -> str:
    """`import numpy as np` becomes `import numpy as np_module`, and so on for every module with an `as` at the top."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    names: dict[cst.Name, str] = {}
    for scope in _scopes(wrapper):
        if not isinstance(scope, GlobalScope):
            continue
        for name, assignments in _assignments(scope):
            nodes = [node for found in assignments for node in _name_nodes(found)]
            aliases = [alias for found in assignments for alias in _aliases(found.node, name)]
            if len(aliases) == len(assignments):
                names.update((node, fresh_name(f"{name}_module", source)) for node in (*nodes, *aliases))
    return wrapper.module.visit(_Renamed(names)).code


def constants_named(source: str) -> str:
    """The numbers in the bodies of functions become constants of the module, defined before its first definition."""
    texts: dict[str, str] = {}

    class Named(cst.CSTTransformer):
        depth = 0

        def visit_FunctionDef_body(self, node: cst.FunctionDef) -> None:
            self.depth += 1

        def leave_FunctionDef_body(self, node: cst.FunctionDef) -> None:
            self.depth -= 1

        def _named(self, node: cst.BaseNumber) -> cst.BaseExpression:
            if not self.depth:
                return node
            text = cst.Module(body=()).code_for_node(node.with_changes(lpar=(), rpar=()))
            name = texts.setdefault(text, fresh_name(f"NUMBER_{len(texts)}", source))
            return cst.Name(name, lpar=node.lpar, rpar=node.rpar)

        def leave_Integer(self, original_node: cst.Integer, updated_node: cst.Integer) -> cst.BaseExpression:
            return self._named(updated_node)

        def leave_Float(self, original_node: cst.Float, updated_node: cst.Float) -> cst.BaseExpression:
            return self._named(updated_node)

    module = cst.parse_module(source).visit(Named())
    constants = [cst.parse_statement(f"{name} = {text}") for text, name in texts.items()]
    place = first_definition(module)
    return module.with_changes(body=[*module.body[:place], *constants, *module.body[place:]]).code


def first_definition(module: cst.Module) -> int:
    """The index of a module's first function or class, the end where there is none."""
    definitions = cst.FunctionDef | cst.ClassDef
    return next((i for i, statement in enumerate(module.body) if isinstance(statement, definitions)), len(module.body))


def fresh_name(name: str, source: str) -> str:
    """The name, with as many underscores behind it as make it new in a source."""
    while name in source:
        name += "_"
    return name


def _scopes(wrapper: MetadataWrapper) -> list[Scope]:
    found = wrapper.resolve(ScopeProvider).values()
    return list(dict.fromkeys(scope for scope in found if isinstance(scope, Scope)))


def _assignments(scope: Scope) -> Iterator[tuple[str, list[Assignment]]]:
    """Yield each name that is bound in a scope with all its bindings there."""
    by_name: dict[str, list[Assignment]] = {}
    for assignment in scope.assignments:
        if isinstance(assignment, Assignment):
            by_name.setdefault(assignment.name, []).append(assignment)
    yield from sorted(by_name.items())


def _name_nodes(assignment: Assignment) -> Iterator[cst.Name]:
    """Yield the nodes that bear a binding's name: where it is bound, and where it is read."""
    if isinstance(assignment.node, cst.Name):
        yield assignment.node
    elif isinstance(assignment.node, cst.Param):
        yield assignment.node.name
    for access in assignment.references:
        node: cst.CSTNode = access.node
        while isinstance(node, cst.Attribute):
            node = node.value
        if isinstance(node, cst.Name):
            yield node


def _aliases(node: cst.CSTNode, name: str) -> Iterator[cst.Name]:
    """Yield the name behind `as` in an import of a module."""
    for alias in node.names if isinstance(node, cst.Import) else ():
        if alias.asname is not None and isinstance(alias.asname.name, cst.Name) and alias.asname.name.value == name:
            yield alias.asname.name
