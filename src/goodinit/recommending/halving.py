"""The first policy of a race: successive halving of (start, rate) on seeds of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from goodinit.comparison.policies import Finished, Wave
from goodinit.comparison.tuning import criterion_value
from goodinit.methods import Start
from goodinit.recommending.ranking import smoothed_losses
from goodinit.recommending.records import RungResult, Standing
from goodinit.results import Job, Study, Trial

__all__ = ["Arm", "Rung", "SuccessiveHalving"]


@dataclass(frozen=True)
class Arm:
    """A start at a learning rate."""

    start: Start
    rate: float

    @property
    def key(self) -> tuple[str, float]:
        """How trials name it."""
        return str(self.start), self.rate

    def __hash__(self) -> int:
        return hash(self.key)  # a start may hold what cannot be hashed, as a recipe's table


_Judged = tuple[Arm, float, tuple[int, ...], list[Trial]]  # the median of the criterion on the seeds, and their trials


@dataclass(frozen=True)
class Rung:
    """The study's task of that number trains every arm that is left on the seeds.

    `keep` of the arms go on, of at least `starts` different starts where there are as many.
    """

    task: int
    seeds: tuple[int, ...]
    keep: int
    starts: int = 1


@dataclass(frozen=True)
class SuccessiveHalving:
    """Arms that are trained briefly, the best of them longer, and so on (Karnin, Koren & Somekh 2013).

    Arms are ranked by `smoothed_losses`. The baseline keeps two of its rates through every rung, so that others are
    held against it at its best. At the end the rates beside each finalist's are tried in full, among the `finer` ones,
    again where that moved its best, and then those half way to them: short runs favour high rates, a tight budget
    leaves some out, and the best may lie between. After a seed of a rung that ends `late`, the rung is judged by the
    seeds that it has.
    """

    study: Study
    arms: tuple[Arm, ...]
    rungs: tuple[Rung, ...]
    baseline: str
    finer: tuple[float, ...] = ()
    late: Callable[[], bool] = lambda: False

    def waves(self, finished: Finished) -> Iterator[Wave]:
        """A wave for each rung and seed."""
        arms = self.arms
        for number, rung in enumerate(self.rungs):
            task = self.study.tasks[rung.task]
            for seed in rung.seeds:
                what = f"rung {number + 1} of {len(self.rungs)}, {task.schedule.steps:,} steps"
                yield Wave(what, tuple(self._job(rung, arm, seed) for arm in arms))
                if self.late():
                    break
            judged = self._judged(rung, arms, finished)
            arms = self._kept(rung, judged)
        for number, stage in enumerate(self._stages):
            more = stage(self._refined(judged, finished, number))
            for seed in rung.seeds if more else ():
                what = f"neighbouring rates, {task.schedule.steps:,} steps"
                yield Wave(what, tuple(self._job(rung, arm, seed) for arm in more))
                if self.late():
                    return

    def results(self, finished: Finished) -> tuple[RungResult, ...]:
        """The rungs that have ended or begun, as far as their seeds are whole."""
        arms, found = self.arms, list[RungResult]()
        for rung in self.rungs:
            judged = self._judged(rung, arms, finished)
            if not judged:
                return tuple(found)
            arms = self._kept(rung, judged)
            found.append(self._result(rung, judged, arms))
        refined = self._refined(judged, finished)
        if len(refined) > len(judged):
            leaders = self._leaders(refined)
            names = {arm.key[0] for arm in leaders}
            found.append(self._result(rung, [each for each in refined if each[0].key[0] in names], leaders))
        return tuple(found)

    def _result(self, rung: Rung, judged: Sequence[_Judged], kept: Sequence[Arm]) -> RungResult:
        going = {arm.key for arm in kept}
        standings = tuple(
            Standing(*arm.key, value, arm.key in going, _curve(trials)) for arm, value, _, trials in judged
        )
        return RungResult(self.study.tasks[rung.task].schedule.steps, judged[0][2], standings)

    def best_of(self, start: Start, finished: Finished, most: int) -> tuple[Arm, ...]:
        """The start at the best of its rates, of those that the last rung has trained."""
        own = [arm for arm, value, *_ in self._last(finished) if math.isfinite(value)]
        return tuple(arm for arm in own if arm.key[0] == str(start))[:most]

    def finalists(self, finished: Finished, most: int, rates: int = 1) -> tuple[Arm, ...]:
        """The baseline at its best rate, the best other starts at theirs, the baseline at the next of its best `rates`.

        Any of those may be its best in truth. Starts that always fail are left out.
        """
        own, *others = self._leaders(self._last(finished), most)
        near = self.best_of(own.start, finished, rates)
        return (own, *others, *[arm for arm in near if arm != own][: rates - 1])

    def _last(self, finished: Finished) -> list[_Judged]:
        """The arms of the last rung that has any, with those that were tried beside them, best first."""
        arms, judged = self.arms, list[_Judged]()
        for rung in self.rungs:
            judged = self._judged(rung, arms, finished) or judged
            arms = self._kept(rung, judged)
        return self._refined(judged, finished)

    def _leaders(self, judged: Sequence[_Judged], most: int | None = None) -> tuple[Arm, ...]:
        """The baseline at its best rate, then the best other starts at theirs, as many as the last rung is sure of."""
        best: dict[str, tuple[Arm, float]] = {}
        for arm, value, _, _ in judged:
            best.setdefault(arm.key[0], (arm, value))
        own = best.pop(self.baseline)[0]
        others = [arm for arm, value in best.values() if math.isfinite(value)]
        return (own, *others[: self.rungs[-1].starts - 1 if most is None else most])

    @property
    def _stages(self) -> tuple[Callable[[Sequence[_Judged]], tuple[Arm, ...]], ...]:
        """What says which arms the last rung is given beside its own, one after the other."""
        return (self._beside, self._beside, self._between) if self.finer else ()

    def _beside(self, judged: Sequence[_Judged]) -> tuple[Arm, ...]:
        """The rates next to the leaders', where the last rung has not trained them."""
        known = {arm.key for arm, *_ in judged}
        rates = sorted(self.finer)
        found = []
        for leader in self._leaders(judged) if judged else ():
            near = [Arm(leader.start, rate) for rate in _next_to(rates, leader.rate)]
            found += [arm for arm in near if arm.key not in known]
        return tuple(found)

    def _between(self, judged: Sequence[_Judged]) -> tuple[Arm, ...]:
        """The rates half way from the leaders' to the next ones that were trained, to two digits."""
        found = []
        for leader in self._leaders(judged) if judged else ():
            rates = sorted(arm.rate for arm, *_ in judged if arm.key[0] == leader.key[0])
            middle = [float(f"{math.sqrt(rate * leader.rate):.2g}") for rate in _next_to(rates, leader.rate)]
            found += [Arm(leader.start, rate) for rate in middle if rate not in rates]
        return tuple(found)

    def _refined(self, judged: list[_Judged], finished: Finished, stages: int | None = None) -> list[_Judged]:
        """The arms of the last rung with those of the stages, as far as they have been trained, best first."""
        arms, tried = [arm for arm, *_ in judged], list[Arm]()
        for stage in self._stages[:stages]:
            tried += [arm for arm in stage(judged) if arm not in tried]
            judged = self._judged(self.rungs[-1], arms, finished, tried)
        return judged

    def _job(self, rung: Rung, arm: Arm, seed: int) -> Job:
        return Job(rung.task, arm.start, arm.rate, seed, "tuning")

    def _judged(
        self, rung: Rung, arms: Sequence[Arm], finished: Finished, further: Sequence[Arm] = ()
    ) -> list[_Judged]:
        """The arms, best first, by the seeds on which all have ended, with their medians; none where there is none.

        The `further` ones are judged by those of these seeds that they have ended, and left out where they have none.
        """
        trials = finished([self._job(rung, arm, seed) for arm in (*arms, *further) for seed in rung.seeds])
        place = {(trial.initialization, trial.learning_rate, trial.seed): trial for trial in trials}
        seeds = tuple(seed for seed in rung.seeds if all((*arm.key, seed) in place for arm in arms))
        judged, values = list[_Judged](), list[list[float]]()
        for arm in (*arms, *further):
            own = {seed: place[(*arm.key, seed)] for seed in seeds if (*arm.key, seed) in place}
            if own:
                known = {at: self._value(trial) for at, trial in own.items() if not trial.machine_failure}
                middle = float(median(known.values())) if known else math.inf
                values.append([known.get(seed, math.nan) for seed in seeds])
                judged.append((arm, middle, seeds, list(own.values())))
        if not judged:
            return []
        found = [arm for arm, *_ in judged]
        losses = smoothed_losses(values, [arm.rate for arm in found], [arm.key[0] for arm in found])
        order = sorted(range(len(found)), key=lambda at: (not math.isfinite(judged[at][1]), losses[at], found[at].rate))
        return [judged[at] for at in order]

    def _value(self, trial: Trial) -> float:
        return criterion_value(trial, self.study.criterion)

    def _kept(self, rung: Rung, judged: Sequence[_Judged]) -> tuple[Arm, ...]:
        ranked = [arm for arm, *_ in judged]
        firsts: dict[str, Arm] = {}
        for arm in ranked:
            firsts.setdefault(arm.key[0], arm)
        sure = [*list(firsts.values())[: rung.starts]]
        others = [arm for arm in ranked if arm not in sure]
        kept = [*sure, *others[: max(0, rung.keep - len(sure))]]
        own = [arm for arm in ranked if arm.key[0] == self.baseline][:2]
        return tuple(arm for arm in ranked if arm in kept or arm in own)


def _next_to(rates: Sequence[float], rate: float) -> tuple[float, ...]:
    """The next lower and the next higher of sorted rates, as far as there are."""
    at = rates.index(rate)
    return (*rates[max(0, at - 1) : at], *rates[at + 1 : at + 2])


def _curve(trials: Sequence[Trial]) -> tuple[tuple[int, float], ...]:
    """The median training loss at each recorded step that all trials have, and at the end."""
    points: dict[int, list[float]] = {}
    for trial in trials:
        for step, loss in (*zip(trial.loss_steps, trial.loss_values, strict=True), (trial.steps, trial.final_loss)):
            points.setdefault(step, []).append(loss)
    whole = ((step, losses) for step, losses in sorted(points.items()) if len(losses) == len(trials))
    return tuple((step, float(median(losses))) for step, losses in whole if all(map(math.isfinite, losses)))
