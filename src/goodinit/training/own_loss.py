"""A person's own loss of a network's outputs, and its derivative by them, which PyTorch finds.

The function sees what it sees of a model: the outputs of one network, a row an example, and class numbers, or numbers
to predict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.networks import MLP

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["slopes", "tensor_slopes", "tensor_values", "values"]

Array = NDArray[np.float64]


def values(network: MLP, logits: Array, Y: Array) -> Array:
    """The loss of each network, of logits (..., outputs, examples) and targets Y."""
    import torch

    found: Array = tensor_values(network, torch.from_numpy(np.ascontiguousarray(logits)), torch.from_numpy(Y)).numpy()
    return found


def slopes(network: MLP, logits: Array, Y: Array) -> Array:
    """The derivative of each network's loss by its logits, of their shape."""
    import torch

    found: Array = tensor_slopes(network, torch.from_numpy(np.ascontiguousarray(logits)), torch.from_numpy(Y)).numpy()
    return found


def tensor_values(network: MLP, logits: Tensor, Y: Tensor) -> Tensor:
    """`values`, of tensors."""
    return _each(network, logits, Y)[0]


def tensor_slopes(network: MLP, logits: Tensor, Y: Tensor) -> Tensor:
    """`slopes`, of tensors."""
    return _each(network, logits, Y, differentiated=True)[1]


def _each(network: MLP, logits: Tensor, Y: Tensor, *, differentiated: bool = False) -> tuple[Tensor, Tensor]:
    """The loss of each network, one after another, and its derivative where it is asked for."""
    import torch

    own = network.own_loss
    assert own is not None
    with torch.inference_mode(False), torch.enable_grad():
        outputs = logits.clone().reshape(-1, *logits.shape[-2:]).mT.contiguous()
        targets = Y.clone().argmax(0) if network.loss == "cross_entropy" else Y[0].clone()
        targets = targets.long() if network.loss == "binary_cross_entropy" else targets
        found, gradients = [], torch.zeros_like(outputs)
        for place, given in enumerate(outputs):
            member = given.detach().requires_grad_(differentiated)
            try:
                value = own.function(member, targets)
                if differentiated:
                    (gradients[place],) = torch.autograd.grad(value, member)
            except Exception as error:
                raise GoodinitError(f"loss {own.text}: {type(error).__name__}: {error}") from error
            found.append(value.detach())
        return torch.stack(found).reshape(logits.shape[:-2]), gradients.mT.reshape(logits.shape)
