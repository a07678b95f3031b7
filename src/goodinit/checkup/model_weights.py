"""A model's parameters at the start: their sizes, what these should be, their duplicates, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor

from goodinit.checkup.model_signals import size
from goodinit.checkup.model_theory import expected_std
from goodinit.checkup.step import Step
from goodinit.model_records import Copies, ParameterStart
from goodinit.pytorch.held import is_packed, real_parts, whole_tensor
from goodinit.pytorch.read import ModelWeight, read_model
from goodinit.structure import Trace

__all__ = ["parameters_of"]

_NEAR: Final = 1e-4  # relative: gradients of duplicates as near as this are the same but for rounding
_KEPT: Final = 0.1  # of the mean square, from which a difference from it has the digits of both
_SAME_HASH: Final = 1e-5  # relative to a row's norm: rows farther apart are not looked at


def parameters_of(
    model: torch.nn.Module, trace: Trace, gradients: Mapping[str, Tensor | None] | None, step: Step
) -> tuple[ParameterStart, ...]:
    """Every parameter of the model, measured; `gradients` by name, None where none were taken."""
    read = {name: weight for weight in read_model(model, closed=True) for name in weight.parameters}
    activation = {call.weight: call.activation for call in reversed(trace.calls) if not call.residual}
    for call in trace.calls:
        activation.setdefault(call.weight, None)
    packed = {call.weight: call.value_units for call in trace.calls if call.attended and call.value_units}
    found: list[ParameterStart] = []
    kept: dict[tuple[object, ...], list[tuple[str, Tensor]]] = {}
    unused = set(trace.unused)
    for name, parameter in model.named_parameters():
        if not (parameter.is_floating_point() or parameter.is_complex()):  # numbers packed by a layer of its own
            continue
        values, gradient = whole_tensor(parameter.detach()), gradients.get(name) if gradients is not None else None
        gradient = None if gradient is None else whole_tensor(gradient)
        facts = _measured(values, read.get(name), gradient)
        if is_packed(parameter):
            facts["role"] = "quantized"
        facts["std_expected"] = _expected(read.get(name), activation.get(name), name in activation)
        same_as, same_gradient = _same(kept, name, values, facts, gradients)
        facts["copies"] = replace(facts["copies"], same_as=same_as, same_gradient=same_gradient)
        found.append(
            ParameterStart(
                name=name,
                shape=tuple(parameter.shape),
                trainable=parameter.requires_grad,
                used=name not in unused,
                has_gradient=None if gradients is None else gradient is not None,
                update_to_weight=step.size(math.hypot(facts["mean"], facts["std"]), facts["gradient_rms"]),
                values_to_scores=_values_to_scores(gradient, read.get(name), packed.get(name, ())),
                **facts,
            )
        )
    return tuple(found)


def _expected(weight: ModelWeight | None, activation: str | None, called: bool) -> float | None:
    """What theory wants; an embedding's size, and that of what no batch has used, is a matter of taste."""
    if weight is None or weight.weight is None or weight.form != "plain":
        return None
    if weight.role in ("attention", "recurrent input", "recurrent hidden", "recurrent projection"):
        return expected_std(None, weight.weight.fan_in)
    if weight.role == "weight" and called:
        return expected_std(activation, weight.weight.fan_in)
    return None


def _measured(values: Tensor, weight: ModelWeight | None, gradient: Tensor | None) -> dict[str, Any]:
    total = values.numel()
    real = real_parts(values)
    wide = real if real.dtype in (torch.float32, torch.float64) else real.float()
    mean = float(wide.mean()) if total else 0.0
    low, high = torch.aminmax(wide) if total else (wide.new_zeros(()), wide.new_zeros(()))
    std = 0.0 if bool(low == high) else _deviation(wide, mean)  # a constant's mean is off by rounding
    known = None if weight is None else weight.weight
    rms = math.hypot(mean, std)
    gradient_rms = None if gradient is None else float(size(gradient.detach()))
    parts = known.parts if known is not None else ()
    out_axis = known.out_axis if known is not None else 0
    part_std: tuple[float, ...] = ()
    if len(parts) > 1 and total:
        part_std = tuple(float(size(part - part.mean())) for part in torch.split(wide, list(parts), dim=out_axis))
    return {
        "role": "unknown" if weight is None else weight.role,
        "kind": "" if weight is None else weight.kind,
        "fan_in": None if known is None else float(known.fan_in),
        "fan_out": None if known is None else float(known.fan_out),
        "parts": parts,
        "mean": mean,
        "std": std,
        "part_std": part_std,
        "finite": math.isfinite(mean) and math.isfinite(std),
        "gradient_rms": gradient_rms,
        "gradient_to_weight": gradient_rms / rms if gradient_rms is not None and rms > 0 else None,
        "copies": _copies(wide, torch.maximum(low.abs(), high.abs()), weight, gradient),
    }


def _values_to_scores(
    gradient: Tensor | None, weight: ModelWeight | None, units: tuple[tuple[int, int], ...]
) -> float | None:
    """The gradient's rms over the units that are values over that over the others; None where there are none."""
    if gradient is None or weight is None or weight.weight is None or not units:
        return None
    rows = _rows(gradient.detach(), weight.weight.out_axis)
    if units[-1][1] > len(rows):
        return None
    values = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    for start, stop in units:
        values[start:stop] = True
    others = float(size(rows[~values]))
    return float(size(rows[values])) / others if others > 0 else None


def _deviation(values: Tensor, mean: float) -> float:
    """The standard deviation, from the mean square where that keeps its digits."""
    square = float(size(values)) ** 2
    variance = square - mean * mean
    return math.sqrt(variance) if variance > _KEPT * square else float(size(values - mean))


def _copies(values: Tensor, largest: Tensor, weight: ModelWeight | None, gradient: Tensor | None) -> Copies:
    """How many output units there are, how many have the weights of another, and whether those get its gradients."""
    known = None if weight is None else weight.weight
    if known is None or weight is None or weight.form != "plain" or values.dim() < 2 or known.kind == "embedding":
        return Copies()
    rows = _rows(values, known.out_axis)
    units = len(rows)
    if units < 2 or rows.shape[1] == 0:
        return Copies(units, 0)
    generator = torch.Generator().manual_seed(0)  # one of our own: the global one stays as it is
    direction = torch.randn(rows.shape[1], generator=generator).to(rows)
    mixed, order = (rows @ direction).sort()
    reach = _SAME_HASH * torch.linalg.vector_norm(direction) * largest
    near = torch.nonzero(mixed.diff().abs() <= reach).reshape(-1)
    if not len(near):
        return Copies(units, 0)
    one, other = order[near], order[near + 1]
    same = (rows[one] == rows[other]).all(1)
    one, other = one[same], other[same]
    duplicates = len(torch.unique(torch.cat([one, other])))
    if gradient is None or not duplicates:
        return Copies(units, duplicates)
    moved = _rows(gradient.detach().to(values), known.out_axis)
    apart = (moved[one] - moved[other]).abs().amax()
    return Copies(units, duplicates, bool(apart <= _NEAR * moved.abs().amax()))


def _rows(values: Tensor, out_axis: int) -> Tensor:
    """One row an output unit; those of the groups of a transposed convolution share theirs."""
    return values.movedim(out_axis, 0).reshape(values.shape[out_axis], -1)


def _same(
    kept: dict[tuple[object, ...], list[tuple[str, Tensor]]],
    name: str,
    values: Tensor,
    facts: Mapping[str, object],
    gradients: Mapping[str, Tensor | None] | None,
) -> tuple[str | None, bool | None]:
    """An earlier parameter with the very same values, unless all of them are one constant."""
    if values.dim() < 2 or not facts["std"] or values.numel() < 4:
        return None, None
    others = kept.setdefault((tuple(values.shape), values.dtype, facts["mean"], facts["std"]), [])
    duplicate = next((other for other in others if torch.equal(other[1], values)), None)
    if duplicate is None:
        others.append((name, values))
        return None, None
    if gradients is None or gradients.get(name) is None or gradients.get(duplicate[0]) is None:
        return duplicate[0], None
    mine, its = gradients[name], gradients[duplicate[0]]
    assert mine is not None
    assert its is not None
    apart, reach = (mine - its).abs().amax(), its.abs().amax()
    return duplicate[0], bool(apart <= _NEAR * reach) and bool(reach > 0)
