"""Assignments whose initializer is multiplied by a number, or whose weight stands for another times a number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer, Scaled
from goodinit.initializers.base import same_everywhere
from goodinit.initializers.parts import ScaledUnits
from goodinit.methods.assignment import Assignment, Multipliers
from goodinit.structure import MULTIPLYING, Branch, Structure

__all__ = ["divided", "scaled", "value_path"]

Units = tuple[tuple[int, int], ...]


def scaled(said: Assignment, gain: float, because: str, units: Units = ()) -> Assignment:
    """The same with the initializer's weights times `gain`; as it is for a gain of 1 and where it keeps.

    With `units`, ranges of output units, only their weights are multiplied.
    """
    own = said.initializer
    if own is None or gain == 1:
        return said
    return replace(said, initializer=_times(own, same_everywhere(gain), units), because=because)


def _times(own: Initializer, gain: float, units: Units) -> Initializer:
    if units:
        return ScaledUnits(own, gain, units)
    if isinstance(own, ScaledUnits):
        return ScaledUnits(_times(own.inner, gain, ()), own.gain, own.units)
    if isinstance(own, Scaled):
        return Scaled(own.inner, same_everywhere(own.gain * gain))
    return Scaled(own, gain)


def divided(said: Assignment, by: float, because: str | None = None) -> Assignment:
    """The same where the weight stands for another one divided by `by`, with the rates that train that one.

    Without `because` the values are left as they are, as those of a bias that starts at 0.

    With W' = W / by the same function of W is trained the same way under gradient descent at the rate / by^2 and decay
    times by^2, and under Adam at the rate / by, epsilon times by and decay times by (AdamW's).
    """
    made = said if because is None else scaled(said, 1 / by, because)
    one, other = made.gradient, made.adaptive
    gradient = Multipliers(one.rate / by**2, one.epsilon, one.decay * by**2)
    return replace(made, gradient=gradient, adaptive=Multipliers(other.rate / by, other.epsilon * by, other.decay * by))


def value_path(structure: Structure, branch: Branch, method: str) -> dict[str, Units]:
    """The weights of a branch that its signal passes: all but those that make queries and keys.

    Each has the ranges of output units that are meant, none for all: of packed queries, keys and values the values.
    Raises GoodinitError where a layer makes all three and it cannot be told which units are the values.
    """
    found: dict[str, Units] = {}
    for call in branch.calls:
        parameter = structure[call.weight]
        if parameter.role not in MULTIPLYING:
            continue
        scores = call.scoring or parameter.role == "attention"
        if not scores or (call.attended and not _packed(parameter.target.parts) and not call.scoring):
            found[parameter.name] = ()
        elif call.attended and len(parts := parameter.target.parts) == 3:
            found[parameter.name] = ((parts[0] + parts[1], sum(parts)),)
        elif call.attended and call.value_units:
            found[parameter.name] = call.value_units
        elif call.attended:
            raise GoodinitError(
                f"{method}: {parameter.name} makes queries, keys and values, and which of its units are the values "
                "cannot be told from the run; make them layers of their own"
            )
    return found


def _packed(parts: Iterable[int]) -> bool:
    return len(tuple(parts)) > 1
