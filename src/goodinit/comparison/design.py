"""From a person's options to a task: the classic experiment, and every variation of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from goodinit import activations, datasets
from goodinit.errors import GoodinitError
from goodinit.networks import MLP, check_widths
from goodinit.results import Task
from goodinit.spec import canonical
from goodinit.streams import as_stream, check_seed
from goodinit.training import Schedule

__all__ = ["CLASSIC_INITIALIZATIONS", "design"]

CLASSIC_INITIALIZATIONS: Final = ("zeros", "normal(std=10)", "he_normal")
_MOST_PARAMETERS: Final = 50_000_000


def design(
    *,
    data: str | Path | datasets.Dataset = "circles",
    target: str | None = None,
    standardize: bool = True,
    widths: Sequence[int] = (10, 5),
    activation: str | activations.Activation = "relu",
    learning_rate: float = 0.01,
    steps: int = 15_000,
    batch_size: int | None = None,
    optimizer: str = "gradient_descent",
    seed: int = 3,
    stream: str = "randomstate",
    record_every: int | None = None,
) -> Task:
    """The task that these options describe; the defaults are the classic experiment. See `compare`."""
    if isinstance(widths, str) or not isinstance(widths, Sequence):
        raise GoodinitError(f"widths={widths!r}: give the hidden layers' sizes as a list, such as [10, 5]")
    as_stream(check_seed(seed), stream)  # a wrong stream or seed is told before data is read
    known_activation = activations.get(activation)
    if record_every is None:
        record_every = _round_interval(steps) if isinstance(steps, int) and steps >= 1 else 1
    schedule = Schedule(canonical(optimizer), learning_rate, steps, batch_size, record_every)
    check_widths(widths)
    loaded = datasets.load(data, target, seed, standardize)
    network = MLP(
        (len(loaded.features), *widths, loaded.outputs),
        known_activation,
        "binary_cross_entropy" if loaded.outputs == 1 else "cross_entropy",
    )
    parameters = sum(weight.size for weight in network.weights)
    if parameters > _MOST_PARAMETERS:
        raise GoodinitError(
            f"widths={list(network.widths)}: {parameters:,} weights; use smaller layers, {_MOST_PARAMETERS:,} at most"
        )
    return Task(_name(loaded, network, schedule, stream), loaded, network, schedule, stream)


def _name(data: datasets.Dataset, network: MLP, schedule: Schedule, stream: str) -> str:
    """`classic` for the classic experiment itself, the data's name for a variation."""
    classic = (data.name, network.widths, network.activation.name, stream) == (
        "circles",
        (2, 10, 5, 1),
        "relu",
        "randomstate",
    )
    return "classic" if classic and schedule == Schedule() else data.name


def _round_interval(steps: int) -> int:
    """The largest 1, 2 or 5 times a power of ten that records at least 15 losses; 1000 for 15,000 steps."""
    interval = 1
    for candidate in (c * 10**power for power in range(12) for c in (1, 2, 5)):
        if candidate * 15 <= steps:
            interval = candidate
    return interval
