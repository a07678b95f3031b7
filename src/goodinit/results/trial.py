"""One training run, and how far rounding moves it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from goodinit.findings import Finding
from goodinit.jsonable import finite_or_none
from goodinit.networks import Parameters
from goodinit.results.metric import ScoreName
from goodinit.results.origin import Origin

__all__ = ["Phase", "Sensitivity", "Trial"]

Phase = Literal["evaluation", "tuning"]
_MACHINES: Final = (
    "TimeoutError",
    "MemoryError",
    "OutOfMemoryError",
    "WorkerCrashedError",
    "NodeDiedError",
    "LocalRayletDiedError",
    "ObjectLostError",
)
"""Errors that say nothing of a start: a time limit, too little memory, a lost worker."""


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
            "largest_spread": finite_or_none(self.largest),
            "lowest": [finite_or_none(value) for value in self.lowest],
            "highest": [finite_or_none(value) for value in self.highest],
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Sensitivity:
        """The sensitivity of which `to_dict` made these facts."""
        edges = (tuple(math.nan if v is None else v for v in facts[edge]) for edge in ("lowest", "highest"))
        return cls(facts["perturbation"], facts["repeats"], *edges)


@dataclass(frozen=True)
class Trial:
    """One training run: what was run, its loss curve, its scores, and what was found at its start and its end.

    Losses are means over the training set, `test_loss` over the test set: cross-entropies in nats, or squared errors.
    Scores are the shares of right answers where `score_name` is `accuracy`, and coefficients of determination where it
    is `r2`; nan where they are not finite. Where the run diverged, `diverged` is true,
    `diverged_by` is the recorded step by which a number was no longer finite (None where the loss stayed finite
    but ended far above its start), and the curve ends there. `phase` is `tuning` for a trial that served to choose a
    learning rate, `failure` the reason where a trial could not be trained at all. `parameters` are those after
    training, and empty where they were not kept. With early stopping they, the final loss and the scores are those
    before `best_step`, where the validation loss was lowest, and `stopped_at` is the step at which training ended, None
    at its end. `origin` is what trained it, None where that was not kept.
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
    test_loss: float = math.nan
    best_step: int | None = None
    stopped_at: int | None = None
    origin: Origin | None = field(default=None, compare=False)
    parameters: Parameters = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """How tables and figures call the trial."""
        return self.initialization

    @property
    def machine_failure(self) -> bool:
        """Whether the machine ended it: a time limit, too little memory, a lost worker.

        It then says nothing of its start, and is counted apart; an error of the training itself is the start's result.
        """
        name, _, reason = (self.failure or "").partition(":")
        return name in _MACHINES or (name == "RuntimeError" and "allocate memory" in reason)

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
            "final_loss": finite_or_none(self.final_loss),
            "test_loss": finite_or_none(self.test_loss),
            f"train_{self.score_name}": finite_or_none(self.train_score),
            f"test_{self.score_name}": finite_or_none(self.test_score),
            "diverged": self.diverged,
            "diverged_by": self.diverged_by,
            **({} if self.best_step is None else {"best_step": self.best_step, "stopped_at": self.stopped_at}),
            "sensitivity": self.sensitivity.to_dict() if self.sensitivity else None,
            "findings": [finding.to_dict() for finding in self.findings],
            "why": self.why,
            "failure": self.failure,
            "origin": self.origin.to_dict() if self.origin else None,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], parameters: Parameters) -> Trial:
        """The trial of which `to_dict` made these facts."""
        own = dict(facts)
        loss, spread, findings = own.pop("loss"), own.pop("sensitivity"), own.pop("findings")
        origin = own.pop("origin", None)
        score_name: ScoreName = "r2" if "test_r2" in own else "accuracy"
        own.setdefault("test_loss", None)  # which goodinit 0.1 did not keep
        for name, key in (
            ("final_loss", "final_loss"),
            ("test_loss", "test_loss"),
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
            findings=tuple(Finding.from_dict(_renamed(finding, spread)) for finding in findings),
            origin=Origin.from_dict(origin) if origin else None,
            parameters=parameters,
        )


def _renamed(finding: Mapping[str, Any], sensitivity: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The finding under its code of today: a training's own sensitivity to rounding was stored as `chaotic` once."""
    stored_as_text = "values" not in finding
    if stored_as_text and sensitivity and finding["code"] == "chaotic":
        return {**finding, "code": "sensitive-to-rounding"}
    return finding
