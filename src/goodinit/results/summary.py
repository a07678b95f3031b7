"""One task's initializations over the seeds of a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from goodinit.results.metric import ScoreName
from goodinit.statistics import Ranking

__all__ = ["Edge", "RateSummary", "TaskSummary"]

Edge = Literal["lowest", "highest", "flat"]


@dataclass(frozen=True)
class RateSummary:
    """What the tuning says of one initialization: its learning rate, and how much depends on it.

    `chosen` is the rate that it is evaluated with, `tried` are all; with `learned` the median final training loss over
    the tuning seeds is at most the target. `edge` says that the best rate is the `lowest` or `highest` tried, so that
    a better one may lie beyond, or that all are alike (`flat`).
    """

    initialization: str
    chosen: float
    tried: tuple[float, ...]
    learned: tuple[float, ...]
    edge: Edge | None

    @property
    def share(self) -> float:
        """The share of the rates tried that learn."""
        return len(self.learned) / len(self.tried)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "initialization": self.initialization,
            "chosen": self.chosen,
            "tried": list(self.tried),
            "learned": list(self.learned),
            "edge": self.edge,
        }


@dataclass(frozen=True)
class TaskSummary:
    """One task's initializations over the seeds of a study.

    `groups` are what was compared: initializations, with the learning rate where several were run. `target_loss` is
    the training loss that counts as learned, `score_name` what the ranking goes by. `ranking` is None where there is
    one seed only, or too few could be trained. `untrained` are the seeds of each group's trials that the machine ended,
    which are no result; `notes` are sentences that a reader must see. `rates` say what the tuning found.
    """

    task: str
    groups: tuple[str, ...]
    seeds: tuple[int, ...]
    target_loss: float
    ranking: Ranking | None
    score_name: ScoreName = "accuracy"
    untrained: tuple[tuple[str, tuple[int, ...]], ...] = ()
    notes: tuple[str, ...] = ()
    rates: tuple[RateSummary, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "task": self.task,
            "groups": list(self.groups),
            "seeds": list(self.seeds),
            "score": f"test_{self.score_name}",
            "target_loss": self.target_loss,
            "untrained": {group: list(seeds) for group, seeds in self.untrained},
            "notes": list(self.notes),
            "rates": [rates.to_dict() for rates in self.rates],
            "ranking": self.ranking.to_dict() if self.ranking else None,
        }
