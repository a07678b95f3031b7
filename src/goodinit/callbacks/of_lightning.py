"""`watch` as a callback of Lightning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightning

from goodinit.callbacks.steps import logged
from goodinit.checkup.model_watch import Watch, watch

if TYPE_CHECKING:
    import torch

__all__ = ["LightningWatch"]


class LightningWatch(lightning.Callback):  # type: ignore[misc]  # it carries no types here
    """Looks at the first optimizer steps of a `lightning.Trainer`, as `goodinit.watch` does.

    Each step's median ratios of gradient and of update to weight, and each finding's severity at the step that showed
    it, are logged by `self.log` of the module, under `goodinit/`; a severe finding also comes as a `StartWarning`.

    Arguments:
        steps: how many optimizer steps are looked at.

    Attributes:
        watch: the `Watch` with its steps and findings, None before the training.

    `lightning.Trainer(callbacks=[goodinit.callbacks.LightningWatch(steps=10)])`
    """

    def __init__(self, steps: int = 10) -> None:
        self.steps = steps
        self.watch: Watch | None = None
        self._loss: Any = None

    def on_train_start(self, trainer: Any, pl_module: torch.nn.Module) -> None:
        """Begin to watch the module."""
        self.watch = watch(pl_module, self.steps)

    def on_before_backward(self, trainer: Any, pl_module: torch.nn.Module, loss: torch.Tensor) -> None:
        """Note the loss, which Lightning divides by the batches that it accumulates."""
        self._loss = loss.detach() * trainer.accumulate_grad_batches

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Look at one step, and log what it showed."""
        if self.watch is None or self._loss is None or len(self.watch.steps) >= self.steps:
            return
        new = self.watch(self._loss)
        pl_module.log_dict(logged(self.watch, new), on_step=True, on_epoch=False)
