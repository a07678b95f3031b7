"""The start of a network as a trial has it; a method that measures sees the first of the examples to train on."""

from __future__ import annotations

from typing import Final

import numpy as np

from goodinit.methods import Start, as_method
from goodinit.networks import Parameters
from goodinit.results import Task
from goodinit.streams import as_stream
from goodinit.training.probe import network_probing

__all__ = ["MEASURED", "start_of"]

MEASURED: Final = 256
"""Examples that a method which measures is given, at most."""


def start_of(task: Task, init: Start, seed: int) -> Parameters:
    """The parameters that the task's network starts from."""
    network = task.mlp
    probing = None
    if as_method(init).measures:
        data = task.source.dataset(seed)
        X, Y = np.ascontiguousarray(data.X_train[:MEASURED].T), data.targets[:, :MEASURED]
        probing = network_probing(network, lambda: as_stream(seed, task.stream), seed, X, Y)
    return network.parameters(init, as_stream(seed, task.stream), probing)
