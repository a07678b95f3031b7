"""What was registered before the suite was run: tasks, starts, rates, seeds and how it is judged."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Final, cast

from goodinit.comparison.design import design, parse_seeds
from goodinit.errors import unknown_name
from goodinit.factories import ModelFactory
from goodinit.results import Task
from goodinit.suite.examples import examples

__all__ = ["SETS", "Registered", "SuiteProtocol", "registered"]

SETS: Final[Mapping[str, str]] = {"small": "tasks.toml", "full": "full.toml", "claims": "claims.toml"}
"""The sets by name, and their files."""

AT_ONCE: Final = 80
ALONE: Final = ("recurrent",)  # PyTorch's recurrent layers cannot be stacked


@dataclass(frozen=True)
class Registered:
    """A task of the suite: what is trained, on what, and how long.

    `starts` are compared in place of the protocol's. A task that tests a published `claim` has two, of which the second
    was claimed to be better, with the `source`. `tuned_on` is another model that rates are tuned on.
    """

    name: str
    family: str
    model: Mapping[str, Any]
    data: Mapping[str, Any]
    optimizer: str
    steps: int
    batch_size: int
    starts: tuple[str, ...] = ()
    claim: str = ""
    source: str = ""
    tuned_on: Mapping[str, Any] | None = None

    def task(self, *, tuning: bool = False) -> Task:
        """The task as `compare` trains it: a new model for every trial, of PyTorch's own start.

        With `tuning` it is the one that rates are tuned on, which is another where the task has `tuned_on`.
        """
        data = examples(self.data)
        other = self.tuned_on if tuning else None
        task = design(
            ["default"],
            tasks=[{"name": self.name if other is None else f"{self.name}, to tune on"}],
            model=self._factory(data, other or self.model),
            data=data,
            optimizer=self.optimizer,
            steps=self.steps,
            batch_size=self.batch_size,
            record_every=self.steps,
        ).tasks[0]
        ensemble = 1 if self.model["kind"] in ALONE else AT_ONCE
        return replace(task, network=replace(cast(ModelFactory, task.network), checked=False, ensemble=ensemble))

    def _factory(self, data: Any, options: Mapping[str, Any]) -> Callable[[], Any]:
        from goodinit.suite.models import build

        shape, outputs = data.X_train.shape[1:], data.outputs

        def make() -> Any:
            return build(shape, outputs, options)

        facts = hashlib.sha256(json.dumps(dict(options), sort_keys=True).encode()).hexdigest()[:8]
        make.__qualname__ = f"suite model {facts}"
        return make


@dataclass(frozen=True)
class SuiteProtocol:
    """The whole of what was registered as the set `name`.

    `rates` holds for each optimizer the learning rates of each tuning budget.
    """

    tasks: tuple[Registered, ...]
    starts: tuple[str, ...]
    tuning_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    criterion: str
    rates: Mapping[str, Mapping[int, tuple[float, ...]]]
    name: str = "small"

    def chosen(self, names: Sequence[str] | None) -> tuple[Registered, ...]:
        """The tasks of those names, all without any. Raises GoodinitError for a name that is not registered."""
        known = {task.name: task for task in self.tasks}
        for name in names or ():
            if name not in known:
                raise unknown_name("task of the suite", name, known)
        return tuple(known[name] for name in names) if names else self.tasks


def registered(name: str = "small") -> SuiteProtocol:
    """A set that is registered in the package: `small`, `full` or `claims`.

    >>> len(registered().tasks), registered().rates["adam"][1]
    (8, (0.001,))
    >>> len(registered("full").tasks), len(registered("full").starts)
    (40, 15)

    Raises GoodinitError for another name.
    """
    if name not in SETS:
        raise unknown_name("set of the suite", name, SETS)
    facts = tomllib.loads(files("goodinit.suite").joinpath(SETS[name]).read_text("utf-8"))
    protocol = facts["protocol"]
    return SuiteProtocol(
        tuple(Registered(**{**task, "starts": tuple(task.get("starts", ()))}) for task in facts["task"]),
        tuple(protocol["starts"]),
        parse_seeds(protocol["tuning_seeds"]),
        parse_seeds(protocol["seeds"]),
        protocol["criterion"],
        {
            optimizer: {int(budget): tuple(map(float, rates)) for budget, rates in budgets.items()}
            for optimizer, budgets in protocol["rates"].items()
        },
        name,
    )
