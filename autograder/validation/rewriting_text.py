"""Rewrites that leave the syntax tree as it is, or nearly so: layout, strings, annotations, line ends."""

from __future__ import annotations

import codecs

import libcst as cst


def windows(source: str) -> str:
    """Windows' line ends and byte order mark, which Python reads as if they were not there."""
    return codecs.BOM_UTF8.decode() + source.replace("\n", "\r\n")


def tabs(source: str) -> str:
    """One tab for each level of indentation; lines that continue a statement are not bound to any."""

    class Indented(cst.CSTTransformer):
        def leave_IndentedBlock(
            self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
        ) -> cst.BaseSuite:
            return updated_node.with_changes(indent=None)

    return cst.parse_module(source).visit(Indented()).with_changes(default_indent="\t").code


def bare(source: str) -> str:
    """No comments and no docstrings; the module's stays where the program reads it."""

    class Bare(cst.CSTTransformer):
        def leave_EmptyLine(
            self, original_node: cst.EmptyLine, updated_node: cst.EmptyLine
        ) -> cst.EmptyLine | cst.RemovalSentinel:
            return updated_node if updated_node.comment is None else cst.RemoveFromParent()

        def leave_TrailingWhitespace(
            self, original_node: cst.TrailingWhitespace, updated_node: cst.TrailingWhitespace
        ) -> cst.TrailingWhitespace:
            if updated_node.comment is None:
                return updated_node
            return updated_node.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))

        def leave_IndentedBlock(
            self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
        ) -> cst.BaseSuite:
            body = [statement for statement in updated_node.body if not is_docstring(statement)]
            return updated_node.with_changes(body=body or [cst.SimpleStatementLine(body=[cst.Pass()])])

    module = cst.parse_module(source).visit(Bare())
    if is_docstring(module.body[0]) and "__doc__" not in source:
        module = module.with_changes(body=module.body[1:])
    return module.code


def is_docstring(statement: cst.CSTNode) -> bool:
    """Whether a statement is nothing but a string."""
    return (
        isinstance(statement, cst.SimpleStatementLine)
        and len(statement.body) == 1
        and isinstance(statement.body[0], cst.Expr)
        and isinstance(statement.body[0].value, cst.SimpleString)
    )


def semicolons(source: str) -> str:
    """A semicolon at the end of a line separates nothing."""

    class Ended(cst.CSTTransformer):
        def leave_SimpleStatementLine(
            self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
        ) -> cst.SimpleStatementLine:
            return updated_node.with_changes(
                body=[*updated_node.body[:-1], updated_node.body[-1].with_changes(semicolon=cst.Semicolon())]
            )

    return cst.parse_module(source).visit(Ended()).code


def single_quotes(source: str) -> str:
    """Plain strings in single quotes, docstrings included; those with a quote or a backslash inside stay."""

    class Quoted(cst.CSTTransformer):
        def leave_SimpleString(
            self, original_node: cst.SimpleString, updated_node: cst.SimpleString
        ) -> cst.SimpleString:
            text = updated_node.raw_value
            if updated_node.prefix or "'" in text or '"' in text or "\\" in text:
                return updated_node
            quote = "'" * len(updated_node.quote)
            return updated_node.with_changes(value=f"{quote}{text}{quote}")

    return cst.parse_module(source).visit(Quoted()).code


def parenthesized(source: str) -> str:
    """Every operation of two operands in parentheses of its own: they say what precedence says already."""

    class Enclosed(cst.CSTTransformer):
        def leave_BinaryOperation(
            self, original_node: cst.BinaryOperation, updated_node: cst.BinaryOperation
        ) -> cst.BinaryOperation:
            return updated_node.with_changes(
                lpar=[*updated_node.lpar, cst.LeftParen()], rpar=[cst.RightParen(), *updated_node.rpar]
            )

    return cst.parse_module(source).visit(Enclosed()).code


def format_method(source: str) -> str:
    """f"{x:.2f}" as "{:.2f}".format(x), which formats alike; strings of several pieces stay."""

    class Formatted(cst.CSTTransformer):
        def visit_ConcatenatedString(self, node: cst.ConcatenatedString) -> bool:
            return False

        def leave_FormattedString(
            self, original_node: cst.FormattedString, updated_node: cst.FormattedString
        ) -> cst.BaseExpression:
            pieces, values = _format_pieces(updated_node.parts)
            prefix = updated_node.prefix.replace("f", "").replace("F", "")
            quoted = cst.SimpleString(
                prefix + updated_node.start[len(updated_node.prefix) :] + pieces + updated_node.end
            )
            method = cst.Attribute(value=quoted, attr=cst.Name("format"))
            return cst.Call(func=method, args=[cst.Arg(value) for value in values])

    return cst.parse_module(source).visit(Formatted()).code


def _format_pieces(parts: object) -> tuple[str, list[cst.BaseExpression]]:
    """Return a format string with empty fields, and the values for them in the order in which str.format takes them."""
    assert isinstance(parts, list | tuple)
    text, values = "", []
    for part in parts:
        if isinstance(part, cst.FormattedStringExpression):
            values.append(part.expression)
            inner, more = _format_pieces(part.format_spec or ())
            values += more
            conversion = f"!{part.conversion}" if part.conversion else ""
            text += "{" + conversion + (f":{inner}" if part.format_spec else "") + "}"
        else:
            text += part.value  # doubled braces mean the same in both forms
    return text, values


def annotated(source: str) -> str:
    """Annotations are kept, and never acted upon; those of parameters and results are strings here."""
    anything = cst.Annotation(cst.SimpleString('"object"'))

    class Annotated(cst.CSTTransformer):
        def visit_Lambda(self, node: cst.Lambda) -> bool:
            return False

        def leave_Param(self, original_node: cst.Param, updated_node: cst.Param) -> cst.Param:
            return updated_node.with_changes(annotation=anything)

        def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
            return updated_node.with_changes(returns=anything)

        def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.BaseSmallStatement:
            target = updated_node.targets[0].target
            if len(updated_node.targets) > 1 or not isinstance(target, cst.Name):
                return updated_node
            if not isinstance(updated_node.value, cst.Float | cst.Integer):
                return updated_node
            kind = cst.Annotation(cst.Name("float" if isinstance(updated_node.value, cst.Float) else "int"))
            return cst.AnnAssign(target=target, annotation=kind, value=updated_node.value)

    return cst.parse_module(source).visit(Annotated()).code
