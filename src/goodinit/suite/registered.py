"""What was registered before the suite was run: tasks, starts, rates, seeds and how it is judged."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from goodinit.comparison.design import design, parse_seeds
from goodinit.errors import unknown_name
from goodinit.results import Task
from goodinit.suite.examples import examples

__all__ = ["Registered", "SuiteProtocol", "registered"]


@dataclass(frozen=True)
class Registered:
    """A task of the suite: what is trained, on what, and how long."""

    name: str
    family: str
    model: Mapping[str, Any]
    data: Mapping[str, Any]
    optimizer: str
    steps: int
    batch_size: int

    def task(self) -> Task:
        """The task as `compare` trains it: a new model for every trial, of PyTorch's own start."""
        data = examples(self.data)
        return design(
            ["default"],
            tasks=[{"name": self.name}],
            model=self._factory(data),
            data=data,
            optimizer=self.optimizer,
            steps=self.steps,
            batch_size=self.batch_size,
            record_every=max(1, self.steps // 4),
        ).tasks[0]

    def _factory(self, data: Any) -> Callable[[], Any]:
        from goodinit.suite.models import build

        shape, outputs = data.X_train.shape[1:], data.outputs

        def make() -> Any:
            return build(shape, outputs, self.model)

        facts = hashlib.sha256(json.dumps(dict(self.model), sort_keys=True).encode()).hexdigest()[:8]
        make.__qualname__ = f"suite model {facts}"
        return make


@dataclass(frozen=True)
class SuiteProtocol:
    """The whole of what was registered. `rates` holds for each optimizer the learning rates of each tuning budget."""

    tasks: tuple[Registered, ...]
    starts: tuple[str, ...]
    tuning_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    criterion: str
    rates: Mapping[str, Mapping[int, tuple[float, ...]]]

    def chosen(self, names: Sequence[str] | None) -> tuple[Registered, ...]:
        """The tasks of those names, all without any. Raises GoodinitError for a name that is not registered."""
        known = {task.name: task for task in self.tasks}
        for name in names or ():
            if name not in known:
                raise unknown_name("task of the suite", name, known)
        return tuple(known[name] for name in names) if names else self.tasks


def registered() -> SuiteProtocol:
    """What is registered in the package.

    >>> len(registered().tasks), registered().rates["adam"][1]
    (8, (0.001,))
    """
    facts = tomllib.loads(files("goodinit.suite").joinpath("tasks.toml").read_text("utf-8"))
    protocol = facts["protocol"]
    return SuiteProtocol(
        tuple(Registered(**task) for task in facts["task"]),
        tuple(protocol["starts"]),
        parse_seeds(protocol["tuning_seeds"]),
        parse_seeds(protocol["seeds"]),
        protocol["criterion"],
        {
            optimizer: {int(budget): tuple(map(float, rates)) for budget, rates in budgets.items()}
            for optimizer, budgets in protocol["rates"].items()
        },
    )
