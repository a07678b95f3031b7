"""The tables of a race for the terminal, and the texts that table and page share."""

from __future__ import annotations

import math
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from goodinit.recommending.records import FinalResult, RaceFacts
from goodinit.wording import count

__all__ = ["CRITERIA", "FINAL_COLUMNS", "cells", "columns", "facts", "number", "score", "table"]

CRITERIA: Final = {
    "validation_loss": "loss",
    "validation_score": "score",
    "final_loss": "training loss",
    "area": "mean training loss",
}
"""What decides, as headings call it."""
FINAL_COLUMNS: Final = (
    "learning rate",
    "median {criterion}",
    "test {score}",
    "diverged",
    "won",
    "share won, at least",
    "e-value",
)


def number(value: float, criterion: str) -> str:
    """A criterion's value; a score's is kept as its negative."""
    if not math.isfinite(value):
        return "diverged" if value == math.inf else ""
    return f"{-value + 0.0 if criterion == 'validation_score' else value:.4g}"


def score(found: RaceFacts, value: float) -> str:
    """A score in its unit."""
    if not math.isfinite(value):
        return ""
    return f"{100 * value:.2f} %" if found.score_name == "accuracy" else f"{value:.4f}"


def columns(found: RaceFacts) -> list[str]:
    """The headings of the finals."""
    name = "accuracy" if found.score_name == "accuracy" else "R²"
    return [each.format(criterion=CRITERIA[found.criterion], score=name) for each in FINAL_COLUMNS]


def cells(found: RaceFacts, each: FinalResult) -> list[str]:
    """A finalist's row, as its columns have it."""
    seeds = len(each.values)
    against = ["", "", ""]
    if each.share is not None and each.adjusted is not None:
        won = f"{each.wins} of {seeds}" + (f", {count(each.ties, 'tie')}" if each.ties else "")
        against = [won, f"{100 * each.share:.0f} %", f"{each.adjusted:.3g}"]
    return [
        f"{each.learning_rate:g}",
        number(each.median, found.criterion),
        score(found, each.score),
        f"{each.diverged} of {seeds}" if each.diverged else "",
        *against,
    ]


def facts(found: RaceFacts) -> list[tuple[str, str]]:
    """What was run."""
    task = found.task
    rungs = "; ".join(
        f"{count(len(rung.standings), 'pair')} of start and rate, {count(rung.steps, 'step')}, "
        f"{count(len(rung.seeds), 'seed')}"
        for rung in found.rungs
    )
    finals = f"{count(len(found.finals), 'pair')} of start and rate, {count(len(found.seeds), 'fresh seed')}"
    size = f", batches of {task['batch_size']}" if task["batch_size"] else ""
    return [
        ("trained", found.name),
        ("data", f"{task['data']['name']}, {task['data']['train_examples']:,} examples"),
        ("training", f"{task['optimizer']}, {count(task['steps'], 'step')}{size}"),
        ("baseline", found.baseline),
        ("rungs", rungs or "none ended"),
        ("finals", finals if found.finals else "none"),
        *([("rates", _rates(found))] if found.rates else []),
        ("cost", f"{found.trainings:.0f} full trainings"),
    ]


def _rates(found: RaceFacts) -> str:
    """The starts and rates of the last stage, with the median of the criterion at each."""
    said = []
    for name in dict.fromkeys(each.initialization for each in found.rates):
        own = [each for each in found.rates if each.initialization == name]
        for seeds in sorted({len(each.values) for each in own}, reverse=True):
            some = [each for each in own if len(each.values) == seeds]
            at = ", ".join(f"{each.learning_rate:g} {number(each.median, found.criterion)}" for each in some)
            said.append(f"of {name} on {count(seeds, 'fresh seed')}, medians: {at}")
    return "; ".join(said)


def table(found: RaceFacts) -> Group:
    """The answer, the finals, what dropped out, and the code."""
    style = "bold green" if found.verdict == "better" else "bold" if found.complete else "bold yellow"
    parts: list[Text | Table] = [Text(f"{found.answer}.", style)]
    if found.further:
        parts.append(Text(found.further))
    parts += [Text(each, "yellow") for each in found.cautions]
    parts += [Text(f"{name}: {value}", "dim") for name, value in facts(found)]
    if found.finals:
        made = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
        made.add_column("finals", overflow="fold")
        for head in columns(found):
            made.add_column(head, justify="right")
        for each in found.finals:
            style = "green" if each.better else "dim" if each.initialization == found.baseline else ""
            made.add_row(Text(each.initialization, style), *cells(found, each))
        parts.append(made)
    for dropped in found.dropped:
        code = f"{dropped.code}: " if dropped.code else ""
        parts.append(Text.assemble(f"{dropped.initialization} was not raced: ", (f"{code}{dropped.reason}", "dim")))
    parts.append(Text(found.code, "cyan"))
    return Group(*parts)
