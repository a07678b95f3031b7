"""What was found: frozen records of tasks, trials, findings and forecasts. They hold, and compute nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from goodinit.datasets import Dataset, Source
from goodinit.factories import ModelFactory
from goodinit.networks import MLP, Parameters
from goodinit.statistics import Ranking
from goodinit.training import Dtype, Schedule

__all__ = ["Finding", "LayerForecast", "Phase", "Sensitivity", "Task", "TaskSummary", "Trial"]


Phase = Literal["evaluation", "tuning"]


@dataclass(frozen=True)
class Finding:
    """One judgement: a code, how severe it is, and one sentence with the measured evidence.

    A finding about a model also says `where` (a layer, a parameter, or nothing for the whole), what was `measured` and
    what was `expected`, and its `remedy`: Python that can be pasted where `model`, `inputs`, `torch` and `goodinit`
    are at hand.
    """

    code: str
    severity: Literal["severe", "warning", "info"]
    message: str
    where: str | None = None
    measured: float | None = None
    expected: float | None = None
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"code": self.code, "severity": self.severity, "message": self.message}

    def details(self) -> dict[str, Any]:
        """All of it, as the JSON of a model's checkup holds it."""
        measured = None if self.measured is None else _number(self.measured)
        expected = None if self.expected is None else _number(self.expected)
        return {
            **self.to_dict(),
            "where": self.where,
            "measured": measured,
            "expected": expected,
            "remedy": self.remedy or None,
        }


@dataclass(frozen=True)
class Task:
    """What is trained: data, network or model, schedule, and the stream that the initial weights come from.

    The schedule's learning rate is the one of a trial that names none.
    """

    name: str
    source: Source
    network: MLP | ModelFactory
    schedule: Schedule
    stream: str
    dtype: Dtype = "float64"

    @property
    def data(self) -> Dataset:
        """The examples of seed 0: every seed has as many, of the same features and classes."""
        return self.source.dataset(0)

    @property
    def identity(self) -> str:
        """Text that two tasks share only if their trials are the same: all they depend on but their own choices."""
        facts = {**self.to_dict(), "data": self.source.fingerprint, "dtype": self.dtype}
        del facts["name"], facts["learning_rate"]
        return json.dumps(facts, sort_keys=True)

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
            },
            **self.network.facts,
            "optimizer": schedule.optimizer,
            "learning_rate": schedule.learning_rate,
            "steps": schedule.steps,
            "batch_size": schedule.batch_size,
            "record_every": schedule.record_every,
            "stream": self.stream,
        }


@dataclass(frozen=True)
class Sensitivity:
    """How far the loss curve moves when every initial weight is changed by one part in 1 / `perturbation`.

    `spread` is the largest less the smallest loss over the unchanged run and `repeats` changed ones, one value a
    recorded step; `lowest` and `highest` are those losses themselves.
    """

    perturbation: float
    repeats: int
    lowest: tuple[float, ...]
    highest: tuple[float, ...]

    @property
    def spread(self) -> tuple[float, ...]:
        """The largest less the smallest loss at each recorded step."""
        return tuple(high - low for low, high in zip(self.lowest, self.highest, strict=True))

    @property
    def largest(self) -> float:
        """The largest spread of the curve; nan where it diverged at every recorded step."""
        return max((s for s in self.spread if not math.isnan(s)), default=math.nan)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "perturbation": self.perturbation,
            "repeats": self.repeats,
            "largest_spread": _number(self.largest),
            "lowest": [_number(value) for value in self.lowest],
            "highest": [_number(value) for value in self.highest],
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Sensitivity:
        """The sensitivity of which `to_dict` made these facts."""
        edges = (tuple(math.nan if v is None else v for v in facts[edge]) for edge in ("lowest", "highest"))
        return cls(facts["perturbation"], facts["repeats"], *edges)


@dataclass(frozen=True)
class Trial:
    """One training run: what was run, its loss curve, its accuracies, and what was found at its start and its end.

    Losses are mean cross-entropies over the training set in nats. Where the run diverged, `diverged` is true,
    `diverged_by` is the recorded step by which a number was no longer finite (None where the loss stayed finite
    but ended far above its start), and the curve ends there. `phase` is `tuning` for a trial that served to choose a
    learning rate, `failure` the reason where a trial could not be trained at all. `parameters` are those after
    training, and empty where they were not kept.
    """

    task: str
    phase: Phase
    initialization: str
    seed: int
    learning_rate: float
    steps: int
    loss_steps: tuple[int, ...]
    loss_values: tuple[float, ...]
    final_loss: float
    train_accuracy: float
    test_accuracy: float
    diverged: bool
    diverged_by: int | None
    sensitivity: Sensitivity | None
    findings: tuple[Finding, ...]
    why: str
    failure: str | None = None
    parameters: Parameters = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """How tables and figures call the trial."""
        return self.initialization

    @property
    def place(self) -> tuple[str, str, float, int]:
        """Which trial it is within a study: task, initialization, learning rate, seed."""
        return self.task, self.initialization, self.learning_rate, self.seed

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: a final loss that is not finite is null."""
        return {
            "task": self.task,
            "phase": self.phase,
            "initialization": self.initialization,
            "seed": self.seed,
            "learning_rate": self.learning_rate,
            "steps": self.steps,
            "loss": {"step": list(self.loss_steps), "value": list(self.loss_values)},
            "final_loss": _number(self.final_loss),
            "train_accuracy": self.train_accuracy,
            "test_accuracy": self.test_accuracy,
            "diverged": self.diverged,
            "diverged_by": self.diverged_by,
            "sensitivity": self.sensitivity.to_dict() if self.sensitivity else None,
            "findings": [finding.to_dict() for finding in self.findings],
            "why": self.why,
            "failure": self.failure,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], parameters: Parameters) -> Trial:
        """The trial of which `to_dict` made these facts."""
        own = dict(facts)
        loss, spread, findings = own.pop("loss"), own.pop("sensitivity"), own.pop("findings")
        own["final_loss"] = math.nan if own["final_loss"] is None else own["final_loss"]
        return cls(
            **own,
            loss_steps=tuple(loss["step"]),
            loss_values=tuple(loss["value"]),
            sensitivity=Sensitivity.from_dict(spread) if spread else None,
            findings=tuple(Finding(**finding) for finding in findings),
            parameters=parameters,
        )


@dataclass(frozen=True)
class TaskSummary:
    """One task's initializations over the seeds of a study.

    `groups` are what was compared: initializations, with the learning rate where several were run. `target_loss` is
    the training loss that counts as learned. `ranking` is None where there is one seed only.
    """

    task: str
    groups: tuple[str, ...]
    seeds: tuple[int, ...]
    target_loss: float
    ranking: Ranking | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "task": self.task,
            "groups": list(self.groups),
            "seeds": list(self.seeds),
            "score": "test_accuracy",
            "target_loss": self.target_loss,
            "ranking": self.ranking.to_dict() if self.ranking else None,
        }


@dataclass(frozen=True)
class LayerForecast:
    """One layer: its weight's expected and realised standard deviation, and the signals it is predicted to see.

    `preactivation_variance` is that of the layer's outputs before the activation, for inputs of mean square 1;
    `activation_square` is the mean square after it (None for the last layer, which has none); `gradient_square` is the
    mean square of the loss's gradient by the pre-activations, in units of the last layer's. They are those of a wide
    network with independent weights of mean 0, and None where the initializer's weights have another mean.
    """

    name: str
    shape: tuple[int, ...]
    expected_std: float
    realised_std: float
    preactivation_variance: float | None
    activation_square: float | None
    gradient_square: float | None
    caution: str | None


def _number(value: float) -> float | None:
    """A number that JSON can hold: null for nan and the infinities."""
    return value if math.isfinite(value) else None
