"""Tables of a comparison for the terminal."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from goodinit.report.columns import cell, heading, score_text
from goodinit.results import CLASSIFICATION, REGRESSION, Task, TaskSummary, Trial
from goodinit.statistics import COLUMNS, Aggregate, Ranking

__all__ = ["across_sentence", "summary", "text"]

_MOST_ROWS = 20
_SPREAD = (
    "spread: how far the loss curve moves at most over {repeats} more trainings, each with every initial weight "
    "changed by one part in 1e15."
)


def text(renderable: RenderableType, width: int = 100) -> str:
    """The renderable as plain text."""
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(renderable)
    return file.getvalue().rstrip()


def summary(
    task: Task, trials: Sequence[Trial], summaries: Sequence[TaskSummary] = (), across: Aggregate | None = None
) -> Group:
    """What was trained, the loss by step, one row a trial, one sentence a trial on why, and what the seeds say."""
    parts: list[RenderableType] = [Text(_headline(task, trials))]
    if len(trials) <= 5:
        parts += [Text(f"\nTraining loss ({task.metric.loss}):"), _losses(trials)]
    parts += [Text("\nWhat became of each start:"), _outcomes(task, trials)]
    if trials[0].sensitivity:
        parts.append(Text(_SPREAD.format(repeats=trials[0].sensitivity.repeats)))
    parts.append(Text())
    parts += [Text.assemble((trial.name, "bold"), f": {trial.why}") for trial in trials]
    for each in summaries:
        if each.ranking is not None:
            parts += _ranked(each, each.ranking)
        if each.rates:
            parts += _rates(each)
        parts += [Text(note) for note in each.notes]
    if across is not None:
        parts += _across(across)
    return Group(*parts)


def _ranked(found: TaskSummary, ranking: Ranking) -> list[RenderableType]:
    """The places of a task's initializations over its seeds, and what a reader must see beside them."""
    table = Table()
    table.add_column("rank", justify="right")
    table.add_column("initialization")
    score = next(known.test for known in (CLASSIFICATION, REGRESSION) if known.score == found.score_name)
    for name in (*(heading(column, score) for column in COLUMNS), "not separable from"):
        table.add_column(name, justify="right")
    for group in ranking.groups:
        (first, interval), *others = (cell(column, group.summary) for column in COLUMNS)
        alike = Text(", ".join(group.not_separable_from) or "none")
        row: list[str | Text] = [f"{first} ({interval})" if interval else first, *(value for value, _ in others), alike]
        table.add_row(str(group.rank), Text(group.name), *row)
    seeds = found.seeds
    span = f"{min(seeds)}-{max(seeds)}" if len(seeds) > 3 else ", ".join(map(str, seeds))
    learned = f"learned: training loss at most {found.target_loss:.3g}"
    title = f"\n{found.task}: {len(seeds)} seeds ({span}), best first; {learned}"
    return [Text(title), table, *(Text(note) for note in ranking.notes)]


def across_sentence(across: Aggregate) -> str:
    """Which tasks decide the order, each being left out in turn."""
    if not across.decisive:
        return f"{across.names[0]} is first whichever task is left out."
    return f"{across.names[0]} is not first without {', or without '.join(across.decisive)}."


def _across(across: Aggregate) -> list[RenderableType]:
    """The places over all tasks, and whether one task decides them."""
    table = Table()
    table.add_column("place", justify="right")
    table.add_column("initialization")
    for name in ("test score (IQM)", "not separable from"):
        table.add_column(name, justify="right")
    for group in across.groups:
        interval = f"{score_text(group.iqm.low)} to {score_text(group.iqm.high)}"
        alike = Text(", ".join(group.not_separable_from) or "none")
        table.add_row(str(group.place), Text(group.name), f"{score_text(group.iqm.value)} ({interval})", alike)
    return [
        Text(f"\nAll {len(across.tasks)} tasks together, seeds resampled task by task"),
        table,
        Text(across_sentence(across)),
    ]


def _rates(found: TaskSummary) -> list[RenderableType]:
    """The learning rate of each initialization, and with how many of those tried it learns."""
    table = Table()
    table.add_column("initialization")
    for name in ("learning rate", "tried", "learns with", "from", "to"):
        table.add_column(name, justify="right")
    for each in found.rates:
        ends = [f"{min(each.learned):g}", f"{max(each.learned):g}"] if each.learned else ["", ""]
        learns = f"{len(each.learned)} of {len(each.tried)} ({each.share:.0%})"
        tried = f"{min(each.tried):g} to {max(each.tried):g}"
        table.add_row(Text(each.initialization), f"{each.chosen:g}", tried, learns, *ends)
    return [Text(f"\n{found.task}: learning rates, each initialization's best one on the tuning seeds"), table]


def _called(task: Task) -> str:
    return f"{task.network.kind.capitalize()} {task.network.description}"


def _headline(task: Task, trials: Sequence[Trial]) -> str:
    data, schedule = task.data, task.schedule
    rates = list(dict.fromkeys(trial.learning_rate for trial in trials))
    rate = f"learning rate {rates[0]:g}" if len(rates) == 1 else "learning rates below"
    batch = f"batches of {schedule.batch_size}" if schedule.batch_size else "full batch"
    note = f"; the number {data.target} is predicted" if data.regression else ""
    note += f"; {data.note}" if data.note else ""
    return (
        f"{data.name}: {len(data.y_train)} points to train, {len(data.y_test)} to test{note}. "
        f"{_called(task)}; {schedule.words}, "
        f"{rate}, {schedule.steps:,} steps, {batch}."
    )


def _losses(trials: Sequence[Trial]) -> Table:
    table = Table()
    table.add_column("before step", justify="right")
    for trial in trials:
        table.add_column(Text(trial.name), justify="right")
    steps = max((trial.loss_steps for trial in trials), key=len)
    stride = -(-len(steps) // _MOST_ROWS) or 1
    for index in range(0, len(steps), stride):
        values = (_loss(t.loss_values[index] if index < len(t.loss_values) else math.nan) for t in trials)
        table.add_row(f"{steps[index]:,}", *values)
    return table


def _outcomes(task: Task, trials: Sequence[Trial]) -> Table:
    table = Table()
    table.add_column("initialization")
    words = task.metric.words
    several = len({trial.learning_rate for trial in trials}) > 1
    headings = [*(["learning rate"] if several else []), "first loss", "last loss", f"train {words}", f"test {words}"]
    if trials[0].sensitivity:
        headings.append("spread")
    for each in headings:
        table.add_column(each, justify="right")
    for trial in trials:
        own = [f"{trial.learning_rate:g}"] if several else []
        if trial.failure is not None:
            table.add_row(Text(trial.name), *own, *["not trained"] * 4)
            continue
        row = [
            *own,
            _loss(trial.loss_values[0] if trial.loss_values else math.nan),
            "diverged" if trial.diverged else _loss(trial.final_loss),
            score_text(trial.train_score, 4),
            score_text(trial.test_score, 4),
        ]
        if trial.sensitivity:
            largest = trial.sensitivity.largest
            row.append("diverged" if math.isnan(largest) else f"{largest:.1e}" if largest else "0")
        table.add_row(Text(trial.name), *row)
    return table


def _loss(value: float) -> str:
    if math.isnan(value):
        return "diverged"
    return f"{value:.6f}" if value < 10 else f"{value:.1f}" if value < 1e6 else f"{value:.3g}"
