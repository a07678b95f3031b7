"""What a page says of a study, in words and rows: read from the result, and only written down here."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from goodinit.report.columns import cell, heading, score_text
from goodinit.report.study_figures import lost
from goodinit.report.study_result import StudyResult, trial_groups
from goodinit.report.tables import across_sentence
from goodinit.results import Finding, Study, Task, TaskSummary, Trial
from goodinit.statistics import COLUMNS, Aggregate, PairComparison, RankedGroup, Ranking
from goodinit.wording import count, listed

__all__ = [
    "criterion",
    "environment",
    "page_facts",
]

_MOST_NAMED = 6


def page_facts(result: StudyResult) -> dict[str, Any]:
    """Everything a page shows but figures: plain text, numbers as they are printed."""
    study = result.study
    tasks = [_task_facts(result, task, summary) for task, summary in zip(study.tasks, result.summaries, strict=True)]
    where = study.tasks[0].name if len(tasks) == 1 else f"{len(tasks)} tasks"
    counts = f"{count(len(study.initializers), 'initialization')}, {count(len(study.seeds), 'seed')}"
    return {
        "title": f"Initializations compared on {where}",
        "subtitle": f"{counts}, {count(len(result.trials), 'training run')}",
        "tasks": tasks,
        "rerun": result.rerun,
        "across": _across(result.across_tasks) if result.across_tasks else None,
        "failures": _failures(result.trials),
    }


def environment(now: datetime) -> list[tuple[str, str]]:
    """The versions that the page was written with; nothing that tells whose machine it was."""
    versions = [(name, importlib.metadata.version(package)) for name, package in _PACKAGES]
    return [
        *versions[:1],
        ("Python", f"{platform.python_version()} ({platform.python_implementation()})"),
        *versions[1:],
        ("platform", f"{platform.system()} on {platform.machine()}"),
        ("written", now.strftime("%Y-%m-%d %H:%M UTC")),
    ]


_PACKAGES = (("goodinit", "goodinit"), ("NumPy", "numpy"), ("SciPy", "scipy"))


def _task_facts(result: StudyResult, task: Task, summary: TaskSummary) -> dict[str, Any]:
    groups, ranking = trial_groups(result, task, summary), summary.ranking
    first = result.study.seeds[0]
    shown = {name: [trial for trial in trials if trial.seed == first] for name, trials in groups.items()}
    return {
        "name": task.name,
        "answer": _answer(task, summary, groups),
        "facts": _what_was_run(result.study, task, summary),
        "first_seed": first,
        "level": f"{ranking.level:.0%}" if ranking else "",
        "columns": [{"heading": heading(column, task.metric.test), "note": column.note} for column in COLUMNS],
        "ranking": [_ranked(group, len(groups)) for group in ranking.groups] if ranking else [],
        "ranking_notes": _ranking_notes(task, ranking, summary.notes),
        "score": task.metric.test,
        "words": task.metric.words,
        "target": f"{summary.target_loss:.3g}",
        "pairs": [_pair(pair) for pair in ranking.pairs] if ranking else [],
        "pairs_notes": _pairs_notes(ranking) if ranking else [],
        "outcomes": [_outcome(name, trial) for name, trials in shown.items() for trial in trials],
        "reasons": [(name, trial.why) for name, trials in shown.items() for trial in trials],
        "findings": _findings(groups),
    }


def _answer(task: Task, summary: TaskSummary, groups: Mapping[str, Sequence[Trial]]) -> list[str]:
    """One paragraph, sentence by sentence: what is best, and what cannot be told apart."""
    ranking, score = summary.ranking, task.metric.test
    if all(lost(trial) for trials in groups.values() for trial in trials):
        many = "The only run" if sum(map(len, groups.values())) == 1 else "Every run of every initialization"
        return [f"{many} diverged or failed, so that nothing can be said of which start is better."]
    if ranking is None and len(summary.seeds) > 1:
        return ["Too few runs could be trained to compare the initializations.", *summary.notes]
    if ranking is None:
        best = max(trials[0].test_score for trials in groups.values() if not lost(trials[0]))
        names = [n for n, trials in groups.items() if not lost(trials[0]) and trials[0].test_score == best]
        seed = summary.seeds[0]
        if len(groups) == 1:
            return [f"{names[0]} was run on one seed, {seed}: its {score} is {best:.3f}.", _ONE_SEED]
        are = "has" if len(names) == 1 else "have"
        return [f"On seed {seed}, {listed(names)} {are} the highest {score}, {best:.3f}.", _ONE_SEED]
    interval, first = _score(ranking.groups[0], len(summary.seeds), ranking.level), ranking.groups[0]
    if len(ranking.groups) == 1:
        return [f"Only {first.name} was run: its {score} is {interval}. There is nothing to compare it with."]
    return [*_places(ranking, interval, summary, score), *_too_few(ranking)]


_ONE_SEED = "One seed is an anecdote: run several, such as 0-19, to see whether the order holds."


def _places(ranking: Ranking, interval: str, summary: TaskSummary, score: str) -> list[str]:
    first = ranking.groups[0]
    top = [group for group in ranking.groups if group.rank == first.rank]
    rest = [group for group in ranking.groups if group.rank != first.rank]
    if len(top) == 1:
        sentences = [f"{first.name} is best: its {score} is {interval}."]
        if first.better_than:
            sentences.append(f"Seed by seed it is better than {listed(first.better_than)}.")
        if first.not_separable_from:
            sentences.append(f"It is not separable from {listed(first.not_separable_from)}.")
        if first.worse_than:
            sentences.append(f"Seed by seed {listed(first.worse_than)} did better, though not on the whole.")
        return sentences
    names = [group.name for group in top]
    verdicts = {pair.verdict for pair in ranking.pairs if pair.a in names and pair.b in names}
    alike = f"equivalent within {ranking.margin:g}" if verdicts == {"equivalent"} else "not separable"
    seeds = len(summary.seeds)
    if not rest:
        return [
            f"No initialization is best: over {seeds} seeds {listed(names)} are {alike}.",
            f"The highest {score} is that of {first.name}, {interval}.",
        ]
    beaten = [group.name for group in rest if all(group.name in one.better_than for one in top)]
    sentences = [
        f"{listed(names)} share the first rank: over {seeds} seeds they are {alike}.",
        f"The highest {score} among them is that of {first.name}, {interval}.",
    ]
    if beaten:
        sentences.append(f"{'Both' if len(top) == 2 else 'All'} of them are better than {listed(beaten)}.")
    if len(beaten) < len(rest):
        mixed = [group.name for group in rest if group.name not in beaten]
        has, it = ("has", "it") if len(mixed) == 1 else ("have", "them")
        sentences.append(f"{listed(mixed)} {has} a lower rank, though not all of the first are better than {it}.")
    return sentences


def _too_few(ranking: Ranking) -> list[str]:
    return [ranking.power.sentence] if ranking.power is not None and not ranking.power.reachable else []


def _score(group: RankedGroup, seeds: int, level: float) -> str:
    value, interval = cell(COLUMNS[0], group.summary)
    return f"{value} (interquartile mean over {seeds} seeds; {level:.0%} interval {interval})"


def _what_was_run(study: Study, task: Task, summary: TaskSummary) -> list[tuple[str, str]]:
    data, schedule, network = task.data, task.schedule, task.network
    per_seed = "made or split again by each seed" if task.source.varies else "the same for every seed"
    kind = f"the number {data.target} to predict"
    if data.classes:
        kind = f"{count(len(data.classes), 'class', 'classes')} ({listed(data.classes)})"
    note = f"; {data.note}" if data.note else ""
    size = f"batches of {schedule.batch_size}" if schedule.batch_size else "all examples in every step"
    starts = [str(initializer) for initializer in study.initializers]
    facts = [
        (
            "data",
            f"{data.name}: {len(data.y_train):,} examples to train, {len(data.y_test):,} to test, "
            f"{per_seed}; {count(len(data.features), 'feature')}, {kind}{note}",
        ),
        ("network", f"{network.sentence}, {_loss_name(task)}"),
        ("training", f"{schedule.words}, {schedule.steps:,} steps, {size}, {task.dtype}"),
        ("learning rate", _rates(study, task, summary)),
        ("initializations", listed(starts) if len(starts) <= _MOST_NAMED else f"{len(starts)}, see the tables"),
        ("seeds", f"{_seeds(study.seeds)}: each gives every initialization the same data in the same order"),
        ("random numbers", f"the {task.stream} stream"),
    ]
    if study.tune:
        facts.insert(6, ("tuning seeds", f"{_seeds(study.tuning_seeds)}, which the evaluation does not use"))
    return facts


def _loss_name(task: Task) -> str:
    own = task.network.own_loss
    return task.network.loss.replace("_", " ") if own is None else f"the loss {own.text}"


def criterion(task: Task, name: str) -> str:
    """What decides among learning rates, in words."""
    return {
        "final_loss": f"final training loss ({task.metric.loss})",
        "area": f"training loss over all steps ({task.metric.loss})",
        "validation_loss": f"validation loss ({task.metric.loss})",
        "validation_score": f"validation {task.metric.words}",
    }[name]


def _rates(study: Study, task: Task, summary: TaskSummary) -> str:
    rates = ", ".join(f"{rate:g}" for rate in study.learning_rates)
    if study.tune:
        beyond = ", and beyond where the best one lies at the end" if study.growing else ""
        chosen = "; ".join(
            f"{each.chosen:g} for {each.initialization}, which learns with {len(each.learned)} of {len(each.tried)}"
            for each in summary.rates
        )
        how = f"the best median {criterion(task, study.criterion)} decides"
        return f"tuned for each initialization among {rates}{beyond}; {how}. Chosen: {chosen}"
    return rates or f"{task.schedule.learning_rate:g}"


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return str(seeds[0])
    ordered = sorted(seeds)
    if ordered == list(range(ordered[0], ordered[-1] + 1)) and len(seeds) > 3:
        return f"{ordered[0]} to {ordered[-1]} ({len(seeds)} seeds)"
    first_dozen = ", ".join(map(str, ordered[:12]))
    return f"{first_dozen} and {len(seeds) - 12} more" if len(seeds) > 12 else first_dozen


def _ranked(group: RankedGroup, groups: int) -> dict[str, Any]:
    level = group.not_separable_from
    level_with = "all others" if len(level) == groups - 1 and groups > 3 else listed(level) if level else "none"
    iqm = group.summary.iqm
    low, value, high = (100 * min(max(edge, 0.0), 1.0) for edge in (iqm.low, iqm.value, iqm.high))
    return {
        "rank": group.rank,
        "name": group.name,
        "bar": [round(part, 2) for part in (low, high - low, value)],
        "cells": [cell(column, group.summary) for column in COLUMNS],
        "level_with": level_with,
    }


def _across(across: Aggregate) -> dict[str, Any]:
    """The places over all tasks."""
    rows = [
        {
            "place": group.place,
            "name": group.name,
            "iqm": score_text(group.iqm.value),
            "interval": f"{score_text(group.iqm.low)} to {score_text(min(group.iqm.high, 1.0))}",
            "level_with": listed(group.not_separable_from) if group.not_separable_from else "none",
        }
        for group in across.groups
    ]
    return {"rows": rows, "level": f"{across.level:.0%}", "sentence": across_sentence(across)}


def _ranking_notes(task: Task, ranking: Ranking | None, of_task: Sequence[str]) -> list[str]:
    if ranking is None:
        return list(of_task)
    notes = [*of_task, *ranking.notes]
    power = ranking.power
    if power is not None and power.sentence not in notes:
        notes.append(power.sentence)
    floors = {group.name: group.summary.floor for group in ranking.groups if group.summary.floor is not None}
    if floors:
        worst = f"{task.metric.test} {min(floors.values()):.3g}"
        below = "" if task.metric.bounded else ", and one below it too"
        notes.append(f"A run that diverged or failed counts as {worst}{below}: some of {listed(floors)} did.")
    return notes


def _pairs_notes(ranking: Ranking) -> list[str]:
    """How pairs were compared; the overall test where there are more than two."""
    test = "the sign-flip test of the mean difference" if ranking.test == "sign-flip" else "Wilcoxon's signed-rank test"
    notes = [f"Runs are paired by seed; p is that of {test}."]
    if ranking.friedman is not None:
        found = ranking.friedman
        notes = [
            f"Runs are paired by seed; p is that of {test}, the larger of Holm's correction over {len(ranking.pairs)} "
            f"pairs and Friedman's test over all groups (\u03c7\u00b2 = {found.statistic:.3g}, p {_p(found.p_value)})."
        ]
    if ranking.margin:
        notes.append(
            f"Equivalent: the difference lies within {ranking.margin:g} either way, with what failures that these "
            "seeds cannot have seen may add."
        )
    return notes


def _pair(pair: PairComparison) -> dict[str, Any]:
    words = {"better": "is better", "worse": "is worse", "equivalent": "equivalent"}
    difference, chance = pair.mean_difference, pair.sizes.improvement_paired
    return {
        "a": pair.a,
        "b": pair.b,
        "difference": _signed(difference.value),
        "interval": f"{_signed(difference.low)} to {_signed(difference.high)}",
        "count": f"{pair.wins} / {pair.ties} / {pair.losses}",
        "chance": f"{chance.value:.0%}",
        "chance_interval": f"{chance.low:.0%} to {chance.high:.0%}",
        "p": _p(pair.significance.p_adjusted),
        "verdict": words.get(pair.verdict, "not separable"),
        "kind": pair.verdict.replace(" ", "-"),
    }


def _signed(value: float) -> str:
    text = f"{value:+.3f}" if abs(value) < 100 else f"{value:+.3g}"
    return "0.000" if text in ("+0.000", "-0.000") else text.replace("-", "\u2212")


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"= {value:.2g}" if value < 0.1 else f"= {value:.2f}"


def _outcome(name: str, trial: Trial) -> dict[str, Any]:
    ended = (
        "not trained"
        if trial.machine_failure
        else "failed"
        if trial.failure is not None
        else "diverged"
        if lost(trial)
        else _loss(trial.final_loss)
    )
    failed = trial.failure is not None
    return {
        "name": name,
        "rate": f"{trial.learning_rate:g}",
        "first": _loss(trial.loss_values[0]) if trial.loss_values else "",
        "last": ended,
        "train": "" if failed else score_text(trial.train_score),
        "test": "" if failed else score_text(trial.test_score),
    }


def _loss(value: float) -> str:
    return f"{value:.4f}" if 1e-3 <= value < 10 else f"{value:,.1f}" if 10 <= value < 1e6 else f"{value:.3g}"


_ASKED = "sensitive-to-rounding"  # which only some trials are asked for


def _findings(groups: Mapping[str, Sequence[Trial]]) -> list[dict[str, Any]]:
    """Each group's findings with the number of seeds that have it, and the first one's evidence."""
    rows = []
    for name, trials in groups.items():
        found: dict[str, dict[int, tuple[Trial, Finding]]] = {}  # by code, each trial once
        for at, trial in enumerate(trials):
            for finding in trial.findings:
                found.setdefault(finding.code, {}).setdefault(at, (trial, finding))
        if not found:
            checked = [trial for trial in trials if trial.failure is None]
            sentence = "nothing was found" if checked else "not measured: every run failed"
            rows.append({"name": name, "code": "", "severity": "", "seeds": "", "message": sentence})
        for code, each in found.items():
            trial, finding = next(iter(each.values()))
            asked = [at for at, t in enumerate(trials) if t.failure is None and (code != _ASKED or t.sensitivity)]
            rows.append(
                {
                    "name": name,
                    "code": code,
                    "severity": finding.severity,
                    "seeds": f"{len(each)} of {len(each.keys() | set(asked))}",
                    "message": f"seed {trial.seed}: {finding.message}",
                }
            )
    return rows


def _failures(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str, float, str], list[int]] = {}
    for trial in trials:
        if trial.failure is not None:
            found.setdefault((trial.task, trial.initialization, trial.learning_rate, trial.failure), []).append(
                trial.seed
            )
    return [
        {"task": task, "name": name, "rate": f"{rate:g}", "seeds": _seeds(seeds), "reason": reason}
        for (task, name, rate, reason), seeds in found.items()
    ]
