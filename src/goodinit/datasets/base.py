"""`Dataset`: examples to train and to test on, with the names of their features and of their classes or target."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.streams import KeyedStream

__all__ = ["Dataset", "held_out", "split"]

TEST_SHARE = 0.25  # as in the classic experiment, 100 of 400


@dataclass(frozen=True)
class Dataset:
    """Examples of classes, or of numbers to predict (regression), to train and to test on.

    `X_train` and `X_test` have shape (examples, features). With `classes`, `y_train` and `y_test` hold class numbers,
    indices into them. Without, they hold the finite numbers to predict, one an example: of what is called `target`,
    whose value in its own unit is `target_mean + target_scale * y`. `note` says what was done to the features and
    the target, for the result's reader; `parted` that the data came with its own test examples.

    Raises GoodinitError for targets that cannot be predicted: no finite numbers, or all the same in training.
    """

    name: str
    X_train: NDArray[np.float64] = field(repr=False)
    y_train: NDArray[np.intp] | NDArray[np.float64] = field(repr=False)
    X_test: NDArray[np.float64] = field(repr=False)
    y_test: NDArray[np.intp] | NDArray[np.float64] = field(repr=False)
    classes: tuple[str, ...]
    features: tuple[str, ...]
    note: str = ""
    parted: bool = False
    target: str = "y"
    target_mean: float = 0.0
    target_scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.regression:
            return
        for what, y, X in (("y_train", self.y_train, self.X_train), ("y_test", self.y_test, self.X_test)):
            if y.shape != (len(X),) or y.dtype.kind not in "fiu" or not np.isfinite(y).all():
                raise GoodinitError(
                    f"{self.name}: {what} of shape {y.shape} and type {y.dtype}; without classes it must hold one "
                    f"finite number for each of {len(X)} examples"
                )
        if not 0 < self.chance_loss < math.inf:
            what = "are all the same" if self.chance_loss == 0 else "are too large for float64; rescale them"
            raise GoodinitError(f"{self.name}: the targets to train on {what}; there is nothing to predict")

    @property
    def regression(self) -> bool:
        """Whether numbers are predicted, not classes."""
        return not self.classes

    @property
    def targets(self) -> NDArray[np.float64]:
        """What the loss compares outputs with: (1, examples) of 0 and 1 or of numbers, one-hot (classes, examples)."""
        return self._as_targets(self.y_train)

    @property
    def test_targets(self) -> NDArray[np.float64]:
        """The test examples' targets, as `targets`."""
        return self._as_targets(self.y_test)

    def _as_targets(self, y: NDArray[np.intp] | NDArray[np.float64]) -> NDArray[np.float64]:
        if len(self.classes) <= 2:
            return y[np.newaxis].astype(np.float64)
        return np.eye(len(self.classes))[:, y]

    @property
    def outputs(self) -> int:
        """The number of outputs a network for this data has: one for two classes or a number, else one a class."""
        return 1 if len(self.classes) <= 2 else len(self.classes)

    @property
    def chance_loss(self) -> float:
        """The training loss of guessing: ln(classes), or the targets' variance, which predicting their mean has."""
        if not self.regression:
            return math.log(len(self.classes))
        with np.errstate(over="ignore"):
            return float(np.var(self.y_train, dtype=np.float64))


def split(labels: NDArray[np.intp], seed: int, test_share: float = TEST_SHARE) -> tuple[NDArray[np.intp], ...]:
    """Row numbers to train and to test on: the share of every class goes to the test set, chosen by the seed alone.

    A class keeps at least one row to train on.
    """
    stream = KeyedStream(seed)
    test: list[NDArray[np.intp]] = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        order = stream.permutation(f"split/{label}", rows.size)
        test.append(rows[order[: min(round(test_share * rows.size), rows.size - 1)]])
    chosen = np.sort(np.concatenate(test))
    if chosen.size == 0:
        raise GoodinitError(f"{labels.size} rows are too few to keep some for testing; give at least 2 rows a class")
    return np.setdiff1d(np.arange(labels.size), chosen), chosen


def held_out(data: Dataset, seed: int) -> Dataset:
    """The data with a quarter of its examples to train on, chosen by the seed alone, in place of those to test on."""
    labels = np.zeros(len(data.y_train), dtype=np.intp) if data.regression else data.y_train.astype(np.intp)
    kept, aside = split(labels, seed)
    X, y = data.X_train, data.y_train
    return replace(data, X_train=X[kept], y_train=y[kept], X_test=X[aside], y_test=y[aside])
