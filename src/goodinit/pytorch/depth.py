"""The scales that a model's own start gives the ends of its residual branches, as GPT-2's: 1 / sqrt(branches)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

import torch
from torch import nn

from goodinit.errors import GoodinitError
from goodinit.initializers import get
from goodinit.pytorch.read import ModelWeight, plain_values
from goodinit.structure import LayerCall, ResidualStream, Trace
from goodinit.structure.branches import streams_of

__all__ = ["depth_scales"]

FEWEST: Final = 4  # branches of a stream
LARGEST: Final = 0.75  # scale of a depth
ALIKE: Final = 0.05  # relative: how far what is one number may lie from its median, beside three standard errors
AGREE: Final = 0.6  # the share of them that must
LEAST: Final = 64  # numbers of a weight, for its deviation to say something

Measure = Callable[[ModelWeight, float, str | None], float]


def depth_scales(model: nn.Module, weights: Sequence[ModelWeight], trace: Trace) -> dict[str, float]:
    """What the ends of branches were begun with, over what the other weights in them were, by name.

    The others may have one standard deviation in common, one gain with their fan, or one with the gain of what follows.
    By one such measure the ends are smaller by the same number, or fall with depth; and by none of them are they as
    large as the others, which would explain them as well. Where the others have nothing in common nothing is told.
    """
    found: dict[str, float] = {}
    by_name = {name: each for each in weights for name in each.parameters}
    for stream in streams_of(trace):
        if len(stream.branches) >= FEWEST:
            found |= _of_stream(model, stream, by_name)
    return found


def _of_stream(model: nn.Module, stream: ResidualStream, by_name: dict[str, ModelWeight]) -> dict[str, float]:
    ends = {call.weight for branch in stream.branches for call in branch.ends}
    stds: dict[str, tuple[ModelWeight, float, LayerCall]] = {}
    for branch in stream.branches:
        for call in branch.calls:
            weight = by_name.get(call.weight)
            if call.weight not in stds and weight is not None and (std := _std(model, weight)):
                stds[call.weight] = weight, std, call
    inside = [said for name, said in stds.items() if name not in ends]
    outer = {name: said for name, said in stds.items() if name in ends}
    if len(outer) < FEWEST or not inside:
        return {}
    chosen: dict[str, float] = {}
    for measure in (_plain, _with_fan, _with_gain):
        sizes = [(measure(weight, std, call.activation), _error(weight)) for weight, std, call in inside]
        middle = median(size for size, _ in sizes)
        if sum(_alike(size, middle, error) for size, error in sizes) < AGREE * len(sizes):
            continue
        scales = {name: measure(weight, std, None) / middle for name, (weight, std, _) in outer.items()}
        scaled = _of_depth(scales, [_error(weight) for weight, _, _ in outer.values()], len(stream.branches))
        if scaled and min(scaled.values()) > LARGEST:
            return {}
        chosen = chosen or scaled
    return chosen


def _of_depth(scales: Mapping[str, float], errors: Sequence[float], branches: int) -> dict[str, float]:
    """They, if they are one number or fall with depth; 1 / sqrt(branches) itself where that is the number."""
    values, root = list(scales.values()), branches**-0.5
    one = median(values)
    if all(_alike(value, one, error) for value, error in zip(values, errors, strict=True)):
        return dict.fromkeys(scales, root if _alike(one, root, max(errors) / 3) else float(f"{one:.3g}"))
    falling = all(later <= earlier * (1 + ALIKE + max(errors)) for earlier, later in pairwise(values))
    if falling and values[0] <= 1 + ALIKE and values[-1] <= values[0] * len(values) ** -0.25:
        return {name: float(f"{scale:.3g}") for name, scale in scales.items()}
    return {}


def _alike(value: float, one: float, error: float) -> bool:
    return abs(value / one - 1) <= ALIKE + error


def _error(weight: ModelWeight) -> float:
    """Three standard errors of a normal sample's deviation, relative."""
    return 3 / math.sqrt(2 * math.prod(weight.shape or ()))


def _plain(weight: ModelWeight, std: float, activation: str | None) -> float:
    return std


def _with_fan(weight: ModelWeight, std: float, activation: str | None) -> float:
    assert weight.weight is not None
    return std * math.sqrt(weight.weight.fan_in)


def _with_gain(weight: ModelWeight, std: float, activation: str | None) -> float:
    try:
        he = get("he_normal", activation=activation or "linear")
    except GoodinitError:  # a function of the model's own
        he = get("he_normal", activation="linear")
    return std / math.sqrt(he.expected_variance(weight.target))


def _std(model: nn.Module, weight: ModelWeight) -> float | None:
    """A weight's standard deviation; None where it has none that says something."""
    values = plain_values(model, weight)
    if weight.weight is None or weight.weight.kind == "elementwise" or type(values) is not torch.Tensor:  # or sharded
        return None
    if values.numel() < LEAST or not bool(torch.isfinite(values).all()):
        return None
    return float(values.to(torch.float32).std(correction=0)) or None
