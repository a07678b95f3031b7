"""Mimetic initialization: attention whose products of weights look as they do after training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.initializers.mimetic_factors import MimeticFactors
from goodinit.methods.assignment import Assignment
from goodinit.methods.over import OverInitializer
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import Branch, LayerCall, Structure

__all__ = ["Mimetic"]


class _Projections(NamedTuple):
    """The weights of an attention: query, key, value (one thrice where they are packed) and the output's."""

    query: str
    key: str
    value: str
    out: str
    width: int
    head: int


@register
@dataclass(frozen=True)
class Mimetic(OverInitializer):
    """W_Q' W_K about 0.7 Z + 0.7 I for every head, and W_out W_V about 0.4 Z - 0.4 I; `of` on the other weights.

    Z is normal with variance 1 / d, d the width. Each product is split by its singular values, half of them in each
    factor; a head has as many of the largest as it has units. The two factors of a pair are drawn from the same
    numbers, by the names of both. It costs a singular value decomposition for each head.

    >>> import torch, goodinit
    >>> class Attention(torch.nn.MultiheadAttention):
    ...     def forward(self, x):
    ...         return x + super().forward(x, x, x)[0]
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 16), Attention(16, 2), Attention(16, 2))
    >>> done = goodinit.initialize(model, "mimetic", seed=0, inputs=torch.ones(1, 5, 3))
    >>> product = model[1].out_proj.weight @ model[1].in_proj_weight[32:]
    >>> bool(abs(product.diagonal().mean() + 0.4) < 0.1)
    True

    Raises GoodinitError where one run shows no attention of its own stream, or one whose queries, keys and values are
    not each as wide as the stream.
    """

    name = "mimetic"
    summary = "attention whose products of query and key, value and output look as after training"
    formula = "W_Q' W_K ~ alpha_1 Z + beta_1 I for each head, W_out W_V ~ alpha_2 Z - beta_2 I, by singular values"
    reference = "Trockman & Kolter 2023, Mimetic initialization of self-attention layers"
    needs = ("run",)
    elsewhere = MappingProxyType({"its authors": "also sinusoidal tables of places; Z uniform unless told"})
    plain = True

    of: str | Initializer = "truncated_normal(std=0.02)"
    alpha_1: float = 0.7
    beta_1: float = 0.7
    alpha_2: float = 0.4
    beta_2: float = 0.4

    def __post_init__(self) -> None:
        for option in ("alpha_1", "beta_1", "alpha_2", "beta_2"):
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
                raise GoodinitError(f"mimetic({option}={value}): {option} must be a number from 0 to 100")
        super().__post_init__()

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The factors of the products, and the initializer on the other weights."""
        found: dict[str, Initializer] = {}
        for stream in self.ran(structure).streams:
            for branch in stream.branches:
                if branch.attends and not branch.memory:
                    found |= self._factors(self._projections(structure, branch))
        if not found:
            raise GoodinitError(f"{self}: one run shows no attention of a residual stream to itself")
        return tuple(
            replace(each, initializer=found[each.name], because="attention", activation=None, caution=None)
            if each.name in found
            else each
            for each in self.every(structure)
        )

    def _projections(self, structure: Structure, branch: Branch) -> _Projections:
        where = branch.ends[0].module
        refused = GoodinitError(
            f"{self}: the attention that ends in {where} has not one layer or part for each of query, key, value and "
            "output, all as wide as the stream"
        )
        if len(branch.ends) != 1:
            raise refused
        out = structure[branch.ends[0].weight]
        width = int(out.target.fan_out)
        inner = [call for call in branch.calls if call not in branch.ends]
        heads = {call.head_size for call in inner if call.head_size} or {0}
        (head,) = heads if len(heads) == 1 else (0,)
        square = out.target.fan_in == width and out.target.kind == "linear" and len(out.target.shape) == 2
        if not square or head < 1 or width % head:
            raise refused
        if len(inner) == 1 and inner[0].attended:
            name = structure[inner[0].weight].name
            target = structure[name].target
            thirds = target.parts == (width,) * 3 or inner[0].value_units == ((2 * width, 3 * width),)
            if thirds and target.fan_in == width:
                return _Projections(name, name, name, out.name, width, head)
        if len(inner) == 3 and [call.attended for call in inner].count(True) == 1:
            value = next(call for call in inner if call.attended)
            query, key = (call for call in inner if call is not value)
            if all(_square(structure, call, width) for call in inner):
                names = [structure[call.weight].name for call in (query, key, value)]
                return _Projections(names[0], names[1], names[2], out.name, width, head)
        raise refused

    def _factors(self, own: _Projections) -> dict[str, Initializer]:
        scores = (float(self.alpha_1), float(self.beta_1))
        values = (float(self.alpha_2), -float(self.beta_2))
        pair, through = f"{own.query}|{own.key}", f"{own.value}|{own.out}"
        out = MimeticFactors(own.width, own.head, ((through, "left", *values),))
        query, key, value = (
            (pair, "query", *scores),
            (pair, "key", *scores),
            (through, "right", *values),
        )
        if own.query == own.value:
            return {own.query: MimeticFactors(own.width, own.head, (query, key, value)), own.out: out}
        parts = ((own.query, query), (own.key, key), (own.value, value))
        made: dict[str, Initializer] = {name: MimeticFactors(own.width, own.head, (part,)) for name, part in parts}
        return made | {own.out: out}


def _square(structure: Structure, call: LayerCall, width: int) -> bool:
    target = structure[call.weight].target
    return target.fan_in == target.fan_out == width and target.kind == "linear" and len(target.shape) == 2
