"""Parts of sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["count", "listed", "shorten", "spanned"]

_NUMBER: Final = re.compile(r"(\d+)")


def count(number: int, one: str, more: str = "") -> str:
    """The number with the word for what it counts.

    >>> count(1, "seed"), count(2000, "class", "classes")
    ('1 seed', '2,000 classes')
    """
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def listed(names: Iterable[str], most: int = 6) -> str:
    """The names as a sentence lists them, each once; where there are more than `most`, the last are counted.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], most=3)
    ('a, b and c', 'a, b and 2 more')
    """
    each = list(dict.fromkeys(names))
    shown = each if len(each) <= most else [*each[: most - 1], f"{len(each) - most + 1} more"]
    return " and ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)


def shorten(name: str, length: int = 40, tail: float = 1 / 3) -> str:
    """The name, or its beginning and its end, that share of it, where it is longer.

    >>> shorten("transformer.h.11.attn.c_proj", 20, tail=0.6)
    'transfor\u2026attn.c_proj'
    """
    if len(name) <= length:
        return name
    end = int((length - 1) * tail)
    return f"{name[: length - 1 - end]}\u2026{name[-end:]}"


def spanned(names: Sequence[str]) -> str:
    """One name for several that differ in numbers alone.

    >>> spanned(["h.0.fc", "h.1.fc", "h.2.fc"]), spanned(["up1", "up4"]), spanned(["0", "2", "4", "6"])
    ('h.0-2.fc', 'up1,4', '0,2..6')
    """
    columns = zip(*(_NUMBER.split(name) for name in names), strict=True)
    return "".join(_span(set(column)) for column in columns)


def _span(different: set[str]) -> str:
    if len(different) == 1:
        return next(iter(different))
    numbers = sorted(int(part) for part in different)
    step = numbers[1] - numbers[0]
    if numbers != list(range(numbers[0], numbers[-1] + 1, step)):
        return ",".join(map(str, numbers))
    if step == 1 or len(numbers) == 2:
        return f"{numbers[0]}{'-' if step == 1 else ','}{numbers[-1]}"
    return f"{numbers[0]},{numbers[1]}..{numbers[-1]}"


def duration(seconds: float) -> str:
    """The time in a round number of the largest unit that fits.

    >>> [duration(each) for each in (0.2, 14.0, 100.0, 4000.0, 260_000.0)]
    ['a second', '15 seconds', '2 minutes', '65 minutes', '3 days']
    """
    for unit, size, most in (("second", 1, 90), ("minute", 60, 90), ("hour", 3600, 36), ("day", 86400, float("inf"))):
        if seconds < most * size:
            number = max(1, round(seconds / size))
            number = 5 * round(number / 5) if number > 10 else number
            return f"a{'n' if unit == 'hour' else ''} {unit}" if number == 1 else f"{number:,} {unit}s"
    raise AssertionError("every number of seconds is a number of days")
