"""What an initializer is predicted to do, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LayerForecast"]


@dataclass(frozen=True)
class LayerForecast:
    """One layer: its weight's expected and realised standard deviation, and the signals it is predicted to see.

    `preactivation_variance` is that of the layer's outputs before the activation, for inputs of mean square 1
    unless told;
    `activation_square` is the mean square after it (None for the last layer, which has none); `gradient_square` is the
    mean square of the loss's gradient by the pre-activations, in units of the last layer's. They are those of a wide
    network with independent weights of mean 0, and None where the initializer's weights have another mean.
    """

    name: str
    shape: tuple[int, ...]
    expected_std: float
    realised_std: float
    preactivation_variance: float | None
    activation_square: float | None
    gradient_square: float | None
    caution: str | None
