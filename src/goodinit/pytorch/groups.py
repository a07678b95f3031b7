"""Parameter groups for PyTorch's optimizers: parameters whose learning rate, epsilon and decay are multiplied alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from goodinit.methods import Multipliers

__all__ = ["grouped", "multiply"]


def grouped(parameters: Mapping[str, nn.Parameter], multipliers: Mapping[str, Multipliers]) -> list[dict[str, Any]]:
    """The trainable parameters in their order, those of the same multipliers together."""
    groups: dict[Multipliers, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        if parameter.requires_grad:
            groups.setdefault(multipliers.get(name, Multipliers()), []).append(parameter)
    return [{"params": each, "multipliers": own} for own, each in groups.items()]


def multiply(group: dict[str, Any]) -> None:
    """Multiply the learning rate, the epsilon and the decay of such a group, where it has them."""
    own: Multipliers = group.pop("multipliers")
    for key, factor in (("lr", own.rate), ("eps", own.epsilon), ("weight_decay", own.decay)):
        if key in group and factor != 1:
            group[key] *= factor
