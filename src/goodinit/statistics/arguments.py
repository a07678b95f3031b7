"""What the functions of this room accept, and the errors they give for anything else."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.errors import GoodinitError, shown

__all__ = ["RESAMPLES", "check_level", "read_flags", "read_numbers"]

Float64s = NDArray[np.float64]
RESAMPLES: Final = 5000  # the Monte Carlo error of a 95 % limit is then a twentieth of a standard error


def check_level(level: Any, name: str = "level") -> float:
    """The level as a float. Raises GoodinitError unless 0 < level < 1."""
    if isinstance(level, float | np.floating) and 0 < level < 1:
        return float(level)
    raise GoodinitError(f"{name}={shown(level)}: {name} must lie between 0 and 1, both excluded; 0.95 is usual")


def read_numbers(name: str, values: ArrayLike, *, ndim: int, fewest: int = 2) -> Float64s:
    """The values as a float64 array of `ndim` axes, at least `fewest` along the last; nan and inf are let through."""
    axes = {1: "one number a seed", 2: "a row a group, a column a seed"}[ndim]
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise GoodinitError(f"{name} is not an array of numbers ({error}); give {axes}, no seed left out") from error
    if array.ndim != ndim:
        raise GoodinitError(f"{name} has shape {array.shape}; give {axes}")
    if array.shape[-1] < fewest:
        raise GoodinitError(f"{name} has shape {array.shape}: {fewest} seeds or more are needed; run more")
    return array


def read_flags(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The values as booleans of that shape; zeros and ones serve."""
    array = np.asarray(values)
    if array.shape != shape:
        raise GoodinitError(f"{name} has shape {array.shape}, but the scores have {shape}; give one flag a score")
    if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
        raise GoodinitError(f"{name} must hold true or false, one flag a score")
    return array.astype(np.bool_)
