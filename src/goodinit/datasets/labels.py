"""Labels as a file has them: which are missing, which are the same, and the classes that they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError, nearest
from goodinit.wording import listed

__all__ = ["classes", "column", "is_missing", "quoted", "spelled_once"]

_MISSING: Final = frozenset(("", "?", "na", "n/a", "<na>", "#n/a", "nan", "+nan", "-nan", "null"))
"""What stands for a missing value. `none` is not there: it names a class, as in none, mild, severe."""

_MOST_CLASSES: Final = 100


def is_missing(label: str) -> bool:
    """Whether a label says that there is none."""
    return label.strip().lower() in _MISSING


def spelled_once(labels: Iterable[str]) -> dict[str, str]:
    """The text of each label's class: itself, or where all are numbers the shortest that is the same number.

    >>> spelled_once(["1", "1.0", "2.50"])
    {'1': '1', '1.0': '1', '2.50': '2.50'}
    >>> spelled_once(["1", "1.0", "cat"])
    {'1': '1', '1.0': '1.0', 'cat': 'cat'}
    """
    texts = dict.fromkeys(labels)
    numbers = _as_numbers(texts)
    if numbers is None:
        return {text: text for text in texts}
    shortest: dict[Decimal, str] = {}
    for text, number in numbers.items():
        shortest[number] = min(shortest.get(number, text), text, key=lambda each: (len(each), each))
    return {text: shortest[number] for text, number in numbers.items()}


def _as_numbers(texts: Iterable[str]) -> dict[str, Decimal] | None:
    """The texts as decimal numbers, which keep every digit; None unless all are numbers."""
    try:
        numbers = {text: Decimal(text) for text in texts if "_" not in text}
    except InvalidOperation:
        return None
    return numbers if all(text in numbers and not numbers[text].is_nan() for text in texts) else None


def classes(path: Path, labels: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """The classes in order (numbers by size, words by alphabet) and each row's class number."""
    counts = Counter(labels)
    if len(counts) < 2:
        raise GoodinitError(
            f"{path}: all {len(labels)} labels are {labels[0]!r}; a comparison needs at least two classes"
        )
    if len(counts) > min(_MOST_CLASSES, max(2, len(labels) // 2)):
        raise GoodinitError(
            f"{path}: the label column has {len(counts)} different values in {len(labels)} rows; "
            f"labels are classes, {_MOST_CLASSES} at most and with two rows each on average. Is it a measurement? "
            "Predict it as a number with --loss squared_error"
        )
    numbers = _as_numbers(counts)
    ordered = sorted(counts) if numbers is None else sorted(counts, key=lambda text: numbers[text])
    number = {name: index for index, name in enumerate(ordered)}
    return tuple(ordered), np.array([number[label] for label in labels], dtype=np.intp)


def column(path: Path, wanted: str | None, known: list[str], what: str) -> str:
    """The wanted name if it is among the known ones; else an error that lists them."""
    if wanted is None:
        raise GoodinitError(f"{path}: which {what} holds the labels? Name it with --target: {quoted(known)}")
    if wanted not in known:
        close = nearest(wanted, known)
        advice = f"did you mean {close[0]!r}?" if close else f"it has {quoted(known)}"
        raise GoodinitError(f"{path}: there is no {what} {wanted!r}; {advice}")
    return wanted


def quoted(names: Iterable[str]) -> str:
    """The names in quotation marks, a dozen at most."""
    return listed(map(repr, names), most=12)
