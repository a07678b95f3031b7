"""Learning rates chosen fairly: each initialization's best one, on seeds of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final

import numpy as np

from goodinit.errors import GoodinitError
from goodinit.results import Job, RateSummary, Study, Trial
from goodinit.results.summary import Edge

__all__ = ["best_rates", "criterion_value", "rate_summaries", "tuning_curves", "tuning_jobs"]

Curve = dict[float, float]
STEP: Final = math.sqrt(10)  # from one rate to the next beyond the grid
BEYOND: Final = 6  # rates at most on either side: three powers of ten
FLAT: Final = 1e-3  # relative: rates whose losses differ by no more are alike


def _area(trial: Trial) -> float:
    """The mean of the training loss over the steps, linear between those recorded."""
    steps, values = [*trial.loss_steps, trial.steps], [*trial.loss_values, trial.final_loss]
    return float(np.trapezoid(values, steps) / trial.steps)


_CRITERIA: Final[Mapping[str, Callable[[Trial], float]]] = {
    "final_loss": lambda trial: trial.final_loss,
    "area": _area,
    "validation_loss": lambda trial: trial.test_loss,
    "validation_score": lambda trial: -trial.test_score,
}
"""What decides, lower for better; a study that decides on validation data has it in place of the test data."""


def criterion_value(trial: Trial, criterion: str) -> float:
    """What the criterion says of a trial, lower for better; infinite where it diverged or failed."""
    bad = trial.diverged or trial.failure is not None or not math.isfinite(trial.final_loss)
    value = math.inf if bad else _CRITERIA[criterion](trial)
    return math.inf if math.isnan(value) else value


def tuning_curves(trials: Sequence[Trial], criterion: str = "final_loss") -> dict[tuple[str, str], Curve]:
    """For each (task, initialization) the median of the criterion over the tuning seeds, by learning rate.

    Lower is better: of a score it is the negative. A trial that diverged or failed counts as infinite; one that the
    machine ended does not count. No criterion looks at the test examples, so that the choice has not seen them.
    """
    values: dict[tuple[str, str], dict[float, list[float]]] = {}
    for trial in trials:
        rates = values.setdefault((trial.task, trial.initialization), {})
        if trial.machine_failure:
            continue
        rates.setdefault(trial.learning_rate, []).append(criterion_value(trial, criterion))
    return {
        place: {rate: float(median(rates[rate])) for rate in sorted(rates)} for place, rates in sorted(values.items())
    }


def best_rates(trials: Sequence[Trial], criterion: str = "final_loss") -> dict[tuple[str, str], float]:
    """The learning rate with the best median, the smaller one of equals, by (task, initialization).

    Raises GoodinitError where the machine ended every trial of an initialization.
    """
    curves = tuning_curves(trials, criterion)
    for (task, name), curve in curves.items():
        if not curve:
            raise GoodinitError(
                f"no learning rate of {name} on {task} could be tried: a time limit, memory or a lost worker ended "
                "every trial of its tuning; allow more, and say retry='failed' (--retry failed)"
            )
    return {place: _best(curve) for place, curve in curves.items()}


def _best(curve: Curve) -> float:
    return min(curve, key=lambda rate: (curve[rate], rate))


def _edge(curve: Curve) -> Edge | None:
    """Where the best rate lies at an end of those tried: `lowest` or `highest`; `flat` where all are alike."""
    if len(curve) < 2:
        return None
    finite = [value for value in curve.values() if math.isfinite(value)]
    if len(finite) == len(curve) and max(finite) - min(finite) <= FLAT * max(map(abs, finite)):
        return "flat"
    best = _best(curve)
    return "lowest" if best == min(curve) else "highest" if best == max(curve) else None


def tuning_jobs(study: Study, tuned: Sequence[Trial]) -> list[Job]:
    """The trials of the tuning as far as they are known: the grid, and what finished trials (`tuned`) ask for beyond.

    Where the study's grid grows, an initialization whose best rate lies at its end gets the next one, by half a power
    of ten, until the best lies inside, or three powers of ten beyond the grid.
    """
    jobs = study.tuning_jobs()
    if not study.growing or not tuned:
        return jobs
    curves = tuning_curves(tuned, study.criterion)
    count: dict[tuple[str, str, float], int] = {}
    for trial in tuned:
        at = trial.task, trial.initialization, trial.learning_rate
        count[at] = count.get(at, 0) + 1
    low, high = min(study.learning_rates), max(study.learning_rates)
    for place, task in enumerate(study.tasks):
        for initializer in study.initializers:
            name = str(initializer)
            curve, known = curves.get((task.name, name), {}), set(study.learning_rates)
            for _ in range(2 * BEYOND):
                whole = all(count.get((task.name, name, rate), 0) == len(study.tuning_seeds) for rate in known)
                seen = {rate: value for rate, value in curve.items() if rate in known}
                further = _further(seen, low, high) if whole else None
                if further is None:
                    break
                known.add(further)
                jobs += [Job(place, initializer, further, seed, "tuning") for seed in study.tuning_seeds]
    return jobs


def _further(curve: Curve, low: float, high: float) -> float | None:
    """The next rate beyond the end at which the best one lies, None where it does not, or that is too far."""
    edge = _edge(curve)
    if edge == "lowest" and min(curve) > low / STEP ** (BEYOND - 0.5):
        return float(f"{min(curve) / STEP:.3g}")
    if edge == "highest" and max(curve) < high * STEP ** (BEYOND - 0.5):
        return float(f"{max(curve) * STEP:.3g}")
    return None


def rate_summaries(study: Study, tuned: Sequence[Trial], task: str, goal: float) -> tuple[RateSummary, ...]:
    """What the tuning says of each initialization on a task: its rate, and how many rates let it learn."""
    if not tuned:
        return ()
    chosen, curves = best_rates(tuned, study.criterion), tuning_curves(tuned, study.criterion)
    losses = tuning_curves(tuned)
    return tuple(
        RateSummary(
            initialization=name,
            chosen=chosen[task, name],
            tried=tuple(curves[task, name]),
            learned=tuple(rate for rate, loss in losses[task, name].items() if loss <= goal),
            edge=_edge(curves[task, name]),
        )
        for name in map(str, study.initializers)
        if (task, name) in curves
    )
