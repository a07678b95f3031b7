"""Training: one interface over the engines of the registry."""

from __future__ import annotations

from goodinit.training.engines import ENGINES, REGISTRY, Engine, EngineName, choose, for_models, train
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
from goodinit.training.schedule import Call, Dtype, Run, Schedule, SnapshotCallback, batches

__all__ = [
    "ENGINES",
    "OPTIMIZERS",
    "REGISTRY",
    "Call",
    "Dtype",
    "Engine",
    "EngineName",
    "Run",
    "Schedule",
    "SnapshotCallback",
    "accuracy",
    "backward",
    "batches",
    "choose",
    "decide",
    "deltas",
    "for_models",
    "forward",
    "loss",
    "predict",
    "probabilities",
    "r_squared",
    "train",
]
