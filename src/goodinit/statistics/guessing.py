"""The loss of an answer that knows nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["chance_loss"]


def chance_loss(loss: str, classes: int, targets: NDArray[Any] | None = None) -> float:
    """The mean loss of guessing: ln(classes) of a cross-entropy; of a squared error that of predicting the mean.

    `targets`, (outputs, examples), are needed for a squared error, which is their variance, the mean over outputs.

    >>> round(chance_loss("cross_entropy", 10), 4)
    2.3026
    >>> chance_loss("squared_error", 0, np.array([[1.0, 2.0, 3.0, 4.0]]))
    1.25
    """
    if loss == "squared_error":
        assert targets is not None
        return float(np.var(targets, axis=1).mean())
    return math.log(classes)
