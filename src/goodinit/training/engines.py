"""The engines, each with what it can do, and the choice among them: by name, or by asking each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from goodinit import activations
from goodinit.errors import GoodinitError, unknown_name
from goodinit.networks import MLP, Loss, Parameters
from goodinit.threads import blas_threads, torch_threads
from goodinit.training import lanes, reference, torch_engine
from goodinit.training.optimizers import OPTIMIZERS
from goodinit.training.schedule import BatchIndices, Call, Dtype, Run, Schedule, SnapshotCallback

__all__ = ["ENGINES", "REGISTRY", "Engine", "EngineName", "choose", "for_models", "train"]

EngineName = str
"""One of `ENGINES`."""

# Time of lanes over that of torch for a step of one network (digits, ReLU, momentum), by number and width of hidden
# layers and batch; two cores with AVX-512 and nothing else at work, medians of three turns of 20 steps:
#
#   hidden layers x width   30x512  2x1024  4x1024  8x1024  2x2048  2x2048  4x2048  30x1024
#   batch                      128   1,347     128     128     128   1,347     128      128
#   weights                   7.6M    1.1M    3.2M    7.4M    4.3M    4.3M     13M      31M
#   float32                    .93     .77     .91    1.03     .90     .71     .82     1.03
#   float64                    .65     .94     .84     .84     .67     .98     .74      .84
GPU_FROM_WEIGHTS: Final = 250_000
"""The weights of one network beyond which `auto` takes torch where PyTorch has a GPU; else lanes, where it is built."""

_said: set[str] = set()


class Engine(Protocol):
    """What trains ensembles of networks, and what it says of itself.

    `dtypes`, `losses` and `optimizers` are those it has, `own_losses` says whether it has a person's own too, and
    `rate_multipliers` whether it takes a multiplier of the learning rate for each weight. `company` says that a
    network's bits depend on the networks trained beside it; `packages` are those it needs besides NumPy and SciPy;
    `gpu` says that it computes on one where there is one; `models` that it also trains a person's PyTorch models.
    """

    name: str
    dtypes: Collection[Dtype]
    losses: Collection[str]
    optimizers: Collection[str]
    own_losses: bool
    rate_multipliers: bool
    company: bool
    packages: tuple[str, ...]
    gpu: bool
    models: bool

    def available(self) -> bool:
        """Whether it can be used here."""
        ...

    def activations(self) -> Collection[str] | None:
        """The families of activations that it has, None for any activation, one's own too."""
        ...

    def rank(self, weights: int) -> float:
        """Its place among the engines that can train a network of so many weights: the lowest is the fastest."""
        ...

    def instructions(self) -> str:
        """What of the processor its last digits may depend on."""
        ...

    def prepare(self) -> None:
        """What a process does once, so that no training's time has it."""
        ...

    def train(self, call: Call) -> Run:
        """Train an ensemble."""
        ...


_numpy_config: Final[Callable[..., Any]] = np.show_config  # whose stub knows no mode
_FLOAT64: Final[tuple[Dtype, ...]] = ("float64",)
_BOTH: Final[tuple[Dtype, ...]] = ("float64", "float32")


class _Complete:
    """What all engines of this package have."""

    losses: Collection[str] = get_args(Loss)
    optimizers: Collection[str] = tuple(OPTIMIZERS)
    own_losses: bool = True
    rate_multipliers: bool = True
    company: bool = False
    packages: tuple[str, ...] = ()
    gpu: bool = False
    models: bool = False

    def available(self) -> bool:
        return True

    def instructions(self) -> str:
        """The newest that NumPy finds, by which matrix products choose their order of additions."""
        found: dict[str, list[str]] = _numpy_config(mode="dicts").get("SIMD Extensions", {})
        return next(reversed([*found.get("baseline", []), *found.get("found", [])]), "baseline")

    def prepare(self) -> None:
        pass


def _operations(call: Call) -> float:
    """Multiplications and additions of a layer's product in a step, of all networks at once."""
    examples = min(call.schedule.batch_size or call.X.shape[1], call.X.shape[1])
    return float(2 * call.network.size / call.network.depth * examples * len(call.start["W1"]))


class Reference(_Complete):
    """The textbook in NumPy: for any activation, in float64."""

    name = "reference"
    dtypes: Collection[Dtype] = _FLOAT64

    def activations(self) -> None:
        return None

    def rank(self, weights: int) -> float:
        return 2

    def train(self, call: Call) -> Run:
        with blas_threads(_operations(call)):
            return reference.train(call)


class Lanes(_Complete):
    """Compiled: small networks one a SIMD lane, wide ones as matrix products."""

    name = "lanes"
    dtypes: Collection[Dtype] = _BOTH
    own_losses = False

    def available(self) -> bool:
        return lanes.available()

    def activations(self) -> Collection[str]:
        return lanes.known()

    def instructions(self) -> str:
        return lanes.instructions()

    def rank(self, weights: int) -> float:
        return 1

    def train(self, call: Call) -> Run:
        return lanes.train(call)


class Torch(_Complete):
    """Batched matrix products in PyTorch, for wide networks and GPUs."""

    name = "torch"
    dtypes: Collection[Dtype] = _BOTH
    company = True
    packages: tuple[str, ...] = ("torch",)
    gpu = True
    models = True

    def available(self) -> bool:
        return torch_engine.available()

    def activations(self) -> Collection[str]:
        return torch_engine.KNOWN

    def rank(self, weights: int) -> float:
        return 0 if weights > GPU_FROM_WEIGHTS and torch_engine.has_gpu() else 3

    def prepare(self) -> None:
        torch_engine.device()

    def train(self, call: Call) -> Run:
        self.prepare()  # which says what to install where PyTorch is missing
        with torch_threads(_operations(call)):
            return torch_engine.train(call)


_EXACT: Final = Reference()
REGISTRY: Final[dict[str, Engine]] = {engine.name: engine for engine in (_EXACT, Lanes(), Torch())}
"""The engines by name."""
ENGINES: Final = ("auto", *REGISTRY)


def for_models() -> Engine:
    """The engine that trains a person's models."""
    return next(engine for engine in REGISTRY.values() if engine.models)


def choose(
    network: MLP,
    dtype: Dtype = "float64",
    *,
    optimizer: str = "gradient_descent",
    rate_multipliers: Mapping[str, float] | None = None,
) -> EngineName:
    """The engine that `auto` stands for: the fastest of those that are there and can train the network so.

    That is lanes where it is built, and torch, where it is installed, for networks of more than `GPU_FROM_WEIGHTS`
    weights on a machine with a GPU, and for float32 where lanes is not built. An engine that lacks the activation is
    passed over. Where none is left, the reference trains, in float64. It is said once where training will be much
    slower, or not in float32.

    >>> from goodinit import activations
    >>> choose(MLP((2, 10, 5, 1), activations.get("relu"), "binary_cross_entropy")) in ("lanes", "reference")
    True
    """
    able = [
        engine
        for engine in REGISTRY.values()
        if dtype in engine.dtypes
        and network.loss in engine.losses
        and (network.own_loss is None or engine.own_losses)
        and optimizer in engine.optimizers
        and (not rate_multipliers or engine.rate_multipliers)
        and _has(engine, network.activation)
    ]
    able.sort(key=lambda engine: engine.rank(network.size))
    chosen = next((engine for engine in able if engine.available()), _EXACT)  # only then: to ask costs a fifth of a ms
    _say_what_is_slow(network, dtype, chosen)
    return chosen.name


def _has(engine: Engine, activation: activations.Activation) -> bool:
    known = engine.activations()
    return known is None or activation.family in known


def _say_what_is_slow(network: MLP, dtype: Dtype, chosen: Engine) -> None:
    """Say once that what was asked for is not what trains, or that something faster is missing."""
    computed = dtype if dtype in chosen.dtypes else "float64"
    absent = [engine for engine in REGISTRY.values() if not engine.packages and not engine.available()]
    faster = any(engine.rank(network.size) < chosen.rank(network.size) for engine in absent)
    if faster and network.activation.family is not None:
        slow = f"the {chosen.name} engine trains, in {computed}, up to 57 times as slow"  # docs/benchmarks.md
        _say_once(f"the compiled engine is not built: {slow}")
    elif computed != dtype:
        _say_once(
            f"no engine computes the activation {network.activation.name!r} in {dtype}: the {chosen.name} engine "
            f"trains, in {computed}"
        )


def train(
    network: MLP,
    start: Parameters,
    X: NDArray[np.float64],
    Y: NDArray[np.float64],
    schedule: Schedule,
    batches: Iterable[BatchIndices],
    progress: Callable[[int], None] = lambda step: None,
    *,
    learning_rates: NDArray[np.float64] | None = None,
    rate_multipliers: Mapping[str, float] | None = None,
    decay_multipliers: Mapping[str, float] | None = None,
    snapshots: Iterable[int] = (),
    watch: SnapshotCallback | None = None,
    engine: EngineName = "auto",
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
        rate_multipliers: what the learning rate is multiplied by for the parameters named, such as `{"W1": 4.0}`.
        decay_multipliers: the same of the weight decay.
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
    call = Call(
        network=network,
        start=start,
        X=X,
        Y=Y,
        schedule=schedule,
        batches=batches,
        progress=progress,
        learning_rates=learning_rates,
        rate_multipliers=rate_multipliers,
        decay_multipliers=decay_multipliers,
        snapshots=snapshots,
        watch=watch,
        dtype=dtype,
        threads=threads,
    )
    if engine in REGISTRY:
        chosen = REGISTRY[engine]
        if dtype not in chosen.dtypes:
            raise GoodinitError(
                f"the {chosen.name} engine computes in {' and '.join(chosen.dtypes)} only; use engine='auto' for "
                f"{dtype}"
            )
        return chosen.train(call)
    chosen = REGISTRY[choose(network, dtype, optimizer=schedule.optimizer, rate_multipliers=rate_multipliers)]
    return chosen.train(call if dtype in chosen.dtypes else replace(call, dtype="float64"))


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        sys.stderr.write(f"goodinit: {text}\n")
