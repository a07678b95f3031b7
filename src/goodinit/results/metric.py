"""What results are measured in: a score, a loss, and the guess that both are held against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

__all__ = ["CLASSIFICATION", "REGRESSION", "SQUARED", "Metric", "ScoreName"]

ScoreName = Literal["accuracy", "r2"]


@dataclass(frozen=True)
class Metric:
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


CLASSIFICATION: Final = Metric("accuracy", "accuracy", "share correct", "mean cross-entropy, nats", "guessing", True)
SQUARED: Final = replace(CLASSIFICATION, loss="mean squared error", guess="predicting the mean")
REGRESSION: Final = Metric("r2", "R²", "share of the variance", "mean squared error", "predicting the mean", False)
