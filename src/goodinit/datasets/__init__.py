"""Data to train on: built-in sets by name, or a person's own CSV or NPZ. Nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

from goodinit.datasets.base import Dataset
from goodinit.datasets.builtin import BUILTIN, Builtin, is_builtin
from goodinit.datasets.files import CsvText
from goodinit.datasets.source import Source
from goodinit.streams import check_seed

__all__ = ["BUILTIN", "Builtin", "CsvText", "Dataset", "Source", "is_builtin", "load", "names"]


def names() -> list[str]:
    """The names of the built-in data sets."""
    return list(BUILTIN)


def load(
    data: str | Path | CsvText | Dataset,
    target: str | None = None,
    seed: int = 0,
    standardize: bool = True,
    regression: bool | None = None,
) -> Dataset:
    """A built-in data set by name, or one from a CSV or NPZ file.

    Arguments:
        data: a name from `names()`, with options as in `moons(noise=0.3, points=600)`, a path, a CSV's text, or a
            Dataset, which comes back as it is.
        target: the column of labels or targets of a CSV, or that array of an NPZ (default `y`).
        seed: makes or splits the built-in sets other than `circles`, and chooses a file's test rows (a quarter, of
            each class where there are classes).
        standardize: shift and scale a file's features, and a target of numbers, by the training rows' mean and
            standard deviation.
        regression: a file's target is a number to predict, not a class; None means classes.

    >>> load("circles").X_train.shape
    (300, 2)

    Raises GoodinitError for an unknown name and for a file that cannot be trained on.
    """
    return (
        data if isinstance(data, Dataset) else Source(data, target, standardize, regression).dataset(check_seed(seed))
    )
