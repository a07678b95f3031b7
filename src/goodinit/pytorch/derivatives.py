"""Quantities of a loss's gradients, and their derivatives by the gains of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from goodinit.errors import GoodinitError
from goodinit.methods.probe import Gains, GainSlopes

__all__ = ["by_gain", "cosine", "norm", "quotient", "slope_of"]


def quotient(total: Tensor, parameters: Sequence[Tensor], epsilon: float) -> Tensor:
    """The gradient quotient of Dauphin and Schoenholz 2019, eq. 1."""
    found = torch.autograd.grad(total, list(parameters), create_graph=True, allow_unused=True)
    pairs = [(tensor, each) for tensor, each in zip(parameters, found, strict=True) if each is not None]
    own, gradients = [tensor for tensor, _ in pairs], [each for _, each in pairs]
    half = torch.stack([each.square().sum() for each in gradients]).sum() / 2
    products = torch.autograd.grad(half, own, create_graph=True, allow_unused=True, materialize_grads=True)
    terms = [
        ((g - p) / (g + torch.where(g >= 0, epsilon, -epsilon)) - 1).abs().sum()
        for g, p in zip(gradients, products, strict=True)
    ]
    return torch.stack(terms).sum() / sum(tensor.numel() for tensor in own)


def norm(total: Tensor, parameters: Sequence[Tensor], order: int, *, again: bool = True) -> Tensor:
    """The norm of the gradient over all parameters, of order 1 or 2; `again` where it is to be differentiated."""
    found = torch.autograd.grad(total, list(parameters), create_graph=again, retain_graph=True, allow_unused=True)
    gradients = [each for each in found if each is not None]
    if order == 1:
        return torch.stack([each.abs().sum() for each in gradients]).sum()
    return torch.stack([each.square().sum() for each in gradients]).sum().sqrt()


def cosine(totals: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """The mean cosine between the gradients of every two losses."""
    rows = []
    for total in totals:
        found = torch.autograd.grad(
            total, list(parameters), create_graph=True, allow_unused=True, materialize_grads=True
        )
        rows.append(torch.cat([each.reshape(-1) for each in found]))
    stacked = torch.stack(rows)
    units = stacked / stacked.norm(dim=1, keepdim=True).clamp_min(torch.finfo(stacked.dtype).tiny)
    count = len(totals)
    return ((units @ units.T).sum() - count) / (count * (count - 1))


def slope_of(value: Tensor, tensors: Mapping[str, Tensor], gains: Gains) -> GainSlopes:
    """A quantity with its derivatives by the gains of the tensors, which are what they were times their gain."""
    if not value.requires_grad:
        raise GoodinitError("the loss's gradients do not depend on the weights, so that they cannot be tuned")
    found = torch.autograd.grad(value, list(tensors.values()), allow_unused=True)
    return GainSlopes(float(value.detach()), by_gain(found, tensors, gains))


def by_gain(found: Sequence[Tensor | None], tensors: Mapping[str, Tensor], gains: Gains) -> Gains:
    """Derivatives by gains from those by the tensors: d/da of f(a w) is f'(a w) w."""
    with torch.no_grad():
        return {
            name: 0.0 if each is None else float((each.double() * tensor.double()).sum()) / gains.get(name, 1.0)
            for (name, tensor), each in zip(tensors.items(), found, strict=True)
        }
