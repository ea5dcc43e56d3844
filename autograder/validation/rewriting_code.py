"""Rewrites of definitions and statements: other orders, more definitions, other ways to say the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import libcst as cst
import libcst.matchers as m

from autograder.validation.facts import text_of
from autograder.validation.rewriting_names import first_definition, fresh_name
from autograder.validation.rewriting_text import is_docstring

_MIRRORED = {
    cst.GreaterThan: cst.LessThan,
    cst.LessThan: cst.GreaterThan,
    cst.GreaterThanEqual: cst.LessThanEqual,
    cst.LessThanEqual: cst.GreaterThanEqual,
    cst.Equal: cst.Equal,
    cst.NotEqual: cst.NotEqual,
}
_Statements = Sequence[cst.BaseStatement]
_Body = Callable[[cst.FunctionDef, _Statements], _Statements]

# ------------------------------------------------------------------------------------------------- definitions


def methods_reversed(source: str) -> str:
    """Methods are looked up by name; classes where a name stands twice, as a property's does, stay."""

    class Reversed(cst.CSTTransformer):
        def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
            return updated_node.with_deep_changes(updated_node.body, body=_functions_reversed(updated_node.body.body))

    return cst.parse_module(source).visit(Reversed()).code


def functions_reversed(source: str) -> str:
    """Functions of the module are looked up when they are called, so those with nothing between may change places."""
    module = cst.parse_module(source)
    body: list[cst.BaseStatement] = []
    run: list[cst.BaseStatement] = []
    for statement in (*module.body, None):
        if isinstance(statement, cst.FunctionDef):
            run.append(statement)
            continue
        body += _functions_reversed(run)
        run = []
        if statement is not None:
            body.append(statement)
    return module.with_changes(body=body).code


def _functions_reversed(statements: Sequence[cst.CSTNode]) -> list[cst.BaseStatement]:
    """The statements with the functions among them in reverse order, on the functions' places."""
    functions = [statement for statement in statements if isinstance(statement, cst.FunctionDef)]
    if len({function.name.value for function in functions}) == len(functions):
        backwards = reversed(functions)
        statements = [next(backwards) if isinstance(found, cst.FunctionDef) else found for found in statements]
    return [statement for statement in statements if isinstance(statement, cst.BaseStatement)]


def helpers_added(source: str) -> str:
    """A class and a function that nothing uses, and imports of modules that Python always has."""
    return _with_statements(
        source,
        f"""
import math
import os.path


class {fresh_name("History", source)}:
    \"\"\"Remembers numbers.\"\"\"

    def __init__(self):
        self.numbers = []

    def remember(self, number):
        self.numbers.append(number)


def {fresh_name("round_up", source)}(number, to):
    return to * math.ceil(number / to)
""",
    )


def base_class_added(source: str) -> str:
    """Classes inherit from an empty one, which inherits what they inherited from before: nothing, or nn.Module."""
    plain, network = fresh_name("Common", source), fresh_name("CommonNetwork", source)

    class Inheriting(cst.CSTTransformer):
        def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
            if not updated_node.bases:
                base = plain
            elif [text_of(found.value) for found in updated_node.bases] == ["nn.Module"]:
                base = network
            else:
                return updated_node
            return updated_node.with_changes(bases=[cst.Arg(cst.Name(base))])

    changed = cst.parse_module(source).visit(Inheriting()).code
    for name, base in ((plain, ""), (network, "(nn.Module)")):
        if name in changed:
            changed = _with_statements(
                changed, f'\n\nclass {name}{base}:\n    """What all have in common: nothing."""\n'
            )
    return changed


def decorated(source: str) -> str:
    """A decorator that hands arguments and results through; functools.wraps keeps name, docstring and signature."""
    name = fresh_name("as_it_is", source)

    class Decorated(cst.CSTTransformer):
        def visit_ClassDef(self, node: cst.ClassDef) -> bool:
            return False

        def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
            return False

        def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
            return updated_node.with_changes(decorators=[cst.Decorator(cst.Name(name)), *updated_node.decorators])

    changed = cst.parse_module(source).visit(Decorated()).code
    if changed == source:
        return source
    program = f"""
import functools


def {name}(function):
    @functools.wraps(function)
    def call(*arguments, **named):
        return function(*arguments, **named)

    return call
"""
    return _with_statements(changed, program, early=True)


def parameter_added(source: str) -> str:
    """One more parameter behind the others that nobody has to give."""
    name = fresh_name("verbose", source)
    parameter = cst.Param(cst.Name(name), default=cst.Name("False"))

    class Extended(cst.CSTTransformer):
        def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
            parameters = updated_node.params
            if isinstance(parameters.star_arg, cst.Param) or parameters.star_kwarg or parameters.kwonly_params:
                return updated_node
            return updated_node.with_changes(params=parameters.with_changes(params=[*parameters.params, parameter]))

    return cst.parse_module(source).visit(Extended()).code


def guard_added(source: str) -> str:
    """A `main` of the student's own that only runs where the file is the program."""
    if "__main__" in source:
        return source
    name = fresh_name("main", source)
    return source + f'\n\ndef {name}():\n    print("try me")\n\n\nif __name__ == "__main__":\n    {name}()\n'


def _with_statements(source: str, program: str, *, early: bool = False) -> str:
    """The source with statements before its first definition, or before its first statement that is no docstring."""
    module = cst.parse_module(source)
    added = cst.parse_module(program).body
    place = int(is_docstring(module.body[0])) if early else first_definition(module)
    return module.with_changes(body=[*module.body[:place], *added, *module.body[place:]]).code


# ------------------------------------------------------------------------------------------------------- bodies


def _with_bodies(source: str, change: _Body) -> str:
    """The source with every function's body changed; its docstring stays where it is."""

    class Changed(cst.CSTTransformer):
        def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
            body = [statement for statement in updated_node.body.body if isinstance(statement, cst.BaseStatement)]
            start = int(is_docstring(body[0])) if body else 0
            new = [*body[:start], *change(updated_node, body[start:])]
            return updated_node.with_deep_changes(updated_node.body, body=new)

    return cst.parse_module(source).visit(Changed()).code


def prints_added(source: str) -> str:
    """A line without numbers: what a function prints may be read, but more may be printed."""

    def change(function: cst.FunctionDef, body: _Statements) -> _Statements:
        words = re.sub(r"[\d_]+", " ", function.name.value).strip()
        return [cst.parse_statement(f'print("now in {words}")'), *body]

    return _with_bodies(source, change)


def no_ops_added(source: str) -> str:
    """`assert True`, a variable that nobody reads, and `global` for the constants that the function only reads."""
    module = cst.parse_module(source)
    constants = re.findall(r"^([A-Z][A-Z_\d]*) = ", module.code, re.MULTILINE)

    def change(function: cst.FunctionDef, body: _Statements) -> _Statements:
        used = [name for name in constants if m.findall(function.body, m.Name(name))]
        declared = [cst.parse_statement(f"global {', '.join(used)}")] if used else []
        return [*declared, cst.parse_statement("assert True"), cst.parse_statement("unused = None"), *body]

    return _with_bodies(source, change)


def bodies_nested(source: str) -> str:
    """The body in an inner function without parameters; not where it binds a parameter anew, or calls super()."""
    name = fresh_name("work", source)

    def change(function: cst.FunctionDef, body: _Statements) -> _Statements:
        parameters = {
            found.name.value for found in m.findall(function.params, m.Param()) if isinstance(found, cst.Param)
        }
        special = m.Call(func=m.Name("super")) | m.Yield() | m.Global() | m.Nonlocal() | m.FunctionDef()
        if m.findall(function.body, special) or parameters & _bound(function):
            return body
        inner = cst.parse_statement(f"def {name}():\n    pass")
        assert isinstance(inner, cst.FunctionDef)
        return [inner.with_changes(body=cst.IndentedBlock(body=body)), cst.parse_statement(f"return {name}()")]

    return _with_bodies(source, change)


def _bound(function: cst.FunctionDef) -> set[str]:
    """The names that the body may bind: all in targets, taken generously."""
    targets = m.AssignTarget() | m.AugAssign() | m.AnnAssign() | m.For() | m.AsName() | m.NamedExpr() | m.ImportAlias()
    found: set[str] = set()
    for node in m.findall(function.body, targets):
        target = getattr(node, "target", None) or getattr(node, "name", None)
        assert isinstance(target, cst.CSTNode)
        found |= {name.value for name in m.findall(target, m.Name()) if isinstance(name, cst.Name)}
    return found


def bodies_in_try(source: str) -> str:
    """try ... finally: pass lets everything through."""

    def change(function: cst.FunctionDef, body: _Statements) -> _Statements:
        nothing = cst.IndentedBlock(body=[cst.SimpleStatementLine(body=[cst.Pass()])])
        return [cst.Try(body=cst.IndentedBlock(body=body), finalbody=cst.Finally(body=nothing))]

    return _with_bodies(source, change)


# --------------------------------------------------------------------------------------------------- statements


def returns_named(source: str) -> str:
    """`return a` as `returned = a` and `return returned`."""
    name = fresh_name("returned", source)

    class Named(cst.CSTTransformer):
        def leave_SimpleStatementLine(
            self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
        ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
            last = updated_node.body[-1]
            if not isinstance(last, cst.Return) or last.value is None or len(updated_node.body) > 1:
                return updated_node
            assign = cst.Assign(targets=[cst.AssignTarget(cst.Name(name))], value=last.value)
            named = updated_node.with_changes(body=[assign])
            return cst.FlattenSentinel([named, cst.parse_statement(f"return {name}")])

    return cst.parse_module(source).visit(Named()).code


def loops_enumerated(source: str) -> str:
    """for a in b as for position, a in enumerate(b); comprehensions stay."""
    name = fresh_name("position", source)

    class Counted(cst.CSTTransformer):
        def leave_For(self, original_node: cst.For, updated_node: cst.For) -> cst.For:
            target = updated_node.target
            if isinstance(target, cst.Tuple) and not target.lpar:
                target = target.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
            both = cst.Tuple([cst.Element(cst.Name(name)), cst.Element(target)], lpar=[], rpar=[])
            counted = cst.Call(cst.Name("enumerate"), [cst.Arg(updated_node.iter)])
            return updated_node.with_changes(target=both, iter=counted)

    return cst.parse_module(source).visit(Counted()).code


def tuples_split(source: str) -> str:
    """a, b = x, y as a = x and b = y, where y does not read a."""

    class Split(cst.CSTTransformer):
        def leave_SimpleStatementLine(
            self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
        ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
            pairs = _separable(updated_node.body[0]) if len(updated_node.body) == 1 else []
            if not pairs:
                return updated_node
            assigns = [cst.Assign([cst.AssignTarget(target)], value) for target, value in pairs]
            first = updated_node.with_changes(body=assigns[:1])
            return cst.FlattenSentinel([first, *(cst.SimpleStatementLine(body=[assign]) for assign in assigns[1:])])

    return cst.parse_module(source).visit(Split()).code


def _separable(statement: cst.CSTNode) -> list[tuple[cst.Name, cst.BaseExpression]]:
    """The names and values of an assignment of several values to several names; empty where order might matter."""
    if not isinstance(statement, cst.Assign) or len(statement.targets) > 1:
        return []
    names, values = statement.targets[0].target, statement.value
    if (
        not isinstance(names, cst.Tuple)
        or not isinstance(values, cst.Tuple)
        or len(names.elements) != len(values.elements)
    ):
        return []
    pairs: list[tuple[cst.Name, cst.BaseExpression]] = []
    for name, value in zip(names.elements, values.elements, strict=True):
        read = {node.value for node in m.findall(value, m.Name()) if isinstance(node, cst.Name)}
        if not isinstance(name.value, cst.Name) or read & {earlier.value for earlier, _ in pairs}:
            return []
        pairs.append((name.value, value.value))
    return pairs


def augmented_spelled_out(source: str) -> str:
    """a += b as a = a + b, for a local name that starts as a number and is not bound to anything else."""

    class Spelled(cst.CSTTransformer):
        def __init__(self) -> None:
            super().__init__()
            self.numbers: list[set[str]] = []

        def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
            self.numbers.append(_number_names(node))

        def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
            self.numbers.pop()
            return updated_node

        def leave_AugAssign(self, original_node: cst.AugAssign, updated_node: cst.AugAssign) -> cst.BaseSmallStatement:
            target = updated_node.target
            if not isinstance(target, cst.Name) or not self.numbers or target.value not in self.numbers[-1]:
                return updated_node
            if not isinstance(updated_node.operator, cst.AddAssign):
                return updated_node
            value = updated_node.value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
            return cst.Assign([cst.AssignTarget(target)], cst.BinaryOperation(target, cst.Add(), value))

    return cst.parse_module(source).visit(Spelled()).code


def _number_names(function: cst.FunctionDef) -> set[str]:
    """Names that the function binds to written numbers, and, augmented assignments aside, to nothing else."""
    numbers: set[str] = set()
    others: set[str] = set()
    for statement in m.findall(function.body, m.Assign()):
        assert isinstance(statement, cst.Assign)
        pairs: Sequence[tuple[cst.CSTNode, cst.BaseExpression]] = _separable(statement)
        for target, value in pairs or [(target.target, statement.value) for target in statement.targets]:
            names = {node.value for node in m.findall(target, m.Name()) if isinstance(node, cst.Name)}
            (numbers if isinstance(value, cst.BaseNumber) else others).update(names)
    return numbers - others


def comparisons_mirrored(source: str) -> str:
    """a > b as b < a, which arrays and tensors know as well."""

    class Mirrored(cst.CSTTransformer):
        def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.Comparison:
            target = updated_node.comparisons[0]
            if len(updated_node.comparisons) > 1 or type(target.operator) not in _MIRRORED:
                return updated_node
            operator = _MIRRORED[type(target.operator)]()
            mirrored = cst.ComparisonTarget(operator=operator, comparator=updated_node.left)
            return updated_node.with_changes(left=target.comparator, comparisons=[mirrored])

    return cst.parse_module(source).visit(Mirrored()).code


def branches_flipped(source: str) -> str:
    """`if a: b else: c` as `if not (a): c else: b`, and the same for the expression."""

    class Flipped(cst.CSTTransformer):
        def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If:
            orelse = updated_node.orelse
            if isinstance(orelse, cst.Else):
                body = orelse.body
            else:  # nothing, or an elif
                body = cst.IndentedBlock(body=[orelse or cst.SimpleStatementLine(body=[cst.Pass()])])
            return updated_node.with_changes(
                test=_negated(updated_node.test), body=body, orelse=cst.Else(body=updated_node.body)
            )

        def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.IfExp:
            return updated_node.with_changes(
                test=_negated(updated_node.test), body=updated_node.orelse, orelse=updated_node.body
            )

    return cst.parse_module(source).visit(Flipped()).code


def _negated(test: cst.BaseExpression) -> cst.BaseExpression:
    enclosed = test.with_changes(lpar=[cst.LeftParen(), *test.lpar], rpar=[*test.rpar, cst.RightParen()])
    return cst.UnaryOperation(operator=cst.Not(), expression=enclosed)
