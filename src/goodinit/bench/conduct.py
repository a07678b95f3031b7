"""`bench`: makes the contestants ready, checks that they compute the same, lets them take turns, keeps the figures."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from goodinit.bench.clock import calibrated, interleaved, processor_seconds
from goodinit.bench.models import MODELS, model_contest
from goodinit.bench.records import Bench, Contest, Entry, GridCell, Growth, Timing
from goodinit.bench.trainers import COMPILED, TRAINERS, Problem, Trainer, classic, digits, disagreement, missing
from goodinit.bench.weights import DISTRIBUTIONS, drawers
from goodinit.streams import processors
from goodinit.training import REGISTRY, Dtype, lanes

__all__ = ["CLASSIC_STEPS", "FULL", "QUICK", "USUAL", "Sizes", "bench"]

CLASSIC_STEPS: Final = 15_000
_MOST_BYTES: Final = 1 << 30  # of activations: a peer that keeps more of them at once is not asked to
_BY_ALL: Final = ("NumPy loop", "PyTorch eager", "JAX vmap", "goodinit lanes", "goodinit torch")
_GROWING: Final = ("PyTorch eager", "JAX vmap", "goodinit auto")
_GRID: Final = ("PyTorch eager", COMPILED.name, "torch.func vmap", "JAX vmap", "goodinit auto")
_GRID_BATCH: Final = 128
_GRID_MOST: Final = 1e11  # operations of a step of all networks: larger cells are left out
_GRID_STEPS: Final = 10  # at least: a training has more, and copies its weights in and out but once


@dataclass(frozen=True)
class Sizes:
    """How much is measured: seconds aimed at for a repetition, repetitions, and the sizes along each axis.

    `compiles` lets torch.compile take part with models, `compiles_grid` also in every cell of the grid. With
    `processor_time` seconds are the processor's, of all threads together: for a machine that is busy with other work.
    """

    seconds: float = 0.4  # a virtual machine may take a tenth of one to give each thread a core of its own
    repeats: int = 5
    ensembles: tuple[int, ...] = (256, 1024)
    product: int = 1024
    digits_width: int = 128
    elements: int = 1 << 23
    networks: tuple[int, ...] = (1, 8, 64, 512, 4096)
    widths: tuple[int, ...] = (4, 16, 64, 128, 256, 512)
    depths: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    samples: tuple[int, ...] = (30, 300, 3000, 30_000)
    drawn: tuple[int, ...] = (1 << 10, 1 << 14, 1 << 18, 1 << 22, 1 << 25)
    growth_seconds: float = 0.1
    growth_repeats: int = 3
    growth_networks: int = 16
    grid_widths: tuple[int, ...] = (16, 64, 256, 512, 1024)
    grid_depths: tuple[int, ...] = (2, 8)
    grid_networks: tuple[int, ...] = (1, 8)
    model_trials: int = 12
    model_steps: int = 200
    compiles: bool = True
    compiles_grid: bool = False
    processor_time: bool = False

    @property
    def timer(self) -> Callable[[], float]:
        """The clock."""
        return processor_seconds if self.processor_time else time.perf_counter


USUAL: Final = Sizes()
QUICK: Final = Sizes(
    seconds=0.3,
    repeats=3,
    ensembles=(256,),
    elements=1 << 21,
    networks=(1, 64, 1024),
    widths=(4, 64, 256),
    depths=(1, 8),
    samples=(30, 3000),
    drawn=(1 << 10, 1 << 16, 1 << 22),
    growth_seconds=0.06,
    growth_repeats=3,
    grid_widths=(64, 256, 512),
    grid_depths=(2,),
    model_trials=4,
    model_steps=40,
    compiles=False,
)
FULL: Final = Sizes(
    seconds=1.0,
    ensembles=(64, 256, 1024),
    networks=(1, 8, 64, 512, 1000, 4096, 10_000, 32_768, 100_000),
    widths=(4, 8, 16, 32, 64, 128, 256, 512),
    samples=(30, 100, 300, 1000, 3000, 10_000, 30_000),
    drawn=(1 << 10, 1 << 14, 1 << 18, 1 << 22, 1 << 25, 1 << 27),
    growth_seconds=0.5,
    grid_widths=(16, 32, 64, 128, 256, 512, 1024, 2048),
    grid_depths=(2, 4, 8, 30),
    grid_networks=(1, 8, 64),
    compiles_grid=True,
)


def bench(sizes: Sizes = USUAL, progress: Callable[[str], None] = lambda text: None) -> Bench:
    """Measure the engines and the streams beside whatever peers are installed.

    `progress` is told what is being measured. Raises nothing for a peer that is missing: the result says so.
    """
    models = []
    for name in MODELS:  # first: where JAX was imported, `compare` forks no process
        progress(name)
        models.append(
            model_contest(
                name, sizes.model_trials, sizes.model_steps, sizes.repeats, sizes.timer, compiles=sizes.compiles
            )
        )
    progress("checking that all compute the same")
    able, absent = _able(sizes)
    contests: list[Contest] = []
    for dtype in ("float32", "float64"):
        progress(f"the classic experiment, {dtype}")
        contests.append(
            _training(f"classic network, many at once, {dtype}", classic(), sizes.ensembles, dtype, sizes, able, absent)
        )
        contests.append(
            _training(f"classic network, a single one, {dtype}", classic(), (1,), dtype, sizes, able, absent)
        )
    for networks in (1, 16):
        progress(f"digits, {networks} at once")
        title = f"digits, width {sizes.digits_width}, depth 3, {networks} at once, float32"
        wide = digits(sizes.digits_width)
        names = {name: dtypes for name, dtypes in able.items() if name.removeprefix("goodinit ") not in REGISTRY}
        contests.append(_training(title, wide, (networks,), "float32", sizes, names, absent))
    for distribution in DISTRIBUTIONS:
        progress(f"weights, {distribution}")
        contests.append(_drawing(distribution, sizes, absent))
    growths = _growths(sizes, able, progress)
    return Bench(_machine(), asdict(sizes), (*contests, *models), tuple(growths), tuple(_grid(sizes, able, progress)))


def _able(sizes: Sizes) -> tuple[dict[str, set[Dtype]], dict[str, str]]:
    """The contestants that can take part, with the precisions they know, and why others cannot."""
    able: dict[str, set[Dtype]] = {}
    absent: dict[str, str] = {}
    for name, trainer in _trainers(sizes).items():
        why = missing(trainer)
        dtypes: tuple[Dtype, ...] = ("float32", "float64")
        if name == "goodinit auto" and not any("float32" in e.dtypes and e.available() for e in REGISTRY.values()):
            dtypes = ("float64",)  # the reference computes in float64 only
        if why is None:
            why = next(
                filter(None, (disagreement(trainer, task, d) for d in dtypes for task in (classic(), digits(16)))), None
            )
        if why is None:
            able[name] = set(dtypes)
        else:
            absent[name] = why
    return able, absent


def _trainers(sizes: Sizes) -> dict[str, Trainer]:
    compiler = any(map(shutil.which, ("g++", "clang++")))
    return {**TRAINERS, **({COMPILED.name: COMPILED} if sizes.compiles_grid and compiler else {})}


def _training(
    title: str,
    task: Problem,
    ensembles: tuple[int, ...],
    dtype: Dtype,
    sizes: Sizes,
    able: Mapping[str, set[Dtype]],
    absent: Mapping[str, str],
) -> Contest:
    """A contest in training; a unit of work is one network trained for the classic 15,000 steps."""
    work: dict[str, Callable[[], object]] = {}
    done: dict[str, tuple[str, int, int]] = {}
    single = ensembles == (1,)
    for name in able:
        if name not in TRAINERS or dtype not in able[name] or (name == "goodinit auto" and task.network.widths[0] == 2):
            continue
        loop = TRAINERS[name].kind == "loop"
        for networks in (1,) if loop else ensembles:
            ready = TRAINERS[name].ready(task, networks, dtype)
            steps = calibrated(ready, sizes.seconds, CLASSIC_STEPS, sizes.timer)
            label = name if loop or single else f"{name} ({networks:,})"
            work[label], done[label] = partial(ready, steps), (name, networks, steps)
    product, operations = _product(sizes.product, dtype, sizes.seconds, sizes.timer)
    work["matrix product"] = product
    peak_operations = 0.0
    if lanes.available():
        work["peak"], peak_operations = _peak(dtype, 2 * sizes.seconds, sizes.timer)
    timings = interleaved(work, sizes.repeats, sizes.timer)
    entries = tuple(
        Entry(
            label,
            TRAINERS[name].kind,
            timings[label],
            networks * steps / CLASSIC_STEPS,
            task.operations * CLASSIC_STEPS,
            f"{networks:,} at once, {steps:,} steps",
        )
        for label, (name, networks, steps) in done.items()
    )
    return Contest(
        title,
        "networks/s",
        entries,
        timings["matrix product"],
        operations,
        timings.get("peak"),
        peak_operations,
        absent,
    )


def _product(size: int, dtype: Dtype, seconds: float, timer: Callable[[], float]) -> tuple[Callable[[], object], float]:
    """Square matrix products of NumPy's library for about that time, and how many operations they are."""
    A = np.random.Generator(np.random.Philox(0)).random((size, size)).astype(dtype)
    out = np.empty_like(A)

    def products(count: int) -> None:
        for _ in range(count):
            np.matmul(A, A, out=out)

    count = calibrated(products, seconds, 10_000, timer)
    return partial(products, count), 2.0 * size**3 * count


def _peak(dtype: Dtype, seconds: float, timer: Callable[[], float]) -> tuple[Callable[[], object], float]:
    """Fused operations on registers, on all processors, for about that time, and how many they are."""
    size, threads = np.dtype(dtype).itemsize, processors()

    def turns(count: int) -> float:
        return float(lanes.native().peak(element_size=size, turns=1000 * count, threads=threads))

    count = calibrated(turns, seconds, 1_000_000, timer)
    return partial(turns, count), turns(count)


def _drawing(distribution: str, sizes: Sizes, absent: Mapping[str, str]) -> Contest:
    """A contest in filling a float32 array; a unit of work is a million weights."""
    _, mean, deviation = DISTRIBUTIONS[distribution]
    absent = {name: why for name, why in absent.items() if "torch" in name.lower()}
    contestants = {}
    for name, (kind, draw) in drawers(distribution, sizes.elements).items():
        found = np.asarray(draw(), np.float64)
        error = 6 * max(deviation, 0.5) / sizes.elements**0.5
        if abs(found.mean() - mean) > error or abs(found.std() - deviation) > error:
            absent[name] = f"its {distribution} weights have another mean or deviation"
        else:
            contestants[name] = (kind, draw)
    drawing = {name: draw for name, (_, draw) in contestants.items()}
    timings = interleaved(drawing, 2 * sizes.repeats, sizes.timer)
    entries = tuple(Entry(name, contestants[name][0], timing, sizes.elements / 1e6) for name, timing in timings.items())
    return Contest(f"{distribution} weights, float32", "million weights/s", entries, absent=absent)


def _growths(sizes: Sizes, able: Mapping[str, set[Dtype]], progress: Callable[[str], None]) -> list[Growth]:
    many = sizes.growth_networks
    at_once = f"{many} networks at once"
    axes: list[tuple[str, tuple[int, ...], Callable[[int], tuple[Problem, int]], str]] = [
        ("networks", sizes.networks, lambda n: (classic(), n), "the classic network"),
        ("width", sizes.widths, lambda w: (classic((w, w)), many), f"two hidden layers of that width, {at_once}"),
        ("depth", sizes.depths, lambda d: (classic((10,) * d), many), f"that many hidden layers of 10, {at_once}"),
        ("samples", sizes.samples, lambda s: (classic(samples=s), many), f"the classic network, {at_once}"),
    ]
    growths = []
    for axis, values, at, note in axes:
        rates: dict[str, list[float | None]] = {name: [] for name in _GROWING if "float32" in able.get(name, ())}
        for value in values:
            progress(f"growth: {axis} {value:,}")
            task, networks = at(value)
            found = _rates(task, networks, list(rates), sizes)
            for name, each in rates.items():
                each.append(found.get(name))
        operations = tuple(at(value)[0].operations for value in values)
        kept = {name: tuple(each) for name, each in rates.items()}
        growths.append(Growth(axis, "network steps/s", values, kept, operations, f"{note}, float32"))
    return [*growths, _drawn(sizes, progress)]


def _grid(sizes: Sizes, able: Mapping[str, set[Dtype]], progress: Callable[[str], None]) -> Iterator[GridCell]:
    """Every width, depth and number of networks, on one batch of digits."""
    names = [name for name in _GRID if "float32" in able.get(name, ())]
    if "goodinit auto" not in names:
        return
    for width, depth, networks in product(sizes.grid_widths, sizes.grid_depths, sizes.grid_networks):
        task = digits(width, depth + 1, _GRID_BATCH)
        if task.operations * networks > _GRID_MOST:
            continue
        progress(f"grid: width {width:,}, {depth} hidden layers, {networks} at once")
        rates = _rates(task, networks, names, sizes, least=_GRID_STEPS)
        yield GridCell(width, depth, networks, rates, task.operations)


def _rates(task: Problem, networks: int, names: list[str], sizes: Sizes, *, least: int = 2) -> dict[str, float]:
    """Network steps a second of each contestant; of those that keep all activations at once, only where they fit.

    A repetition has at least `least` steps.
    """
    held = 12 * networks * task.X.shape[1] * sum(task.network.widths)
    work, steps, trainers = {}, {}, _trainers(sizes)
    for name in names:
        if held > _MOST_BYTES and trainers[name].kind == "peer":
            continue
        ready = trainers[name].ready(task, networks, "float32")
        steps[name] = max(least, calibrated(ready, sizes.growth_seconds, CLASSIC_STEPS, sizes.timer))
        work[name] = partial(ready, steps[name])
    timings = interleaved(work, sizes.growth_repeats, sizes.timer)
    return {name: networks * steps[name] / timing.median for name, timing in timings.items()}


def _drawn(sizes: Sizes, progress: Callable[[str], None]) -> Growth:
    """Normal weights by the size of the array."""
    rates: dict[str, list[float | None]] = {}
    for elements in sizes.drawn:
        progress(f"growth: weights {elements:,}")
        again = max(1, (1 << 20) // elements)
        work = {name: partial(_again, draw, again) for name, (_, draw) in drawers("normal", elements).items()}
        interleaved(work, 1)
        timings: dict[str, Timing] = interleaved(work, sizes.growth_repeats, sizes.timer)
        for name, timing in timings.items():
            rates.setdefault(name, []).append(again * elements / timing.median / 1e6)
    kept = {name: tuple(each) for name, each in rates.items()}
    return Growth(
        "weights", "million weights/s", sizes.drawn, kept, (0.0,) * len(sizes.drawn), "normal, float32, in place"
    )


def _again(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()


def _machine() -> dict[str, str]:
    """The machine in general terms, and the versions of what was measured."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    machine = {"processor": name, "cores": str(processors()), "system": platform.system()}
    if lanes.available():
        machine["instruction set of lanes"] = str(lanes.native().isa())
    machine["Python"] = platform.python_version()
    for package in ("goodinit", "numpy", "torch", "jax"):
        try:
            machine[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            machine[package] = "not installed"
    blas: Any = np.show_config(mode="dicts")
    machine["NumPy's matrix products"] = str(blas["Build Dependencies"]["blas"]["name"]) if blas else "unknown"
    return machine
