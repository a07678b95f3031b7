"""What the functions of this room accept, and the errors they give for anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from goodinit import activations
from goodinit.activations import Activation, Array
from goodinit.errors import GoodinitError

__all__ = ["check_activation", "check_vectorised"]


def check_activation(activation: Any) -> Activation:
    """The activation of that name, or as it is; a plain function is refused, as its derivative is not known."""
    if callable(activation) and not isinstance(activation, Activation):
        raise GoodinitError(
            f"activation={activation!r} is a plain function, and here its derivative is needed too; give a name, or "
            "goodinit.activations.Activation(name, value, derivative, None)"
        )
    return activations.get(activation)


def check_vectorised(function: Callable[[Array], Any]) -> Callable[[Array], Array]:
    """The function as it is, once it has mapped an array to finite real numbers of the same shape."""
    label = getattr(function, "__name__", None) or repr(function)
    advice = "it must map a NumPy array to an array of the same shape, element by element; np.vectorize makes it so"
    points = np.array([-2.0, -0.5, 0.25, 1.0, 3.0])
    try:
        values = np.asarray(function(points))
    except Exception as error:
        raise GoodinitError(f"activation {label} fails on an array ({error}); {advice}") from error
    if values.shape != points.shape:
        raise GoodinitError(f"activation {label} gave shape {values.shape} for an array of {points.shape}; {advice}")
    if values.dtype.kind not in "fiub" or not np.isfinite(values.astype(np.float64)).all():
        raise GoodinitError(f"activation {label} gave {values!r} at {points!r}; it must give finite real numbers")
    return lambda u: np.asarray(function(u), dtype=np.float64)
