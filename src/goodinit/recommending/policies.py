"""The policies of a race: successive halving of (start, rate) on seeds of its own, then finals on fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from goodinit.comparison.policies import Finished, Wave
from goodinit.comparison.tuning import criterion_value
from goodinit.methods import Start
from goodinit.recommending.ranking import smoothed_losses
from goodinit.recommending.records import FinalResult, RungResult, Standing
from goodinit.results import Job, Study, Trial
from goodinit.statistics import adjust_evidence, pairs_needed, share_at_least, sign_evidence

__all__ = ["ERROR", "LOST", "Arm", "Finals", "Rung", "SuccessiveHalving"]

ERROR: Final = 0.05  # the chance that the whole race calls a start better that is not
LOST: Final = 5  # the e-value of "it loses" at which a rival drops out: four seeds of four
_ENOUGH: Final = 20  # seeds after which a race is given up where no finalist wins more than it loses


@dataclass(frozen=True)
class Arm:
    """A start at a learning rate."""

    start: Start
    rate: float

    @property
    def key(self) -> tuple[str, float]:
        """How trials name it."""
        return str(self.start), self.rate


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


@dataclass(frozen=True)
class Finals:
    """The finalists on fresh paired seeds, some at a time, until one leads and can be told.

    The baseline is there at the rates that tuning put first, the best of which is the first arm, and at every rival's
    rate. A rival is called better where it is better than at all of them: tuning chooses rates from few runs, and a
    rival that is better than a baseline at a worse rate says nothing of starts. One that loses drops out, and leaves
    its time to the others. The race may end after any seed, and go on another day: the evidence holds its error at
    every moment.
    """

    study: Study
    task: int
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    at_once: int = 1
    trainings: int | None = None

    @classmethod
    def entered(cls, finalists: Sequence[Arm]) -> tuple[Arm, ...]:
        """The arms of the finals of these finalists, the baseline's first, with the baseline at their rates."""
        own = finalists[0]
        known = {arm.key for arm in finalists}
        rates = dict.fromkeys(arm.rate for arm in finalists if arm.key[0] != own.key[0])
        return (*finalists, *(Arm(own.start, rate) for rate in rates if (own.key[0], rate) not in known))

    def waves(self, finished: Finished) -> Iterator[Wave]:
        """A wave for every `at_once` seeds, until the finals are decided, or the trainings are used up."""
        trainings = math.inf if self.trainings is None else self.trainings
        for at in range(0, len(self.seeds), self.at_once):
            if self.decided(finished):
                return
            before = {seed: row for seed, row in self.paired(finished).items() if seed in self.seeds[:at]}
            left = self._left(before)
            some = self.seeds[at : at + int(min(self.at_once, trainings // len(left)))]
            if not some:
                return
            trainings -= len(some) * len(left)
            yield Wave("finals", tuple(self._job(self.arms[place], seed) for seed in some for place in left))

    def _job(self, arm: Arm, seed: int) -> Job:
        return Job(self.task, arm.start, arm.rate, seed, "evaluation")

    def paired(self, finished: Finished) -> dict[int, dict[int, Trial]]:
        """The trials of each seed, by the place of their arm, that all arms which were left have ended.

        None that the machine ended is among them.
        """
        trials = finished([self._job(arm, seed) for arm in self.arms for seed in self.seeds])
        place = {(trial.initialization, trial.learning_rate, trial.seed): trial for trial in trials}
        rows: dict[int, dict[int, Trial]] = {}
        left = self._left(rows)
        for seed in self.seeds:
            row = {at: place.get((*self.arms[at].key, seed)) for at in left}
            known = {at: trial for at, trial in row.items() if trial is not None and not trial.machine_failure}
            if len(known) == len(left):
                rows[seed] = known
                left = self._left(rows)
        return rows

    def _left(self, rows: Mapping[int, Mapping[int, Trial]]) -> tuple[int, ...]:
        """The places of the baseline's arms, and of the rivals that do not clearly lose."""
        paths = self._paths(rows)
        lost = [at for at, path in paths.items() if path and sign_evidence(path[-1].losses, path[-1].wins) >= LOST]
        return tuple(at for at in range(len(self.arms)) if at not in lost)

    def _paths(self, rows: Mapping[int, Mapping[int, Trial]]) -> dict[int, list[_Signs]]:
        """For the place of each rival the weakest evidence against any of the baseline's rates, after each seed."""
        bases = [at for at, arm in enumerate(self.arms) if arm.key[0] == self.arms[0].key[0]]
        paths = dict[int, list[_Signs]]()
        for at in range(len(self.arms)):
            if at not in bases:
                own = [row for row in rows.values() if at in row]
                paths[at] = _hardest(*([self._value(row[each]) for row in own] for each in (at, *bases)))
        return paths

    def _value(self, trial: Trial) -> float:
        return criterion_value(trial, self.study.criterion)

    def decided(self, finished: Finished) -> bool:
        """Whether the rival that leads is better than the baseline, or after 20 seeds none wins more than it loses.

        A baseline that leads goes on: another may come to be told from it, or another of its own rates. With no rival
        and one rate there is nothing to decide.
        """
        found = self.results(finished)
        others = [each for each in found if each.share is not None]
        if len(self._left(self.paired(finished))) == 1:
            return True
        if len(found[0].values) >= _ENOUGH and all(each.wins <= each.losses for each in others):
            return True
        leader = min(others, key=_lead, default=None)
        if leader is None or not leader.better:
            return False
        return all(leader.median <= each.median for each in found if each.share is None)

    def results(self, finished: Finished) -> tuple[FinalResult, ...]:
        """What the fresh seeds say of each arm, in their order; of one that dropped out those that it had."""
        rows = self.paired(finished)
        paths = self._paths(rows)
        last = [path[-1].evidence if path else 1.0 for path in paths.values()]
        adjusted = dict(zip(paths, adjust_evidence(last).tolist(), strict=True))
        found = []
        for at, arm in enumerate(self.arms):
            trials = [row[at] for row in rows.values() if at in row]
            values = [self._value(trial) for trial in trials]
            plain = FinalResult(
                *arm.key,
                values=tuple(values),
                median=float(median(values)) if values else math.nan,
                score=float(median(trial.test_score for trial in trials)) if trials else math.nan,
                diverged=sum(trial.diverged or trial.failure is not None for trial in trials),
            )
            found.append(_against(plain, paths[at], adjusted[at], len(paths)) if at in paths else plain)
        return tuple(found)


def _against(plain: FinalResult, path: Sequence[_Signs], adjusted: float, rivals: int) -> FinalResult:
    """The result with what the seeds say against the baseline; `rivals` are told at once."""
    last = path[-1] if path else _Signs(0, 0, 1.0)
    better = adjusted >= 1 / ERROR - 1e-9
    more = 0 if better else pairs_needed(last.wins, last.losses, comparisons=rivals, level=1 - ERROR)
    return replace(
        plain,
        wins=last.wins,
        ties=len(path) - last.wins - last.losses,
        losses=last.losses,
        share=share_at_least(last.wins, last.losses),
        evidence=tuple(each.evidence for each in path),
        adjusted=adjusted,
        better=better,
        more=more,
    )


def _lead(found: FinalResult) -> tuple[float, float]:
    return (found.median if not math.isnan(found.median) else math.inf, -float(found.wins))


@dataclass(frozen=True)
class _Signs:
    """Wins and losses after a seed, and the evidence that they are."""

    wins: int
    losses: int
    evidence: float


def _hardest(own: Sequence[float], *bases: Sequence[float]) -> list[_Signs]:
    """After each seed the weakest evidence against any of the baseline's rows, which has the error of each of them."""
    paths = [_signs(own, base) for base in bases]
    return [min(each, key=lambda signs: (signs.evidence, signs.wins)) for each in zip(*paths, strict=True)]


def _signs(own: Sequence[float], base: Sequence[float]) -> list[_Signs]:
    """Wins, losses and the e-value after each seed; a pair of diverged runs is a tie."""
    wins, losses, path = 0, 0, list[_Signs]()
    for a, b in zip(own, base, strict=True):
        wins, losses = wins + (a < b), losses + (a > b)
        path.append(_Signs(wins, losses, sign_evidence(wins, losses)))
    return path


def _curve(trials: Sequence[Trial]) -> tuple[tuple[int, float], ...]:
    """The median training loss at each recorded step that all trials have, and at the end."""
    points: dict[int, list[float]] = {}
    for trial in trials:
        for step, loss in (*zip(trial.loss_steps, trial.loss_values, strict=True), (trial.steps, trial.final_loss)):
            points.setdefault(step, []).append(loss)
    whole = ((step, losses) for step, losses in sorted(points.items()) if len(losses) == len(trials))
    return tuple((step, float(median(losses))) for step, losses in whole if all(map(math.isfinite, losses)))
