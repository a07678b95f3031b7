"""The records of a transfer check; nothing here needs PyTorch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from goodinit.findings import Finding
from goodinit.jsonable import finite_or_none
from goodinit.statistics import Slope

if TYPE_CHECKING:
    from goodinit.transferring.proof import Proof

__all__ = ["Coordinate", "LayerRow", "ParameterRow", "TransferFacts"]

ANSWERS: Final = {"transfers": True, "grows": False, "shrinks": False, "not enough data": None}


@dataclass(frozen=True)
class Coordinate:
    """One measure over the sizes: its exponent, what it should be, and the judgement.

    `judged` is `level`, `grows`, `shrinks`, `unclear` (the interval is too wide to tell), or nothing where it is only
    told.
    """

    measure: str
    slope: Slope
    expected: float | None = None
    judged: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "measure": self.measure,
            "expected": self.expected,
            "judged": self.judged or None,
            **self.slope.to_dict(),
        }


@dataclass(frozen=True)
class LayerRow:
    """A layer call, a sum, attention scores or the output; docs/transfer.md says what its measures mean.

    `since` is the first step after which its change grows or shrinks, None where it does neither. `values` has every
    measure's mean of logarithms, as numbers by size at the last step.
    """

    name: str
    kind: str
    weight: str
    role: str
    coordinates: dict[str, Coordinate]
    since: int | None = None
    values: dict[str, list[float | None]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "weight": self.weight or None,
            "role": self.role,
            "since": self.since,
            "coordinates": {key: each.to_dict() for key, each in self.coordinates.items()},
            "values": self.values,
        }


@dataclass(frozen=True)
class ParameterRow:
    """A parameter: its role as the sizes grow, and the exponents of its start, rate, updates and decay."""

    name: str
    role: str
    shapes: tuple[tuple[int, ...], ...]
    coordinates: dict[str, Coordinate]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "name": self.name,
            "role": self.role,
            "shapes": [list(each) for each in self.shapes],
            "coordinates": {key: each.to_dict() for key, each in self.coordinates.items()},
        }


@dataclass(frozen=True)
class TransferFacts:
    """Whether a learning rate carries over.

    `axis` is width or depth, `promise` what the parametrization is taken for, `verdict` one of `transfers`, `grows`,
    `shrinks` and `not enough data`, `answer` the same as a sentence. `transfers` is None where it cannot be told.
    """

    model: str
    axis: str
    sizes: tuple[int, ...]
    steps: int
    seeds: tuple[int, ...]
    promise: str
    verdict: str
    answer: str
    layers: tuple[LayerRow, ...]
    parameters: tuple[ParameterRow, ...]
    findings: tuple[Finding, ...] = ()
    losses: dict[int, list[float]] = field(default_factory=dict)
    proof: Proof | None = None

    @property
    def transfers(self) -> bool | None:
        """Whether it does; None where there is not enough data to tell."""
        return ANSWERS[self.verdict]

    def __getitem__(self, name: str) -> LayerRow:
        for each in self.layers:
            if each.name == name:
                return each
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; docs/transfer.md says what each key means."""
        return {
            "model": self.model,
            "axis": self.axis,
            "sizes": list(self.sizes),
            "steps": self.steps,
            "seeds": list(self.seeds),
            "promise": self.promise,
            "verdict": self.verdict,
            "transfers": self.transfers,
            "answer": self.answer,
            "findings": [each.to_dict() for each in self.findings],
            "layers": [each.to_dict() for each in self.layers],
            "parameters": [each.to_dict() for each in self.parameters],
            "losses": {str(size): [finite_or_none(each) for each in curve] for size, curve in self.losses.items()},
            "proof": self.proof.to_dict() if self.proof else None,
        }

    def to_json(self) -> str:
        """The text of `to_dict`."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)
