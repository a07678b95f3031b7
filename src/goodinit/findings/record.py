"""One judgement of a start, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal

from goodinit.findings.texts import codes, rendered
from goodinit.jsonable import finite_or_none

__all__ = ["Finding", "RemedyEffect", "Severity"]

Severity = Literal["severe", "warning", "info"]


@dataclass(frozen=True)
class RemedyEffect:
    """What a remedy did to the model, whose start was measured again with it, and which was then put back.

    `gone` says that the finding was no longer found, `severity` how severe it was then where it was. The first losses
    are None where there were none. Where nothing that was tried made it less severe, the finding has no remedy,
    and this says so.

    >>> RemedyEffect(True, None, 11.1, 2.4).text("en")
    'tried: the finding is gone, first loss 11.1 -> 2.4'
    """

    gone: bool
    severity: Severity | None = None
    loss_before: float | None = None
    loss_after: float | None = None

    def text(self, language: str) -> str:
        """The sentence in a language."""
        values = {"case": "gone" if self.gone else self.severity, "before": self.loss_before, "after": self.loss_after}
        return rendered("effect", {name: _plain(value) for name, value in values.items()}, language)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, with the sentence in English."""
        losses = {"loss_before": finite_or_none(self.loss_before), "loss_after": finite_or_none(self.loss_after)}
        return {"gone": self.gone, "severity": self.severity, **losses, "message": self.text("en")}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> RemedyEffect:
        """The effect of which `to_dict` made these facts."""
        return cls(facts["gone"], facts["severity"], facts["loss_before"], facts["loss_after"])


@dataclass(frozen=True)
class Finding:
    """One judgement: a code, how severe it is, where, and the values that it was drawn from.

    `where` is a layer or a parameter, None for the whole. `values` holds what the sentence is made of, as JSON holds it
    (numbers, texts, lists and mappings of them); a number that is not finite is the word for it (`inf`, `nan`).
    `measured` and `expected` are the number that decided and what it should be near. `remedy` is Python that can be
    pasted where `model`, `inputs`, `torch` and `goodinit` are at hand, or nothing; `effect` says what it did where it
    was tried. Where the fault lies in the code or the data, `change` says what is to be changed, and in which line.

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
    effect: RemedyEffect | None = None

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
        return rendered(self.code, self._known(), language)

    def change(self, language: str = "en") -> str:
        """What is to be changed in code or data, in a language; empty where a weight is at fault, or nothing is."""
        return rendered(self.code, self._known(), language, "change")

    def _known(self) -> dict[str, Any]:
        return {"where": self.where, "measured": self.measured, "expected": self.expected, **self.values}

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
            "effect": None if self.effect is None else self.effect.to_dict(),
            "change": self.change() or None,
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
            RemedyEffect.from_dict(facts["effect"]) if facts.get("effect") else None,
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
