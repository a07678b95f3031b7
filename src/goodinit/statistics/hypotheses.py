"""Tests of no difference: sign flips, Wilcoxon's signed ranks, Friedman's ranks, and Holm's correction for many.

The two paired tests are exact given the sizes of the differences, with ties and zeros as they are: under no difference
every sign is as likely as the other. Both p values are two-sided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from goodinit.arguments import check_count
from goodinit.errors import GoodinitError, shown
from goodinit.statistics.arguments import RESAMPLES, read_numbers
from goodinit.statistics.estimate import Record
from goodinit.streams import KeyedStream

__all__ = ["Friedman", "friedman", "holm", "midranks", "sign_flip", "signed_ranks", "wilcoxon"]

Float64s = NDArray[np.float64]
_SPLIT: Final = 32  # differences whose 2^32 sign flips are counted exactly, as 2^16 against 2^16
_EXACT: Final = 200  # differences whose rank sums are counted exactly
_CHUNK: Final = 1 << 20
_ROUNDING: Final = 1e-12  # relative: sums that differ by less are the same sum


@dataclass(frozen=True)
class Friedman(Record):
    """Friedman's test: its statistic and p value, and each group's mean rank over seeds, 1 for the lowest score."""

    statistic: float
    p_value: float
    mean_ranks: tuple[float, ...]


def holm(p_values: ArrayLike) -> Float64s:
    """p values corrected so that the chance of any false finding among them is kept: Holm's step-down.

    With p sorted upwards, the i-th of m becomes the largest of (m - j + 1) p_j over j <= i, at most 1.
    `p_values` has shape (m,), from 0 to 1; the answer is in the same order.

    Raises GoodinitError for another shape, or a number outside 0 to 1.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise GoodinitError(f"p_values={shown(p_values)}: give one row of numbers from 0 to 1")
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(raised, 1.0)
    return corrected


def sign_flip(differences: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0, rounding: ArrayLike = 0.0) -> float:
    """The p value of the sign-flip permutation test that paired differences d have mean 0.

    p is the share of the 2^n sign patterns s with |sum s_i d_i| >= |sum d_i|. Zeros drop out, for they do not flip.
    Up to 32 other differences are counted exactly, by sums of one half against sorted sums of the other; beyond, p is
    (1 + hits) / (1 + resamples) over random patterns. Without a nonzero difference it is 1.

    `differences` has shape (n,), finite, n >= 2; `rounding` is how far each may be off, so that sums that would be
    equal count as equal.

    Raises GoodinitError for fewer than two differences, or one that is not finite.

    >>> sign_flip([1.0, 2.0, 3.0, 4.0])
    0.125

    Source: Fisher 1935, The design of experiments; Horowitz & Sahni 1974 (the halves).
    """
    d = read_numbers("differences", differences, ndim=1)
    check_count("resamples", resamples)
    if not np.isfinite(d).all():
        raise GoodinitError("differences hold a number that is not finite; put a floor in place of diverged runs")
    slack = float(np.broadcast_to(np.asarray(rounding, dtype=np.float64), d.shape).sum())
    d = d[d != 0]
    reach = abs(float(d.sum())) - slack - _ROUNDING * float(np.abs(d).sum())
    if d.size == 0 or reach <= 0:
        return 1.0
    if d.size > _SPLIT:
        stream, step, hits = KeyedStream(seed), max(1, _CHUNK // d.size), 0
        for at in range(0, resamples, step):
            stop = min(at + step, resamples)
            signs = stream.signs("statistics.sign-flip", at * d.size, stop * d.size).reshape(-1, d.size)
            hits += int((np.abs(signs @ d) >= reach).sum())
        return (1 + hits) / (1 + resamples)
    some, others = _signed_sums(d[: d.size // 2]), np.sort(_signed_sums(d[d.size // 2 :]))
    below = np.searchsorted(others, reach - some, side="left")
    upper = some.size * others.size - int(below.sum())
    return float(min(1.0, 2 * upper / 2**d.size))


def wilcoxon(differences: ArrayLike, *, rounding: ArrayLike = 0.0) -> float:
    """The p value of Wilcoxon's signed-rank test that paired differences lie symmetrically about 0.

    |d| is ranked, ties by their mean rank, zeros ranked and then left out (Pratt); T is the sum of the ranks with the
    signs of d, and p is the chance of |T| as large under random signs: exact up to 200 nonzero differences, ties and
    all, by convolution; beyond, the normal with variance sum of squared ranks.

    `differences` has shape (n,), n >= 2, and may be infinite: larger than every finite one. `rounding` is how far each
    may be off: nearer ones tie. Without a nonzero difference p is 1.

    Raises GoodinitError for fewer than two differences, or nan.

    >>> wilcoxon([0.3, 0.1, 0.2, -0.1, 0.4, 0.5, 0.2, 0.6])
    0.0234375

    Source: Wilcoxon 1945; Pratt 1959, Remarks on zeros and ties in the Wilcoxon signed rank procedures.
    """
    ranks = signed_ranks(differences, rounding=rounding)
    ranks = ranks[ranks != 0]
    doubled = np.rint(2 * np.abs(ranks)).astype(np.int64)
    whole, observed = int(doubled.sum()), abs(int(np.rint(2 * ranks.sum())))
    if observed == 0:
        return 1.0
    if ranks.size > _EXACT:
        return float(special.erfc(observed / math.sqrt(2 * float((doubled.astype(np.float64) ** 2).sum()))))
    chance = np.zeros(whole + 1)
    chance[0], top = 1.0, 0
    for rank in np.sort(doubled):  # the chance of each sum of the ranks that are positive
        chance[: top + 1] /= 2
        chance[rank : top + rank + 1] += chance[: top + 1].copy()
        top += int(rank)
    return min(1.0, 2 * float(chance[: (whole - observed) // 2 + 1].sum()))


def signed_ranks(differences: ArrayLike, *, rounding: ArrayLike = 0.0) -> Float64s:
    """The mean ranks of |d| among all n, with the signs of d; 0 for a zero difference, which keeps its place.

    >>> signed_ranks([0.0, -2.0, 5.0, 2.0]).tolist()
    [0.0, -2.5, 4.0, 2.5]
    """
    d = read_numbers("differences", differences, ndim=1)
    if np.isnan(d).any():
        raise GoodinitError("differences hold nan; a pair of diverged runs is a tie, 0")
    off = np.broadcast_to(np.asarray(rounding, dtype=np.float64), d.shape)
    size = np.where(np.abs(d) <= off, 0.0, np.abs(d))
    order = np.argsort(size, kind="stable")
    near = off[order][1:] + off[order][:-1]
    with np.errstate(invalid="ignore"):  # inf - inf: a tie
        apart = np.diff(size[order]) > near
    tied = np.concatenate([[0], np.cumsum(apart)])  # the number of the tie that each belongs to
    many = np.bincount(tied)
    ranks = np.empty(d.size)
    ranks[order] = (np.cumsum(many) - (many - 1) / 2)[tied]
    return np.where(size > 0, ranks * np.sign(d), 0.0)


def friedman(scores: ArrayLike) -> Friedman:
    """Friedman's test that k groups do not differ, their scores ranked within each seed.

    With r_ij the mean rank of group j on seed i of n, the statistic is (k - 1) sum_j (sum_i r_ij - n (k + 1) / 2)^2 /
    (sum_ij r_ij^2 - n k (k + 1)^2 / 4), which is corrected for ties; p is that of chi-square with k - 1 degrees of
    freedom, a little too large for few seeds. Where every seed ties all groups the statistic is 0 and p is 1.

    `scores` has shape (k, n), k and n at least 2, and may be infinite.

    Raises GoodinitError for another shape, or nan.

    >>> friedman([[1, 2, 1], [2, 3, 3], [4, 4, 5]]).statistic
    6.0

    Source: Friedman 1937; Conover 1999, Practical nonparametric statistics (ties).
    """
    x = read_numbers("scores", scores, ndim=2)
    k, n = x.shape
    if k < 2:
        raise GoodinitError(f"scores has shape {x.shape}: two groups or more are needed")
    if np.isnan(x).any():
        raise GoodinitError("scores hold nan; give diverged runs the worst infinity")
    ranks = midranks(x.T)
    sums = ranks.sum(axis=0)
    spread = float((ranks**2).sum()) - n * k * (k + 1) ** 2 / 4
    statistic = 0.0 if spread <= 0 else (k - 1) * float(((sums - n * (k + 1) / 2) ** 2).sum()) / spread
    return Friedman(statistic, float(special.chdtrc(k - 1, statistic)), tuple((sums / n).tolist()))


def midranks(rows: Float64s) -> Float64s:
    """The ranks within each row, 1 for the smallest; ties share their mean rank."""
    below = (rows[:, None, :] < rows[:, :, None]).sum(axis=2)
    equal = (rows[:, None, :] == rows[:, :, None]).sum(axis=2)
    return np.asarray(below + (equal + 1) / 2, dtype=np.float64)


def _signed_sums(d: Float64s) -> Float64s:
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    return sums
