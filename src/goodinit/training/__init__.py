"""Training: one interface over the engines: `reference`, the textbook in NumPy, and `lanes`, compiled."""

from __future__ import annotations

from goodinit.training.engines import ENGINES, Dtype, Engine, choose, train
from goodinit.training.optimizers import OPTIMIZERS
from goodinit.training.reference import (
    accuracy,
    backward,
    decide,
    deltas,
    forward,
    loss,
    predict,
    probabilities,
    r_squared,
)
from goodinit.training.schedule import Run, Schedule, Watch, batches

__all__ = [
    "ENGINES",
    "OPTIMIZERS",
    "Dtype",
    "Engine",
    "Run",
    "Schedule",
    "Watch",
    "accuracy",
    "backward",
    "batches",
    "choose",
    "decide",
    "deltas",
    "forward",
    "loss",
    "predict",
    "probabilities",
    "r_squared",
    "train",
]
