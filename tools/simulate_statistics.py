"""Simulations that docs/statistics.md tells of: coverage of intervals, false "equivalent", errors over many pairs.

Run with `python tools/simulate_statistics.py`; a few minutes on one core. Everything is drawn from seed 1, so that the
tables come out the same.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.statistics import bootstrap, compare_groups, compare_pair

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
SEED: Final = 1
SEEDS: Final = (3, 5, 8, 10, 15, 20)
LARGE: Final = 4_000_000  # draws from which the true value is read


def failing(share: float) -> Draw:
    """Scores near 0.95, of which a share has failed and is 0."""
    return lambda rng, shape: np.where(rng.random(shape) < share, 0.0, 0.95 + 0.01 * rng.standard_normal(shape))


CASES: Final[dict[str, Draw]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "lognormal": lambda rng, shape: np.exp(rng.standard_normal(shape)),
    "10 % failures": failing(0.1),
    "30 % failures": failing(0.3),
    "5 % failures": failing(0.05),
}


def truth(draw: Draw, statistic: str) -> float:
    """The value of the whole distribution."""
    x = np.sort(draw(np.random.default_rng(SEED + 1), (LARGE,)))
    return float(x.mean() if statistic == "mean" else x[LARGE // 4 : LARGE - LARGE // 4].mean())


def coverage(statistic: str, times: int) -> Iterator[list[str]]:
    """How often the 95 % interval holds the true value, by case and number of seeds."""
    for name, draw in CASES.items():
        wanted, row = truth(draw, statistic), [name]
        for n in SEEDS:
            rng, held = np.random.default_rng(SEED), 0
            for _ in range(times):
                found = bootstrap(draw(rng, (n,)), statistic, resamples=500)  # type: ignore[arg-type]  # one of its names
                held += found.low <= wanted <= found.high
            row.append(f"{held / times:.3f}")
        yield row


def equal_by_mistake(times: int) -> Iterator[list[str]]:
    """How often two are called equivalent whose true mean difference is the margin, by case, floor and seeds."""
    for name, floor in itertools.product(CASES, (None, 0.0)):
        if floor is not None and "failures" not in name:
            continue
        row = [name, "told" if floor is not None else "not told"]
        for n in (5, 10, 20, 80):
            rng, wrong = np.random.default_rng(SEED), 0
            for _ in range(times):
                a, b, margin = _pair(name, rng, n)
                wrong += compare_pair(a, b, margin=margin, floor=floor, resamples=200).verdict == "equivalent"
            row.append(f"{wrong / times:.3f}")
        yield row


def _pair(name: str, rng: np.random.Generator, n: int) -> tuple[Array, Array, float]:
    """Paired scores and their true mean difference."""
    base = 0.95 + 0.01 * rng.standard_normal(n)
    if name == "normal":
        return base + 0.01 + 0.01 * rng.standard_normal(n), base, 0.01
    if name == "lognormal":
        return base + 0.01 * np.exp(rng.standard_normal(n) - 0.5), base, 0.01
    share = float(name.split()[0]) / 100
    b = np.where(rng.random(n) < share, 0.0, base)
    return base + 0.001 * rng.standard_normal(n), b, share * 0.95


def family(times: int) -> Iterator[list[str]]:
    """How often any two of five equal groups are called different, by case and number of seeds."""
    for name, draw in CASES.items():
        row = [name]
        for n in (8, 10, 20):
            rng, wrong = np.random.default_rng(SEED), 0
            for _ in range(times):
                found = compare_groups("abcde", draw(rng, (5, n)), resamples=100)
                wrong += any(pair.separable for pair in found.pairs)
            row.append(f"{wrong / times:.3f}")
        yield row


def table(heading: list[str], rows: Iterator[list[str]]) -> None:
    """Print a Markdown table, row by row."""
    out = sys.stdout.write
    out(f"| {' | '.join(heading)} |\n|{' --- |' * len(heading)}\n")
    for row in rows:
        out(f"| {' | '.join(row)} |\n")
        sys.stdout.flush()
    out("\n")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=400, help="samples of each cell")
    times = parser.parse_args().times
    for statistic in ("iqm", "mean"):
        table([statistic, *(f"{n} seeds" for n in SEEDS)], coverage(statistic, times))
    table(["true difference = margin", "floor", *(f"{n} seeds" for n in (5, 10, 20, 80))], equal_by_mistake(times))
    table(["five equal groups", *(f"{n} seeds" for n in (8, 10, 20))], family(times // 2))


if __name__ == "__main__":
    main()
