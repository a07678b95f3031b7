"""What every engine is told, in one record, and what it gives back: the schedule of a run, its batches, its result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from goodinit.arguments import is_integer, is_number
from goodinit.errors import GoodinitError, as_word, shown, unknown_name
from goodinit.networks import MLP, Parameters
from goodinit.options import OPTIONS
from goodinit.streams import Stream
from goodinit.training.optimizers import OPTIMIZERS

__all__ = [
    "BatchIndices",
    "Call",
    "Dtype",
    "Run",
    "Schedule",
    "SnapshotCallback",
    "batches",
    "check_snapshots",
]

MOST_RECORDS: Final = 1_000_000  # losses of one network
_SHAPES: Final[Mapping[str, Callable[[float], float]]] = {
    "constant": lambda t: 1.0,
    "linear": lambda t: 1 - t,
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
}
"""What the learning rate is multiplied by when a share t of the steps after the warm-up is done."""

Dtype = Literal["float64", "float32"]

BatchIndices = NDArray[np.intp] | slice
"""The examples of one step: their numbers, or a slice of them all."""

SnapshotCallback = Callable[[int, Parameters], None]
"""Told the parameters before a step, in the order of the steps; they are its own to keep."""


@dataclass(frozen=True)
class Schedule:
    """How a network is trained: optimizer, learning rate, number of steps, batch size (None: all examples).

    `weight_decay` is that of PyTorch's optimizers, None for the optimizer's own, and `gradient_clipping` the largest
    norm of a gradient, None for any. The learning rate rises over `warmup` steps and then goes on as
    `learning_rate_schedule` says. With `early_stopping` the result is that of the lowest validation loss before so many
    recorded ones in a row were not lower. The loss on the whole training set is recorded before steps 0,
    `record_every`, 2 `record_every`, ...
    """

    optimizer: str = "gradient_descent"
    learning_rate: float = 0.01
    steps: int = 15_000
    batch_size: int | None = None
    record_every: int = 1000
    weight_decay: float | None = None
    gradient_clipping: float | None = None
    learning_rate_schedule: str = "constant"
    warmup: int = 0
    early_stopping: int | None = None

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise unknown_name("optimizer", as_word(self.optimizer), OPTIMIZERS)
        if self.learning_rate_schedule not in _SHAPES:
            raise unknown_name("learning rate schedule", as_word(self.learning_rate_schedule), _SHAPES)
        for each in fields(self):
            OPTIONS[each.name].check(getattr(self, each.name))
        if len(self.recorded) > MOST_RECORDS:
            raise GoodinitError(
                f"record every {self.record_every} of {self.steps} steps: {MOST_RECORDS:,} losses at most; record fewer"
            )

    @property
    def decay(self) -> float:
        """The weight decay."""
        return OPTIMIZERS[self.optimizer].decay if self.weight_decay is None else self.weight_decay

    @property
    def varies(self) -> bool:
        """Whether the learning rate changes from step to step."""
        return self.learning_rate_schedule != "constant" or self.warmup > 0

    def factor(self, step: int) -> float:
        """What the learning rate of a step, counted from 0, is multiplied by.

        Before step w, the warm-up's end, it is (step + 1) / (w + 1), as of PyTorch's `LinearLR` from 1 / (w + 1) on;
        then 1, or 1 - t or (1 + cos(pi t)) / 2 with t = (step - w) / (steps - w), which is never 1.
        """
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        return _SHAPES[self.learning_rate_schedule]((step - self.warmup) / (self.steps - self.warmup))

    @property
    def later(self) -> dict[str, Any]:
        """The options that came when there were stored studies, where they are not as usual."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if OPTIONS[each.name].later}
        return {name: value for name, value in own.items() if value != OPTIONS[name].usual}

    @property
    def words(self) -> str:
        """What a step is taken by, in words."""
        said = [self.optimizer.replace("_", " ")]
        if self.weight_decay is not None:
            said.append(f"weight decay {self.weight_decay:g}")
        if self.gradient_clipping is not None:
            said.append(f"gradients of norm {self.gradient_clipping:g} at most")
        if self.warmup:
            said.append(f"{self.warmup:,} steps of warm-up")
        if self.learning_rate_schedule != "constant":
            said.append(f"{self.learning_rate_schedule} decay of the rate")
        if self.early_stopping is not None:
            said.append(f"early stopping after {self.early_stopping} of the recorded losses on validation data")
        return ", ".join(said)

    @property
    def recorded(self) -> range:
        """The steps before which the loss is recorded."""
        return range(0, self.steps, self.record_every)


@dataclass(frozen=True)
class Call:
    """What an engine is asked to do: train the ensemble `start`, which is left as it is.

    Arguments:
        network: widths, activation and loss.
        start: W1, b1, W2, ... with a leading axis of k networks.
        X: inputs, shape (inputs, examples).
        Y: targets, shape (outputs, examples).
        schedule: optimizer, learning rate, steps, steps between recorded losses.
        batches: the examples of each step, `schedule.steps` of them.
        progress: called with the number of finished steps, about a hundred times.
        learning_rates: a learning rate for each network, in place of the schedule's.
        rate_multipliers: what the learning rate is multiplied by for the parameters named, such as `{"W1": 4.0}`;
            those left out take 1.
        decay_multipliers: the same of the weight decay.
        snapshots: steps before which the parameters are kept; `schedule.steps` is the end.
        watch: is given each snapshot in place of keeping it.
        dtype: of all arithmetic.
        threads: for an engine that has threads of its own; None takes all processors this process may use.

    Raises GoodinitError for a dtype that is not known.
    """

    network: MLP
    start: Parameters
    X: NDArray[np.float64]
    Y: NDArray[np.float64]
    schedule: Schedule
    batches: Iterable[BatchIndices]
    progress: Callable[[int], None] = lambda step: None
    learning_rates: NDArray[np.float64] | None = None
    rate_multipliers: Mapping[str, float] | None = None
    decay_multipliers: Mapping[str, float] | None = None
    snapshots: Iterable[int] = ()
    watch: SnapshotCallback | None = None
    dtype: Dtype = "float64"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.dtype not in ("float64", "float32"):
            raise GoodinitError(f"dtype {shown(self.dtype)} is not known; choose float64 or float32")

    def rates(self) -> tuple[NDArray[np.float64], dict[str, float]]:
        """A learning rate for each network, and the multiplier of each parameter's, in the network's order.

        Raises GoodinitError unless each of them, and their products in the call's dtype, are finite and above 0.
        """
        rates = _learning_rates(self.learning_rates, len(self.start["W1"]), self.schedule.learning_rate)
        multipliers = _multipliers("rate", self.rate_multipliers, self.network)
        with np.errstate(over="ignore", under="ignore"):
            given = np.array([1.0, *multipliers.values()]).astype(self.dtype)
            products = np.outer(rates.astype(self.dtype), given)
        if not (np.isfinite(products) & (products > 0)).all():
            many = self.learning_rates is not None or self.rate_multipliers is not None
            what = "a learning rate" if many else f"learning rate {self.schedule.learning_rate}"
            raise GoodinitError(f"{what} cannot be held in {self.dtype}; use float64, or a rate nearer to 1")
        return rates, multipliers

    def decays(self) -> dict[str, float]:
        """The weight decay of each parameter, in the network's order; empty where there is none.

        Raises GoodinitError unless each of them is finite in the call's dtype.
        """
        multipliers = _multipliers("decay", self.decay_multipliers, self.network)
        if not self.schedule.decay:
            return {}
        decays = {name: self.schedule.decay * value for name, value in multipliers.items()}
        with np.errstate(over="ignore"):
            if not np.isfinite(np.array([*decays.values()]).astype(self.dtype)).all():
                raise GoodinitError(f"weight decay {self.schedule.decay:g}, multiplied, cannot be held in {self.dtype}")
        return decays


@dataclass(frozen=True)
class Run:
    """One training run of an ensemble of k networks.

    `losses` has shape (k, records), the loss on the training set before each recorded step; `final_loss` and
    `parameters` are those after the last step. `diverged_by` holds, for each network, the first recorded step
    (or the number of steps) at which its loss or a parameter was no longer finite, or None. From that step on its
    losses are NaN and its parameters stand still, so that the result does not depend on the networks beside it.
    `snapshots` holds the parameters before each step that was asked for.
    """

    recorded: range
    losses: NDArray[np.float64]
    final_loss: NDArray[np.float64]
    parameters: Parameters
    diverged_by: tuple[int | None, ...]
    snapshots: Mapping[int, Parameters] = field(default_factory=dict)


def batches(examples: int, schedule: Schedule, stream: Stream) -> Iterator[BatchIndices]:
    """The examples of each step: all of them, or slices of a new order for every epoch, the last one shorter.

    The order depends on the stream's seed alone, so that compared initializations see the same batches.
    """
    size = schedule.batch_size
    if size is None or size >= examples:
        for _ in range(schedule.steps):
            yield slice(None)
        return
    per_epoch = -(-examples // size)
    order = np.arange(examples)
    for step in range(schedule.steps):
        epoch, batch = divmod(step, per_epoch)
        if batch == 0:
            order = stream.permutation(f"order/{epoch}", examples)
        yield order[batch * size : (batch + 1) * size]


def _learning_rates(rates: NDArray[np.float64] | None, networks: int, default: float) -> NDArray[np.float64]:
    """A learning rate for each network. Raises GoodinitError unless all are finite and above 0."""
    if rates is None:
        return np.full(networks, float(default))
    array = np.asarray(rates)
    if array.shape != (networks,) or array.dtype.kind not in "fiu":
        raise GoodinitError(
            f"learning rates of shape {array.shape} and dtype {array.dtype}; expected one number for each of the "
            f"{networks} networks"
        )
    if not (np.isfinite(array) & (array > 0)).all():
        raise GoodinitError("learning rates: each must be a finite number above 0, such as 0.01")
    return array.astype(np.float64)


def _multipliers(what: str, given: Mapping[str, float] | None, network: MLP) -> dict[str, float]:
    names = [f"{letter}{layer}" for layer in range(1, network.depth + 1) for letter in "Wb"]
    given = given or {}
    for name, value in given.items():
        if name not in names:
            raise unknown_name(f"{what} multiplier's parameter", str(name), names)
        if not is_number(value) or value <= 0:
            raise GoodinitError(f"{what} multiplier of {name}: {shown(value)} must be a finite number above 0")
    return {name: float(given.get(name, 1.0)) for name in names}


def check_snapshots(steps: Iterable[int], last: int) -> list[int]:
    """The steps to keep parameters of, ascending, each once. Raises GoodinitError unless all lie in 0 to `last`."""
    given = list(steps)
    for step in given:
        if not is_integer(step) or not 0 <= step <= last:
            raise GoodinitError(f"snapshot of step {shown(step)}: it must be an integer from 0 to {last}")
    return sorted({int(step) for step in given})
