"""What was found: frozen records of tasks, trials, findings and forecasts. They hold, and compute nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np

from goodinit.datasets import Dataset, Source
from goodinit.factories import ModelFactory
from goodinit.networks import MLP, Parameters
from goodinit.statistics import Ranking
from goodinit.training import Dtype, Schedule

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "Finding",
    "LayerForecast",
    "Phase",
    "ScoreName",
    "Sensitivity",
    "Task",
    "TaskSummary",
    "Trial",
    "Yardstick",
]


ScoreName = Literal["accuracy", "r2"]
Phase = Literal["evaluation", "tuning"]


@dataclass(frozen=True)
class Yardstick:
    """What results are measured in: a score, higher for better, a loss, and the guess that both are held against.

    `score` is the score's name in JSON and tables of data, `words` its name elsewhere, `share` what it is a share of;
    with `bounded` it is never below 0. `loss` says what a loss is, `guess` what its value for a guess is that of.
    """

    score: ScoreName
    words: str
    share: str
    loss: str
    guess: str
    bounded: bool

    @property
    def test(self) -> str:
        """The name of the score that the seeds are ranked by."""
        return f"test {self.words}"


CLASSIFICATION: Final = Yardstick("accuracy", "accuracy", "share correct", "mean cross-entropy, nats", "guessing", True)
SQUARED: Final = replace(CLASSIFICATION, loss="mean squared error", guess="predicting the mean")
REGRESSION: Final = Yardstick("r2", "R²", "share of the variance", "mean squared error", "predicting the mean", False)


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
    def mlp(self) -> MLP:
        """The network of a task that trains goodinit's own; for code that is not reached with a person's model."""
        if not isinstance(self.network, MLP):
            raise TypeError(f"{self.network.text} is a model, not a network of goodinit's own")
        return self.network

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of a person that the task needs where it is trained."""
        return () if isinstance(self.network, MLP) else (self.network.make.__module__,)

    @property
    def yardstick(self) -> Yardstick:
        """What the task's results are measured in."""
        if self.data.regression:
            return REGRESSION
        return SQUARED if self.network.loss == "squared_error" else CLASSIFICATION

    @property
    def chance_loss(self) -> float:
        """The training loss of guessing, with seed 0's data: ln(classes); of a squared error the targets' variance."""
        if self.network.loss == "squared_error":
            return float(np.var(self.data.targets, axis=1).mean())
        return math.log(len(self.data.classes))

    @property
    def chance(self) -> str:
        """The guess that losses are held against, with its loss, as figures tell it."""
        if self.network.loss == "squared_error":
            return f"{self.yardstick.guess}: {self.chance_loss:.4g}"
        return f"{self.yardstick.guess}: ln {len(self.data.classes)} = {self.chance_loss:.4f}"

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
                **({"target": data.target} if data.regression else {}),
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
    """One training run: what was run, its loss curve, its scores, and what was found at its start and its end.

    Losses are means over the training set: cross-entropies in nats, or squared errors. Scores are the shares of right
    answers where `score_name` is `accuracy`, and coefficients of determination where it is `r2`; nan where they are
    not finite. Where the run diverged, `diverged` is true,
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
    train_score: float
    test_score: float
    diverged: bool
    diverged_by: int | None
    sensitivity: Sensitivity | None
    findings: tuple[Finding, ...]
    why: str
    failure: str | None = None
    score_name: ScoreName = "accuracy"
    parameters: Parameters = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """How tables and figures call the trial."""
        return self.initialization

    @property
    def train_accuracy(self) -> float | None:
        """The share of training examples that are right; None where the score is another."""
        return self.train_score if self.score_name == "accuracy" else None

    @property
    def test_accuracy(self) -> float | None:
        """The share of test examples that are right; None where the score is another."""
        return self.test_score if self.score_name == "accuracy" else None

    @property
    def train_r2(self) -> float | None:
        """The coefficient of determination on the training examples; None where the score is another."""
        return self.train_score if self.score_name == "r2" else None

    @property
    def test_r2(self) -> float | None:
        """The coefficient of determination on the test examples; None where the score is another."""
        return self.test_score if self.score_name == "r2" else None

    @property
    def place(self) -> tuple[str, str, float, int]:
        """Which trial it is within a study: task, initialization, learning rate, seed."""
        return self.task, self.initialization, self.learning_rate, self.seed

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: a final loss or a score that is not finite is null.

        The scores are `train_accuracy` and `test_accuracy`, or `train_r2` and `test_r2`.
        """
        return {
            "task": self.task,
            "phase": self.phase,
            "initialization": self.initialization,
            "seed": self.seed,
            "learning_rate": self.learning_rate,
            "steps": self.steps,
            "loss": {"step": list(self.loss_steps), "value": list(self.loss_values)},
            "final_loss": _number(self.final_loss),
            f"train_{self.score_name}": _number(self.train_score),
            f"test_{self.score_name}": _number(self.test_score),
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
        score_name: ScoreName = "r2" if "test_r2" in own else "accuracy"
        for name, key in (
            ("final_loss", "final_loss"),
            ("train_score", f"train_{score_name}"),
            ("test_score", f"test_{score_name}"),
        ):
            value = own.pop(key)
            own[name] = math.nan if value is None else value
        return cls(
            **own,
            score_name=score_name,
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
    the training loss that counts as learned, `score_name` what the ranking goes by. `ranking` is None where there is
    one seed only.
    """

    task: str
    groups: tuple[str, ...]
    seeds: tuple[int, ...]
    target_loss: float
    ranking: Ranking | None
    score_name: ScoreName = "accuracy"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "task": self.task,
            "groups": list(self.groups),
            "seeds": list(self.seeds),
            "score": f"test_{self.score_name}",
            "target_loss": self.target_loss,
            "ranking": self.ranking.to_dict() if self.ranking else None,
        }


@dataclass(frozen=True)
class LayerForecast:
    """One layer: its weight's expected and realised standard deviation, and the signals it is predicted to see.

    `preactivation_variance` is that of the layer's outputs before the activation, for inputs of mean square 1
    unless told;
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
