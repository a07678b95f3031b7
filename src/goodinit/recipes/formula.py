"""Formulas of recipes: arithmetic over named numbers, read by the parser of Python and never evaluated by it."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from goodinit.errors import GoodinitError

__all__ = ["value"]

_BINARY: Final[dict[type, Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: Final[dict[str, Callable[..., float]]] = {"sqrt": math.sqrt, "min": min, "max": max}


def value(formula: str, numbers: Mapping[str, float]) -> float:
    """What a formula gives.

    >>> round(value("0.02 / sqrt(2 * layers)", {"layers": 12}), 6)
    0.004082

    Raises GoodinitError where it is not arithmetic over the numbers that are named.
    """
    try:
        return _of(ast.parse(formula, mode="eval").body, numbers)
    except (SyntaxError, TypeError, ValueError, KeyError, ZeroDivisionError) as error:
        known = ", ".join(numbers)
        raise GoodinitError(f"the formula {formula!r} cannot be computed from {known} ({error})") from None


def _of(node: Any, numbers: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return float(numbers[name])
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_of(inner, numbers)
        case ast.BinOp(left=left, op=how, right=right) if type(how) in _BINARY:
            return _BINARY[type(how)](_of(left, numbers), _of(right, numbers))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return float(_FUNCTIONS[name](*(_of(each, numbers) for each in arguments)))
    raise ValueError(f"{ast.unparse(node)} is not arithmetic")
