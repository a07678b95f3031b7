"""The one error a person sees: what was given, what was expected, what to do."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["GoodinitError", "as_word", "is_finite", "nearest", "shown", "unknown_name"]

_LONGEST: Final = 80  # characters of a value in a message


class GoodinitError(ValueError):
    """A value that goodinit cannot use; the message says what to do. The command line exits with 2."""


def is_finite(value: Any) -> bool:
    """Whether a real number is finite in float64; an integer may lie beyond its range."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def shown(value: object) -> str:
    """The value as a message has it: its repr, cut where it is long.

    >>> shown("normal"), shown(10**100)
    ("'normal'", 'an integer of 333 bits')
    """
    if isinstance(value, int) and value.bit_length() > 128:
        return f"{'a negative' if value < 0 else 'an'} integer of {value.bit_length()} bits"
    try:
        text = repr(value)
    except ValueError:  # an integer within has more digits than Python writes
        return f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def as_word(value: object) -> str:
    """The value as it is looked up in a table of names: a text as it is, else what a message has of it.

    >>> as_word("adam"), as_word(3)
    ('adam', '3')
    """
    return value if isinstance(value, str) else shown(value)


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names in `known` that look most like `name`, best first, three at most."""
    return difflib.get_close_matches(name.lower()[:_LONGEST], list(known), n=3, cutoff=0.5)


def unknown_name(what: str, name: str, known: Iterable[str], see: str = "") -> GoodinitError:
    """The error for a name that is not in a table, with the nearest names that are."""
    known = list(known)
    close = nearest(name, known)
    advice = f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(known)}"
    return GoodinitError(f"{what} {shown(name)} is not known; {advice}{f' ({see})' if see else ''}")
