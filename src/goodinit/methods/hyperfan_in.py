"""Hyperfan-in: a hypernetwork's heads, whose outputs are the weights of another network."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from goodinit.errors import GoodinitError
from goodinit.initializers import Normal
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment
from goodinit.methods.over import OverInitializer
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import MULTIPLYING, LayerCall, MadeWeight, Structure

__all__ = ["HyperfanIn"]

_RECTIFIERS: Final = ("relu", "relu6", "leaky_relu", "gelu", "gelu_tanh", "silu", "mish")


@register
@dataclass(frozen=True)
class HyperfanIn(OverInitializer):
    """Heads drawn so that the weights they make have the variance that the layer they are for wants; `of` elsewhere.

    A head whose d_k inputs have the variance `variance`, and whose output is the weight of a layer of fan in d_j, gets
    Var H = 2^relu / (2^bias d_j d_k variance): relu is 1 where a rectifier follows that layer, bias where it has a bias
    that is made too. A head that makes the bias gets 2^relu / (2 d_k variance), and heads' own biases are 0.

    >>> import torch, goodinit
    >>> class Hyper(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden, self.head = torch.nn.Linear(8, 16), torch.nn.Linear(16, 5 * 12)
    ...     def forward(self, x, z):
    ...         weight = self.head(torch.relu(self.hidden(z))).view(12, 5)
    ...         return torch.relu(torch.nn.functional.linear(x, weight))
    >>> done = goodinit.initialize(Hyper(), "hyperfan_in", seed=0, inputs=(torch.ones(2, 5), torch.ones(1, 8)))
    >>> done["head.weight"].initializer  # sqrt(2 / (5 * 16))
    'normal(std=0.158113883008)'

    Raises GoodinitError where one run shows no head, for a head that makes weights of several sizes, and for a variance
    that is not above 0.
    """

    name = "hyperfan_in"
    summary = "a hypernetwork's heads, so that the weights they make have the variance of their layer's fan in"
    formula = "Var H = 2^relu / (2^bias d_j d_k Var e); of a bias 2^relu / (2 d_k Var e)"
    reference = "Chang, Flokas & Lipson 2020, Principled weight initialization for hypernetworks"
    needs = ("run",)
    elsewhere = MappingProxyType(
        {"hypnettorch": "apply_hyperfan_init(method='in'), uniform; relu for all layers or none"}
    )

    variance: float = 1.0

    def __post_init__(self) -> None:
        value = self.variance
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise GoodinitError(f"hyperfan_in(variance={value!r}): variance must be a number above 0")
        super().__post_init__()

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The heads by what they make, and the initializer on the other weights."""
        trace = self.ran(structure).trace
        heads: dict[str, list[LayerCall]] = {}
        for call in trace.calls if trace is not None else ():
            if call.makes and structure[call.weight].role in MULTIPLYING:
                heads.setdefault(structure[call.weight].name, []).append(call)
        if not heads:
            raise GoodinitError(f"{self}: one run shows no layer whose output is another layer's weight")
        made = []
        for each in self.every(structure):
            if each.name in heads:
                std = self._std(structure, each.name, heads[each.name])
                each = replace(
                    each, initializer=Normal(std=std), because="makes a weight", activation=None, caution=None
                )
            made.append(each)
        return tuple(made)

    def _std(self, structure: Structure, name: str, calls: list[LayerCall]) -> float:
        fan = structure[name].target.fan_in
        wanted = {_wanted(each) / (fan * self.variance) for call in calls for each in call.makes}
        if len(wanted) > 1:
            raise GoodinitError(
                f"{self}: {name} makes weights of layers of several sizes, which want other variances; give each a head"
            )
        return same_everywhere(math.sqrt(wanted.pop()))


def _wanted(made: MadeWeight) -> float:
    """The variance that what is made should have."""
    gain = 2.0 if made.activation is not None and made.activation.partition("(")[0] in _RECTIFIERS else 1.0
    if made.kind == "bias":
        return gain / 2
    return gain / ((2 if made.biased else 1) * made.fan_in)
