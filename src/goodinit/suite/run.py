"""The suite conducted: tuned on seeds of their own with 1, 3 and 10 rates, then judged on paired seeds by `judging`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from goodinit.advising import advise
from goodinit.comparison.conduct import Conductor, Progress, conducting
from goodinit.comparison.design import check_starts
from goodinit.comparison.model_tasks import model_of
from goodinit.comparison.policies import Finished, Wave
from goodinit.comparison.tuning import best_rates, criterion_value
from goodinit.errors import GoodinitError
from goodinit.methods import Start, get
from goodinit.results import Job, Study, Task, Trial
from goodinit.suite.judging import LossesAt, behind, judge
from goodinit.suite.records import StartResult, SuiteResult, SuiteTask
from goodinit.suite.registered import Registered, SuiteProtocol, registered

__all__ = ["ADVISE", "NestedTuning", "judged", "run_suite"]

ADVISE: Final = "advise"


@dataclass(frozen=True)
class NestedTuning:
    """Every rate on the tuning seeds once; then each start on the evaluation seeds at its best rate of each budget.

    Of two starts that are apart then, the one behind is also trained at the rate of the other.
    """

    study: Study
    budgets: Mapping[int, tuple[float, ...]]

    def waves(self, finished: Finished) -> Iterator[Wave]:
        """The tuning, the evaluation, and what the verdicts need beside it."""
        yield Wave("tuning", tuple(self.tuning_jobs()))
        yield Wave("evaluation", tuple(self.evaluation(finished)))
        yield Wave("at the other's rate", tuple(self.jobs(self.crossed(finished))))

    def tuning_jobs(self) -> list[Job]:
        """Every rate on the tuning seeds, of the study's last task; the first is the one that is judged."""
        last = len(self.study.tasks) - 1
        return [job for job in self.study.tuning_jobs() if job.task == last]

    def evaluation(self, finished: Finished) -> list[Job]:
        """Each start at its rate of each budget, on the evaluation seeds."""
        return self.jobs({pair for rates in self.chosen(finished).values() for pair in rates.items()})

    def jobs(self, pairs: Collection[tuple[str, float]]) -> list[Job]:
        """Those starts at those rates, on the evaluation seeds."""
        starts = {str(start): start for start in self.study.initializers}
        ordered = sorted(set(pairs), key=lambda pair: (list(starts).index(pair[0]), pair[1]))
        return [Job(0, starts[name], rate, seed) for seed in self.study.seeds for name, rate in ordered]

    def crossed(self, finished: Finished) -> set[tuple[str, float]]:
        """The starts that have to be trained at another's rate, by any budget."""
        losses = self.losses(finished(self.evaluation(finished)))
        return {pair for rates in self.chosen(finished).values() for pair in behind(rates, losses)}

    def losses(self, trials: Collection[Trial]) -> LossesAt:
        """What the criterion says of a start at a rate, a seed each, by those trials."""
        place = {(trial.initialization, trial.learning_rate, trial.seed): trial for trial in trials}
        return lambda start, rate: [
            criterion_value(place[start, rate, seed], self.study.criterion) for seed in self.study.seeds
        ]

    def chosen(self, finished: Finished) -> dict[int, dict[str, float]]:
        """The best rate of each start for each tuning budget, in the study's order."""
        names = [str(start) for start in self.study.initializers]
        if not self.study.tune:  # there is one rate
            return {budget: dict.fromkeys(names, self.study.learning_rates[0]) for budget in self.budgets}
        tuned, found = finished(self.tuning_jobs()), dict[int, dict[str, float]]()
        for budget, rates in self.budgets.items():
            best = best_rates([trial for trial in tuned if trial.learning_rate in rates], self.study.criterion)
            by_name = {start: rate for (_, start), rate in best.items()}
            found[budget] = {name: by_name[name] for name in names}
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
        results, trials = judged(conductor, policy, advised)
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
    conductor: Conductor, policy: NestedTuning, advised: str | None = None
) -> tuple[tuple[StartResult, ...], list[Trial]]:
    """What the evaluation says of each start, by tuning budget, against the study's first; and the trials it is from.

    What `advise` chose is listed once more under that name.
    """
    finished = conductor.finished
    trials = finished([*policy.evaluation(finished), *policy.jobs(policy.crossed(finished))])
    place = {(trial.initialization, trial.learning_rate, trial.seed): trial for trial in trials}
    losses, results = policy.losses(trials), list[StartResult]()
    for budget, rates in policy.chosen(finished).items():
        said = judge(rates, losses)
        for start, rate in rates.items():
            row = [place[start, rate, seed] for seed in policy.study.seeds]
            own = said.get(start)
            results.append(
                StartResult(
                    start,
                    budget,
                    rate,
                    tuple(losses(start, rate)),
                    tuple(trial.test_score for trial in row),
                    sum(trial.diverged or trial.failure is not None for trial in row),
                    own.p_value if own else None,
                    own.verdict if own else "",
                    crossed=own.crossed if own else (),
                )
            )
    results += [replace(each, start=ADVISE, stands_for=advised) for each in results if each.start == advised]
    return tuple(results), trials
