"""`recommend`: starts raced on a person's own task within a budget, and the answer with its evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from goodinit.arguments import check_count
from goodinit.comparison.cluster import check_cluster
from goodinit.comparison.conduct import Conductor, Progress, conducting
from goodinit.comparison.own_starts import read_start
from goodinit.comparison.plan import TrialTime, measured_time
from goodinit.comparison.policies import Finished, Wave
from goodinit.errors import GoodinitError
from goodinit.methods import Start
from goodinit.recommending.answer import answered
from goodinit.recommending.candidates import check_jobs, checked, fillable, severe_findings, usual_candidates
from goodinit.recommending.finals import Finals, best_finalists
from goodinit.recommending.given import RATES, RaceRequest, of_steps, race_study, task_of
from goodinit.recommending.halving import Arm, Rung, SuccessiveHalving
from goodinit.recommending.outcome import Recommendation
from goodinit.recommending.plan import RacePlan, TooSmallError, make_plan, read_budget, shorter
from goodinit.recommending.ranking import duels_lost
from goodinit.recommending.rates import RateStage
from goodinit.recommending.records import Dropped, FinalResult
from goodinit.report import check_place
from goodinit.results import Job, Study, Task
from goodinit.training import EngineName, Schedule

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["recommend"]

_LATE: Final = 0.65  # of the time, after which the rungs take no further seed
_SETTLED: Final = 0.75  # of the time, after which the finals end when the start that leads is told
_LAST_RATES: Final = 3  # of the start that leads, on the finals' seeds
_LAST_STARTS: Final = 3  # that are better, on the same seeds: it, and others at the rate of their finals
_FIRST_SEEDS: Final = 8  # that all of these are given
_RATE_SEEDS: Final = 200  # of the last stage at most, and twice those of the finals
_NO_ROOM: Final = "the budget has no room for it; name it to race it"
_AT_ONCE: Final = 4  # seeds of the finals, of networks that are trained together, or on a cluster


def recommend(
    make: str | Callable[[], Any] | Mapping[str, Any],
    data: Any = None,
    *,
    loss: str | None = None,
    target: str | None = None,
    budget: str | int = "2min",
    candidates: str | Start | Sequence[str | Start] | None = None,
    baseline: str | Start | None = None,
    learning_rates: Sequence[float] | None = None,
    optimizer: str | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    ensemble: int | None = None,
    criterion: str = "validation_loss",
    seeds: int = 400,
    study: str | Path | None = None,
    engine: EngineName = "auto",
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Recommendation:
    """Race initializations on a person's own task within a budget, and say which to take, at which learning rate.

    Every candidate is checked first: one with a severe finding that the model's own start does not have drops out.
    The others are raced, each at every learning rate, by successive halving: briefly on seeds of their own, judged on a
    quarter of the training examples that is held out; a third goes on for longer. The best starts, and the baseline at
    its three best rates and at theirs, are then trained on fresh seeds and judged on the test examples, paired by seed.
    A start is called better where it is better than the baseline at all of them: where it wins more seeds than it
    loses, and the smallest e-value of its signed ranks, corrected for the number of finalists, reaches 20. Over the
    whole race, however often it is looked at and whenever it stops, a start that, whatever the size of a difference, is
    no likelier to win a seed than to lose it is called better with a chance of at most 5 %.

    Arguments:
        make: a function that gives a new model, or (model, data), as itself, `MODULE:FUNCTION` or `file.py:FUNCTION`;
            or for a network of goodinit's own a task's name, or a mapping of the options of `compare`.
        data: (X, y), of which a quarter is kept for the finals; (X_train, y_train, X_test, y_test); a Dataset; the name
            of a built-in set; or a CSV or NPZ file. None takes what the function brings.
        loss: `cross_entropy` or `squared_error`; None takes what the data is made for.
        target: a file's column of labels or targets.
        budget: a time, as `"2min"`, `"90s"` or `"1h"`, or a number of full trainings. The same call with the same study
            and a larger one goes on with the finals.
        candidates: the initializations; None takes those worth trying on the model, as many as the budget holds.
        baseline: the start that others are held against: for a model its own, `default`; for a network `he_normal`.
        learning_rates: those of every start; None takes seven, half a power of ten apart.
        optimizer, batch_size, device, ensemble: as for `compare`: for a model adam, 64, the CPU, and each by itself.
        steps: of a full training; None takes the usual number (1000 for a model), or as many as the time allows.
        criterion: what decides: `validation_loss`, `validation_score`, or of the training `final_loss` or `area`.
        seeds: of the finals, at most.
        study: a file that keeps every trial: the same call goes on from there.
        engine, cluster: what trains, and where, as for `compare`.
        progress: called with what is done, the trained models and their number.

    Returns a Recommendation: `.initialization`, `.learning_rate`, `.verdict`, `.answer`, `.further` (what it would take
    to tell more), `.code` to paste, `.dropped`, `.rungs`, `.finals`, `.report(path)`, `.figure(path)`, and a table
    when printed. Ctrl-C ends the race early: what comes back is then the best so far, and `.complete` is False.

    >>> found = recommend(
    ...     {"like": "moons", "widths": [8], "steps": 60},
    ...     budget=60,
    ...     candidates=["orthogonal"],
    ...     learning_rates=[0.1, 1],
    ... )
    >>> found.verdict, found.initialization, [each.initialization for each in found.finals]
    ('keep', 'he_normal', ['he_normal', 'orthogonal', 'he_normal'])

    Raises GoodinitError for a value that cannot be used, and for a budget in which no race fits.

    Sources: Maron & Moore 1994 (races); Karnin, Koren & Somekh 2013 (successive halving); Ville 1939.
    """
    began = time.monotonic()
    seconds, trainings = read_budget(budget)
    check_count("seeds", seeds, low=6)
    check_cluster(cluster)
    options = {
        "loss": loss,
        "target": target,
        "optimizer": optimizer,
        "steps": steps,
        "batch_size": batch_size,
        "device": device,
        "ensemble": ensemble,
    }
    given = RaceRequest(make, data, options, criterion)
    task, chosen = task_of(given, baseline)
    own = read_start(chosen)
    fewer: int | None = None
    if candidates is None:
        starts, unfit, fewer = usual_candidates(task, own)
    else:
        starts, unfit = fillable(task, _listed(candidates), own)
    if len(starts) < 2:
        reasons = "; ".join(f"{each.initialization}: {each.reason}" for each in unfit) or "none was named"
        raise GoodinitError(f"there is nothing to race against {own}: {reasons}")
    rates = _rates(task, learning_rates)
    race = _Race(given, task, own, tuple(starts), fewer, tuple(unfit), rates, began, seconds, trainings, seeds)
    return race.run(study, engine, cluster, progress)


def _listed(candidates: str | Start | Sequence[str | Start]) -> list[str | Start]:
    return [candidates] if isinstance(candidates, str | Start) else list(candidates)


def _rates(task: Task, given: Sequence[float] | None) -> tuple[float, ...]:
    if given is None:
        return RATES[task.schedule.optimizer]
    listed = [given] if isinstance(given, int | float) else list(given)
    if not listed:
        raise GoodinitError("learning rates: the list is empty; give one or several, such as [0.001, 0.01]")
    for rate in listed:
        Schedule(learning_rate=rate)
    return tuple(sorted({float(rate) for rate in listed}))


@dataclass(frozen=True)
class _Race:
    given: RaceRequest
    task: Task
    own: Start
    starts: tuple[Start, ...]
    fewer: int | None  # of them that are raced where there is no room for all
    unfit: tuple[Dropped, ...]
    rates: tuple[float, ...]
    began: float
    seconds: float | None
    trainings: int | None
    seeds: int

    def run(
        self, path: str | Path | None, engine: EngineName, cluster: str | None, progress: Progress | None
    ) -> Recommendation:
        identity = self.given.identity(self.task, self.starts, self.own, self.rates)
        name = f"race {identity}"
        kept: dict[str, Any] | None = None
        if path is not None and check_place(path).exists():  # a new one is made when the race fits into its budget
            with conducting(self._bare(), path=path, engine=engine, mixed=True) as look:
                kept = look.store.facts(name, identity)
        pace = self._pace(engine) if self.seconds is not None else None
        plan, steps = self._plan(pace) if kept is None else (RacePlan.from_dict(kept["plan"]), kept["steps"])
        task = replace(self.task, schedule=replace(self.task.schedule, steps=steps))
        starts = self.starts[: plan.starts]
        study, places = race_study(task, starts, plan, self.seeds, self.given.criterion)
        known = (kept["finalists"], kept.get("spent")) if kept and kept["finalists"] else None
        facts = {"plan": plan.to_dict(), "steps": steps, "finalists": None}
        with conducting(study, path=path, engine=engine, cluster=cluster, progress=progress) as conductor:
            if known is None:
                conductor.store.remember(name, identity, facts)
            runner = _Runner(self, study, plan, places, conductor, pace, _AT_ONCE if cluster else 1)

            def remember(finalists: Sequence[Arm], spent: float) -> None:
                named = [[str(arm.start), arm.rate] for arm in finalists]
                conductor.store.remember(name, identity, {**facts, "finalists": named, "spent": spent})

            return runner.run(known, remember)

    def _bare(self) -> Study:
        return Study((), self.starts, (), (0,))

    def _pace(self, engine: EngineName) -> TrialTime | None:
        network = self.task.network
        count = 16 if network.together else network.ensemble
        jobs = [Job(0, self.own, self.rates[0], seed) for seed in range(count)]
        return measured_time(of_steps(self.task, self.task.schedule.steps, self.given.criterion), jobs, engine)

    def _plan(self, pace: TrialTime | None) -> tuple[RacePlan, int]:
        """The plan, and the steps of a full training."""
        steps = self.task.schedule.steps
        count = len(self.starts)
        least = count if self.fewer is None else self.fewer
        if self.seconds is None:
            assert self.trainings is not None
            try:
                trainings = float(self.trainings)
                return make_plan(count, self.rates, steps, trainings, lambda length: length / steps, self.fewer), steps
            except TooSmallError as error:
                raise GoodinitError(
                    f"a budget of {self.trainings} trainings is too small to race {least} starts at up to "
                    f"{len(self.rates)} learning rates; give {int(error.needed) + 1}, or name fewer candidates"
                ) from None
        if pace is None:
            raise GoodinitError("how long a training takes could not be measured; give a number of trainings as budget")

        def cost(length: int) -> float:
            return max(pace.trial(of_steps(self.task, length, self.given.criterion)), 1e-9)

        left = self.seconds - (time.monotonic() - self.began)
        if self.given.options.get("steps") is None:
            steps = shorter(steps, left, cost)
        try:
            return make_plan(count, self.rates, steps, left, cost, self.fewer), steps
        except TooSmallError as error:
            raise GoodinitError(
                f"a training of {steps:,} steps takes about {cost(steps):.2g} s here, and {self.seconds:g} s are "
                f"too few for a race of {least} starts; give budget='{int(error.needed * 1.2) + 1}s', fewer "
                "candidates or fewer steps"
            ) from None


_Known = tuple[list[list[Any]], float | None]  # the names and rates of a stored race's finals, and what they had cost


@dataclass(frozen=True)
class _Runner:
    race: _Race
    study: Study
    plan: RacePlan
    places: tuple[int, ...]
    conductor: Conductor
    pace: TrialTime | None
    at_once: int

    def run(self, known: _Known | None, remember: Callable[[Sequence[Arm], float], None]) -> Recommendation:
        finished, stopped = self.conductor.finished, False
        raced = self.study.initializers
        waiting = (Dropped(str(each), _NO_ROOM) for each in self.race.starts[len(raced) :])
        state = _State(raced, (*self.race.unfit, *waiting))
        try:
            for wave in self._waves(state, known, remember):
                self.conductor.run(wave, self._deadline(wave))
                if self._over():
                    break
        except KeyboardInterrupt:
            stopped = True
        if state.finals is not None and state.halving is not None and state.rates is None:  # the finals were cut short
            state.rates = self._rates(state.finals, state.halving, 1, 0)
        full = self.study.tasks[-1]
        return answered(
            full,
            self.race.own,
            self.given_criterion,
            state.dropped,
            state.halving.results(finished) if state.halving else (),
            state.finals.results(finished) if state.finals else (),
            tuple(state.finals.paired(finished)) if state.finals else (),
            state.rates.results(finished) if state.rates else (),
            cautions=state.cautions,
            stopped=stopped,
            seconds=None if self.pace is None else self.pace.trial(full),
            grid=self.plan.finer or self.plan.rates,
            usual_steps=self.race.task.schedule.steps,
            called=repr(self.race.given.make),
            most=self.race.seeds,
        )

    @property
    def given_criterion(self) -> str:
        return self.study.criterion

    def _waves(
        self, state: _State, known: _Known | None, remember: Callable[[Sequence[Arm], float], None]
    ) -> Iterator[Wave]:
        """All waves of the race: the checkups, the rungs, the finals, the last stage."""
        finished = self.conductor.finished
        jobs = check_jobs(0, state.starts, self.plan.rates[0], self.study.tuning_seeds[0])
        yield Wave("checkups", jobs)
        starts, wrong = checked(state.starts, self.race.own, finished, jobs)
        state.starts, state.dropped = tuple(starts), (*state.dropped, *wrong)
        state.cautions = self._own_findings(finished, jobs)
        rungs = tuple(
            Rung(place, self.study.tuning_seeds[: rung.seeds], rung.keep, self.plan.finalists + 1)
            for place, rung in zip(self.places, self.plan.rungs, strict=True)
        )
        arms = tuple(Arm(start, rate) for start in starts for rate in self.plan.rates)
        state.halving = SuccessiveHalving(self.study, arms, rungs, str(self.race.own), self.plan.finer, self._late)
        full = self.study.tasks[-1].schedule.steps
        if known is None:
            spent = 0.0
            for wave in state.halving.waves(finished):
                spent += sum(self.study.tasks[job.task].schedule.steps / full for job in wave.jobs)
                yield wave
            finalists = Finals.entered(state.halving.finalists(finished, self.plan.finalists, self.plan.own))
            remember(finalists, spent)
        else:
            named, stored = known
            spent = self.plan.spent(len(starts), lambda steps: steps / full) if stored is None else stored
            by_name = {str(start): start for start in self.study.initializers}
            finalists = tuple(Arm(by_name[name], rate) for name, rate in named)
        at_once = _AT_ONCE if self.study.tasks[0].network.together else self.at_once
        left = None if self.race.trainings is None else max(0, int(self.race.trainings - spent))
        state.finals = Finals(
            self.study, len(self.study.tasks) - 1, finalists, self.study.seeds, at_once, left, self._settled
        )
        yield from state.finals.waves(finished)
        state.rates = self._rates(state.finals, state.halving, at_once, left)
        yield from state.rates.waves(finished)

    def _rates(self, finals: Finals, halving: SuccessiveHalving, at_once: int, left: int | None) -> RateStage:
        """The start that the finals recommend, at the best of its rates, and others that are better too."""
        finished = self.conductor.finished
        found = finals.results(finished)
        better, most = _by_duels(found, best_finalists(found)), len(found[0].values)
        if better:
            arm, *others = (finals.arms[place] for place in better[:_LAST_STARTS])
            near = halving.best_of(arm.start, finished, _LAST_RATES + 1)
            arms = (arm, *[each for each in near if each != arm][: _LAST_RATES - 1], *others)
        else:
            own = _by_duels(found, [at for at, each in enumerate(found) if each.share is None])
            arms = tuple(finals.arms[at] for at in own[:_LAST_RATES])
        first = _FIRST_SEEDS if better else max(_FIRST_SEEDS, most)  # the baseline's rates have the finals' already
        more = None if left is None else max(0, left - sum(len(each.values) for each in found))
        count = len(self.study.seeds)
        seeds = tuple(range(max(most, min(2 * count, _RATE_SEEDS))))
        within = self.race.rates[0], self.race.rates[-1]
        return RateStage(self.study, finals.task, arms, seeds, min(first, count), within, at_once, more)

    def _own_findings(self, finished: Finished, jobs: Sequence[Job]) -> tuple[str, ...]:
        own = str(self.race.own)
        trial = next((each for each in finished(jobs) if each.initialization == own), None)
        return tuple(f"The checkup of {own} is severe: {each.message}" for each in severe_findings(trial))

    def _late(self) -> bool:
        return self._past(_LATE)

    def _settled(self) -> bool:
        return self._past(_SETTLED)

    def _over(self) -> bool:
        return self._past(1)

    def _past(self, share: float) -> bool:
        """Whether more than that share of the time is over."""
        return self.race.seconds is not None and time.monotonic() > self.race.began + share * self.race.seconds

    def _deadline(self, wave: Wave) -> float | None:
        """When no batch of the wave is begun any more."""
        seconds = self.race.seconds
        return None if seconds is None or wave.what == "checkups" else self.race.began + seconds


def _by_duels(found: Sequence[FinalResult], places: Sequence[int]) -> list[int]:
    """Those of the places, best first, by the duels lost to each other on the seeds that all of them have."""
    seeds = min((len(found[at].values) for at in places), default=0)
    lost = duels_lost([found[at].values[:seeds] for at in places]) if places else ()
    return [at for _, at in sorted(zip(lost, places, strict=True))]


@dataclass
class _State:
    """How far a race has come."""

    starts: tuple[Start, ...]
    dropped: tuple[Dropped, ...]
    cautions: tuple[str, ...] = ()
    halving: SuccessiveHalving | None = None
    finals: Finals | None = None
    rates: RateStage | None = None
