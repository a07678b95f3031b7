"""The proof: each size is trained over a grid of rates, and the best rate's place is compared over the sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.statistics import Slope
from goodinit.streams import KeyedStream
from goodinit.transferring.given import Given

__all__ = ["Best", "Proof", "best_rates", "prove"]

_RESAMPLES: Final = 1000
_TAIL: Final = 4  # a run's result is the mean loss of its last quarter
_MOVES: Final = 0.2  # octaves of the rate for an octave of the size
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Best:
    """The best rate of one size, between the grid's rates, with an interval over the seeds; `edge` where it is none."""

    size: int
    rate: float
    low: float
    high: float
    edge: bool


@dataclass(frozen=True)
class Proof:
    """Losses of (size, rate, seed), the best rate of each size, and whether it moves.

    `verdict` is `stays`, `moves`, or `not enough data`; `slope` is the exponent of the best rate over the sizes.
    """

    axis: str
    sizes: tuple[int, ...]
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    steps: int
    losses: Floats
    best: tuple[Best, ...]
    slope: Slope
    verdict: str

    @property
    def answer(self) -> str:
        """The same as a sentence."""
        listed = ", ".join(f"{each.rate:.3g} at {each.size}" for each in self.best)
        text = {"stays": "The best rate stays", "moves": "The best rate moves"}.get(
            self.verdict, "Not enough data to tell whether the best rate moves"
        )
        return (
            f"{text}: {listed}; it goes as {self.axis}^{self.slope.value:+.2f} "
            f"[{self.slope.low:+.2f}, {self.slope.high:+.2f}]"
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "rates": list(self.rates),
            "steps": self.steps,
            "losses": [
                [[float(x) if math.isfinite(x) else None for x in seeds] for seeds in rates] for rates in self.losses
            ],
            "best": [vars(each) for each in self.best],
            "slope": self.slope.to_dict(),
            "verdict": self.verdict,
            "answer": self.answer,
        }


def prove(
    given: Given,
    sizes: Sequence[int],
    seeds: Sequence[int],
    rates: Sequence[float],
    steps: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Proof:
    """Train every size at every rate from the same seeds, on the same batches; a run that diverges ends there."""
    from goodinit.pytorch.loop import seeded
    from goodinit.transferring.runs import take_step

    losses = np.full((len(sizes), len(rates), len(seeds)), math.inf)
    done = 0
    for i, size in enumerate(sizes):
        for j, rate in enumerate(rates):
            for k, seed in enumerate(seeds):
                made = given.made(size, seed, rate)
                curve: list[float] = []
                with seeded(seed, "transfer steps"):
                    for step in range(steps):
                        curve.append(take_step(made, step))
                        if not math.isfinite(curve[-1]):
                            break
                if math.isfinite(curve[-1]):
                    losses[i, j, k] = float(np.mean(curve[-max(1, steps // _TAIL) :]))
                done += 1
                progress(done)
    return best_rates(given.axis, sizes, rates, seeds, steps, losses)


def best_rates(
    axis: str, sizes: Sequence[int], rates: Sequence[float], seeds: Sequence[int], steps: int, losses: Floats
) -> Proof:
    """Where the best rate lies at each size, and whether it moves.

    The best rate is the lowest point of a parabola through the best rate of the grid and its neighbours, in the
    logarithms of rate and loss, of the mean over the seeds. Seeds are drawn again, the same for every size and rate,
    for the intervals: the seeds are paired.
    """
    order = np.argsort(rates)
    rates, losses = [rates[place] for place in order], losses[:, order]
    x, octaves = np.log2(np.asarray(rates)), np.log2(np.asarray(sizes, dtype=float))
    count = len(seeds)
    draws = KeyedStream(0).uniform("transfer proof", 0, _RESAMPLES * count).reshape(_RESAMPLES, count)
    picks = np.minimum((draws * count).astype(int), count - 1)

    def places(chosen: Any) -> Floats:
        return np.array([_lowest(x, losses[i][:, chosen].mean(axis=1)) for i in range(len(sizes))])

    middle = places(np.arange(count))
    every = np.array([places(pick) for pick in picks]) if count > 1 else middle[None]
    low, high = np.quantile(every, [0.025, 0.975], axis=0)
    at_edge = [bool(place <= x[0] or place >= x[-1]) for place in middle]
    best = tuple(
        Best(int(size), float(2**m), float(2**a), float(2**b), edge)
        for size, m, a, b, edge in zip(sizes, middle, low, high, at_edge, strict=True)
    )
    slopes = np.array([np.polyfit(octaves, each, 1)[0] for each in every])
    value = float(np.polyfit(octaves, middle, 1)[0])
    ends = (
        (float(np.quantile(slopes, 0.025)), float(np.quantile(slopes, 0.975))) if count > 1 else (-math.inf, math.inf)
    )
    grid = float(np.max(np.diff(x))) / 2 / float(octaves[-1] - octaves[0])  # a grid tells places to half its step
    slope = Slope(value, min(ends[0], value - grid), max(ends[1], value + grid), math.nan, False, losses.size)
    if all(at_edge) or count < 2:
        verdict = "not enough data"
    elif slope.low > 0 or slope.high < 0:
        verdict = "moves" if abs(value) > _MOVES else "stays"
    else:
        verdict = "stays" if max(-slope.low, slope.high) < 3 * _MOVES and not any(at_edge) else "not enough data"
    return Proof(axis, tuple(sizes), tuple(rates), tuple(seeds), steps, losses, best, slope, verdict)


def _lowest(x: Floats, losses: Floats) -> float:
    """The lowest point of the parabola through the best point and its neighbours; the point itself at an edge."""
    y = np.where(np.isfinite(losses) & (losses > 0), losses, np.inf)
    best = int(np.argmin(y))
    if not 0 < best < len(x) - 1 or not np.isfinite(y[best - 1 : best + 2]).all():
        return float(x[best])
    a, b, _ = np.polyfit(x[best - 1 : best + 2] - x[best], np.log(y[best - 1 : best + 2]), 2)
    if a <= 0:
        return float(x[best])
    return float(np.clip(x[best] - b / (2 * a), x[best - 1], x[best + 1]))
