"""What costs many passes: the loss's largest curvature, the Jacobian's ends, and how far rounding spreads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from goodinit.errors import GoodinitError
from goodinit.pytorch.calling import call_model, mapped, tensors_in

__all__ = ["curvature", "rounding", "singular_values"]

_TURNS: Final = 100  # of Lanczos' method
_SETTLED: Final = 1e-3  # relative distance from an eigenvalue of the Hessian, at most, at which it stops
_ENDED: Final = 1e-7  # residual, relative to the eigenvalue, at which all that the vector reaches has been seen
_LARGEST_JACOBIAN: Final = 4096  # inputs or outputs of one example up to which the Jacobian is made whole
_NUDGE: Final = 2.0**-16  # relative: far above float32's rounding, far below what is not linear


def curvature(model: torch.nn.Module, total: Callable[[], Tensor | None]) -> tuple[float | None, str]:
    """The Hessian's eigenvalue largest in size, by Lanczos' method with Hessian-vector products.

    Only the last two vectors are kept: without orthogonalization eigenvalues of the small matrix may come twice, but
    its outermost are the Hessian's (Paige 1980).
    """
    own = [parameter for parameter in model.parameters() if parameter.requires_grad]
    diagonal: list[float] = []
    couplings: list[float] = []
    with torch.enable_grad():
        loss = total()
        if loss is None or not loss.requires_grad:
            raise GoodinitError("the curvature needs a loss: give loss=..., or leave curvature out")
        try:
            gradients = torch.autograd.grad(loss, own, create_graph=True, allow_unused=True)
            pairs = [(p, g) for p, g in zip(own, gradients, strict=True) if g is not None and g.requires_grad]
            if not pairs:
                return 0.0, ""
            generator = torch.Generator().manual_seed(0)
            residual = [torch.randn(p.shape, generator=generator).to(p) for p, _ in pairs]
            vector = [torch.zeros_like(r) for r in residual]
            length, value = _norm(residual), 0.0
            while len(diagonal) < _TURNS and length > _ENDED * abs(value):
                before, vector = vector, [r / length for r in residual]
                image = _product(pairs, vector)
                diagonal.append(_dot(image, vector))
                coupling = couplings[-1] if couplings else 0.0
                shares = zip(image, vector, before, strict=True)
                residual = [h - diagonal[-1] * v - coupling * b for h, v, b in shares]
                couplings.append(length := _norm(residual))
                value, distance = _largest(diagonal, couplings)
                if distance <= _SETTLED * abs(value):
                    break
        except RuntimeError as error:
            return None, f"the curvature could not be measured: {error}"
    turns = len(diagonal)
    settled = "" if turns < _TURNS else f"; not settled after {_TURNS} turns"
    return value, f"curvature: Lanczos' method, {turns} products with the Hessian{settled}"


def _product(pairs: Sequence[tuple[Tensor, Tensor]], vector: list[Tensor]) -> list[Tensor]:
    """The Hessian times the vector: the gradient, by the parameters, of the gradients' product with it."""
    inner = torch.stack([(g * v).sum() for (_, g), v in zip(pairs, vector, strict=True)]).sum()
    product = torch.autograd.grad(inner, [p for p, _ in pairs], retain_graph=True, allow_unused=True)
    return [torch.zeros_like(v) if h is None else h.detach() for h, v in zip(product, vector, strict=True)]


def _largest(diagonal: list[float], couplings: list[float]) -> tuple[float, float]:
    """The eigenvalue largest in size of Lanczos' tridiagonal matrix, and how far the Hessian's nearest is at most."""
    if not np.isfinite([*diagonal, *couplings]).all():
        return math.nan, 0.0
    from scipy.linalg import eigh_tridiagonal  # here, since it takes a while to import

    values, vectors = eigh_tridiagonal(diagonal, couplings[:-1])
    largest = np.argmax(np.abs(values))
    return float(values[largest]), couplings[-1] * abs(float(vectors[-1, largest]))


def singular_values(model: torch.nn.Module, inputs: Any) -> tuple[tuple[float, float] | None, str]:
    """The smallest and largest singular value of the Jacobian of the output by the first floating input, one example.

    The model is called with the first example only, in evaluation mode, so that its output depends on that input alone.
    """
    first = next((t for t in tensors_in(inputs) if t.dtype.is_floating_point and t.dim() > 1), None)
    if first is None:
        return None, "the Jacobian was not measured: no input is a batch of real numbers"
    examples = first.shape[0]
    one = mapped(lambda t: t[:1].clone() if t.dim() and t.shape[0] == examples else t, inputs)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.enable_grad():
            old = next(t for t in tensors_in(one) if t.dtype.is_floating_point and t.dim() > 1)
            given = old.detach().clone().requires_grad_(True)
            one = mapped(lambda t: given.clone() if t is old else t, one)  # a copy, which may be overwritten
            outputs = tensors_in(call_model(model, one))
            output = next((t for t in outputs if t.dtype.is_floating_point and t.requires_grad), None)
            if output is None:
                return None, "the Jacobian was not measured: the output does not depend on the first input"
            flat = output.reshape(-1)
            if min(flat.numel(), given.numel()) > _LARGEST_JACOBIAN or flat.numel() > _LARGEST_JACOBIAN:
                return None, f"the Jacobian was not measured: it has {flat.numel()} rows, more than {_LARGEST_JACOBIAN}"
            rows = [torch.autograd.grad(each, given, retain_graph=True)[0].reshape(-1) for each in flat]
    finally:
        for module, training in modes:
            module.training = training
    jacobian = torch.stack(rows).detach().double()
    if not bool(torch.isfinite(jacobian).all()):
        return None, "the Jacobian was not measured: it is not finite"
    values = torch.linalg.svdvals(jacobian)
    return (float(values[-1]), float(values[0])), "Jacobian: of the first example, in evaluation mode"


def rounding(model: torch.nn.Module, again: Callable[[], Any]) -> tuple[float | None, str]:
    """The relative change of the output over that of the weights, for a change of every weight by 2^-16 up or down."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        before = [t.detach().double().clone() for t in tensors_in(again()) if t.dtype.is_floating_point]
        for parameter in model.parameters():
            if parameter.dtype.is_floating_point:
                signs = torch.randint(0, 2, parameter.shape, generator=generator).to(parameter) * 2 - 1
                parameter.data.mul_(1 + _NUDGE * signs)
        after = [t.detach().double() for t in tensors_in(again()) if t.dtype.is_floating_point]
    size = math.sqrt(sum(float(t.square().sum()) for t in before))
    moved = math.sqrt(sum(float((a - b).square().sum()) for a, b in zip(after, before, strict=True)))
    if not size > 0 or not math.isfinite(moved):
        return None, "sensitivity to rounding was not measured: the output is 0, or not finite"
    return moved / size / _NUDGE, "rounding: every weight was changed by one part in 65,536, on the guarded model"


def _dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    return sum(float((a * b).sum()) for a, b in zip(one, other, strict=True))


def _norm(vector: Sequence[Tensor]) -> float:
    return math.sqrt(_dot(vector, vector))
