"""What a person gave to `recommend`, made into a task and the study of its race."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from goodinit.comparison.design import design
from goodinit.comparison.model_factories import dataset_of
from goodinit.datasets import Dataset
from goodinit.datasets.base import split
from goodinit.errors import GoodinitError, shown
from goodinit.methods import Start
from goodinit.options import OPTIONS
from goodinit.recommending.plan import RacePlan
from goodinit.results import Study, Task

__all__ = ["RATES", "RaceRequest", "of_steps", "race_study", "task_of"]

RATES: Final[Mapping[str, tuple[float, ...]]] = {
    "gradient_descent": (1e-3, 3.16e-3, 1e-2, 3.16e-2, 0.1, 0.316, 1.0),
    "momentum": (1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 0.1),
    "adam": (1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 0.1),
    "adamw": (1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 0.1),
}
"""The learning rates of a race, half a power of ten apart, by the optimizer's reach."""
_TUNING: Final = 1_000_000  # the first of the seeds that the rungs have
_RECORDS: Final = 8  # losses that a run records where their mean decides, and else
_FEW_RECORDS: Final = 2  # since each is over all training examples, as dear as many steps


@dataclass(frozen=True)
class RaceRequest:
    """The arguments of a race that decide what it is: two races are the same only if these are."""

    make: str | Callable[..., Any] | Mapping[str, Any]
    data: Any
    options: Mapping[str, Any]
    criterion: str

    def identity(self, task: Task, starts: Sequence[Start], baseline: Start, rates: Sequence[float]) -> str:
        """Text that two races share only if they are the same one."""
        steps = self.options.get("steps")
        facts = [task.identity, steps, [str(each) for each in starts], str(baseline), list(rates), self.criterion]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def task_of(given: RaceRequest, baseline: str | Start | None) -> tuple[Task, str | Start]:
    """The task with all its steps, and the start that others are held against.

    Raises GoodinitError for what cannot be used.
    """
    if given.criterion not in OPTIONS["tuning_criterion"].choices:
        raise GoodinitError(f"criterion {shown(given.criterion)}: choose {OPTIONS['tuning_criterion'].takes}")
    options = {name: value for name, value in given.options.items() if value is not None}
    if given.data is not None:
        options["data"] = _data(given.data)
    tasks: Any = "classic"
    if isinstance(given.make, Mapping):
        tasks = {"name": "network", **given.make}
        network = "model" not in given.make
    else:
        network = isinstance(given.make, str) and ":" not in given.make
        if network:
            tasks = given.make
        else:
            options["model"] = given.make
    start = baseline if baseline is not None else "he_normal" if network else "default"
    if not network and given.data is not None and "batch_size" not in options and isinstance(options["data"], Dataset):
        options["batch_size"] = min(64, len(options["data"].y_train))
    return design([start], tasks=tasks, **options).tasks[0], start


def race_study(
    task: Task, starts: Sequence[Start], plan: RacePlan, seeds: int, criterion: str
) -> tuple[Study, tuple[int, ...]]:
    """The study of a race: a task of one step, one of each rung, and the whole; and the number of each rung's task."""
    full = task.schedule.steps
    lengths = sorted({1, full, *(rung.steps for rung in plan.rungs)})
    tasks = [of_steps(task, steps, criterion) for steps in lengths]
    many = max(rung.seeds for rung in plan.rungs)
    study = Study(
        tuple(tasks),
        tuple(starts),
        plan.rates,
        tuple(range(seeds)),
        tuple(range(_TUNING, _TUNING + many)),
        criterion,
    )
    return study, tuple(lengths.index(rung.steps) for rung in plan.rungs)


def of_steps(task: Task, steps: int, criterion: str) -> Task:
    """The task with so many steps, as a race trains it: of one step with a checkup of its start, of more without."""
    full, records = task.schedule.steps, _RECORDS if criterion == "area" else _FEW_RECORDS
    name = task.name if steps == full else f"{task.name} ({steps} step{'s' * (steps != 1)})"
    network = task.network.unchecked() if steps > 1 else task.network
    schedule = replace(task.schedule, steps=steps, record_every=max(1, steps // records))
    return replace(task, name=name, network=network, schedule=schedule)


def _data(given: Any) -> Any:
    """A Dataset of (X, y), of which a quarter is kept to test on, or of (X_train, y_train, X_test, y_test)."""
    if not isinstance(given, tuple | list):
        return given
    arrays = [np.asarray(each.detach().cpu() if hasattr(each, "detach") else each) for each in given]
    if len(arrays) == 2:
        X, y = arrays
        if len(X) != len(y) or y.ndim != 1:
            raise GoodinitError(
                f"data: X has {len(X)} examples and y has shape {y.shape}; give one label or number for each example"
            )
        labels = np.zeros(len(y), dtype=np.intp) if y.dtype.kind == "f" else y.astype(np.intp)
        kept, aside = split(labels, 0)
        arrays = [X[kept], y[kept], X[aside], y[aside]]
    if len(arrays) != 4:
        raise GoodinitError(
            f"data: {len(arrays)} arrays; give (X, y), (X_train, y_train, X_test, y_test), a Dataset, a name or a file"
        )
    return dataset_of(tuple(arrays), "given")
