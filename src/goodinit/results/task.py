"""What is trained."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, cast

from goodinit.datasets import Dataset, Source
from goodinit.networks import MLP
from goodinit.options import task_options
from goodinit.results.metric import CLASSIFICATION, REGRESSION, SQUARED, Metric
from goodinit.statistics.guessing import chance_loss
from goodinit.trainable import Trainable
from goodinit.training import Dtype, Schedule

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """What is trained: data, network or model, schedule, and the stream that the initial weights come from.

    The schedule's learning rate is the one of a trial that names none.
    """

    name: str
    source: Source
    network: Trainable
    schedule: Schedule
    stream: str
    dtype: Dtype = "float64"

    @property
    def data(self) -> Dataset:
        """The examples of seed 0: every seed has as many, of the same features and classes."""
        return self.source.dataset(0)

    @property
    def mlp(self) -> MLP:
        """The network of a task that trains goodinit's own; for code that is not reached with a person's model."""
        if self.network.kind != "network":
            raise TypeError(f"{self.network.title} is a model, not a network of goodinit's own")
        return cast(MLP, self.network)

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of a person that the task needs where it is trained."""
        return self.network.modules

    @property
    def metric(self) -> Metric:
        """What the task's results are measured in."""
        if self.network.own_loss is not None:
            usual = REGRESSION if self.data.regression else CLASSIFICATION
            return replace(usual, loss=f"loss {self.network.own_loss.text}")
        if self.data.regression:
            return REGRESSION
        return SQUARED if self.network.loss == "squared_error" else CLASSIFICATION

    @property
    def chance_loss(self) -> float:
        """The training loss of guessing, with seed 0's data: ln(classes); of a squared error the targets' variance."""
        if self.network.own_loss is not None:
            return self.network.own_loss.guess
        squared = self.network.loss == "squared_error"
        return chance_loss(self.network.loss, len(self.data.classes), self.data.targets if squared else None)

    @property
    def chance(self) -> str:
        """The guess that losses are held against, with its loss, as figures tell it."""
        if self.network.own_loss is not None or self.network.loss == "squared_error":
            return f"{self.metric.guess}: {self.chance_loss:.4g}"
        return f"{self.metric.guess}: ln {len(self.data.classes)} = {self.chance_loss:.4f}"

    @property
    def identity(self) -> str:
        """Text that two tasks share only if their trials are the same: all they depend on but their own choices."""
        facts = {**self.network.facts, "data": self.source.fingerprint}  # with which the target and its scaling
        held = {"data", "target", "standardize", *facts}
        for option in task_options():
            has = option.of in (None, self.network.kind) or hasattr(self, option.name)
            if option.identity and option.name not in held and has:
                value = self.choice(option.name)
                if not (option.later and value == option.usual):
                    facts[option.name] = value
        return json.dumps(facts, sort_keys=True)

    def choice(self, option: str) -> Any:
        """What an option of `compare` is for this task: the value in the record that has it by its name.

        Raises LookupError where none has: an option that a task forgets would silently share another task's trials.
        """
        for part in (self, self.schedule, self.network, self.source):
            if hasattr(part, option):
                return getattr(part, option)
        raise LookupError(f"the option {option} is in no record of the task {self.name}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        data, schedule = self.data, self.schedule
        return {
            "name": self.name,
            "data": {
                "name": data.name,
                "train_examples": len(data.y_train),
                "test_examples": len(data.y_test),
                "features": list(data.features),
                "classes": list(data.classes),
                "note": data.note,
                **({"target": data.target} if data.regression else {}),
            },
            **self.network.facts,
            "optimizer": schedule.optimizer,
            **schedule.later,
            "learning_rate": schedule.learning_rate,
            "steps": schedule.steps,
            "batch_size": schedule.batch_size,
            "record_every": schedule.record_every,
            "stream": self.stream,
        }
