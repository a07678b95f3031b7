"""What methods that measure a batch have in common: an inner initializer that the measurements begin from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from goodinit.errors import GoodinitError
from goodinit.methods.assignment import Assignment
from goodinit.methods.over import OverInitializer
from goodinit.methods.scaling import scaled
from goodinit.structure import MULTIPLYING, LayerCall, Structure

__all__ = ["MEASURED_ON", "MeasuringMethod", "gained", "listed", "weight_calls"]

MEASURED_ON: Final = "the batch"
"""What decided, where a measurement did."""


@dataclass(frozen=True)
class MeasuringMethod(OverInitializer):
    """A method whose weights are those of `of`, rescaled by what it measures."""

    def before(self, structure: Structure) -> tuple[Assignment, ...]:
        """The inner initializer on every weight."""
        return self.every(self.ran(structure))

    def begin(self, what: str, value: float) -> None:
        """Refuse to tune from a number that is not finite: nothing leads away from it."""
        if not math.isfinite(value):
            raise GoodinitError(
                f"{self.name}: {what} is {value:g} before any step, on the weights of {self.of}; see that the inputs, "
                "the targets and the loss are finite, or begin from other weights with of"
            )

    def check_number(self, option: str, low: float, *, whole: bool = False, above: bool = False) -> None:
        """Refuse an option that is no number, or below `low`, or with `above` not above it."""
        value = getattr(self, option)
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not number or not (value > low if above else value >= low) or value == float("inf"):
            kind = "an integer" if whole else "a number"
            bound = f"above {low:g}" if above else f"of at least {low:g}"
            raise GoodinitError(f"{self.name}({option}={value!r}): {option} must be {kind} {bound}")


def weight_calls(structure: Structure, free: Iterable[str]) -> dict[str, list[LayerCall]]:
    """The layer calls of each weight that multiplies and may be set, in execution order.

    Inside a recurrent layer no output is a weight's own, and a table that is tied is not set for one of its two uses.
    """
    allowed = set(free)
    found: dict[str, list[LayerCall]] = {}
    for call in structure.trace.calls if structure.trace is not None else ():
        parameter = structure[call.weight]
        if parameter.name in allowed and parameter.role in MULTIPLYING and call.kind not in ("recurrent", "embedding"):
            found.setdefault(parameter.name, []).append(call)
    return found


def gained(
    said: Iterable[Assignment], gains: Mapping[str, float], because: str = MEASURED_ON
) -> tuple[Assignment, ...]:
    """Assignments with the weights times their gains; those of a gain of 1 are as they were."""
    return tuple(
        replace(scaled(each, gain, because), because=because) if (gain := gains.get(each.name, 1.0)) != 1 else each
        for each in said
    )


def listed(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
