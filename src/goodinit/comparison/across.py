"""All tasks of a study together: one ranking of its initializations, and the tasks that decide it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goodinit.comparison.summary import FLOORS
from goodinit.results import Study, Trial
from goodinit.statistics import Aggregate, aggregate_tasks

__all__ = ["across_tasks"]


def across_tasks(study: Study, trials: Sequence[Trial]) -> Aggregate | None:
    """The initializations over all tasks; None for one task or one seed, and where tasks have different scores.

    Seeds whose trial the machine ended for some initialization are left out for all, task by task.
    """
    kinds = {task.metric.score for task in study.tasks}
    if len(study.tasks) < 2 or len(kinds) > 1:
        return None
    names = [str(initializer) for initializer in study.initializers]
    place = {(trial.task, trial.initialization, trial.seed): trial for trial in trials}
    scores, lost = [], []
    for task in study.tasks:
        rows = [[place[task.name, name, seed] for name in names] for seed in study.seeds]
        rows = [row for row in rows if not any(trial.machine_failure for trial in row)]
        if len(rows) < 2:
            return None
        scores.append(np.array([[trial.test_score for trial in row] for row in rows]).T)
        lost.append(np.array([[trial.diverged or trial.failure is not None for trial in row] for row in rows]).T)
    return aggregate_tasks(
        [task.name for task in study.tasks],
        names,
        scores,
        diverged=[flags | np.isnan(score) for flags, score in zip(lost, scores, strict=True)],
        floor=FLOORS[kinds.pop()],
    )
