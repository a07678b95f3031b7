"""One judgement of a start, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal

from goodinit.findings.texts import codes, rendered
from goodinit.jsonable import finite_or_none

__all__ = ["Finding", "Severity"]

Severity = Literal["severe", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One judgement: a code, how severe it is, where, and the values that it was drawn from.

    `where` is a layer or a parameter, None for the whole. `values` holds what the sentence is made of, as JSON holds it
    (numbers, texts, lists and mappings of them); a number that is not finite is the word for it (`inf`, `nan`).
    `measured` and `expected` are the number that decided and what it should be near. `remedy` is Python that can be
    pasted where `model`, `inputs`, `torch` and `goodinit` are at hand, or nothing.

    >>> found = Finding("dead-units", "severe", "W1", {"layers": [{"layer": 1, "share": 1.0}]}, 1.0, 0.0)
    >>> found.message
    '100% of hidden layer 1 is dead: no example gives it a gradient'
    """

    code: str
    severity: Severity
    where: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    measured: float | None = None
    expected: float | None = None
    remedy: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", {name: _plain(value) for name, value in self.values.items()})

    @property
    def message(self) -> str:
        """The sentence in English."""
        return self.text("en")

    def text(self, language: str) -> str:
        """The sentence in a language, rendered from the values.

        Raises GoodinitError for a language that there are no texts of.
        """
        if "message" in self.values:  # it came with its sentence, as from a store of an earlier version
            return str(self.values["message"])
        known = {"where": self.where, "measured": self.measured, "expected": self.expected}
        return rendered(self.code, {**known, **self.values}, language)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, with the sentence in English."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "where": self.where,
            "values": dict(self.values),
            "measured": finite_or_none(self.measured),
            "expected": finite_or_none(self.expected),
            "remedy": self.remedy or None,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Finding:
        """The finding of which `to_dict` made these facts.

        What an earlier version stored has no values, and what a later one stored may have a code that has no text here:
        either keeps the sentence that it came with.
        """
        values = facts.get("values")
        if values is None or facts["code"] not in codes():
            values = {"message": facts["message"]}
        return cls(
            facts["code"],
            facts["severity"],
            facts.get("where"),
            values,
            facts.get("measured"),
            facts.get("expected"),
            facts.get("remedy") or "",
        )


def _plain(value: Any) -> Any:
    """The value in types of JSON's, a number that is not finite as its word."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    raise TypeError(f"a finding's value {value!r} is of no type that JSON has")
