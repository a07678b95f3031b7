"""Tanh-Init: a repeated identity with a little noise, for tanh networks of any depth and width."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.initializers.padded import PaddedIdentity
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.every import EveryWeight
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import Structure

__all__ = ["TanhInit"]


@register
@dataclass(frozen=True)
class TanhInit(Method):
    """Every weight D + Z: D the identity, repeated to fill the matrix, Z normal with variance 0.085^2 / fan in.

    With a slope of about 1 at every unit, values neither vanish nor saturate, however deep and narrow the network.

    >>> from goodinit import activations, networks
    >>> network = networks.MLP((2, 8, 8, 1), activations.get("tanh"), "binary_cross_entropy")
    >>> str(network.assignments("tanh_init")[0].initializer)
    'padded_identity(noise=0.085)'

    Raises GoodinitError for noise below 0, and for a network where no layer is followed by tanh.
    """

    name = "tanh_init"
    summary = "a repeated identity plus a little noise, for tanh networks of any depth"
    formula = "W = D + Z, D[i, j] = 1 if i = j modulo min(outputs, inputs), Z ~ N(0, noise^2 / fan_in), noise 0.085"
    reference = "Lee, Choi & Kim 2025, Robust weight initialization for tanh networks with fixed point analysis"
    needs = ("run",)
    elsewhere = MappingProxyType({"the authors' code": "noise by fan out, where the paper has fan in"})

    noise: float = 0.085

    def __post_init__(self) -> None:
        PaddedIdentity(noise=self.noise)

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The repeated identity with noise on every weight."""
        trace = self.ran(structure).trace
        followed = sorted({call.activation for call in trace.calls if call.activation} if trace else ())
        if "tanh" not in followed:
            found = " and ".join(followed) or "no activation"
            raise GoodinitError(f"{self}: it is for tanh networks, and here layers are followed by {found}")
        return EveryWeight(PaddedIdentity(noise=self.noise)).prepare(structure)
