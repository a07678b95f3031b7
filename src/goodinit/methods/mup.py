"""The maximal update parametrization: a learning rate found at one width is right at every width."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from goodinit.arguments import is_integer
from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer, get
from goodinit.methods.assignment import Assignment, Multipliers
from goodinit.methods.base import Method
from goodinit.methods.every import EveryWeight
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.methods.scaling import scaled
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["MuP"]


@register
@dataclass(frozen=True)
class MuP(Method):
    """An initializer on every weight, with the learning rates that keep every layer's update of one size at any width.

    m is the width, the readout's fan in, over `base_width`, at which nothing is changed. The readout's standard
    deviation is divided by sqrt(m). Under Adam the rates of hidden weights and of the readout are divided by m, and
    their decay is multiplied by it, so that what decays in a step stays the same; under gradient descent the rate of
    the readout is divided by m, and those of input weights, biases and norms are multiplied by it.

    It holds for layers whose widths grow together, for heads of a fixed size, and for an initializer whose variance
    goes as 1 / fan in. A readout tied to the embedding cannot be scaled alone: it is refused unless the model
    multiplies the logits by 1 / m, as the edit `logits` does. The table then starts with variance 1 / base_width and
    moves as an input's weight does.

    >>> from goodinit import activations, networks
    >>> network = networks.MLP((2, 256, 256, 3), activations.get("relu"), "cross_entropy")
    >>> for each in network.assignments("mup(base_width=64)"):
    ...     print(each.name, each.initializer, each.gradient.rate, each.adaptive.rate)
    W1 he_normal 4.0 1.0
    b1 zeros 4.0 1.0
    W2 he_normal 1.0 0.25
    b2 zeros 4.0 1.0
    W3 scaled(gain=0.5) 0.25 0.25
    b3 zeros 1.0 1.0

    Raises GoodinitError for a width that is not an integer of at least 1, and where the structure does not allow it.
    """

    name = "mup"
    summary = "an initializer and learning rates with which one rate is right at every width"
    formula = "m = width / base_width; readout: std / sqrt(m); Adam: hidden and readout rate / m; see the docs for SGD"
    reference = "Yang et al. 2022 (Tensor Programs V), table 3"
    needs = ("run",)
    elsewhere = MappingProxyType({"mup": "set_base_shapes with MuReadout; MuAdam and MuSGD for the rates"})

    base_width: int = 64
    of: str | Initializer = "he_normal"
    inner: Initializer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not is_integer(self.base_width) or self.base_width < 1:
            raise GoodinitError(f"mup(base_width={self.base_width}): base_width must be an integer of at least 1")
        inner = get(self.of)
        object.__setattr__(self, "of", str(inner))
        object.__setattr__(self, "inner", inner)

    @property
    def base(self) -> Initializer:
        """The initializer at the base width."""
        return self.inner

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The initializer on every weight, the readout scaled, and the rates."""
        return self.beneath(self, structure)

    def beneath(self, method: Method, structure: Structure) -> tuple[Assignment, ...]:
        """What it says where another method stands on it: that one is named in what is refused."""
        readouts, inputs = method.ran(structure).readouts, structure.inputs
        m = _width(method, structure) / self.base_width
        tied = _tied(structure)
        for name in tied:
            scales = {call.output_scale for call in structure.calls_of(name) if call.last}
            if not all(math.isclose(scale * m, 1, rel_tol=1e-4) for scale in scales):
                edit = f'goodinit.edit(model, "logits(base_width={self.base_width})", inputs=batch)'
                raise GoodinitError(
                    f"{method}: {name} is the embedding and the readout, which need different rates; untie them, or "
                    f"let {edit} multiply the logits by {1 / m:g}"
                )
        made: list[Assignment] = []
        for each in EveryWeight(self.inner).prepare(structure):
            parameter = structure[each.name]
            if each.name in readouts - inputs - tied:
                end = scaled(each, 1 / math.sqrt(m), "readout")
                made.append(replace(end, gradient=_kept(1 / m), adaptive=_kept(1 / m)))
            elif parameter.role in MULTIPLYING and each.name not in inputs:
                made.append(replace(each, adaptive=_kept(1 / m)))
            elif each.name in tied:
                made.append(replace(scaled(each, math.sqrt(m), "tied readout"), gradient=_kept(m)))
            elif structure.beside_readout(each.name):
                made.append(each)  # the readout's bias has as many elements at every width
            else:
                made.append(replace(each, gradient=_kept(m)))
        return tuple(made)

    def times(self, structure: Structure) -> float:
        """How many times as wide as at the base it is. Raises GoodinitError where that cannot be told."""
        return _width(self, structure) / self.base_width

    def suits(self, structure: Structure) -> None:
        """No claim: it is for what is tuned at one width and trained at another."""


def _kept(rate: float) -> Multipliers:
    """A rate, and the decay that takes as much in a step."""
    return Multipliers(rate=rate, decay=1 / rate)


def _tied(structure: Structure) -> frozenset[str]:
    """The readouts that are the embedding too."""
    return frozenset(name for name in structure.readouts if structure[name].role == "tied embedding")


def _width(method: Method, structure: Structure) -> float:
    """The width of the layer before the readout. Raises GoodinitError, in the method's name, where there is none."""
    readouts = (structure.readouts - structure.inputs) | _tied(structure)
    found = {name: structure[name].target.fan_in for name in sorted(readouts)}
    if len(set(found.values())) != 1:
        listed = ", ".join(f"{name} with fan in {fan:g}" for name, fan in found.items()) or "none"
        raise GoodinitError(f"{method}: the width is the readout's fan in, and the readouts are {listed}")
    return next(iter(found.values()))
