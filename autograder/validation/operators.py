"""The generic mutation operators: what may be wrong at one node of the syntax tree.

Each operator is a function (node, parent, facts) -> the nodes that may stand in its place, and has a name, which is a
part of the mutants' ids. Operators that only add mutants which fall with others are left out on purpose:

- a whole number becomes one more and one less; negating or doubling it is caught by the same checks. 0, a number of 10
  or more, a factor, a size to reshape to, and what a layer is made of (its padding excepted) only become one more.
  Another number is negated and doubled, 0.0 becomes 1.0;
- a product of numbers alone, such as 8 * 7 * 7, is one number: only its first factor changes;
- a comparison is moved at its boundary and negated; any third operator is one of the two on the rest of the numbers;
- a statement is dropped only where its target has a value already, and no layer's: otherwise the program merely stops,
  as it also does where the numbers of inputs and outputs of a layer are swapped;
- slice bounds move by one in one direction, and what they are calculated by is not changed otherwise.

Moves between devices and the strings of messages are not touched, nor is what `facts` calls cosmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import libcst as cst

from autograder.validation.facts import COSMETIC_KEYWORDS, Facts, called_name, text_of

Operator = Callable[[cst.CSTNode, cst.CSTNode, Facts], Iterator[cst.CSTNode]]

_COMPOUND = (cst.BinaryOperation, cst.BooleanOperation, cst.Comparison, cst.UnaryOperation, cst.IfExp, cst.Lambda)
_ARITHMETIC: Mapping[type, cst.BaseBinaryOp] = {
    cst.Add: cst.Subtract(),
    cst.Subtract: cst.Add(),
    cst.Multiply: cst.Divide(),
    cst.Divide: cst.Multiply(),
    cst.FloorDivide: cst.Divide(),
    cst.Modulo: cst.FloorDivide(),
    cst.Power: cst.Multiply(),
}
_AUGMENTED: Mapping[type, cst.BaseAugOp] = {
    cst.AddAssign: cst.SubtractAssign(),
    cst.SubtractAssign: cst.AddAssign(),
    cst.MultiplyAssign: cst.DivideAssign(),
    cst.DivideAssign: cst.MultiplyAssign(),
}
_IN_PLACE: Mapping[type, tuple[cst.BaseBinaryOp, cst.BaseAugOp]] = {
    cst.AddAssign: (cst.Add(), cst.AddAssign()),
    cst.SubtractAssign: (cst.Subtract(), cst.SubtractAssign()),
    cst.MultiplyAssign: (cst.Multiply(), cst.MultiplyAssign()),
    cst.DivideAssign: (cst.Divide(), cst.DivideAssign()),
}
_COMPARISONS: Mapping[type, tuple[cst.BaseCompOp, ...]] = {
    cst.GreaterThan: (cst.GreaterThanEqual(), cst.LessThanEqual()),
    cst.GreaterThanEqual: (cst.GreaterThan(), cst.LessThan()),
    cst.LessThan: (cst.LessThanEqual(), cst.GreaterThanEqual()),
    cst.LessThanEqual: (cst.LessThan(), cst.GreaterThan()),
    cst.Equal: (cst.NotEqual(),),
    cst.NotEqual: (cst.Equal(),),
    cst.In: (cst.NotIn(),),
    cst.NotIn: (cst.In(),),
    cst.Is: (cst.IsNot(),),
    cst.IsNot: (cst.Is(),),
}
_AXIS_NAMES = frozenset({"axis", "dim"})
_REDUCTIONS = frozenset({"sum", "mean", "max", "min"})
_MANY = 10  # from here on a whole number is a width or a count, and one more is as wrong as one less


# -------------------------------------------------------------------------------------------------- expressions


def arithmetic(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """a + b -> a - b, a * b -> a / b and back; a // b -> a / b; a**b -> a * b; a += b -> a -= b."""
    if isinstance(parent, cst.Slice):
        return
    if isinstance(node, cst.BinaryOperation) and type(node.operator) in _ARITHMETIC and not _is_number(node):
        yield node.with_changes(operator=_spaced_like(node.operator, _ARITHMETIC[type(node.operator)]))
    elif isinstance(node, cst.AugAssign) and type(node.operator) in _AUGMENTED and not _is_list(node.value):
        yield node.with_changes(operator=_AUGMENTED[type(node.operator)])


def operand_dropped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """a - b, a / b -> a; a + b, a * b -> a and b."""
    if isinstance(node, cst.BinaryOperation) and not _is_number(node) and not isinstance(parent, cst.Slice):
        if isinstance(node.operator, cst.Add | cst.Subtract | cst.Multiply | cst.Divide):
            yield _enclosed(node.left)
        if isinstance(node.operator, cst.Add | cst.Multiply):
            yield _enclosed(node.right)


def operands_swapped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """a - b -> b - a, a / b -> b / a, a @ b -> b @ a."""
    if isinstance(node, cst.BinaryOperation) and isinstance(
        node.operator, cst.Subtract | cst.Divide | cst.MatrixMultiply
    ):
        yield node.with_changes(left=_enclosed(node.right), right=_enclosed(node.left))


def comparison(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """a > b -> a >= b and a <= b; a == b -> a != b; `in`, `is` -> `not in`, `is not`; and back."""
    if isinstance(node, cst.ComparisonTarget):
        for operator in _COMPARISONS.get(type(node.operator), ()):
            yield node.with_changes(operator=_spaced_like(node.operator, operator))


def boolean(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """`and` -> `or` and back; `not a` -> a; True -> False and back; a test that is no comparison -> its negation."""
    if isinstance(node, cst.BooleanOperation):
        yield node.with_changes(operator=cst.Or() if isinstance(node.operator, cst.And) else cst.And())
    elif isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        yield _enclosed(node.expression)
    elif isinstance(node, cst.Name) and node.value in ("True", "False") and not _is_keyword(parent, "keepdims"):
        yield cst.Name("False" if node.value == "True" else "True")
    elif isinstance(node, cst.If | cst.While | cst.IfExp) and not _has_own_negation(node.test):
        yield node.with_changes(test=cst.UnaryOperation(operator=cst.Not(), expression=_enclosed(node.test)))


def _has_own_negation(test: cst.BaseExpression) -> bool:
    return isinstance(test, cst.Comparison) or (
        isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not)
    )


def constant(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """A whole number -> one more and one less; another -> negated and doubled; 0 -> 1. Axes have their own operator."""
    if isinstance(parent, cst.UnaryOperation) or _is_keyword(parent, *_AXIS_NAMES):
        return
    if isinstance(node, cst.Integer):
        value = node.evaluated_value
        yield cst.Integer(str(value + 1))
        if 0 < value < _MANY and not isinstance(parent, cst.BinaryOperation):
            yield cst.Integer(str(value - 1))
    elif isinstance(node, cst.Float) and node.evaluated_value == 0:
        yield cst.Float("1.0")
    elif isinstance(node, cst.Float):
        yield cst.UnaryOperation(operator=cst.Minus(), expression=node)
        if not isinstance(parent, cst.DictElement):  # a setting, for which another value does as well
            yield cst.Float(repr(2 * node.evaluated_value))


def size(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """One more of the sizes that a layer is made of, or an array is reshaped to; a padding also one less.

    Of those without a keyword only the last: layers that do not fit each other stop the program in either case.
    """
    if not isinstance(node, cst.Call) or not _has_sizes(node):
        return
    plain = [position for position, argument in enumerate(node.args) if argument.keyword is None]
    for position, argument in enumerate(node.args):
        if position in plain[:-1] or argument.star:
            continue
        others: list[cst.BaseExpression] = []
        if isinstance(argument.value, cst.Integer):
            value = argument.value.evaluated_value
            steps = (1, -1) if _is_keyword(argument, "padding") and value else (1,)
            others = [cst.Integer(str(value + step)) for step in steps]
        elif isinstance(argument.value, cst.Name) and position in plain:
            others = [_one_more(argument.value)]
        for other in others:
            yield node.with_changes(args=_replaced(node.args, position, argument.with_changes(value=other)))


def sign_dropped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """-a -> a."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        yield _enclosed(node.expression)


def transpose(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """a.T -> a; and on an operand of @, a -> a.T."""
    if isinstance(node, cst.Attribute) and node.attr.value == "T":
        yield _enclosed(node.value)
    elif isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.MatrixMultiply):
        for side in ("left", "right"):
            operand = getattr(node, side)
            if not isinstance(operand, cst.BinaryOperation) and not text_of(operand).endswith(".T"):
                yield node.with_changes(**{side: cst.Attribute(value=_enclosed(operand), attr=cst.Name("T"))})


def key_swapped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """a["W"] -> a["b"]: the next of the keys that the function uses, of the same container where that has two."""
    if not isinstance(node, cst.Subscript) or len(node.slice) != 1:
        return
    index = node.slice[0].slice
    if isinstance(index, cst.Index) and isinstance(index.value, cst.SimpleString):
        key = index.value.value
        keys = next((known for base in (text_of(node.value), "") if len(known := facts.keys.get(base, ())) > 1), (key,))
        other = cst.SimpleString(keys[(keys.index(key) + 1) % len(keys)])
        yield node.with_changes(slice=[node.slice[0].with_changes(slice=index.with_changes(value=other))])


def elements_swapped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """(a, b, ...) -> (b, a, ...), such as a shape or what is returned; not the names of a loop or an assignment."""
    if not isinstance(node, cst.Tuple) or len(node.elements) < 2:
        return
    first, second = node.elements[:2]
    alike = first.value.deep_equals(second.value) or (_is_number(first.value) and _is_number(second.value))
    if not isinstance(parent, cst.AssignTarget | cst.For | cst.CompFor) and not alike:
        swapped = [first.with_changes(value=second.value), second.with_changes(value=first.value)]
        yield node.with_changes(elements=[*swapped, *node.elements[2:]])


def slice_bound(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """a[i:j] -> a[i + 1:j] and a[i:j + 1]; bounds that are numbers are constants."""
    if isinstance(node, cst.Slice):
        for bound in ("lower", "upper"):
            expression = getattr(node, bound)
            if expression is not None and not _is_number(expression):
                yield node.with_changes(**{bound: _one_more(expression)})


# -------------------------------------------------------------------------------------------------------- calls

_OPPOSITES = {
    "sum": "mean",
    "mean": "sum",
    "max": "min",
    "min": "max",
    "argmax": "argmin",
    "argmin": "argmax",
    "maximum": "minimum",
    "minimum": "maximum",
    "zeros": "ones",
    "ones": "zeros",
    "train": "eval",
    "eval": "train",
    "no_grad": "enable_grad",
}
# What leaves its first argument's shape, or merely its kind, so that the program goes on without it...
_FUNCTIONS = frozenset(
    {"exp", "log", "abs", "sqrt", "clip", "clamp", "tanh", "sigmoid", "relu", "leaky_relu", "elu"}
    | {"softmax", "log_softmax", "dropout", "max_pool2d", "avg_pool2d", "interpolate"}
)
# ...the same as a method of what it works on, with the copies...
_METHODS = frozenset({*_FUNCTIONS, "copy", "clone", "detach", "deepcopy"}) - {"sigmoid"}
# ...and as a layer of a network.
_LAYERS = frozenset(
    {"ReLU", "LeakyReLU", "ELU", "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Dropout", "Dropout2d"}
    | {"BatchNorm1d", "BatchNorm2d", "MaxPool2d", "AvgPool2d", "Upsample"}
)
_SHAPING = frozenset({"reshape", "view", "Unflatten"})
_SYMMETRIC = frozenset({"min", "max", "maximum", "minimum", "mse_loss", "l1_loss", "add", "multiply", "dot", "zip"})


def opposite(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """sum -> mean, max -> min, argmax -> argmin, zeros -> ones, train() -> eval(), no_grad() -> enable_grad()."""
    if isinstance(node, cst.Call) and called_name(node) in _OPPOSITES:
        name = cst.Name(_OPPOSITES[called_name(node)])
        attribute = isinstance(node.func, cst.Attribute)
        if not attribute and name.value in ("train", "eval"):
            return  # a function of the program's own, not a module's mode
        yield node.with_changes(func=node.func.with_changes(attr=name) if attribute else name)
    elif isinstance(node, cst.Arg) and node.keyword and node.keyword.value == "reduction":
        other = {'"sum"': '"mean"', '"mean"': '"sum"'}.get(text_of(node.value))
        if other:
            yield node.with_changes(value=cst.SimpleString(other))


def axis(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """axis=0 -> axis=1 and back; axis=0 removed; added to a NumPy reduction without one. `dim` is the same."""
    if not isinstance(node, cst.Call):
        return
    for position, argument in enumerate(node.args):
        if _is_axis(argument):
            yield node.with_changes(args=_without(node.args, position))
            if isinstance(argument.value, cst.Integer):
                other = cst.Integer("1" if argument.value.value == "0" else "0")
                yield node.with_changes(args=_replaced(node.args, position, argument.with_changes(value=other)))
    if called_name(node) in _REDUCTIONS and _is_numpy(node) and not any(map(_is_axis, node.args)):
        yield node.with_changes(args=[*node.args, _keyword("axis", "0")])


def keepdims(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """keepdims=True removed, or added to a NumPy reduction along an axis."""
    if not isinstance(node, cst.Call):
        return
    keywords = [argument.keyword.value if argument.keyword else "" for argument in node.args]
    for name in ("keepdims", "keepdim"):
        if name in keywords:
            yield node.with_changes(args=_without(node.args, keywords.index(name)))
    if called_name(node) in _REDUCTIONS and _is_numpy(node) and "axis" in keywords and "keepdims" not in keywords:
        yield node.with_changes(args=[*node.args, _keyword("keepdims", "True")])


def call_dropped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """np.exp(x) -> x, F.relu(x) -> x, x.copy() -> x, copy.deepcopy(x) -> x, self.norm1(x) -> x."""
    if not isinstance(node, cst.Call) or isinstance(parent, cst.Expr):
        return
    name = called_name(node)
    method_of = node.func.value if isinstance(node.func, cst.Attribute) else None
    if node.args and not node.args[0].keyword and not node.args[0].star and (name in _FUNCTIONS or name == "deepcopy"):
        yield _enclosed(node.args[0].value)
    elif method_of is not None and name in _METHODS:
        yield _enclosed(method_of)
    elif len(node.args) == 1 and method_of is not None and text_of(method_of) == "self" and _keeps_shape(name):
        yield _enclosed(node.args[0].value)


def _keeps_shape(layer_name: str) -> bool:
    return any(part in layer_name.lower() for part in ("norm", "bn", "drop", "relu", "activ", "sigmoid"))


def layer_dropped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """nn.Sequential(a, nn.ReLU(), b) -> nn.Sequential(a, b), and the same in a list of layers."""
    if isinstance(node, cst.Call) and called_name(node) == "Sequential":
        for position, argument in enumerate(node.args):
            if called_name(argument.value) in _LAYERS:
                yield node.with_changes(args=_without(node.args, position))
    elif isinstance(node, cst.List):
        for position, element in enumerate(node.elements):
            if called_name(element.value) in _LAYERS:
                yield node.with_changes(elements=_without(node.elements, position))


def arguments_swapped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """f(a, b, ...) -> f(b, a, ...), and where(a, b, c) -> where(a, c, b); strings are not swapped."""
    if not isinstance(node, cst.Call) or called_name(node) in _SYMMETRIC or _has_sizes(node):
        return
    for left, right in ((0, 1), (1, 2)) if called_name(node) == "where" else ((0, 1),):
        if len(node.args) > right and _may_be_swapped(*node.args[left : right + 1]):
            arguments = list(node.args)
            arguments[left] = node.args[left].with_changes(value=node.args[right].value)
            arguments[right] = node.args[right].with_changes(value=node.args[left].value)
            yield node.with_changes(args=arguments)


def _may_be_swapped(first: cst.Arg, second: cst.Arg) -> bool:
    plain = not any(argument.keyword or argument.star for argument in (first, second))
    strings = any(isinstance(argument.value, cst.SimpleString) for argument in (first, second))
    return plain and not strings and not first.value.deep_equals(second.value)


def argument_replaced(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """f(a) -> f(b), where b is the parameter after a of those that the function around only passes on."""
    if isinstance(node, cst.Arg) and isinstance(node.value, cst.Name) and node.value.value in facts.passed_on[:-1]:
        other = facts.passed_on[facts.passed_on.index(node.value.value) + 1]
        yield node.with_changes(value=cst.Name(other))


def range_bound(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """range(n) -> range(n + 1) and range(n - 1); bounds with a number of their own are constants."""
    if not isinstance(node, cst.Call) or called_name(node) != "range":
        return
    for position, argument in enumerate(node.args):
        if not _is_number(argument.value) and not isinstance(argument.value, cst.BinaryOperation):
            for other in (_one_more(argument.value), _one_more(argument.value, cst.Subtract())):
                yield node.with_changes(args=_replaced(node.args, position, argument.with_changes(value=other)))


# --------------------------------------------------------------------------------------------------- statements


def statement_dropped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """A call, an augmented assignment, a raise, or an assignment to what has a value already -> pass."""
    droppable = isinstance(node, cst.Expr | cst.AugAssign | cst.Raise | cst.Del | cst.Assert)
    if isinstance(node, cst.Assign):
        target = node.targets[0].target
        droppable = isinstance(target, cst.Attribute | cst.Subscript) and not _makes_layer(node.value)
        droppable |= isinstance(target, cst.Name) and target.value in facts.rebound_names
    if droppable:
        yield cst.Pass()


def return_dropped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """return a -> return None."""
    if isinstance(node, cst.Return) and node.value is not None:
        yield node.with_changes(value=cst.Name("None"))


def in_place(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """a -= b -> a = a - b and back, where someone else may hold the value of a."""
    if isinstance(node, cst.AugAssign) and type(node.operator) in _IN_PLACE and _may_be_shared(node.target, facts):
        value = cst.BinaryOperation(
            left=node.target, operator=_IN_PLACE[type(node.operator)][0], right=_enclosed(node.value)
        )
        yield cst.Assign(targets=[cst.AssignTarget(node.target)], value=value)
    elif isinstance(node, cst.Assign) and isinstance(node.value, cst.BinaryOperation) and len(node.targets) == 1:
        target = node.targets[0].target
        for binary, augmented in _IN_PLACE.values():
            same = isinstance(node.value.operator, type(binary)) and target.deep_equals(node.value.left)
            if same and _may_be_shared(target, facts):
                yield cst.AugAssign(target=target, operator=augmented, value=node.value.right)


def _may_be_shared(target: cst.BaseExpression, facts: Facts) -> bool:
    """Whether changing the target's value may be seen elsewhere: not for own numbers, nor for entries of an array."""
    if isinstance(target, cst.Name):
        return target.value not in facts.literal_names
    if isinstance(target, cst.Subscript):
        return len(target.slice) == 1 and isinstance(target.slice[0].slice, cst.Index)
    return True


def loop_control(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """break -> continue and back."""
    if isinstance(node, cst.Break):
        yield cst.Continue()
    elif isinstance(node, cst.Continue):
        yield cst.Break()


def loop_body_dropped(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """for a in b: ... -> for a in b: pass; a loop whose names are used after it merely stops the program."""
    if isinstance(node, cst.For | cst.While):
        nothing = cst.IndentedBlock(body=[cst.SimpleStatementLine(body=[cst.Pass()])])
        yield node.with_changes(body=nothing)


def loop_shortened(node: cst.CSTNode, parent: cst.CSTNode, facts: Facts) -> Iterator[cst.CSTNode]:
    """for a in ("W", "b") -> one of the two alone; for a in x.values() or x.params -> all but the first."""
    if not isinstance(node, cst.For):
        return
    if isinstance(node.iter, cst.Tuple | cst.List) and len(node.iter.elements) > 1:
        for position in range(len(node.iter.elements)):
            rest = _without(node.iter.elements, position)
            rest[-1] = rest[-1].with_changes(comma=cst.Comma())  # a tuple of one needs it
            yield node.with_changes(iter=node.iter.with_changes(elements=rest))
    elif isinstance(node.iter, cst.Attribute) or called_name(node.iter) in ("values", "items", "keys"):
        yield node.with_changes(iter=cst.parse_expression(f"list({text_of(node.iter)})[1:]"))


OPERATORS: tuple[Operator, ...] = (
    arithmetic,
    operand_dropped,
    operands_swapped,
    comparison,
    boolean,
    constant,
    size,
    sign_dropped,
    transpose,
    key_swapped,
    elements_swapped,
    slice_bound,
    opposite,
    axis,
    keepdims,
    call_dropped,
    layer_dropped,
    arguments_swapped,
    argument_replaced,
    range_bound,
    statement_dropped,
    return_dropped,
    in_place,
    loop_control,
    loop_body_dropped,
    loop_shortened,
)


# ------------------------------------------------------------------------------------------------------ helpers


def is_left_alone(node: cst.CSTNode) -> bool:
    """Whether nothing in a node is mutated: messages, names of keyword arguments, cosmetic keyword arguments."""
    if isinstance(node, cst.Arg):
        return node.keyword is not None and node.keyword.value in COSMETIC_KEYWORDS
    return isinstance(node, cst.FormattedString | cst.ConcatenatedString)


def inner_nodes(node: cst.CSTNode) -> list[cst.CSTNode]:
    """Return the nodes in a node that are mutated for themselves.

    Of a calculation with numbers alone that is the first number; the sizes of a layer are the layer's.
    """
    if isinstance(node, cst.BinaryOperation) and _is_number(node):
        return [node.left]
    if _has_sizes(node):
        return [
            child
            for child in node.children
            if not (isinstance(child, cst.Arg) and isinstance(child.value, cst.Integer))
        ]
    return list(node.children)


def _spaced_like(old: cst.CSTNode, new: cst.CSTNode) -> cst.CSTNode:
    """The new operator with the old one's space around, where both are symbols."""
    spaces = ("whitespace_before", "whitespace_after")
    if isinstance(new, cst.NotIn | cst.IsNot | cst.In | cst.Is):
        return new
    return new.with_changes(**{name: getattr(old, name) for name in spaces})


def _enclosed(expression: cst.BaseExpression) -> cst.BaseExpression:
    """The expression in parentheses where it may need some in another place."""
    if isinstance(expression, _COMPOUND) and not expression.lpar:
        return expression.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return expression


def _one_more(expression: cst.BaseExpression, operator: cst.BaseBinaryOp | None = None) -> cst.BinaryOperation:
    return cst.BinaryOperation(left=_enclosed(expression), operator=operator or cst.Add(), right=cst.Integer("1"))


def _is_number(expression: cst.BaseExpression) -> bool:
    """Whether this is a number, or a calculation with numbers alone."""
    if isinstance(expression, cst.BinaryOperation):
        return _is_number(expression.left) and _is_number(expression.right)
    return isinstance(expression, cst.BaseNumber)


def _is_list(expression: cst.BaseExpression) -> bool:
    return isinstance(expression, cst.List | cst.ListComp) or (
        isinstance(expression, cst.IfExp) and _is_list(expression.body)
    )


def _is_axis(argument: cst.Arg) -> bool:
    return _is_keyword(argument, *_AXIS_NAMES)


def _is_keyword(node: cst.CSTNode, *names: str) -> bool:
    return isinstance(node, cst.Arg) and node.keyword is not None and node.keyword.value in names


def _makes_layer(node: cst.CSTNode) -> bool:
    """Whether this is a call of a class, such as nn.Linear."""
    return isinstance(node, cst.Call) and called_name(node)[:1].isupper()


def _has_sizes(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Call) and (
        (_makes_layer(node) and called_name(node) != "Sequential") or called_name(node) in _SHAPING
    )


def _is_numpy(call: cst.Call) -> bool:
    return isinstance(call.func, cst.Attribute) and text_of(call.func.value) in ("np", "numpy")


def _keyword(name: str, value: str) -> cst.Arg:
    equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    return cst.Arg(keyword=cst.Name(name), value=cst.parse_expression(value), equal=equal)


def _replaced(arguments: object, position: int, argument: cst.CSTNode) -> list[cst.CSTNode]:
    assert isinstance(arguments, list | tuple)
    return [*arguments[:position], argument, *arguments[position + 1 :]]


def _without(arguments: object, position: int) -> list[cst.CSTNode]:
    """The arguments or elements without one; the last one keeps the comma, or its absence, of the former last."""
    assert isinstance(arguments, list | tuple)
    rest = [*arguments[:position], *arguments[position + 1 :]]
    if rest and position == len(rest):
        rest[-1] = rest[-1].with_changes(comma=arguments[-1].comma)
    return rest
