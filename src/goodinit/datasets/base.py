"""`Dataset`: examples to train and to test on, with the names of their features and classes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.streams import KeyedStream

__all__ = ["Dataset", "split"]

TEST_SHARE = 0.25  # as in the classic experiment, 100 of 400


@dataclass(frozen=True)
class Dataset:
    """A classification data set.

    `X_train` and `X_test` have shape (examples, features); `y_train` and `y_test` hold class numbers, indices
    into `classes`. `note` says what was done to the features, for the result's reader; `parted` that the data came
    with its own test examples.
    """

    name: str
    X_train: NDArray[np.float64] = field(repr=False)
    y_train: NDArray[np.intp] = field(repr=False)
    X_test: NDArray[np.float64] = field(repr=False)
    y_test: NDArray[np.intp] = field(repr=False)
    classes: tuple[str, ...]
    features: tuple[str, ...]
    note: str = ""
    parted: bool = False

    @property
    def targets(self) -> NDArray[np.float64]:
        """The training classes as the loss reads them: (1, examples) of 0 and 1, or one-hot (classes, examples)."""
        return self._as_targets(self.y_train)

    @property
    def test_targets(self) -> NDArray[np.float64]:
        """The test classes as the loss reads them."""
        return self._as_targets(self.y_test)

    def _as_targets(self, labels: NDArray[np.intp]) -> NDArray[np.float64]:
        if len(self.classes) == 2:
            return labels[np.newaxis].astype(np.float64)
        return np.eye(len(self.classes))[:, labels]

    @property
    def outputs(self) -> int:
        """The number of logits a network for this data has: one for two classes, else one a class."""
        return 1 if len(self.classes) == 2 else len(self.classes)


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
