"""A small part of Python, run without Python: one function of arithmetic, comparisons, texts and lists.

No loops, no calls but of a few pure functions, numbers and lengths bounded: whatever a model writes ends at once."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

MOST_CHARACTERS, MOST_ITEMS, LARGEST, LARGEST_POWER = 600, 1000, 10**12, 12

_NUMBERS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Sub: operator.sub,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARES: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_CALLS: dict[str, Callable[..., Any]] = {
    call.__name__: call for call in (len, max, min, sum, abs, round, str, int, bool, sorted)
}
_METHODS = (
    "upper",
    "lower",
    "strip",
    "title",
    "capitalize",
    "replace",
    "startswith",
    "endswith",
    "count",
    "split",
)


class ProgramError(ValueError):
    """The program is not of this part of Python, or its run fails."""


class Function(NamedTuple):
    name: str
    params: list[str]
    body: list[ast.stmt]


class _Return(Exception):
    def __init__(self, value: Any):
        self.value = value


def read_function(source: str) -> Function:
    """The one function that a source defines. Raises ProgramError for anything else."""
    if len(source) > MOST_CHARACTERS:
        raise ProgramError("too long")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProgramError("is not Python") from error
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise ProgramError("is not one function")
    function = tree.body[0]
    args = function.args
    plain = not (args.vararg or args.kwarg or args.kwonlyargs or args.posonlyargs or args.defaults)
    if not plain or function.decorator_list:
        raise ProgramError("has more than plain parameters")
    return Function(function.name, [arg.arg for arg in args.args], function.body)


def call(function: Function, args: Sequence[Any]) -> Any:
    """What the function returns. Raises ProgramError where it cannot be run, also for Python's own errors."""
    if len(args) != len(function.params):
        raise ProgramError(f"takes {len(function.params)} arguments")
    try:
        _run(function.body, dict(zip(function.params, args, strict=True)))
    except _Return as found:
        return found.value
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ProgramError(str(error)) from error
    return None


def _run(body: list[ast.stmt], names: dict[str, Any]) -> None:
    for statement in body:
        match statement:
            case ast.Return(value=ast.expr() as value):
                raise _Return(_value(value, names))
            case ast.If(test=test, body=yes, orelse=no):
                _run(yes if _value(test, names) else no, names)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names[name] = _value(value, names)
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                raise ProgramError(f"{type(statement).__name__} is not allowed")


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """The bounded value of an expression."""
    found = _evaluate(node, names)
    if isinstance(found, int | float) and abs(found) > LARGEST:
        raise ProgramError("the number is too large")
    if isinstance(found, str | list) and len(found) > MOST_ITEMS:
        raise ProgramError("too long")
    return found


def _evaluate(node: ast.expr, names: dict[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float | str | bool):
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(op, _value(left, names), _value(right, names))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, names)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, names)
        case ast.BoolOp(op=op, values=values):
            return _logic(op, values, names)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARES:
            return _COMPARES[type(op)](_value(left, names), _value(right, names))
        case ast.IfExp(test=test, body=yes, orelse=no):
            return _value(yes if _value(test, names) else no, names)
        case ast.List(elts=items):
            return _flat([_value(item, names) for item in items])
        case ast.Subscript(value=value, slice=ast.Slice(lower=low, upper=high, step=step)):
            ends = (None if end is None else _value(end, names) for end in (low, high, step))
            return _value(value, names)[slice(*ends)]
        case ast.Subscript(value=value, slice=at):
            return _value(value, names)[_value(at, names)]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _CALLS:
            return _CALLS[name](*(_value(arg, names) for arg in args))
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=args, keywords=[]) if name in _METHODS:
            text = _value(value, names)
            if not isinstance(text, str):
                raise ProgramError(f".{name} is for texts")
            return getattr(text, name)(*(_value(arg, names) for arg in args))
    raise ProgramError(f"{type(node).__name__} is not allowed")


def _flat(items: list[Any]) -> list[Any]:
    """Lists of lists could double with each line, and take for ever to compare or write."""
    if any(isinstance(item, list) for item in items):
        raise ProgramError("a list in a list is not allowed")
    return items


def _logic(op: ast.boolop, values: list[ast.expr], names: dict[str, Any]) -> Any:
    found = None
    for value in values:
        found = _value(value, names)
        if bool(found) is isinstance(op, ast.Or):
            break
    return found


def _binary(op: ast.operator, left: Any, right: Any) -> Any:
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if isinstance(op, ast.Add) and (numbers or type(left) is type(right)):
        return left + right
    if isinstance(op, ast.Mult):
        return left * right if numbers else _repeated(left, right)
    if isinstance(op, ast.Pow) and numbers and abs(right) <= LARGEST_POWER:
        return left**right
    if numbers and type(op) in _NUMBERS:
        return _NUMBERS[type(op)](left, right)
    raise ProgramError(f"{type(op).__name__} is not allowed here")


def _repeated(left: Any, right: Any) -> Any:
    items, count = (right, left) if isinstance(left, int) else (left, right)
    if not isinstance(items, str | list) or not isinstance(count, int) or count * len(items) > MOST_ITEMS:
        raise ProgramError("cannot be repeated")
    return items * count
