"""Recurrent layers from inside: the replay is PyTorch's own computation, and gates that are shut or stuck are found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from checkup_models import Recurrent, tokens
from torch import nn
from torch.nn import functional

import goodinit
from goodinit.checkup.model_recurrent import _replayed, gates_of

KINDS = ("LSTM", "GRU", "RNN")
TOKENS, CLASSES = tokens(16), torch.arange(16) % 10


@pytest.mark.parametrize("kind", KINDS)
def test_the_replay_gives_what_pytorch_gives(kind: str) -> None:
    torch.manual_seed(0)
    module = getattr(nn, kind)(5, 7, 2)
    x = torch.randn(9, 4, 5)
    first, _ = _replayed(module, "", x, 0)
    second, _ = _replayed(module, "", first, 1)
    torch.testing.assert_close(second, module(x)[0])
    assert [each.name for each in gates_of(module, "m", x)] == ["m layer 0", "m layer 1"]


def biased(value: float) -> Callable[[nn.LSTM], None]:
    def change(module: nn.LSTM) -> None:
        for layer in range(2):
            getattr(module, f"bias_ih_l{layer}").data[48:96] = value

    return change


def scaled(part: str, std: float) -> Callable[[nn.Module], None]:
    def change(module: nn.Module) -> None:
        for name, parameter in module.named_parameters():
            if name.startswith(part):
                nn.init.normal_(parameter, std=std)

    return change


FAULTS: dict[str, tuple[str, Callable[[nn.Module], None], str]] = {
    "a forget bias of -5": ("LSTM", biased(-5), "forget-gate-shut"),
    "input weights of 5": ("LSTM", scaled("weight_ih", 5), "gates-saturated"),
    "input weights of 5, GRU": ("GRU", scaled("weight_ih", 5), "gates-saturated"),
    "input weights of 5, RNN": ("RNN", scaled("weight_ih", 5), "gates-saturated"),
    "recurrent weights of 0.01": ("LSTM", scaled("weight_hh", 0.01), "recurrent-too-small"),
    "recurrent weights of 5": ("LSTM", scaled("weight_hh", 5), "recurrent-too-large"),
    "recurrent weights of 5, RNN": ("RNN", scaled("weight_hh", 5), "recurrent-too-large"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_inside_is_found_and_its_remedy_removes_it(case: str) -> None:
    kind, change, code = FAULTS[case]
    torch.manual_seed(0)
    model = Recurrent(kind)
    change(model.recurrent)
    found = {e.code: e for e in goodinit.check(model, TOKENS, CLASSES, loss=functional.cross_entropy).findings}
    assert code in found
    inputs = TOKENS
    exec(found[code].remedy, {"model": model, "torch": torch, "goodinit": goodinit, "inputs": inputs})
    assert code not in {e.code for e in goodinit.check(model, TOKENS, CLASSES, loss=functional.cross_entropy).findings}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", ["own", "filled", "forget bias"])
def test_sound_starts_raise_nothing(kind: str, start: str) -> None:
    torch.manual_seed(0)
    model = Recurrent(kind)
    if start == "filled":
        goodinit.initialize(model, "lecun_normal", seed=0, inputs=TOKENS)
    elif start == "forget bias" and kind == "LSTM":
        biased(1)(model.recurrent)
    checkup = goodinit.check(model, TOKENS, CLASSES, loss=functional.cross_entropy)
    assert not [each for each in checkup.findings if each.severity != "info"]
    assert len(checkup.start.gates) == 2


def test_both_directions_packed_and_projected_are_left_alone() -> None:
    assert len(gates_of(nn.LSTM(5, 7, 2, bidirectional=True), "m", torch.randn(3, 2, 5))) == 1
    assert gates_of(nn.LSTM(5, 7, proj_size=3), "m", torch.randn(3, 2, 5)) == ()
    assert gates_of(nn.LSTM(5, 7), "m", torch.randn(6, 5)) == ()
