"""Features, and targets that are numbers, shifted and scaled by the training rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from goodinit.datasets.base import Dataset
from goodinit.errors import GoodinitError

__all__ = ["scaled"]


def scaled(data: Dataset) -> Dataset:
    """The data with features, and targets that are numbers, of mean 0 and deviation 1 over the training rows.

    A constant feature is centred only. `target_mean` and `target_scale` bring a target back to its own unit.

    Raises GoodinitError for values too large to be scaled.
    """
    with np.errstate(all="ignore"):
        mean, std = data.X_train.mean(axis=0), data.X_train.std(axis=0)
    for feature, centre, spread in zip(data.features, mean, std, strict=True):
        if not (math.isfinite(centre) and math.isfinite(spread)):
            raise GoodinitError(f"{data.name}: column {feature!r} has values too large to standardize; rescale it")
    constant = std <= 1e-12 * np.abs(mean)
    mean, std = np.where(constant, data.X_train[0], mean), np.where(constant, 1.0, std)
    how = "standardized by the training rows' mean and standard deviation"
    features = replace(
        data, X_train=(data.X_train - mean) / std, X_test=(data.X_test - mean) / std, note=f"features {how}"
    )
    return _scaled_target(features, f"features and target {how}") if data.regression else features


def _scaled_target(data: Dataset, note: str) -> Dataset:
    mean, scale = float(np.mean(data.y_train)), math.sqrt(data.chance_loss)
    if scale <= 1e-12 * abs(mean):
        raise GoodinitError(f"{data.name}: the targets to train on are all {mean:g} up to rounding")

    def own(y: NDArray[np.generic]) -> NDArray[np.float64]:
        return (np.asarray(y, dtype=np.float64) - mean) / scale

    return replace(
        data, y_train=own(data.y_train), y_test=own(data.y_test), note=note, target_mean=mean, target_scale=scale
    )
