"""Numbers and words as functions accept them, and the errors for anything else."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from goodinit.errors import GoodinitError, is_finite, shown

__all__ = ["check_choice", "check_count", "check_number", "is_integer", "is_number"]


def is_integer(value: Any) -> bool:
    """Whether the value is an integer, Python's or NumPy's, and no truth value."""
    return type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))  # ABCs are slow to ask


def is_number(value: Any) -> bool:
    """Whether the value is a finite real number, Python's or NumPy's, and no truth value."""
    return isinstance(value, Real) and not isinstance(value, bool) and is_finite(value)


def check_number(
    name: str, value: Any, *, low: float = -math.inf, high: float = math.inf, above: bool = False
) -> float:
    """The value as a float. Raises GoodinitError unless low <= value <= high (low < value with `above`)."""
    if is_number(value) and low <= value <= high and not (above and value == low):
        return float(value)
    if math.isfinite(low) and math.isfinite(high):
        bound = f" from {low:g} to {high:g}"
    else:
        bound = "" if low == -math.inf else f" above {low:g}" if above else f" of at least {low:g}"
    raise GoodinitError(f"{name}={shown(value)}: {name} must be a finite number{bound}")


def check_count(name: str, value: Any, *, low: int = 1) -> int:
    """The value as an int. Raises GoodinitError unless it is an integer of at least `low`."""
    if not is_integer(value) or value < low:
        raise GoodinitError(f"{name}={shown(value)}: {name} must be an integer of at least {low}")
    return int(value)


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """The value, which must be one of the words in `choices`."""
    if value not in choices:
        raise GoodinitError(f"{name}={shown(value)}: {name} must be one of {', '.join(choices)}")
    return str(value)
