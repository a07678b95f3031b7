"""Parts of sentences."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["count", "listed"]


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
