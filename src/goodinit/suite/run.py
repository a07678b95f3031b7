"""The suite conducted: tuned on seeds of their own with 1, 3 and 10 rates, then judged once on paired seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from goodinit.advising import advise
from goodinit.comparison.conduct import Conductor, Progress, conducting
from goodinit.comparison.design import check_starts
from goodinit.comparison.model_tasks import model_of
from goodinit.comparison.policies import Finished, Wave
from goodinit.comparison.tuning import best_rates, criterion_value
from goodinit.errors import GoodinitError
from goodinit.methods import Start, get
from goodinit.results import Job, Study, Task, Trial
from goodinit.statistics import holm, wilcoxon
from goodinit.suite.records import StartResult, SuiteResult, SuiteTask
from goodinit.suite.registered import Registered, SuiteProtocol, registered

__all__ = ["ADVISE", "NestedTuning", "judged", "run_suite"]

ERROR: Final = 0.05
ADVISE: Final = "advise"


@dataclass(frozen=True)
class NestedTuning:
    """Every rate on the tuning seeds once; then each start on the evaluation seeds at its best rate of each budget."""

    study: Study
    budgets: Mapping[int, tuple[float, ...]]

    def waves(self, finished: Finished) -> Iterator[Wave]:
        """The tuning, then the evaluation."""
        yield Wave("tuning", tuple(self.tuning_jobs()))
        chosen = self.chosen(finished)
        pairs = {(str(start), rate): start for start in self.study.initializers for rate in chosen[str(start)].values()}
        yield Wave("evaluation", tuple(self._jobs(pairs)))

    def tuning_jobs(self) -> list[Job]:
        """Every rate on the tuning seeds, of the study's last task; the first is the one that is judged."""
        last = len(self.study.tasks) - 1
        return [job for job in self.study.tuning_jobs() if job.task == last]

    def _jobs(self, pairs: Mapping[tuple[str, float], Start]) -> Iterator[Job]:
        for seed in self.study.seeds:
            for (_, rate), start in pairs.items():
                yield Job(0, start, rate, seed)

    def chosen(self, finished: Finished) -> dict[str, dict[int, float]]:
        """The best rate of each start, by tuning budget."""
        found: dict[str, dict[int, float]] = {str(start): {} for start in self.study.initializers}
        if not self.study.tune:  # there is one rate
            return {start: dict.fromkeys(self.budgets, self.study.learning_rates[0]) for start in found}
        tuned = finished(self.tuning_jobs())
        for budget, rates in self.budgets.items():
            best = best_rates([trial for trial in tuned if trial.learning_rate in rates], self.study.criterion)
            for (_, start), rate in best.items():
                found[start][budget] = rate
        return found


def run_suite(
    *,
    tasks: Sequence[str] | None = None,
    study: str | Path | None = None,
    cluster: str | None = None,
    protocol: SuiteProtocol | None = None,
    progress: Progress | None = None,
) -> SuiteResult:
    """Run the registered suite, or some of its tasks; what a study's file holds is not trained again.

    Arguments:
        tasks: names of tasks; None runs all.
        study: a file that keeps every trial.
        cluster: a Ray cluster to train on, as for `compare`.
        protocol: what to run in place of what is registered.
        progress: called with what is done, the trained models and their number.

    Raises GoodinitError for a task that is not registered.
    """
    plan = protocol or registered()
    found, origins = [], dict[str, object]()
    for each in plan.chosen(tasks):
        result, trials = _run(each, plan, study, cluster, progress)
        found.append(result)
        for trial in trials:
            if trial.origin is not None:
                origins = {name: value for name, value in trial.origin.to_dict().items() if name != "processor"}
    return SuiteResult(tuple(found), origins, plan.name)


def _run(
    each: Registered, plan: SuiteProtocol, path: str | Path | None, cluster: str | None, progress: Progress | None
) -> tuple[SuiteTask, list[Trial]]:
    task, budgets = each.task(), plan.rates[each.optimizer]
    names, advised = _named(task, each.starts or plan.starts)
    starts, left_out = _applying(task, names)
    rates = tuple(sorted({rate for rates in budgets.values() for rate in rates}))
    tasks = (task,) if each.tuned_on is None else (task, each.task(tuning=True))
    study = Study(tasks, tuple(starts), rates, plan.seeds, plan.tuning_seeds, plan.criterion)
    policy = NestedTuning(study, budgets)

    def tell(what: str, trained: float, total: float) -> None:
        if progress is not None:
            progress(f"{each.name}, {what}", trained, total)

    with conducting(study, path=path, cluster=cluster, progress=tell) as conductor:
        conductor.conduct(policy)
        results, trials = judged(conductor, policy, plan.criterion, advised)
    left = tuple(left_out.items())
    return SuiteTask(each.name, each.family, task.metric.score, plan.seeds, results, left), trials


def _named(task: Task, names: Sequence[str]) -> tuple[list[str], str | None]:
    """The starts to be trained, each once, and which of them `advise` puts first, where that is asked for."""
    if ADVISE not in names:
        return list(names), None
    options = [option.init for option in advise(*model_of(task)).options]
    first = next(init for init in [*options, "default"] if _applying(task, [init])[0])
    plain = [name for name in names if name != ADVISE]
    known = {str(get(name)) for name in plain}
    return [*plain, *([first] if str(get(first)) not in known else [])], str(get(first))


def _applying(task: Task, names: Sequence[str]) -> tuple[list[Start], dict[str, str]]:
    """The starts that can fill the task's model, and why the others cannot."""
    kept, left_out = list[Start](), dict[str, str]()
    for name in names:
        start = get(name)
        try:
            check_starts(task, [start], measured=True)
        except GoodinitError as error:
            left_out[name] = f"{error}"
        else:
            kept.append(start)
    return kept, left_out


def judged(
    conductor: Conductor, policy: NestedTuning, criterion: str, advised: str | None = None
) -> tuple[tuple[StartResult, ...], list[Trial]]:
    """What the evaluation says of each start, by tuning budget, against the study's first; and the trials it is from.

    What `advise` chose is listed once more under that name.
    """
    study, chosen = policy.study, policy.chosen(conductor.finished)
    jobs = [
        Job(0, start, rate, seed)
        for seed in study.seeds
        for start in study.initializers
        for rate in set(chosen[str(start)].values())
    ]
    trials = conductor.finished(jobs)
    place = {(trial.initialization, trial.learning_rate, trial.seed): trial for trial in trials}
    results = list[StartResult]()
    for budget in policy.budgets:
        rows = {}
        for start in map(str, study.initializers):
            rows[start] = [place[start, chosen[start][budget], seed] for seed in study.seeds]
        losses = {start: [criterion_value(trial, criterion) for trial in row] for start, row in rows.items()}
        base, *others = rows
        p_values = holm([wilcoxon(_differences(losses[name], losses[base])) for name in others])
        corrected = dict(zip(others, p_values.tolist(), strict=True))
        for start, row in rows.items():
            verdict = _verdict(losses[start], losses[base], corrected[start]) if start in corrected else ""
            results.append(
                StartResult(
                    start,
                    budget,
                    chosen[start][budget],
                    tuple(losses[start]),
                    tuple(trial.test_score for trial in row),
                    sum(trial.diverged or trial.failure is not None for trial in row),
                    corrected.get(start),
                    verdict,
                )
            )
    results += [replace(each, start=ADVISE, stands_for=advised) for each in results if each.start == advised]
    return tuple(results), trials


def _differences(own: Sequence[float], base: Sequence[float]) -> list[float]:
    """Own less base; two diverged runs tie."""
    return [0.0 if a == b else a - b for a, b in zip(own, base, strict=True)]


def _verdict(own: Sequence[float], base: Sequence[float], p_value: float) -> str:
    if p_value > ERROR:
        return "not separable"
    differences = np.array(_differences(own, base))
    middle = float(np.median(differences))
    return (
        "better"
        if middle < 0 or (math.isnan(middle) and (differences < 0).sum() > (differences > 0).sum())
        else "worse"
    )
