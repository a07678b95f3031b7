"""What a number of seeds can show at all, and how large a difference must be to be found."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from goodinit.arguments import check_count
from goodinit.errors import GoodinitError, shown
from goodinit.statistics.arguments import check_level
from goodinit.statistics.estimate import Record
from goodinit.streams import KeyedStream

__all__ = ["PowerNote", "power_note"]

Float64s = NDArray[np.float64]
_EXACT: Final = 40  # seeds up to which the test itself is drawn; beyond, the t test's power at 3 / pi of the seeds
_DRAWS: Final = 8000


@dataclass(frozen=True)
class PowerNote(Record):
    """What `runs` seeds can show when `comparisons` pairs are compared at that level.

    `smallest_p` is the smallest p value there is, before correction: 2 / 2^runs. `reachable` says whether, corrected,
    it comes down to 1 - level, which takes `runs_needed` seeds. `effect` is the Cohen's d_z that is found with
    probability `power`, and `probability` the paired probability of improvement of such a difference; both are None
    where nothing can be found. `sentence` says it.
    """

    runs: int
    comparisons: int
    level: float
    power: float
    smallest_p: float
    reachable: bool
    runs_needed: int
    effect: float | None
    probability: float | None
    sentence: str


def power_note(runs: int, *, comparisons: int = 1, level: float = 0.95, power: float = 0.8) -> PowerNote:
    """The smallest p value and the smallest effect that a paired comparison over `runs` seeds can find.

    With n seeds the sign-flip and Wilcoxon tests cannot give less than p = 2 / 2^n, every seed pointing one way; Holm
    multiplies the smallest of m p values by m. The effect is that of Wilcoxon's test at (1 - level) / m on normal
    differences: shifted by d it rejects where d exceeds minus the c-th largest mean of two of them, c the critical
    sum, so d is the `power` quantile of that over drawn samples (error about 1 %). Beyond 40 seeds it is the t test's
    at 3 n / pi seeds. Then the probability of improvement is Phi(d).

    Raises GoodinitError for fewer than 2 runs, no comparison, or a level or power outside (0, 1).

    >>> note = power_note(5)
    >>> note.smallest_p, note.reachable, note.runs_needed
    (0.0625, False, 6)
    >>> print(power_note(20).sentence)
    20 seeds find a difference with 80 % power where d_z is 0.68 or more: better on 75 % of seeds.

    Source: Hodges & Lehmann 1963 (means of two); Lehmann 1975, Nonparametrics.
    """
    n, m = check_count("runs", runs, low=2), check_count("comparisons", comparisons)
    alpha = (1 - check_level(level)) / m
    wanted = check_level(power, "power")
    if wanted < 0.5:
        raise GoodinitError(f"power={shown(power)}: power must be at least 0.5; 0.8 is usual")
    smallest = math.ldexp(2.0, -n)
    needed = max(2, math.ceil(1 - math.log2(alpha) - 1e-9))
    reachable = n >= needed
    effect = _effect(n, alpha, wanted) if reachable else None
    chance = None if effect is None else float(special.ndtr(effect))
    after = f" after correction for {m} comparisons" if m > 1 else ""
    if effect is None or chance is None:
        sentence = (
            f"{n} seeds are too few to find any difference: the smallest p there is, {min(m * smallest, 1):.2g}{after}"
            f", is above {1 - level:.2g}; run {needed} seeds or more."
        )
    else:
        share = math.floor(100 * chance)
        sentence = (
            f"{n} seeds find a difference{after} with {100 * wanted:.0f} % power where d_z is {effect:.2f} or more: "
            f"better on {'over 99' if share > 99 else share} % of seeds."
        )
    return PowerNote(n, m, float(level), wanted, smallest, reachable, needed, effect, chance, sentence)


@functools.lru_cache(maxsize=256)
def _effect(n: int, alpha: float, power: float) -> float:
    if n > _EXACT:
        return _effect_of_t(n, alpha, power)
    critical = _critical_sum(n, alpha)
    z = KeyedStream(0).normal("statistics.power", 0, _DRAWS * n).reshape(_DRAWS, n)
    first, second = np.triu_indices(n)
    thresholds = np.empty(_DRAWS)
    for at in range(0, _DRAWS, 1000):
        means = (z[at : at + 1000, first] + z[at : at + 1000, second]) / 2
        thresholds[at : at + 1000] = -np.partition(means, -critical, axis=1)[:, -critical]
    return float(np.quantile(thresholds, power))


def _critical_sum(n: int, alpha: float) -> int:
    """The smallest sum of positive ranks that Wilcoxon's test rejects at, both sides told."""
    chance = np.ones(1)
    for rank in range(1, n + 1):
        chance = (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0))) / 2
    above = np.cumsum(chance[::-1])[::-1]
    return int(np.argmax(2 * above <= alpha * (1 + 1e-9)))


def _effect_of_t(n: int, alpha: float, power: float) -> float:
    m = n * 3 / math.pi  # Wilcoxon's efficiency on normal differences
    critical = -float(special.stdtrit(m - 1, alpha / 2))
    low, high = 0.0, 4.0 * critical / math.sqrt(m) + 4.0
    for _ in range(60):
        middle = (low + high) / 2
        found = 1 - float(special.nctdtr(m - 1, middle * math.sqrt(m), critical))
        low, high = (low, middle) if found >= power else (middle, high)
    return high
