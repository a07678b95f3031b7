"""Training: one interface over the engines. Today's engine is `reference`, the textbook mathematics in NumPy."""

from __future__ import annotations

from goodinit.training.optimizers import OPTIMIZERS
from goodinit.training.reference import accuracy, backward, forward, loss, predict, probabilities, train
from goodinit.training.schedule import Run, Schedule, batches

__all__ = [
    "OPTIMIZERS",
    "Run",
    "Schedule",
    "accuracy",
    "backward",
    "batches",
    "forward",
    "loss",
    "predict",
    "probabilities",
    "train",
]
