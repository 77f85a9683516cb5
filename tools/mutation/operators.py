"""Which small changes a statement allows."""

from __future__ import annotations

import ast
import copy
from typing import Iterator, NamedTuple

_COMPARED = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,)}
_COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}
_CONDITIONAL = (ast.If, ast.While, ast.IfExp)
_TEXT = (ast.JoinedStr, ast.FormattedValue)


class Change(NamedTuple):
    """One change: a piece of the source and what takes its place.

    Attributes:
        node: The piece, with its position.
        text: The source in its place.
        what: The kind of change, for the report.
    """

    node: ast.AST
    text: str
    what: str


def changes_of(statement: ast.stmt, last: bool = False) -> list[Change]:
    """All changes that a statement allows.

    Of a compound statement only its head is looked at, of a definition only
    the defaults of its arguments. Strings and annotations stay as they are, and
    so does the message of an error. A statement is deleted only where the rest
    could still run: not the first assignment of a name.

    Args:
        statement: Of a parsed module.
        last: Whether it is what a function always returns.

    Returns:
        The changes, in the order of the source.
    """
    found = [] if isinstance(statement, ast.Raise) else [
        change for root in _expressions(statement) for node in _walk(root)
        for change in _changes_of_expression(node)]
    if isinstance(statement, ast.AugAssign):
        found += _augmented(statement)
    if isinstance(statement, (ast.If, ast.While)):
        found.append(_negated(statement.test))
    if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Call):
        found += _call_left_out(statement.value)
    if _can_go(statement, last):
        found.append(Change(statement, 'pass', 'statement deleted'))
    return found


def _can_go(statement: ast.stmt, last: bool) -> bool:
    if isinstance(statement, ast.Assign):
        used = {node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)}
        return all(isinstance(target, (ast.Attribute, ast.Subscript))
                   or (isinstance(target, ast.Name) and target.id in used)
                   for target in statement.targets)
    return not last and isinstance(statement, (
        ast.Expr, ast.AugAssign, ast.Raise, ast.Return, ast.Assert, ast.Delete, ast.Break,
        ast.Continue))


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """What a statement computes, without annotations, decorators and other statements."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield from statement.args.defaults
        yield from filter(None, statement.args.kw_defaults)
    elif isinstance(statement, ast.With):
        yield from (item.context_expr for item in statement.items)
    elif not isinstance(statement, (ast.ClassDef, ast.Try)):
        for name, value in ast.iter_fields(statement):
            if name != 'annotation':
                items = value if isinstance(value, list) else [value]
                yield from (item for item in items if isinstance(item, ast.expr))


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all nodes in it, except those that only build strings."""
    if isinstance(node, _TEXT):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child)


def _changes_of_expression(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in _COMPARED[type(operator)]:
                changed = [*node.ops[:index], other(), *node.ops[index + 1:]]
                yield _replaced(node, 'comparison', ops=changed)
    elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED and not _makes_text(node):
        yield _replaced(node, 'operator', op=_COMPUTED[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield _replaced(node, 'and/or', op=other())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield Change(node, f'({ast.unparse(node.operand)})', 'not removed')
    elif isinstance(node, ast.Constant):
        yield from _other_constant(node)
    if isinstance(node, ast.IfExp):
        yield _negated(node.test)
    elif isinstance(node, ast.comprehension):
        yield from map(_negated, node.ifs)


def _replaced(node: ast.expr, what: str, **fields: object) -> Change:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return Change(node, f'({ast.unparse(changed)})', what)


def _negated(test: ast.expr) -> Change:
    return Change(test, f'(not ({ast.unparse(test)}))', 'condition negated')


def _makes_text(node: ast.BinOp) -> bool:
    """Whether strings are joined or formatted."""
    return any(isinstance(part, ast.JoinedStr) or _is_text(part)
               for part in (node.left, node.right))


def _is_text(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))


def _other_constant(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield Change(node, str(not value), 'True/False')
    elif isinstance(value, (int, float)):
        yield Change(node, repr(0 if value == 1 else value + 1), 'number')


def _augmented(statement: ast.AugAssign) -> Iterator[Change]:
    other = _COMPUTED.get(type(statement.op))
    if other and not isinstance(statement.value, ast.JoinedStr):
        changed = ast.AugAssign(statement.target, other(), statement.value)
        yield Change(statement, ast.unparse(changed), 'operator')


def _call_left_out(call: ast.Call) -> Iterator[Change]:
    """Return the first argument of a call, or the object of a method, without calling it."""
    first = call.args[0] if call.args else None
    if isinstance(first, (ast.JoinedStr, ast.Starred, ast.GeneratorExp)) or _is_text(first):
        return
    if first is not None:
        yield Change(call, f'({ast.unparse(first)})', 'argument returned')
    elif isinstance(call.func, ast.Attribute):
        yield Change(call, f'({ast.unparse(call.func.value)})', 'object returned')
