"""Published claims, tested at tuned rates: whether each survives, vanishes, reverses, or cannot be told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

import numpy as np

from goodinit.statistics import Estimate, bootstrap
from goodinit.suite.records import StartResult, SuiteResult
from goodinit.suite.registered import SuiteProtocol, registered

__all__ = ["ALIKE", "ClaimResult", "Outcome", "counted", "judge_claims"]

Outcome = Literal["survives", "vanishes", "reverses", "cannot be told"]
ALIKE: Final = 0.1
"""How far from 1 the ratio of two starts' losses may lie where they are called alike."""


@dataclass(frozen=True)
class ClaimResult:
    """What became of a claim that the start `claimed` is better than `base`.

    `usual` is the verdict at one usual rate, without tuning; `p_value`, `ratio` and `outcome` are at tuned rates.
    `ratio` is the median of the paired ratios of test losses, claimed over base, with its interval; None where a run
    of either diverged. `losses` and `diverged` are the medians and the diverged runs of base and claimed.
    """

    name: str
    claim: str
    source: str
    base: str
    claimed: str
    usual: str
    p_value: float
    ratio: Estimate | None
    losses: tuple[float, float]
    rates: tuple[float, float]
    diverged: tuple[int, int]
    outcome: Outcome


def judge_claims(found: SuiteResult, protocol: SuiteProtocol | None = None) -> tuple[ClaimResult, ...]:
    """The claims among the tasks of some results, in the order of what is registered."""
    tasks = {task.name: task for task in found.tasks}
    judged = []
    for each in (protocol or registered("claims")).tasks:
        if not each.claim or each.name not in tasks:
            continue
        task = tasks[each.name]
        low, high = (task.of(budget) for budget in (min(task.budgets), max(task.budgets)))
        base, claimed = high
        assert claimed.p_value is not None
        ratio = _ratio(claimed, base)
        judged.append(
            ClaimResult(
                each.name,
                each.claim,
                each.source,
                base.start,
                claimed.start,
                low[1].verdict,
                claimed.p_value,
                ratio,
                (median(base.losses), median(claimed.losses)),
                (base.learning_rate, claimed.learning_rate),
                (base.diverged, claimed.diverged),
                _outcome(claimed.verdict, ratio),
            )
        )
    return tuple(judged)


def _ratio(claimed: StartResult, base: StartResult) -> Estimate | None:
    values = np.log(np.array([claimed.losses, base.losses]))
    if not np.isfinite(values).all():
        return None
    found = bootstrap(values[0] - values[1], "median")
    return Estimate(math.exp(found.value), math.exp(found.low), math.exp(found.high), found.level, found.method)


def _outcome(verdict: str, ratio: Estimate | None) -> Outcome:
    if verdict in ("better", "worse"):
        return "survives" if verdict == "better" else "reverses"
    alike = ratio is not None and ratio.low >= 1 / (1 + ALIKE) and ratio.high <= 1 + ALIKE
    return "vanishes" if alike else "cannot be told"


def counted(claims: Sequence[ClaimResult]) -> str:
    """How many of the claims have each outcome, in words."""
    outcomes: tuple[Outcome, ...] = ("survives", "vanishes", "reverses", "cannot be told")
    return ", ".join(f"{sum(each.outcome == one for each in claims)} {one}" for one in outcomes)
