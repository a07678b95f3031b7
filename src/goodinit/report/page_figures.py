"""The figures of a page: which there are, their names as files, and what each shows in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from goodinit.report import study_figures as draw
from goodinit.report.page_parts import count
from goodinit.report.study_figures import Drawing
from goodinit.results import Task, TaskSummary, Trial

if TYPE_CHECKING:
    from goodinit.report.page import StudyResult

__all__ = ["drawings"]


def drawings(result: StudyResult) -> list[Drawing]:
    """Every figure of a page, task by task; those of all tasks last."""
    drawn: list[Drawing] = []
    groups_of = {}
    for number, (task, summary) in enumerate(zip(result.tasks, result.summaries, strict=True), 1):
        groups = groups_of[task.name] = result.groups(task, summary)
        prefix = f"task{number}-" if len(result.tasks) > 1 else ""
        drawn += _of_task(result, task, summary, groups, prefix)
    names = [name for name in result.summaries[0].groups if all(name in groups for groups in groups_of.values())]
    if len(result.tasks) > 1 and len(result.seeds) > 1 and names:
        ranking = result.summaries[0].ranking
        level = ranking.level if ranking else 0.95
        figure = draw.profiles(groups_of, names, level)
        drawn.append(Drawing("performance-profile", "Performance profile", _profile_caption(level), figure))
    return drawn


def _of_task(
    result: StudyResult, task: Task, summary: TaskSummary, groups: Mapping[str, Sequence[Trial]], prefix: str
) -> list[Drawing]:
    several = len(result.seeds) > 1
    drawn = [
        Drawing(
            f"{prefix}learning-curves",
            "Learning curves",
            _curves_caption(several),
            draw.learning_curves(task, groups, summary.target_loss),
            task=task.name,
        ),
        Drawing(
            f"{prefix}final-results",
            "Final loss and accuracy, every seed",
            _final_caption(several, summary),
            draw.final_results(task, groups, summary),
            task=task.name,
        ),
    ]
    if len(result.learning_rates) > 1:
        drawn.append(_rate_map(result, task, summary, groups, prefix))
    if len(task.data.features) == 2:
        figure = draw.boundaries(task, groups, result.seeds[0])
        if figure is not None:
            caption = _boundaries_caption(result.seeds[0], len(task.data.classes))
            drawn.append(
                Drawing(
                    f"{prefix}decision-boundaries", "Decision boundaries", caption, figure, light=True, task=task.name
                )
            )
    return drawn


def _rate_map(
    result: StudyResult, task: Task, summary: TaskSummary, groups: Mapping[str, Sequence[Trial]], prefix: str
) -> Drawing:
    """Of the tuning where the rates were tuned, else of the test accuracies."""
    values: dict[str, dict[float, float]] = {}
    if result.tuned:
        values = {name: dict(result.tuning_curves[task.name, name]) for name in groups}
        chosen = [trials[0].learning_rate for trials in groups.values()]
        meaning = f"median final training loss ({task.network.loss_unit})"
    else:
        for name, trials in groups.items():
            ranked = summary.ranking[name].summary.iqm.value if summary.ranking else trials[0].test_accuracy
            everything_lost = all(draw.lost(trial) for trial in trials)
            values.setdefault(trials[0].initialization, {})[trials[0].learning_rate] = (
                float("inf") if everything_lost else ranked
            )
        chosen = []
        meaning = "test accuracy (interquartile mean)" if summary.ranking else "test accuracy"
    figure = draw.rate_map(task, values, meaning, lower_is_better=result.tuned, chosen=chosen)
    caption = _map_caption(result.tuned, result.seeds, result.tuning_seeds)
    return Drawing(f"{prefix}learning-rates", "Initialization and learning rate", caption, figure, task=task.name)


def _curves_caption(several: bool) -> str:
    """What the learning curves show."""
    if not several:
        return "Training loss before each recorded step and after the last. A run that diverged ends where it did."
    return (
        "Line: the median over seeds of the training loss, at each recorded step. Band: its lower to its upper "
        "quartile over seeds, so that half of the runs lie within. A run that diverged or failed (lost) counts as "
        "infinitely high from there on. An arrow: the median starts above the axis, at that loss."
    )


def _final_caption(several: bool, summary: TaskSummary) -> str:
    """What the figure of final results shows."""
    if not several:
        return "A point is the run: its training loss after the last step, and its test accuracy."
    words = (
        "A point is one seed, spread up and down only to be seen. Bar on the left: the median loss, a lost run "
        "counting as infinite; a loss of 0, or below 1e-12, stands at the left edge of a log scale."
    )
    if summary.ranking is not None:
        words += (
            f" Diamond and line on the right: the interquartile mean with its {summary.ranking.level:.0%} interval, "
            "a lost run counting as 0."
        )
    return f"{words} Crosses are runs that diverged or failed, with their number."


def _map_caption(tuned: bool, seeds: Sequence[int], tuning_seeds: Sequence[int]) -> str:
    """What the map of initializations and learning rates shows."""
    if tuned:
        return (
            f"The median over {count(len(tuning_seeds), 'tuning seed')} of the final training loss; brighter is "
            "lower. Framed: the rate with the lowest, which was used for the evaluation. Lost: half of "
            "the runs or more diverged or failed."
        )
    what = f"interquartile mean over {len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0]}"
    return f"The test accuracy ({what}); brighter is higher. Lost: every run diverged or failed."


def _boundaries_caption(seed: int, classes: int) -> str:
    """What the decision boundaries show."""
    shades = (
        "The shade is the probability of a class, the line where both are as likely"
        if classes == 2
        else ("The colour is the class that is predicted")
    )
    return f"Seed {seed}. {shades}; circles are examples to train, triangles examples to test."


def _profile_caption(level: float) -> str:
    """What the performance profile shows."""
    return (
        "The share of runs, every task weighing the same, that end above each test accuracy; a curve further up and "
        f"right is better. Bands: {level:.0%} bootstrap limits at each accuracy by itself. Lost runs are never above."
    )
