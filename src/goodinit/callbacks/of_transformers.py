"""`watch` as a callback of the Trainer of Hugging Face's transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import transformers

from goodinit.callbacks.steps import logged
from goodinit.checkup.model_watch import Watch, watch

if TYPE_CHECKING:
    import torch

__all__ = ["TransformersWatch"]


class TransformersWatch(transformers.TrainerCallback):  # type: ignore[misc]  # it carries no types here
    """Looks at the first optimizer steps of a `transformers.Trainer`, as `goodinit.watch` does.

    Each step's median ratios of gradient and of update to weight, and each finding's severity at the step that showed
    it, go where the trainer logs, under `goodinit/`; a severe finding also comes as a `StartWarning`. The loss is that
    of the model's output, which a hook reads until the steps are over; where the output carries none, the loss
    is not watched.

    Arguments:
        trainer: the trainer that logs; without it, what is found is only kept in `state.log_history`.
        steps: how many optimizer steps are looked at.

    Attributes:
        watch: the `Watch` with its steps and findings, None before the training.

    `trainer.add_callback(goodinit.callbacks.TransformersWatch(trainer))`
    """

    def __init__(self, trainer: Any = None, steps: int = 10) -> None:
        self.trainer, self.steps = trainer, steps
        self.watch: Watch | None = None
        self._hook: Any = None
        self._loss: torch.Tensor | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Begin to watch the model."""
        self.watch = watch(model, self.steps)
        self._hook = model.register_forward_hook(self._seen)

    def _seen(self, model: Any, given: Any, output: Any) -> None:
        loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
        self._loss = None if loss is None else loss.detach().mean()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look at one step, and log what it showed."""
        if self.watch is None or self._hook is None:
            return
        new = self.watch(self._loss)
        numbers = logged(self.watch, new)
        if self.trainer is not None:
            self.trainer.log(numbers)
        elif state.is_world_process_zero:
            state.log_history.append({**numbers, "step": state.global_step})
        if len(self.watch.steps) >= self.steps:
            self._end()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the hook away, where the training ended before the steps were over."""
        self._end()

    def _end(self) -> None:
        if self._hook is not None:
            self._hook.remove()
        self._hook = None
