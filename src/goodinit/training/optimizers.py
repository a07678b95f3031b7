"""Gradient descent, momentum and Adam over dicts of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.networks import Parameters

__all__ = ["OPTIMIZERS", "Rates", "Update"]

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


OPTIMIZERS: Final[dict[str, Callable[[], Update]]] = {
    "gradient_descent": gradient_descent,
    "momentum": momentum,
    "adam": adam,
}
