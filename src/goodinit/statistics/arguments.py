"""What the functions of this room accept, and the errors they give for anything else."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from goodinit.errors import GoodinitError, is_finite

__all__ = ["RESAMPLES", "check_choice", "check_count", "check_level", "check_number", "read_flags", "read_numbers"]

Float64s = NDArray[np.float64]
RESAMPLES: Final = 5000  # the Monte Carlo error of a 95 % limit is then a twentieth of a standard error


def check_number(name: str, value: Any, *, low: float = -math.inf) -> float:
    """The value as a float. Raises GoodinitError unless it is a finite number of at least `low`."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if number and is_finite(value) and value >= low:
        return float(value)
    bound = "" if low == -math.inf else f" of at least {low:g}"
    raise GoodinitError(f"{name}={value!r}: {name} must be a finite number{bound}")


def check_level(level: Any, name: str = "level") -> float:
    """The level as a float. Raises GoodinitError unless 0 < level < 1."""
    if isinstance(level, float | np.floating) and 0 < level < 1:
        return float(level)
    raise GoodinitError(f"{name}={level!r}: {name} must lie between 0 and 1, both excluded; 0.95 is usual")


def check_count(name: str, value: Any, *, low: int = 1) -> int:
    """The value as an int. Raises GoodinitError unless it is an integer of at least `low`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < low:
        raise GoodinitError(f"{name}={value!r}: {name} must be an integer of at least {low}")
    return int(value)


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """The value, which must be one of the words in `choices`."""
    if value not in choices:
        raise GoodinitError(f"{name}={value!r}: {name} must be one of {', '.join(choices)}")
    return str(value)


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
