"""Early stopping of one model: its validation loss at each recorded step, and its state where that was lowest."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

__all__ = ["Lowest"]


class Lowest:
    """The state of a model where its validation loss, as `measured`, was lowest.

    `step` is the step before which that was, None until there was a finite one, and `stopped_at` the step by which
    `patience` losses in a row were not lower.
    """

    def __init__(self, model: nn.Module, measured: Callable[[], float], patience: int) -> None:
        self.model, self.measured, self.patience = model, measured, patience
        self.value, self.stale = math.inf, 0
        self.step: int | None = None
        self.stopped_at: int | None = None
        self.state: dict[str, Tensor] = {}

    def look(self, step: int) -> None:
        """Measure the model as it is before this step."""
        value = self.measured()
        if value < self.value:
            self.value, self.step, self.stale = value, step, 0
            self.state = {name: each.detach().clone() for name, each in self.model.state_dict().items()}
        else:
            self.stale += 1

    def ends(self, step: int) -> bool:
        """Measure the model, and say whether its training ends before this step."""
        self.look(step)
        if self.stale >= self.patience:
            self.stopped_at = step
        return self.stopped_at is not None

    def restore(self) -> None:
        """Put the model into the state that was best."""
        if self.step is not None:
            self.model.load_state_dict(self.state)
