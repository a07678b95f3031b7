"""Whether a model starts as a recipe says, parameter by parameter, and where it does not, in what it differs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from goodinit.auditing.laws import DrawnLaw
from goodinit.auditing.records import ParameterAudit
from goodinit.findings import Finding
from goodinit.recipes import Expected, Place, Recipe, places

__all__ = ["conformity"]

_CLOSE: Final = 1e-3  # relative, of what two formulas make of the same numbers
_SURE: Final = 7.0  # standard errors, where only values are known
_UNCUT: Final = 6.0  # standard deviations, beyond which a cut cuts nothing


def conformity(rows: Sequence[ParameterAudit], recipe: Recipe) -> tuple[list[ParameterAudit], list[Finding], str]:
    """The rows with what the recipe asks of each, where they differ, and which it says nothing of."""
    found = places({name: row.shape for row in rows if row.kind == "parameter" for name in (row.name, *row.tied)})
    result, findings, left = [], [], Counter[str]()
    for row in rows:
        if row.kind != "parameter":
            result.append(row)
            continue
        wanted = recipe.expected(found[row.name])
        if wanted is None:
            left[found[row.name].role] += 1
            result.append(row)
            continue
        result.append(replace(row, expected=str(wanted)))
        if (how := _Actual.of(row)) is not None and not how.fits(wanted):
            values = _differences(how, wanted, found[row.name], recipe, row, found)
            findings.append(Finding("off-the-recipe", "severe", row.name, values, how.std, wanted.std))
        elif how is None:
            left["unknown law"] += 1
    note = ", ".join(f"{role} ({count})" for role, count in left.most_common())
    return result, findings, f"{recipe} says nothing of: {note}." if note else ""


@dataclass(frozen=True)
class _Actual:
    """What fills a parameter: its law where that is known, else mean and standard deviation of its `size` values."""

    law: DrawnLaw | None
    mean: float
    std: float
    size: int

    @classmethod
    def of(cls, row: ParameterAudit) -> _Actual | None:
        """None where neither the law nor the values are known."""
        moments = row.law.moments if row.law is not None else None
        if moments is not None:
            return cls(row.law, *moments, row.size)
        return None if row.measured is None else cls(None, *row.measured, row.size)

    def fits(self, wanted: Expected) -> bool:
        """Whether it is what the recipe asks for."""
        if self.law is None:
            return self._near(wanted)
        if wanted.law == "constant":
            return self.std == 0 and math.isclose(self.mean, wanted.mean, rel_tol=_CLOSE, abs_tol=1e-9)
        same = (
            math.isclose(self.std, wanted.std, rel_tol=_CLOSE) and abs(self.mean - wanted.mean) <= _CLOSE * wanted.std
        )
        return same and self._kind() == _kind(wanted)

    def _near(self, wanted: Expected) -> bool:
        if wanted.law == "constant":
            return self.std == 0 and math.isclose(self.mean, wanted.mean, rel_tol=_CLOSE, abs_tol=1e-9)
        error = wanted.std / math.sqrt(self.size)
        close = abs(self.std - wanted.std) <= _SURE * error + _CLOSE * wanted.std
        return close and abs(self.mean - wanted.mean) <= _SURE * error

    def _kind(self) -> str:
        assert self.law is not None
        bound = self.law.high if self.law.high is not None else math.inf
        if self.law.distribution == "truncated_normal" and bound - self.law.location > _UNCUT * self.law.scale:
            return "normal"
        return self.law.distribution

    def __str__(self) -> str:
        return f"mean {self.mean:.4g}, std {self.std:.4g}" if self.law is None else str(self.law)


def _kind(wanted: Expected) -> str:
    uncut = wanted.law == "truncated_normal" and wanted.cut > _UNCUT * wanted.scale
    return "normal" if uncut else wanted.law


def _differences(
    how: _Actual, wanted: Expected, place: Place, recipe: Recipe, row: ParameterAudit, found: Mapping[str, Place]
) -> dict[str, Any]:
    """What differs, why as far as that can be known, and the line that did it."""
    formula = wanted.formula if wanted.formula and not wanted.formula.replace(".", "").isdigit() else None
    write = str(row.writes[-1]) if row.writes else None
    known = {"recipe": str(recipe), "asked": str(wanted), "formula": formula, "role": place.role, "actual": str(how)}
    return {**known, "write": write, **_cause(how, wanted, place, recipe, row, found)}


def _cause(
    how: _Actual, wanted: Expected, place: Place, recipe: Recipe, row: ParameterAudit, found: Mapping[str, Place]
) -> dict[str, Any]:
    for other in row.tied:
        alias = recipe.expected(found[other])
        if alias is not None and how.fits(alias):
            return {"case": "tied", "other": other}
    for cause, changed in _variants(place):
        variant = recipe.expected(changed)
        if variant is not None and variant.std != wanted.std and how.fits(variant):
            return cause
    if how.law is not None and wanted.law != "constant" and how.std > 0:
        if math.isclose(how.std, wanted.std, rel_tol=0.05) or math.isclose(how.law.scale, wanted.scale, rel_tol=_CLOSE):
            return {"case": "cut"}
        return {"case": "factor", "factor": how.std / wanted.std}
    return {}


def _variants(place: Place) -> list[tuple[dict[str, Any], Place]]:
    """The same parameter with one of its numbers mistaken, each with the case of the text that says so."""
    depths = sorted({place.layers + change for change in (-1, 1)} | {2 * place.layers, place.layers // 2} - {0})
    deep: list[tuple[dict[str, Any], Place]] = [
        ({"case": "depth-count", "taken": depth, "layers": place.layers}, _Mistaken.of(place, layers=depth))
        for depth in depths
    ]
    return [
        ({"case": "depth-missing"}, _Mistaken.of(place, layers=0.5, layer=-0.5)),
        ({"case": "depth-same"}, _Mistaken.of(place, layer=place.layers - 1)),
        *deep,
        ({"case": "fans"}, _Mistaken.of(place, fan_in=place.fan_out, fan_out=place.fan_in)),
    ]


@dataclass(frozen=True)
class _Mistaken(Place):
    """A place of which a formula is told other numbers."""

    mistakes: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, place: Place, **mistakes: float) -> _Mistaken:
        """The place with these numbers."""
        return cls(**{**vars(place), "mistakes": tuple(mistakes.items())})

    @property
    def numbers(self) -> dict[str, float]:
        """What a formula may name."""
        return {**super().numbers, **dict(self.mistakes)}
