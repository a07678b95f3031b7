"""What a race does with its budget: starts, rates, rungs, finalists, and how many steps a run has."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from goodinit.arguments import is_number
from goodinit.errors import GoodinitError, shown

__all__ = ["SCREENING", "RacePlan", "RungPlan", "make_plan", "read_budget"]

SCREENING: Final = 0.5  # of the budget goes to finding the finalists
_ETA: Final = 3  # of so many arms one goes on
_FRACTIONS: Final = ((1 / 3, 1.0), (1 / 9, 1 / 3, 1.0), (1 / 27, 1 / 9, 1 / 3, 1.0), (1.0,))
_SHORTEST: Final = 20  # steps of the first rung
_SEEDS: Final = ((5, 5), (4, 4), (3, 3), (2, 3), (1, 3), (1, 2), (1, 1))  # of a rung, and of the last
_AMPLE: Final = ((8, 8), *_SEEDS[:1])  # of a budget that holds every start at every rate
_FINALS: Final = ((5, 3, 40), (3, 3, 12), (2, 3, 9), (1, 3, 6), (1, 2, 6), (1, 1, 6))
"""Rivals, rates of the baseline, and seeds for all of them at least; 6 seeds tell one rival from the baseline."""
_FINER: Final = 4  # rates that are tried beside that of a finalist, at most
_UNITS: Final = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_WANTED: Final = 60  # full trainings that a race should have: where the steps are ours to choose, they follow


@dataclass(frozen=True)
class RungPlan:
    """A rung: its steps, how many seeds, and how many arms go on."""

    steps: int
    seeds: int
    keep: int


@dataclass(frozen=True)
class RacePlan:
    """The rates of every start, the rungs, and at most so many finalists beside the baseline, which has `own` rates.

    Of the starts the first `starts` are raced; None for all of them.
    `finer` are the rates among which the neighbours of each finalist's are tried at the end, with the rates half way to
    them; none where the budget is too tight for it.
    """

    rates: tuple[float, ...]
    rungs: tuple[RungPlan, ...]
    finalists: int
    finer: tuple[float, ...] = ()
    own: int = 1
    starts: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        rungs = [[rung.steps, rung.seeds, rung.keep] for rung in self.rungs]
        finer = {"finer": list(self.finer)} if self.finer else {}
        facts = {"rates": list(self.rates), "rungs": rungs, "finalists": self.finalists, "own": self.own}
        return {**facts, **finer, **({} if self.starts is None else {"starts": self.starts})}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> RacePlan:
        """The plan of which `to_dict` made these facts."""
        rungs = tuple(RungPlan(*rung) for rung in facts["rungs"])
        finer, own, starts = tuple(facts.get("finer", ())), facts.get("own", 1), facts.get("starts")
        return cls(tuple(facts["rates"]), rungs, facts["finalists"], finer, own, starts)

    def spent(self, starts: int, cost: Callable[[int], float]) -> float:
        """What it costs until the finals, with so many starts; `cost` says what a run of so many steps does."""
        arms, spent = starts * len(self.rates), 0.0
        for rung in self.rungs:
            spent += arms * rung.seeds * cost(rung.steps)
            arms = min(arms, rung.keep + 2)  # with the baseline's own
        last = self.rungs[-1]
        return spent + bool(self.finer) * _FINER * (self.finalists + 1) * last.seeds * cost(last.steps)


def read_budget(given: str | float) -> tuple[float | None, int | None]:
    """A budget as seconds, or as a number of full trainings: one of the two.

    >>> read_budget("2min"), read_budget("90s"), read_budget(200)
    ((120.0, None), (90.0, None), (None, 200))

    Raises GoodinitError for another form.
    """
    wrong = GoodinitError(
        f"budget {shown(given)}: give a time, such as '2min', '90s' or '1h', or a number of full trainings, such as 200"
    )
    if isinstance(given, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", given.lower())
        if match is None or match[2] not in _UNITS:
            raise wrong
        if match[2] == "":  # the command line's way of a number
            given = float(match[1])
        else:
            seconds = float(match[1]) * _UNITS[match[2]]
            if not 0 < seconds < math.inf:
                raise wrong
            return seconds, None
    if not is_number(given) or given != int(given) or not 1 <= given <= 10**7:
        raise wrong
    return None, int(given)


def make_plan(
    starts: int,
    rates: tuple[float, ...],
    steps: int,
    budget: float,
    cost: Callable[[int], float],
    fewer: int | None = None,
) -> RacePlan:
    """The plan for a budget, in whatever unit `cost` has, which says what a run of so many steps costs.

    Of the starts the first `fewer` are raced where there is not room for all at every rate. The grid of rates is
    thinned out before the seeds are. Raises GoodinitError where the budget is too small for any race, with the one that
    would do.
    """
    fewer = starts if fewer is None else min(fewer, starts)
    full = cost(steps)
    room = budget * (1 - SCREENING) / full
    finals = ((min(rivals, fewer - 1), min(own, len(rates)), seeds) for rivals, own, seeds in _FINALS)
    finalists, own = next(
        ((rivals, own) for rivals, own, seeds in finals if room >= (2 * rivals + own) * seeds), (0, 1)
    )  # the baseline is there at each rival's rate
    least = math.inf
    for count, plan in _plans(starts, fewer, rates, steps, max(finalists, 1), own):
        spent = plan.spent(count, cost)
        least = min(least, spent)
        if finalists and spent <= budget * SCREENING:
            return plan
    needed = max(least / SCREENING, full * 3 * 6 / (1 - SCREENING))
    raise TooSmallError(budget, needed)


def _plans(
    starts: int, fewer: int, rates: tuple[float, ...], steps: int, finalists: int, own: int
) -> Iterator[tuple[int, RacePlan]]:
    """All plans, the better ones first, each with how many starts it races.

    With neighbouring rates at the end come first, then those of every start, of more rates, of more seeds; fewer rates
    serve more than one seed does.
    """
    grids = _grids(rates)
    for finer in (rates, ()) if len(rates) > 1 else ((),):
        for count, some, choices in (
            (starts, grids[:1], _AMPLE),
            (fewer, grids, _SEEDS[:-1]),
            (fewer, grids, _SEEDS[-1:]),
        ):
            for grid, (seeds, last), fractions in itertools.product(some, choices, _FRACTIONS):
                lengths = [max(1, round(steps * fraction)) for fraction in fractions]
                if lengths[0] < _SHORTEST and len(lengths) > 1:
                    continue
                rungs = _rungs(count * len(grid), lengths, (seeds, last), finalists)
                raced = None if count == starts else count
                yield count, RacePlan(grid, rungs, finalists, finer, own, raced)


class TooSmallError(GoodinitError):
    """A budget that no race fits into; `needed` would do."""

    def __init__(self, budget: float, needed: float) -> None:
        super().__init__(f"the budget of {budget:.3g} is too small for a race; {needed:.3g} is the least")
        self.budget, self.needed = budget, needed


def shorter(steps: int, budget: float, cost: Callable[[int], float]) -> int:
    """The steps that a run may have for a budget to hold a race, at most `steps`, in a round number."""
    while steps > 5 * _SHORTEST and budget < _WANTED * cost(steps):
        steps = _round(steps * 0.8)
    return steps


def _round(number: float) -> int:
    unit = int(10 ** max(0, len(str(int(number))) - 2))
    return int(number) // unit * unit


def _grids(rates: tuple[float, ...]) -> list[tuple[float, ...]]:
    """The rates, every second of them, and every second between the first and the last."""
    found = [rates]
    for grid in (rates[::2], rates[1:-1:2]):
        if grid not in found and len(grid) > 1:
            found.append(grid)
    return found


def _rungs(arms: int, lengths: list[int], seeds: tuple[int, int], finalists: int) -> tuple[RungPlan, ...]:
    rungs = []
    for place, length in enumerate(lengths):
        keep = max(math.ceil(arms / _ETA), finalists + 1)
        rungs.append(RungPlan(length, seeds[place == len(lengths) - 1], keep))
        arms = min(arms, keep)
    return tuple(rungs)
