"""Weights that a tensor subclass holds as integers, as torchao and quanto have them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import goodinit
from goodinit import GoodinitError

X, Y = torch.randn(16, 8, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 3


class Int8(torch.Tensor):
    """A matrix of integers with a scale, that knows a linear layer and copies, and refuses all else."""

    held: torch.Tensor
    scale: torch.Tensor
    passes: bool

    @staticmethod
    def __new__(cls, held: torch.Tensor, scale: torch.Tensor, passes: bool) -> Int8:
        return torch.Tensor._make_wrapper_subclass(cls, held.shape, dtype=scale.dtype, device=held.device)

    def __init__(self, held: torch.Tensor, scale: torch.Tensor, passes: bool) -> None:
        self.held, self.scale, self.passes = held, scale, passes

    def __tensor_flatten__(self) -> tuple[list[str], Any]:
        return ["held", "scale"], self.passes

    @staticmethod
    def __tensor_unflatten__(held: dict[str, torch.Tensor], passes: bool, size: Any, stride: Any) -> Int8:
        return Int8(held["held"], held["scale"], passes)

    def dequantize(self) -> torch.Tensor:  # type: ignore[override]
        return self.held.to(self.scale.dtype) * self.scale

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is nn.functional.linear:
            x, weight, bias = (*args, *(kwargs or {}).values())
            return nn.functional.linear(x if weight.passes else x.detach(), weight.dequantize(), bias)
        return super().__torch_function__(function, types, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.ops.aten.detach.default, torch.ops.aten.clone.default):
            return Int8(function(args[0].held), function(args[0].scale), args[0].passes)
        raise NotImplementedError(f"{function} of packed integers")


def quantized(*, passes: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
    for layer in (model[0], model[2]):
        scale = layer.weight.detach().abs().amax() / 127
        held = (layer.weight.detach() / scale).round().to(torch.int8)
        layer.weight = nn.Parameter(Int8(held, scale, passes), requires_grad=False)
    return model


def test_a_quantized_weight_is_measured_and_left_as_it_was() -> None:
    model = quantized()
    held = [layer.weight.held for layer in (model[0], model[2])]
    before = [each.clone() for each in held]
    checkup = goodinit.check(model, X, Y, loss=nn.functional.cross_entropy)
    assert checkup.findings == ()
    assert [each.role for each in checkup.start.parameters] == ["quantized", "bias"] * 2
    values = model[0].weight.dequantize()
    assert checkup.start.parameters[0].std == pytest.approx(float(values.std(correction=0)), rel=1e-5)
    assert checkup.start.notes[0].startswith("0 is a quantized Linear, whose weights are integers")
    assert model[0].weight.held is held[0]
    assert all(torch.equal(now, then) for now, then in zip(held, before, strict=True))


def test_what_a_forward_writes_into_a_quantized_weight_is_undone() -> None:
    model = quantized()
    before = model[0].weight.held.clone()

    def forget(*_: Any) -> None:
        model[0].weight.held.zero_()

    model[1].register_forward_hook(forget)
    goodinit.check(model, X, Y, loss=nn.functional.cross_entropy)
    assert torch.equal(model[0].weight.held, before)


def test_layers_that_pass_no_gradient_are_not_blamed_on_the_start() -> None:
    checkup = goodinit.check(quantized(passes=False), X, Y, loss=nn.functional.cross_entropy)
    assert checkup.findings == ()
    assert "not every quantized layer passes gradients: none are judged" in checkup.start.notes


def test_it_is_audited_and_not_filled() -> None:
    assert goodinit.audit(quantized).findings == ()
    assert goodinit.audit(quantized()).findings == ()
    with pytest.raises(GoodinitError, match="0 is a quantized Linear, whose weights are integers"):
        goodinit.initialize(quantized(), "he_normal", seed=0, inputs=X)
