"""The figures of a page: which there are, their names as files, and what each shows in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from goodinit.report import page_parts as parts
from goodinit.report import study_figures as draw
from goodinit.report.study_figures import Drawing
from goodinit.report.study_result import StudyResult, trial_groups
from goodinit.results import Task, TaskSummary, Trial
from goodinit.wording import count

__all__ = ["drawings"]


def drawings(result: StudyResult) -> list[Drawing]:
    """Every figure of a page, task by task; those of all tasks last."""
    study = result.study
    drawn: list[Drawing] = []
    groups_of = {}
    for number, (task, summary) in enumerate(zip(study.tasks, result.summaries, strict=True), 1):
        groups = groups_of[task.name] = _trained(trial_groups(result, task, summary))
        prefix = f"task{number}-" if len(study.tasks) > 1 else ""
        drawn += _of_task(result, task, summary, groups, prefix)
    names = [name for name in result.summaries[0].groups if all(name in groups for groups in groups_of.values())]
    if len(study.tasks) > 1 and len(study.seeds) > 1 and names:
        ranking = result.summaries[0].ranking
        level = ranking.level if ranking else 0.95
        score = " or ".join(dict.fromkeys(task.metric.test for task in study.tasks))
        figure = draw.profiles(groups_of, names, level, score)
        drawn.append(Drawing("performance-profile", "Performance profile", _profile_caption(level, score), figure))
    return drawn


def _trained(groups: Mapping[str, list[Trial]]) -> dict[str, list[Trial]]:
    """The groups without the trials that the machine ended, which are no result; as they are where no other is left."""
    found = {name: [trial for trial in trials if not trial.machine_failure] for name, trials in groups.items()}
    return {name: trials for name, trials in found.items() if trials} or dict(groups)


def _of_task(
    result: StudyResult, task: Task, summary: TaskSummary, groups: Mapping[str, Sequence[Trial]], prefix: str
) -> list[Drawing]:
    study = result.study
    several = len(study.seeds) > 1
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
            f"Final loss and {task.metric.words}, every seed",
            _final_caption(several, task, summary),
            draw.final_results(task, groups, summary),
            task=task.name,
        ),
    ]
    if study.tune:
        drawn.append(_rate_map(result, task, groups, prefix))
    figure = draw.learned(task, groups, study.seeds[0])
    if figure is not None:
        name, heading = ("fits", "Fits") if task.data.regression else ("decision-boundaries", "Decision boundaries")
        caption = _learned_caption(task, study.seeds[0])
        drawn.append(Drawing(f"{prefix}{name}", heading, caption, figure, light=True, task=task.name))
    return drawn


def _rate_map(result: StudyResult, task: Task, groups: Mapping[str, Sequence[Trial]], prefix: str) -> Drawing:
    """The tuning: its criterion for each initialization and learning rate."""
    study = result.study
    score = study.criterion == "validation_score"
    curves = {name: result.tuning_curves[task.name, name] for name in groups}
    values = {name: {rate: _shown(value, score) for rate, value in curve.items()} for name, curve in curves.items()}
    chosen = [trials[0].learning_rate for trials in groups.values()]
    what = parts.criterion(task, study.criterion)
    figure = draw.rate_map(task, values, f"median {what}", lower_is_better=not score, chosen=chosen)
    caption = (
        f"The median over {count(len(study.tuning_seeds), 'tuning seed')} of the {what}; brighter is better. Framed: "
        "the best rate, which was used for the evaluation. Lost: half of the runs or more diverged or failed."
    )
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


def _final_caption(several: bool, task: Task, summary: TaskSummary) -> str:
    """What the figure of final results shows."""
    edge = "" if task.metric.bounded else f" What is below {draw.LOWEST_SHOWN:g} on the right stands there."
    if not several:
        return f"A point is the run: its training loss after the last step, and its {task.metric.test}.{edge}"
    words = (
        "A point is one seed, spread up and down only to be seen. Bar on the left: the median loss, a lost run "
        "counting as infinite; a loss of 0, or below 1e-12, stands at the left edge of a log scale."
    )
    if summary.ranking is not None:
        words += (
            f" Diamond and line on the right: the interquartile mean with its {summary.ranking.level:.0%} interval, "
            f"a lost run counting as {'0' if task.metric.bounded else '-1, as whatever is below'}."
        )
    return f"{words}{edge} Crosses are runs that diverged or failed, with their number."


def _shown(value: float, score: bool) -> float:
    """A score as it is, where the criterion holds its negative; infinite where the run is lost."""
    return -value if score and value < float("inf") else value


def _learned_caption(task: Task, seed: int) -> str:
    """What the fits or the decision boundaries show."""
    classes = len(task.data.classes)
    if task.data.regression and len(task.data.features) == 1:
        return f"Seed {seed}. The line is the prediction; circles are examples to train, triangles examples to test."
    if task.data.regression:
        return (
            f"Seed {seed}. A point is an example, in the target's own unit: circles to train, triangles to test; on "
            "the dotted line the prediction is perfect. What lies beyond stands at the edge."
        )
    shades = (
        "The shade is the probability of a class, the line where both are as likely"
        if classes == 2
        else ("The colour is the class that is predicted")
    )
    return f"Seed {seed}. {shades}; circles are examples to train, triangles examples to test."


def _profile_caption(level: float, score: str) -> str:
    """What the performance profile shows."""
    return (
        f"The share of runs, every task weighing the same, that end above each {score}; a curve further up and right "
        f"is better. Bands: {level:.0%} bootstrap limits at each by itself. Lost runs are never above."
    )
