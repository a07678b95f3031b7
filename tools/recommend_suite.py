"""How good `recommend`'s answers are on tasks of the suite: against the model's own start, and the best in hindsight.

    python tools/recommend_suite.py RESULTS.jsonl --budget 1min --task "deep tanh"
    python tools/recommend_suite.py RESULTS.jsonl --table

Each race has the task's steps and batches, and the candidates and rates that `recommend` takes by itself. What it
recommends, the model's own start at the best of the suite's 10 rates, and the start that the suite found best, at its
rate, are then trained on 100 seeds that neither has seen, and compared by the loss on the test examples.
"""

import argparse
import importlib
import json
import math
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.stats import norm

import goodinit
from goodinit.comparison.conduct import conducting
from goodinit.comparison.policies import Wave
from goodinit.comparison.tuning import criterion_value
from goodinit.methods import get
from goodinit.results import Job, Study
from goodinit.statistics import wilcoxon, wilson
from goodinit.suite import read_result, registered
from goodinit.suite.examples import examples
from goodinit.suite.models import build

SEEDS = range(5000, 5100)
NEAR = 1.02


def on_processor_time():
    """Let budgets be of processor time: on a machine that others use, a minute is then what it is on an idle core."""
    clock = SimpleNamespace(monotonic=time.process_time, perf_counter=time.process_time)
    for name in ("recommending.run", "comparison.conduct", "comparison.plan"):
        importlib.import_module(f"goodinit.{name}").time = clock


def race(each, budget):
    """The race on the task: its answer, and the processor time that it had."""
    data = examples(each.data)

    def make():
        return build(data.X_train.shape[1:], data.outputs, each.model)

    began, spent = time.time(), time.process_time()
    found = goodinit.recommend(
        make, data, budget=budget, optimizer=each.optimizer, steps=each.steps, batch_size=each.batch_size
    )
    return found, time.time() - began, time.process_time() - spent


def losses_of(task, pairs, seeds, path=None):
    """The losses on the test examples, a seed each, of starts at rates; trials are kept in the file at `path`."""
    starts = {name: get(name) for name, _ in pairs}
    study = Study((task,), tuple(starts.values()), tuple({rate for _, rate in pairs}), tuple(seeds), (1,))
    jobs = [Job(0, starts[name], rate, seed) for seed in seeds for name, rate in pairs]
    with conducting(study, path=path) as conductor:
        conductor.run(Wave("evaluation", tuple(jobs)))
        trials = conductor.finished(jobs)
    place = {(trial.initialization, trial.learning_rate, trial.seed): trial for trial in trials}
    return {
        (name, rate): [criterion_value(place[str(starts[name]), rate, seed], "validation_loss") for seed in seeds]
        for name, rate in pairs
    }


def told(ours, base):
    """The p value of paired losses, and whether ours are better, worse, or not separable."""
    p_value = wilcoxon([0.0 if a == b else a - b for a, b in zip(ours, base, strict=True)])
    ahead = float(np.median(ours)) < float(np.median(base))
    return p_value, "not separable" if p_value > 0.05 else "better" if ahead else "worse"


def ratio(ours, base):
    """By what factor our paired losses are higher than the others: the median of all averages of two seeds' log
    ratios (Hodges & Lehmann 1963), with its 95 % confidence interval from the signed ranks."""
    logs = np.log([1.0 if a == b else a / b for a, b in zip(ours, base, strict=True)])
    n = len(logs)
    pairs = np.sort(((logs[:, None] + logs) / 2)[np.triu_indices(n)])
    low = max(0, math.floor(n * (n + 1) / 4 - norm.ppf(0.975) * math.sqrt(n * (n + 1) * (2 * n + 1) / 24)))
    return [float(np.exp(each)) for each in (np.median(pairs), pairs[low], pairs[-1 - low])]


def measured(each, task, budget, path=None):
    """A line of the results; trials of the comparison are kept in the file at `path`."""
    found, seconds, spent = race(each, budget)
    rows = {row.start: row for row in task.of(max(task.budgets)) if row.stands_for is None}
    own = next(row for row in rows.values() if not row.verdict)
    best = min(rows.values(), key=lambda row: float(np.median(row.losses)))
    named = {
        "recommended": (found.initialization, found.learning_rate),
        "own": (own.start, own.learning_rate),
        "best": (best.start, best.learning_rate),
    }
    losses = losses_of(each.task(), list(dict.fromkeys(named.values())), SEEDS, path)
    ours, best_losses = losses[named["recommended"]], losses[named["best"]]
    _, against_best = told(ours, best_losses)
    more = {"against best": against_best, "ratio": ratio(ours, best_losses)}
    return {**line(found, budget, named, losses, (seconds, spent)), **more}


def table(rows):
    """The lines as a table of Markdown, and the shares."""
    heads = ("task", "trainings", "said", "recommended", "the model's own", "the suite's best")
    heads += ("against its own", "the best", "ratio to the best")
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for row in rows:
        cells = [
            f"`{row[name][0]}` at {row[name][1]:g}: {row['medians'][name]:.3g}"
            for name in ("recommended", "own", "best")
        ]
        said = row["verdict"] + (", stopped" if row["stopped"] else "")
        against = f"{row['against own']} (p {row['p_value']:.2g})"
        middle, low, high = row["ratio"]
        ends = f"{against} | {row['against best']} | {middle:.3g} [{low:.3g}, {high:.3g}]"
        lines.append(f"| {row['task']} | {row['trainings']} | {said} | {' | '.join(cells)} | {ends} |")
    lines.append("")
    for budget in dict.fromkeys(row["budget"] for row in rows):
        some = [row for row in rows if row["budget"] == budget]
        near = [row["medians"]["recommended"] <= NEAR * min(row["medians"].values()) for row in some]
        low = wilson(sum(near), len(near))
        spent = np.mean([row["processor"] for row in some])
        sure = sum(row["ratio"][2] <= NEAR for row in some)
        missed = sum(row["ratio"][1] > NEAR for row in some)
        lines.append(
            f"{budget}: of {len(some)} tasks {counts_of(some)}; against the suite's best "
            f"{counts_of(some, 'best')}; within 2 % of the lowest of the three on {sum(near)} "
            f"[{low.low:.0%}, {low.high:.0%}]; seed by seed for certain (95 %) at most 2 % above the best on {sure}, "
            f"more on {missed}, and on {len(some) - sure - missed} that cannot be told; "
            f"{spent:.0f} s of processor time each."
        )
    return "\n".join(lines)


def line(found, budget, named, losses, spent):
    """What a line of the results says of a race, whatever was raced; `spent` is its time by the clock and in all."""
    p_value, against = told(losses[named["recommended"]], losses[named["own"]])
    return {
        "budget": budget,
        "verdict": found.verdict,
        "stopped": found.stopped,
        "trainings": round(found.trainings),
        "seconds": round(spent[0], 1),
        "processor": round(spent[1], 1),
        **{name: list(pair) for name, pair in named.items()},
        "medians": {name: float(np.median(losses[pair])) for name, pair in named.items()},
        "p_value": p_value,
        "against own": against,
    }


def counts_of(rows, whom="own"):
    """How many of the lines are better, not separable and worse than the model's own start, or the best, in words."""
    against = [row[f"against {whom}"] for row in rows]
    return ", ".join(f"{word} on {against.count(word)}" for word in ("better", "not separable", "worse"))


def parser_of(summary):
    """The options of both tools."""
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("results", type=Path)
    parser.add_argument("--budget", default="1min")
    parser.add_argument("--processor", action="store_true", help="a budget of time is of processor time")
    parser.add_argument("--table", action="store_true")
    return parser


def lines_of(given):
    """The lines that are there already."""
    return [json.loads(each) for each in given.results.read_text().splitlines()] if given.results.exists() else []


def measure(given, what, names, measured):
    """Add the lines of what is named and not there yet with this budget."""
    if given.processor:
        on_processor_time()
    known = {(row[what], row["budget"]) for row in lines_of(given)}
    for name in names:
        if (name, given.budget) in known:
            continue
        try:
            row = {what: name, **measured(name)}
        except goodinit.GoodinitError as error:  # a budget that is too small here
            print(f"{name}: {error}", flush=True)
            continue
        assert all(map(math.isfinite, row["medians"].values()))
        with given.results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)


def main():
    """Measure tasks, or print the table."""
    parser = parser_of(__doc__.splitlines()[0])
    parser.add_argument("--set", default="small")
    parser.add_argument("--task", action="append")
    parser.add_argument("--study", help="keeps the trials that answers are compared by")
    given = parser.parse_args()
    if given.table:
        print(table(lines_of(given)))
        return
    results = {task.name: task for task in read_result(name=given.set).tasks}
    tasks = {each.name: each for each in registered(given.set).chosen(given.task or list(results))}
    measure(given, "task", tasks, lambda name: measured(tasks[name], results[name], given.budget, given.study))


if __name__ == "__main__":
    main()
