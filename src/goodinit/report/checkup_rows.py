"""Layer calls as rows that a person reads: repeated blocks are one row, with medians and ranges."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from goodinit.model_records import LayerStart
from goodinit.wording import spanned

__all__ = ["FoldedRow", "folded", "number", "ratio"]

# How names are compared, from all of their text on: numbers between points, as of blocks, and then any numbers.
_FOLDS: Final = (re.compile(r"(?!)"), re.compile(r"(?<![^.])\d+(?![^.])"), re.compile(r"\d+"))

_WIDE: Final = 1.25  # times the lowest, from which a range is theory


@dataclass(frozen=True)
class FoldedRow:
    """One layer call, or several that are alike but for the numbers in their names."""

    name: str
    layers: tuple[LayerStart, ...]

    @property
    def first(self) -> LayerStart:
        """The first of them, which stands for what they have in common."""
        return self.layers[0]

    def cell(
        self,
        measured: Callable[[LayerStart], float | None],
        expected: Callable[[LayerStart], float | None] = lambda layer: None,
        ranges: bool = True,
    ) -> str:
        """Measured and, beside it, what theory expects; of several layers the medians, with the range in brackets."""
        values, theory = _known(self.layers, measured), _known(self.layers, expected)
        if not values:
            return ""
        middle, beside = median(values), median(theory) if theory else None
        if not ranges or max(values) <= _WIDE * min(values):
            return ratio(middle, beside)
        text = f"{_brief(middle)} ({_brief(min(values))}..{_brief(max(values))})"
        return text if beside is None else f"{text} / {_brief(beside)}"


def _known(layers: Sequence[LayerStart], of: Callable[[LayerStart], float | None]) -> list[float]:
    return [value for layer in layers if (value := of(layer)) is not None]


def number(value: float | None) -> str:
    """A number in three digits, and nothing for one that was not measured."""
    if value is None:
        return ""
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e5) and math.isfinite(value):
        return f"{value:.1e}"
    return f"{value:.3g}"


def _brief(value: float) -> str:
    """A number in two digits, as short as they can be written."""
    text = f"{value:.1e}" if value != 0 and abs(value) < 1e-3 and math.isfinite(value) else f"{value:.2g}"
    return re.sub(r"e([+-])0?", lambda sign: f"e{sign[1].strip('+')}", text)


def ratio(measured: float | None, expected: float | None) -> str:
    """Measured, and beside it what theory expects."""
    return number(measured) if expected is None else f"{number(measured)} / {number(expected)}"


def folded(layers: Sequence[LayerStart], most: int | None) -> tuple[list[FoldedRow], int]:
    """At most so many rows, folded no more than that takes, and how many of them had to be left out in the middle.

    Layers are folded that are equal but for numbers in their names, and are followed by the same.
    """
    rows: list[FoldedRow] = []
    for pattern in _FOLDS:
        groups: dict[tuple[object, ...], list[LayerStart]] = {}
        for each in layers:
            same = (each.call.kind, each.call.activation, each.call.norm_after, each.call.residual)
            groups.setdefault((pattern.sub("*", each.title), *same), []).append(each)
        rows = [FoldedRow(spanned([each.title for each in group]), tuple(group)) for group in groups.values()]
        if most is None or len(rows) <= most:
            return rows, 0
    half = max(1, ((most or 1) - 1) // 2)
    return [*rows[:half], *rows[-half:]], len(rows) - 2 * half
