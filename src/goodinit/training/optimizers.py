"""Gradient descent, momentum, Adam and AdamW over dicts of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.networks import Parameters

__all__ = ["OPTIMIZERS", "Optimizer", "Rates", "Update"]

Rates = Mapping[str, NDArray[np.float64]]
"""The learning rates of each parameter, one for each network, of shape (networks, 1, 1)."""

Update = Callable[[Parameters, Parameters, Rates], None]
"""Changes the parameters in place, given their gradients and the learning rates."""


def gradient_descent() -> Update:
    """w <- w - rate * gradient."""

    def update(parameters: Parameters, gradients: Parameters, rates: Rates) -> None:
        for name, gradient in gradients.items():
            parameters[name] -= rates[name] * gradient

    return update


def momentum(beta: float = 0.9) -> Update:
    """v <- beta v + gradient; w <- w - rate * v (Polyak 1964, in PyTorch's form)."""
    velocity: Parameters = {}

    def update(parameters: Parameters, gradients: Parameters, rates: Rates) -> None:
        for name, gradient in gradients.items():
            velocity[name] = beta * velocity[name] + gradient if name in velocity else gradient
            parameters[name] -= rates[name] * velocity[name]

    return update


def adam(beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Update:
    """Kingma & Ba 2015, algorithm 1."""
    first: Parameters = {}
    second: Parameters = {}
    step = 0

    def update(parameters: Parameters, gradients: Parameters, rates: Rates) -> None:
        nonlocal step
        step += 1
        for name, gradient in gradients.items():
            first[name] = beta1 * first.get(name, np.zeros_like(gradient)) + (1 - beta1) * gradient
            second[name] = beta2 * second.get(name, np.zeros_like(gradient)) + (1 - beta2) * gradient**2
            mean = first[name] / (1 - beta1**step)
            square = second[name] / (1 - beta2**step)
            parameters[name] -= rates[name] * mean / (np.sqrt(square) + epsilon)

    return update


@dataclass(frozen=True)
class Optimizer:
    """What a step is made of its gradient, and what weight decay is beside it.

    `averages` is how many running averages it keeps of each parameter. Weight decay is added to the gradient, or, where
    it is `decoupled`, taken off the parameter itself, times the rate; `decay` is the weight decay where none is said.
    """

    update: Callable[[], Update]
    averages: int = 0
    decoupled: bool = False
    decay: float = 0.0


OPTIMIZERS: Final[dict[str, Optimizer]] = {
    "gradient_descent": Optimizer(gradient_descent),
    "momentum": Optimizer(momentum, averages=1),
    "adam": Optimizer(adam, averages=2),
    "adamw": Optimizer(adam, averages=2, decoupled=True, decay=0.01),  # Loshchilov & Hutter 2019; PyTorch's default
}
