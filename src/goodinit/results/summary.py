"""One task's initializations over the seeds of a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from goodinit.results.metric import ScoreName
from goodinit.statistics import Ranking

__all__ = ["TaskSummary"]


@dataclass(frozen=True)
class TaskSummary:
    """One task's initializations over the seeds of a study.

    `groups` are what was compared: initializations, with the learning rate where several were run. `target_loss` is
    the training loss that counts as learned, `score_name` what the ranking goes by. `ranking` is None where there is
    one seed only, or too few could be trained. `untrained` are the seeds of each group's trials that the machine ended,
    which are no result; `notes` are sentences that a reader must see.
    """

    task: str
    groups: tuple[str, ...]
    seeds: tuple[int, ...]
    target_loss: float
    ranking: Ranking | None
    score_name: ScoreName = "accuracy"
    untrained: tuple[tuple[str, tuple[int, ...]], ...] = ()
    notes: tuple[str, ...] = ()

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
            "ranking": self.ranking.to_dict() if self.ranking else None,
        }
