"""The coefficient of determination of predicted numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["r_squared"]


def r_squared(predicted: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.float64]:
    """The share of the variance of `truth` that is predicted, over the last axis; 1 is best.

    R² = 1 - sum (y - f)^2 / sum (y - mean y)^2: 0 for predicting the mean of y, below 0 for worse than that, and not
    finite where a prediction is not. For equal y it is 1 if every prediction is right and else 0, as in scikit-learn.

    >>> import numpy as np
    >>> float(r_squared(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])))
    0.5
    """
    with np.errstate(all="ignore"):  # a network that diverged still has outputs
        left = ((predicted - truth) ** 2).sum(axis=-1)
        if (truth == truth[0]).all():
            return np.asarray(np.where(np.isfinite(left), left == 0, np.nan), dtype=np.float64)
        return np.asarray(1 - left / ((truth - truth.mean()) ** 2).sum())
