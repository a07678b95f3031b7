"""The second policy of a race: the finalists on fresh paired seeds, until one can be told from the baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Final

from goodinit.comparison.policies import Finished, Wave
from goodinit.comparison.tuning import criterion_value
from goodinit.recommending.duels import LOST, Duels, lead_over, seeds_at_once
from goodinit.recommending.halving import Arm
from goodinit.recommending.records import FinalResult
from goodinit.results import Job, Study, Trial
from goodinit.statistics import SignedRankEvidence, adjust_evidence, pairs_needed, share_at_least

__all__ = ["ERROR", "Finals", "best_finalists"]

ERROR: Final = 0.05  # the chance that the whole race calls a start better that is not
_ENOUGH: Final = 20  # seeds after which a race is given up where no finalist wins more than it loses


@dataclass(frozen=True)
class Finals:
    """The finalists on fresh paired seeds, some at a time, until one leads and can be told, and the others too.

    The baseline is there at the rates that tuning put first, the best of which is the first arm, and at every rival's
    rate. A rival is called better where it is better than at all of them: tuning chooses rates from few runs, and a
    rival that is better than a baseline at a worse rate says nothing of starts. One that loses, to the baseline or to
    another rival, drops out and leaves its time to the others. When it is `late`, or half of the trainings are used,
    one that leads and is better is enough. The race may end after any seed, and go on another day: the evidence holds
    its error at every moment.
    """

    study: Study
    task: int
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    at_once: int = 1
    trainings: int | None = None
    late: Callable[[], bool] = lambda: False

    @classmethod
    def entered(cls, finalists: Sequence[Arm]) -> tuple[Arm, ...]:
        """The arms of the finals of these finalists, the baseline's first, with the baseline at their rates."""
        own = finalists[0]
        known = {arm.key for arm in finalists}
        rates = dict.fromkeys(arm.rate for arm in finalists if arm.key[0] != own.key[0])
        return (*finalists, *(Arm(own.start, rate) for rate in rates if (own.key[0], rate) not in known))

    def waves(self, finished: Finished) -> Iterator[Wave]:
        """A wave for every `at_once` seeds or more, until the finals are decided, or the trainings are used up."""
        trainings, at = math.inf if self.trainings is None else self.trainings, 0
        while not self._decided(walk := self._walked(finished, self.seeds[:at])):
            most = min(seeds_at_once(self.at_once, at), trainings // len(walk.left))
            some = self.seeds[at : at + int(most)]
            if not some:
                return
            at, trainings = at + len(some), trainings - len(some) * len(walk.left)
            yield Wave("finals", tuple(self._job(self.arms[place], seed) for seed in some for place in walk.left))

    def _job(self, arm: Arm, seed: int) -> Job:
        return Job(self.task, arm.start, arm.rate, seed, "evaluation")

    def paired(self, finished: Finished) -> Mapping[int, Mapping[int, Trial]]:
        """The trials of each seed, by the place of their arm, that all arms which were left have ended.

        None that the machine ended is among them.
        """
        return self._walked(finished, self.seeds).rows

    def _walked(self, finished: Finished, seeds: Sequence[int]) -> _Walk:
        """What the seeds say, one after the other: each is trained by the arms that the ones before have left."""
        trials = finished([self._job(arm, seed) for arm in self.arms for seed in seeds])
        place = {(trial.initialization, trial.learning_rate, trial.seed): trial for trial in trials}
        bases = [at for at, arm in enumerate(self.arms) if arm.key[0] == self.arms[0].key[0]]
        every = range(len(self.arms))
        walk = _Walk({at: _Rival(bases) for at in every if at not in bases}, tuple(every))
        for seed in seeds:
            row = {at: place.get((*self.arms[at].key, seed)) for at in walk.left}
            known = {at: trial for at, trial in row.items() if trial is not None and not trial.machine_failure}
            if len(known) == len(walk.left):
                walk.add(seed, known, {at: self._value(trial) for at, trial in known.items()})
        return walk

    def _value(self, trial: Trial) -> float:
        return criterion_value(trial, self.study.criterion)

    def _decided(self, walk: _Walk) -> bool:
        """Whether the rival that leads is better than the baseline, and each that is left beside it, or it is late.

        Or whether after 20 seeds none wins more than it loses. A baseline that leads goes on: another may come to be
        told from it, or another of its own rates. With no rival and one rate there is nothing to decide.
        """
        if len(walk.left) == 1:
            return True
        found = self._results_of(walk)
        others = [found[at] for at in walk.left if found[at].share is not None]
        if len(found[0].values) >= _ENOUGH and all(each.wins <= each.losses for each in others):
            return True
        leader = min(others, key=_lead, default=None)
        if leader is None or not leader.better:
            return False
        if any(leader.median > each.median for each in found if each.share is None):
            return False
        return all(each.better for each in others) or self._late(walk)

    def _late(self, walk: _Walk) -> bool:
        used = sum(map(len, walk.rows.values()))
        return self.late() or (self.trainings is not None and used > self.trainings / 2)

    def results(self, finished: Finished) -> tuple[FinalResult, ...]:
        """What the fresh seeds say of each arm, in their order; of one that dropped out those that it had."""
        return self._results_of(self._walked(finished, self.seeds))

    def _results_of(self, walk: _Walk) -> tuple[FinalResult, ...]:
        last = [rival.last.evidence for rival in walk.rivals.values()]
        adjusted = dict(zip(walk.rivals, adjust_evidence(last).tolist(), strict=True))
        found = []
        for at, arm in enumerate(self.arms):
            trials = [row[at] for row in walk.rows.values() if at in row]
            values = [self._value(trial) for trial in trials]
            plain = FinalResult(
                *arm.key,
                values=tuple(values),
                median=float(median(values)) if values else math.nan,
                score=float(median(trial.test_score for trial in trials)) if trials else math.nan,
                diverged=sum(trial.diverged or trial.failure is not None for trial in trials),
            )
            found.append(_against(plain, walk.rivals[at], adjusted[at], len(last)) if at in walk.rivals else plain)
        return tuple(found)


def best_finalists(found: Sequence[FinalResult]) -> list[int]:
    """The places of those told better that no other clearly beats; of all that are, where none of them is left."""
    better = [at for at, each in enumerate(found) if each.better]
    left = [at for at in better if len(found[at].values) == len(found[0].values)]  # who is beaten has no further seeds
    return left or better


def _against(plain: FinalResult, rival: _Rival, adjusted: float, rivals: int) -> FinalResult:
    """The result with what the seeds say against the baseline; `rivals` are told at once."""
    last = rival.last
    better = adjusted >= 1 / ERROR - 1e-9 and last.wins > last.losses
    more = 0 if better else pairs_needed(rival.hardest, comparisons=rivals, level=1 - ERROR)
    return replace(
        plain,
        wins=last.wins,
        ties=len(rival.path) - last.wins - last.losses,
        losses=last.losses,
        share=share_at_least(last.wins, last.losses),
        evidence=tuple(each.evidence for each in rival.path),
        adjusted=adjusted,
        better=better,
        more=more,
    )


def _lead(found: FinalResult) -> tuple[float, float]:
    return (found.median if not math.isnan(found.median) else math.inf, -float(found.wins))


@dataclass(frozen=True)
class _PathPoint:
    """Wins and losses after a seed, the evidence that it is better, and that it is worse."""

    wins: int = 0
    losses: int = 0
    evidence: float = 1.0
    opposite: float = 1.0


@dataclass
class _Rival:
    """What the seeds say of a rival against each of the baseline's arms, and after each seed the weakest of it.

    The weakest has the error of any of them.
    """

    bases: Sequence[int]
    path: list[_PathPoint] = field(default_factory=list)
    walks: dict[int, SignedRankEvidence] = field(init=False)

    def __post_init__(self) -> None:
        self.walks = {at: SignedRankEvidence() for at in self.bases}

    @property
    def last(self) -> _PathPoint:
        return self.path[-1] if self.path else _PathPoint()

    @property
    def hardest(self) -> tuple[float, ...]:
        """The differences from the baseline's arm that it is hardest to tell from."""
        walk = min(self.walks.values(), key=_strength)
        return walk.differences

    def add(self, own: float, bases: Mapping[int, float]) -> None:
        """A further seed."""
        for at, walk in self.walks.items():
            walk.add(lead_over(own, bases[at]))
        weakest = min(self.walks.values(), key=_strength)
        self.path.append(_PathPoint(weakest.wins, weakest.losses, weakest.value, weakest.opposite))


def _strength(walk: SignedRankEvidence) -> tuple[float, int]:
    return walk.value, walk.wins


@dataclass
class _Walk:
    """The seeds one after the other: whose trials are paired, and which arms are left after them."""

    rivals: dict[int, _Rival]
    left: tuple[int, ...]
    rows: dict[int, dict[int, Trial]] = field(default_factory=dict)
    duels: Duels[int] = field(init=False)

    def __post_init__(self) -> None:
        self.duels = Duels(self.rivals)

    def add(self, seed: int, trials: dict[int, Trial], values: Mapping[int, float]) -> None:
        """A further seed of all that are left; a rival that clearly loses is left out of the next ones."""
        self.rows[seed] = trials
        for at, rival in self.rivals.items():
            if at in trials:
                rival.add(values[at], values)
        self.duels.add(values)
        rest = [at for at in self.left if at in self.rivals and self.rivals[at].last.opposite < LOST]
        for at in tuple(rest):
            if any(self.duels.beaten(at, by) for by in rest if by != at):
                rest.remove(at)
        self.left = tuple(at for at in self.left if at not in self.rivals or at in rest)
