"""Data to train on: built-in sets by name, or a person's own CSV or NPZ. Nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

from goodinit.datasets.base import Dataset
from goodinit.datasets.builtin import BUILTIN
from goodinit.datasets.files import load_file
from goodinit.errors import GoodinitError, unknown_name
from goodinit.streams import check_seed

__all__ = ["Dataset", "load", "names"]


def names() -> list[str]:
    """The names of the built-in data sets."""
    return list(BUILTIN)


def load(data: str | Path | Dataset, target: str | None = None, seed: int = 0, standardize: bool = True) -> Dataset:
    """A built-in data set by name, or one from a CSV or NPZ file.

    Arguments:
        data: a name from `names()`, a path, or a Dataset, which comes back as it is.
        target: the label column of a CSV, or the label array of an NPZ (default `y`).
        seed: makes the built-in sets other than `circles`, and chooses a file's test rows (a quarter of each class).
        standardize: shift and scale a file's features by the training rows' mean and standard deviation.

    >>> load("circles").X_train.shape
    (300, 2)

    Raises GoodinitError for an unknown name and for a file that cannot be trained on.
    """
    check_seed(seed)
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str) and data in BUILTIN:
        if target is not None:
            raise GoodinitError(f"target {target!r} goes with a file; the built-in {data} has its labels")
        return BUILTIN[data](seed)
    path = Path(data)
    looks_like_a_path = path.suffix or len(path.parts) > 1 or path.exists()
    if not looks_like_a_path:
        raise unknown_name("data set", str(data), BUILTIN, see="or give the path of a CSV or NPZ file")
    return load_file(path, target, seed, standardize)
