"""Recurrent layers from inside: their gates, by the cell's equations on a part of what the layer was given."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from goodinit.model_records import GateStart

__all__ = ["gates_of"]

_ROWS: Final = 32
_STEPS: Final = 64
_SIGMOID_FLAT: Final = 4.0  # where a sigmoid is within 1.8 % of its end
_TANH_FLAT: Final = 2.1  # where tanh is within 3 % of its end, 1.5 % of its range


def gates_of(module: nn.Module, name: str, inputs: Tensor) -> tuple[GateStart, ...]:
    """A record for each layer of an `nn.LSTM`, `nn.GRU` or `nn.RNN`, forward in time from a state of 0.

    `inputs` is what the module was given. Of a bidirectional module the first layer is looked at, and nothing of one
    with projections or of packed sequences.
    """
    if not isinstance(module, nn.LSTM | nn.GRU | nn.RNN) or module.proj_size or inputs.dim() != 3:
        return ()
    steps = inputs.detach().transpose(0, 1) if module.batch_first else inputs.detach()
    steps = steps[:_STEPS, :_ROWS].float()
    found = []
    with torch.no_grad():
        for layer in range(1 if module.bidirectional else module.num_layers):
            steps, record = _replayed(module, f"{name} layer {layer}", steps, layer)
            found.append(record)
    return tuple(found)


def _replayed(module: nn.LSTM | nn.GRU | nn.RNN, name: str, steps: Tensor, layer: int) -> tuple[Tensor, GateStart]:
    own = [getattr(module, f"{kind}_l{layer}", None) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    into, back, bias_in, bias_back = (None if each is None else each.detach().float() for each in own)
    assert into is not None
    assert back is not None
    hidden = steps.new_zeros(steps.shape[1], module.hidden_size)
    cell = hidden
    outputs, flat, kept = [], [], []
    for each in steps:
        a = nn.functional.linear(each, into, bias_in)
        b = nn.functional.linear(hidden, back, bias_back)
        if isinstance(module, nn.LSTM):
            let_in, keep, new, out = (a + b).chunk(4, -1)
            flat.append(_flat((let_in, keep, out), (new,)))
            kept.append(torch.sigmoid(keep).mean())
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(let_in) * torch.tanh(new)
            hidden = torch.sigmoid(out) * torch.tanh(cell)
        elif isinstance(module, nn.GRU):
            (reset, keep, new), (reset_back, keep_back, new_back) = a.chunk(3, -1), b.chunk(3, -1)
            reset, keep = reset + reset_back, keep + keep_back
            new = new + torch.sigmoid(reset) * new_back
            flat.append(_flat((reset, keep), (new,)))
            kept.append(torch.sigmoid(keep).mean())
            hidden = (1 - torch.sigmoid(keep)) * torch.tanh(new) + torch.sigmoid(keep) * hidden
        elif module.nonlinearity == "tanh":
            flat.append(_flat((), (a + b,)))
            hidden = torch.tanh(a + b)
        else:
            hidden = torch.relu(a + b)
        outputs.append(hidden)
    kind = type(module).__name__
    saturated = float(torch.stack(flat).mean()) if flat else None
    keeps = float(torch.stack(kept).mean()) if kept else None
    return torch.stack(outputs), GateStart(name, kind, saturated, keeps)


def _flat(sigmoids: tuple[Tensor, ...], tanhs: tuple[Tensor, ...]) -> Tensor:
    """The share of numbers at the flat ends."""
    ends = [each.abs() > _SIGMOID_FLAT for each in sigmoids] + [each.abs() > _TANH_FLAT for each in tanhs]
    return torch.cat(ends, -1).float().mean()
