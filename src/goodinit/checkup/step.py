"""The first step of an optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["STEP_OPTIMIZERS", "Step"]

_ADAPTIVE: Final = ("adam", "adamw", "nadam", "radam", "adagrad", "lion", "rmsprop")
STEP_OPTIMIZERS: Final = ("sgd", "gradient_descent", "momentum", *_ADAPTIVE)


@dataclass(frozen=True)
class Step:
    """The optimizer's name and learning rate, for the size of its first step; None where they were not told."""

    optimizer: str | None = None
    learning_rate: float | None = None

    def size(self, weight_rms: float, gradient_rms: float | None) -> float | None:
        """The rms of the first update over that of the weight; an adaptive optimizer's first step is the rate."""
        if self.learning_rate is None or gradient_rms is None or not weight_rms > 0:
            return None
        adaptive = (self.optimizer or "sgd") in _ADAPTIVE
        moved = (1.0 if gradient_rms > 0 else 0.0) if adaptive else gradient_rms
        return self.learning_rate * moved / weight_rms
