"""What kind of network a structure is, as far as the choice of its start depends on that."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal, get_args

from goodinit.structure import MULTIPLYING, Structure

__all__ = ["KINDS", "NetworkKind", "Traits", "traits"]

NetworkKind = Literal[
    "shallow",
    "plain relu",
    "plain tanh",
    "plain gelu",
    "sines",
    "residual",
    "residual with norms",
    "transformer, norms before",
    "transformer, norms after",
    "transformer without norms",
    "recurrent",
    "with norms",
    "other",
]
KINDS: Final[tuple[str, ...]] = get_args(NetworkKind)
_BOUNDED: Final = ("tanh", "sigmoid", "softsign", "hard_tanh", "erf")
_SMOOTH: Final = ("gelu", "gelu_tanh", "silu", "mish", "elu", "softplus")
_DEEP: Final = 6  # layers one behind another, from which on their product counts


@dataclass(frozen=True)
class Traits:
    """What one run shows of a network.

    `layers` are the weights that multiply, in execution order and each call counted, `branches` those added to residual
    streams, `activation` the one that follows most layers, None where none does.
    """

    kind: NetworkKind
    layers: int
    branches: int
    activation: str | None

    @property
    def text(self) -> str:
        """The network in a few words."""
        branches = f", {self.branches} residual branches" if self.branches else ""
        activation = f", {self.activation}" if self.activation is not None else ""
        return f"{self.kind}: {self.layers} layers{branches}{activation}"


def traits(structure: Structure) -> Traits:
    """What kind of network it is.

    >>> from goodinit import activations
    >>> from goodinit.networks import MLP
    >>> traits(MLP((2, *[16] * 20, 1), activations.get("tanh"), "squared_error").structure).text
    'plain tanh: 21 layers, tanh'
    """
    trace = structure.trace
    calls = [] if trace is None else [call for call in trace.calls if structure[call.weight].role in MULTIPLYING]
    branches = sum(len(each.branches) for each in structure.streams if len(each.branches) > 1)
    usual = Counter(call.activation for call in calls if call.activation is not None).most_common(1)
    activation = usual[0][0] if usual else None
    recurrent = sum(each.role == "recurrent hidden" for each in structure.parameters)
    kind: NetworkKind
    if recurrent and 2 * recurrent >= len(calls) - recurrent:
        kind = "recurrent"
    elif branches:
        kind = _residual(structure)
    elif any(call.norm_after or call.norm_before for call in calls):
        kind = "with norms"
    elif activation is not None and activation.startswith("sine"):
        kind = "sines"
    elif len(calls) < _DEEP:
        kind = "shallow"
    elif activation in _BOUNDED:
        kind = "plain tanh"
    else:
        kind = "plain gelu" if activation in _SMOOTH else "plain relu" if activation is not None else "other"
    return Traits(kind if calls else "other", len(calls), branches, activation)


def _residual(structure: Structure) -> NetworkKind:
    streams = [each for each in structure.streams if len(each.branches) > 1]
    branches = [branch for each in streams for branch in each.branches]
    after = any(each.norms == "after" for each in streams)
    normed = after or any(each.norm_before or each.norm_inside or each.norm_at_end for each in branches)
    if not any(each.attends for each in streams):
        return "residual with norms" if normed else "residual"
    if not normed:
        return "transformer without norms"
    return "transformer, norms after" if after else "transformer, norms before"
