"""The lanes engine: an ensemble of networks in compiled code, small ones one a SIMD lane, wide ones as matrix products.

It trains as `reference` does, in float64 or float32, on all processors. A network's result is the same to the bit
whichever networks are trained beside it, however many threads run and however the ensemble is split: the examples
of a batch are cut into a fixed number of runs, and gradients are added in that order whether a vector holds one
network in each lane or one run of a single network. Processors with fused multiply-add agree with each other in
every bit where they share a C library; the x86-64 baseline, which lacks it, agrees to rounding.

A network that diverged stands still from then on: its later losses are not finite and its parameters are those of
the recorded step at which the divergence was noted.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from goodinit.arguments import is_integer
from goodinit.errors import GoodinitError, shown
from goodinit.networks import MLP, Parameters
from goodinit.streams import processors
from goodinit.training.arguments import check_examples, check_start
from goodinit.training.optimizers import OPTIMIZERS
from goodinit.training.schedule import BatchIndices, Call, Run, Schedule, check_snapshots

__all__ = ["available", "instructions", "known", "native", "train"]

_CHUNK: Final = 1 << 22  # indices of batches held at a time, or steps of all examples: 16 MiB


def native() -> ModuleType:
    """The compiled extension, imported at the first use. Raises GoodinitError where it was not built."""
    try:  # by name: `from goodinit import` would be an import of the whole house, upwards
        return import_module("goodinit._native")
    except ImportError as error:
        raise GoodinitError(
            f"the lanes engine is not built ({error}); install a C++ compiler and goodinit again, or use "
            "engine='reference'"
        ) from None


def available() -> bool:
    """Whether the compiled extension is there."""
    try:
        native()
    except GoodinitError:
        return False
    return True


def instructions() -> str:
    """What of the processor and the system the digits depend on: fused multiply-add, and the C library."""
    fused = native().isa() != "baseline"
    return f"{'with' if fused else 'without'} fused multiply-add, {' '.join(platform.libc_ver())}".rstrip(", ")


def known() -> frozenset[str]:
    """The activations that the compiled code has, by their names in the table; none where it was not built."""
    return frozenset(native().activations()) if available() else frozenset()


def train(call: Call, *, layout: Literal["auto", "grouped", "alone", "wide"] = "auto") -> Run:
    """Train an ensemble as `call` says; the network's activation must be one of `known`.

    `layout` is `grouped`, which fills vectors with networks, `alone`, with the examples of one network, or `wide`,
    with the units of one network's layers: the same bits. Losses are averaged in float64 whatever the dtype. Ctrl-C
    stops it within a second.

    Raises GoodinitError for an array that cannot be used, before any compiled code sees it.
    """
    extension = native()
    network, schedule, dtype, watch = call.network, call.schedule, call.dtype, call.watch
    activation = network.activation
    if layout not in ("auto", "grouped", "alone", "wide"):
        raise GoodinitError(f"layout {shown(layout)} is not known; choose auto, grouped, alone or wide")
    if activation.family not in known():
        raise GoodinitError(
            f"activation {activation.name!r} is not one of the compiled code's: the lanes engine cannot compute it; "
            "use engine='reference'"
        )
    if network.own_loss is not None:
        raise GoodinitError(
            f"loss {network.own_loss.text} is one of your own: the lanes engine cannot compute it; use engine='auto'"
        )
    workers = _threads(call.threads)
    examples, networks = check_examples(network, call.X, call.Y), check_start(network, call.start)
    inputs, targets = _rows("X", call.X, dtype), _rows("Y", call.Y, dtype)
    parameters = _parameters(network, call.start, dtype)
    rates, multipliers = call.rates()
    decays = call.decays()
    ticks = _Progress(call.progress, max(1, schedule.steps // 100))
    wanted = check_snapshots(call.snapshots, schedule.steps)
    kept_steps = wanted if watch is None else []
    kept = [np.full_like(each, np.nan) for _ in kept_steps for each in parameters]

    own_rates = any(value != 1 for value in multipliers.values())
    losses = np.full((networks, len(schedule.recorded)), np.nan)
    final_loss = np.full(networks, np.nan)
    diverged_by = np.full(networks, -1, dtype=np.int64)
    state: dict[str, NDArray[Any] | None] = {"first": None, "second": None}

    def named(arrays: list[NDArray[Any]]) -> Parameters:
        return {name: array.astype(np.float64, copy=False) for name, array in zip(_names(network), arrays, strict=True)}

    def show(step: int) -> None:
        if watch is not None and step in wanted:
            watch(step, named([each.copy() for each in parameters]))

    show(0)
    for chunk in _chunks(call.batches, schedule.steps, examples, () if watch is None else wanted):
        if chunk.end < schedule.steps and state["first"] is None:  # the optimizer's averages outlive this call
            size = sum(each[0].size for each in parameters)
            for which in list(state)[: OPTIMIZERS[schedule.optimizer].averages]:
                state[which] = np.zeros((networks, size), dtype)
        getattr(extension, f"train_{dtype}")(
            widths=[int(width) for width in network.widths],
            function=activation.family,
            option=0.0 if activation.parameter is None else activation.parameter,
            loss=network.loss,
            optimizer=schedule.optimizer,
            parameters=parameters,
            **state,
            rates=rates.astype(dtype),
            multipliers=np.array([*multipliers.values()], dtype) if own_rates else None,
            **({"decays": np.array([*decays.values()], dtype)} if decays else {}),
            **({"factors": _factors(schedule, chunk)} if schedule.varies else {}),
            **({"clipping": float(limit)} if (limit := schedule.gradient_clipping) is not None else {}),
            X=inputs,
            Y=targets,
            begin=chunk.begin,
            end=chunk.end,
            steps=int(schedule.steps),
            record_every=int(schedule.record_every),
            offsets=chunk.offsets,
            indices=chunk.indices,
            losses=losses,
            final_loss=final_loss,
            diverged_by=diverged_by,
            snapshot_steps=np.array(kept_steps, dtype=np.int64),
            snapshots=kept,
            threads=workers,
            layout=layout,
            progress=lambda done, begin=chunk.begin: ticks.up_to(begin + done),
        )
        show(chunk.end)
    ticks.up_to(schedule.steps)
    call.progress(schedule.steps)
    per_snapshot = len(parameters)
    return Run(
        schedule.recorded,
        losses,
        final_loss,
        named(parameters),
        tuple(None if step < 0 else step for step in diverged_by.tolist()),
        {step: named(kept[i * per_snapshot : (i + 1) * per_snapshot]) for i, step in enumerate(kept_steps)},
    )


class _Progress:
    """Calls `progress` for every hundredth of the steps, as the reference does, however they arrive."""

    def __init__(self, progress: Callable[[int], None], often: int) -> None:
        self.progress, self.often, self.last = progress, often, 0

    def up_to(self, step: int) -> None:
        while self.last + self.often <= step:
            self.last += self.often
            self.progress(self.last)


def _names(network: MLP) -> list[str]:
    return [f"{letter}{layer}" for layer in range(1, network.depth + 1) for letter in "Wb"]


def _threads(threads: int | None) -> int:
    if threads is None:
        return processors()
    if not is_integer(threads) or threads < 1:
        raise GoodinitError(
            f"threads {shown(threads)}: it must be an integer of at least 1, or None for all processors"
        )
    return int(threads)


def _rows(what: str, given: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    """(width, examples) as contiguous rows, one an example."""
    with np.errstate(over="ignore"):  # what overflows is refused below
        rows = np.ascontiguousarray(np.asarray(given).T, dtype=dtype)
    if not np.isfinite(rows).all():
        raise GoodinitError(f"{what} holds a number that is not finite in {dtype}; remove or replace such examples")
    return rows


def _parameters(network: MLP, start: Parameters, dtype: str) -> list[NDArray[Any]]:
    """Copies of W1, b1, W2, ..., contiguous, of that dtype."""
    with np.errstate(over="ignore"):  # a start that overflows has diverged at step 0
        return [np.array(start[name], dtype=dtype, order="C") for name in _names(network)]


@dataclass(frozen=True)
class _Chunk:
    """Steps begin to end; offsets None: each of them takes all examples in their own order."""

    begin: int
    end: int
    offsets: NDArray[np.int64] | None
    indices: NDArray[np.int32] | None


def _factors(schedule: Schedule, chunk: _Chunk) -> NDArray[np.float64]:
    return np.array([schedule.factor(step) for step in range(chunk.begin, chunk.end)])


def _chunks(batches: Iterable[BatchIndices], steps: int, examples: int, cuts: Sequence[int]) -> Iterator[_Chunk]:
    """The batches as arrays for the compiled code, a bounded number of indices at a time, cut at these steps too."""
    ends = set(cuts)
    everything = np.arange(examples, dtype=np.int32)
    begin, held, full = 0, 0, True
    kept: list[NDArray[np.int32]] = []

    def chunk(end: int) -> _Chunk:
        if full:
            return _Chunk(begin, end, None, None)
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in kept], dtype=np.int64)])
        return _Chunk(begin, end, offsets, np.concatenate(kept))

    step, before, whole = 0, None, False
    for step, batch in enumerate(batches, 1):
        if step > steps:
            raise GoodinitError(f"there are more batches than the {steps} steps of the schedule")
        if batch is not before:  # a step of a small network takes less time than to compare slices
            before, whole = batch, isinstance(batch, slice) and batch == slice(None)
        if step - 1 > begin and (whole != full or held >= _CHUNK or step - 1 - begin >= _CHUNK or step - 1 in ends):
            yield chunk(step - 1)
            begin, held, kept = step - 1, 0, []
        full = whole
        if not whole:
            kept.append(_batch(everything, batch, step))
            held += len(kept[-1])
    if step < steps:
        raise GoodinitError(f"there are {step} batches for the {steps} steps of the schedule")
    yield chunk(steps)


def _batch(everything: NDArray[np.int32], batch: BatchIndices, step: int) -> NDArray[np.int32]:
    try:
        taken = everything[batch]
    except IndexError as error:
        raise GoodinitError(f"the batch of step {step - 1} cannot be taken from the examples: {error}") from None
    if taken.ndim != 1 or not taken.size:
        raise GoodinitError(f"the batch of step {step - 1} has shape {taken.shape}; give the numbers of its examples")
    return taken
