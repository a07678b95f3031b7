"""Which engine trains: `reference`, `lanes` or `torch`, by name or chosen by what is measured to be faster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError, unknown_name
from goodinit.networks import MLP, Parameters
from goodinit.training import lanes, reference, torch_engine
from goodinit.training.schedule import Batch, Run, Schedule, Watch

__all__ = ["ENGINES", "Dtype", "Engine", "choose", "train"]

Engine = Literal["auto", "reference", "lanes", "torch"]
Dtype = Literal["float64", "float32"]
ENGINES: Final = ("auto", "reference", "lanes", "torch")

# Time of lanes over that of torch for a full-batch step on 1,347 examples of 64 features (ReLU, 10 classes), by
# number and width of hidden layers; the best of three turns, one thread each, on an AVX-512 server processor:
#
#   hidden layers x width   1x128  1x256  1x512  2x128  2x256  2x512  7x128  7x256  7x512
#   weights                    9k    19k    38k    26k    84k   300k   108k   412k   1.6M
#   float32, 1 network        .30    .27    .24    .41    .45    .78    .45    .89   1.05
#   float32, 16 networks      .30    .20    .14    .27    .34           .29    .70
#   float64, 1 network        .31    .37    .28    .44    .44   1.10    .49   1.04   1.14
#
# and with two threads each, float32, 1 network: .64 .60 .44 .69 .84 1.54 .79 1.33 1.90; with 29 hidden layers of 128
# (475k) in float64, 1.6. The reference (float64) took 0.8 to 1.1 of torch's time throughout.
# Somewhere between 108k and 300k weights lanes falls behind.
LANES_MOST_WEIGHTS: Final = 250_000
"""The weights of one network up to which `auto` takes lanes, where it is built, and beyond which torch."""

_said: set[str] = set()


def choose(network: MLP, dtype: Dtype = "float64") -> Engine:
    """The engine that `auto` stands for.

    lanes where it is built and knows the activation; torch, where it is installed, for networks of more than
    `LANES_MOST_WEIGHTS` weights, and for float32 where lanes is not built; else the reference, which computes in
    float64 and says so once where float32 was asked for.

    >>> from goodinit import activations
    >>> choose(MLP((2, 10, 5, 1), activations.get("relu"), "binary_cross_entropy")) in ("lanes", "reference")
    True
    """
    if not lanes.supports(network.activation):
        if dtype == "float32":
            _say_once(f"activation {network.activation.name!r} is not the table's: the NumPy engine trains, in float64")
        return "reference"
    if sum(weight.size for weight in network.weights) > LANES_MOST_WEIGHTS and torch_engine.available():
        return "torch"
    if lanes.available():
        return "lanes"
    if dtype == "float32" and torch_engine.available():
        _say_once("the compiled engine is not built: PyTorch trains, in float32, several times slower")
        return "torch"
    _say_once("the compiled engine is not built: the NumPy engine trains, in float64, many times slower")
    return "reference"


def train(
    network: MLP,
    start: Parameters,
    X: NDArray[np.float64],
    Y: NDArray[np.float64],
    schedule: Schedule,
    batches: Iterable[Batch],
    progress: Callable[[int], None] = lambda step: None,
    *,
    learning_rates: NDArray[np.float64] | None = None,
    snapshots: Iterable[int] = (),
    watch: Watch | None = None,
    engine: Engine = "auto",
    dtype: Dtype = "float64",
    threads: int | None = None,
) -> Run:
    """Train an ensemble from `start`, which is left as it is.

    Arguments:
        network: widths, activation and loss.
        start: W1, b1, W2, ... with a leading axis of k networks.
        X: inputs, shape (inputs, examples).
        Y: targets, shape (outputs, examples).
        schedule: optimizer, learning rate, steps, steps between recorded losses.
        batches: the examples of each step.
        progress: called with the number of finished steps, about a hundred times.
        learning_rates: a learning rate for each network, in place of the schedule's.
        snapshots: steps before which the parameters are kept; `schedule.steps` is the end.
        watch: is given each snapshot in place of keeping it, as soon as training is there (torch: at the end). What
            it raises stops the training.
        engine: reference (NumPy), lanes (compiled), torch, or auto for the fastest of them.
        dtype: float64, or float32 for speed; the reference engine computes in float64 only, also where auto takes it.
        threads: of the lanes engine; None takes all processors this process may use.

    Returns a Run, the same from every engine up to rounding.

    Raises GoodinitError for a value that cannot be used or an engine that is not there.
    """
    if engine not in ENGINES:
        raise unknown_name("engine", str(engine), ENGINES)
    if dtype not in ("float64", "float32"):
        raise GoodinitError(f"dtype {dtype!r} is not known; choose float64 or float32")
    if engine == "reference" and dtype == "float32":
        raise GoodinitError("the reference engine computes in float64 only; use engine='lanes' for float32")
    chosen = choose(network, dtype) if engine == "auto" else engine
    if chosen == "lanes":
        return lanes.train(
            network,
            start,
            X,
            Y,
            schedule,
            batches,
            progress,
            learning_rates=learning_rates,
            snapshots=snapshots,
            watch=watch,
            dtype=dtype,
            threads=threads,
        )
    if chosen == "torch":
        run = torch_engine.train(
            network,
            start,
            X,
            Y,
            schedule,
            batches,
            progress,
            learning_rates=learning_rates,
            snapshots=snapshots,
            dtype=dtype,
        )
        if watch is None:
            return run
        for step, parameters in run.snapshots.items():
            watch(step, parameters)
        return replace(run, snapshots={})
    return reference.train(
        network,
        start,
        X,
        Y,
        schedule,
        batches,
        progress,
        learning_rates=learning_rates,
        snapshots=snapshots,
        watch=watch,
    )


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        sys.stderr.write(f"goodinit: {text}\n")
