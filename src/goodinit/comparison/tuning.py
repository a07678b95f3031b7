"""Learning rates chosen fairly: each initialization's best one, on seeds of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from goodinit.results import Trial

__all__ = ["best_rates", "tuning_curves"]

Curve = dict[float, float]


def tuning_curves(trials: Sequence[Trial]) -> dict[tuple[str, str], Curve]:
    """For each (task, initialization) the median final training loss over the tuning seeds, by learning rate.

    A trial that diverged or failed counts as infinite; one that the machine ended does not count. The training loss
    decides, not the test accuracy, so that the choice has not seen the test examples.
    """
    losses: dict[tuple[str, str], dict[float, list[float]]] = {}
    for trial in trials:
        if trial.machine_failure:
            continue
        bad = trial.diverged or trial.failure is not None or not math.isfinite(trial.final_loss)
        rates = losses.setdefault((trial.task, trial.initialization), {})
        rates.setdefault(trial.learning_rate, []).append(math.inf if bad else trial.final_loss)
    return {
        place: {rate: float(median(rates[rate])) for rate in sorted(rates)} for place, rates in sorted(losses.items())
    }


def best_rates(trials: Sequence[Trial]) -> dict[tuple[str, str], float]:
    """The learning rate with the lowest median final loss, the smaller one of equals, by (task, initialization)."""
    return {place: min(curve, key=lambda rate: (curve[rate], rate)) for place, curve in tuning_curves(trials).items()}
