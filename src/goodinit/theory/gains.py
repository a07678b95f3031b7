"""Gains: what a layer's weights are multiplied by so that its activation keeps the size of a signal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from goodinit import activations
from goodinit.activations import Activation, Array
from goodinit.arguments import check_choice, check_count
from goodinit.errors import GoodinitError
from goodinit.theory.arguments import check_activation, check_vectorised
from goodinit.theory.quadrature import expectation

__all__ = ["backward_gain", "gain", "pytorch_gain", "random_walk_gain"]

_PYTORCH: Final = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}


def gain(activation: str | Activation | Callable[[Array], Any]) -> float:
    """The gain 1 / sqrt(E[phi(z)^2]), z ~ N(0, 1), by quadrature, for any activation.

    Weights of variance gain^2 / fan_in give unit-variance pre-activations from unit-variance ones.

    `activation` is a name, an Activation, or a function that maps a NumPy array to an array of the same shape. The
    relative error is about 1e-15, for functions with kinks or jumps too, whether known or not; a function that
    computes in float32 or wriggles on a scale below 1e-3 is as good as its own values.

    Raises GoodinitError for an unknown name, a function that is not vectorised, gives numbers that are not finite,
    is zero everywhere, or grows so fast that its mean square is infinite.

    >>> round(gain("relu") ** 2, 12)
    2.0
    >>> round(gain("gelu"), 6)
    1.53353
    >>> import numpy as np
    >>> round(gain(lambda z: np.maximum(z, 0) ** 2), 6)  # squared ReLU: 1 / sqrt(3 / 2)
    0.816497

    Source: He et al. 2015, eq. 10, for ReLU.
    """
    if callable(activation) and not isinstance(activation, Activation):
        function, kinks = check_vectorised(activation), ()
        return _inverse_root(lambda u: function(u) ** 2, kinks, "the activation")
    found = activations.get(activation)
    return _inverse_root(lambda u: found.value(u) ** 2, found.kinks, f"activation {found}")


def backward_gain(activation: str | Activation) -> float:
    """The gain 1 / sqrt(E[phi'(z)^2]), z ~ N(0, 1): weights of variance gain^2 / fan_out keep a gradient's size.

    For ReLU it is the forward gain; for most others it is not, and a start must choose or sit on the critical line.

    Raises GoodinitError for an unknown name, or a plain function, whose derivative is not known.

    >>> round(backward_gain("relu") ** 2, 12), round(backward_gain("tanh"), 6)
    (2.0, 1.467414)

    Source: He et al. 2015, eq. 14, for ReLU; Glorot & Bengio 2010, eq. 11.
    """
    found = check_activation(activation)
    return _inverse_root(lambda u: found.derivative(u) ** 2, found.kinks, f"the derivative of activation {found}")


def _inverse_root(square: Callable[[Array], Array], kinks: tuple[float, ...], what: str) -> float:
    moment = expectation(square, 1.0, kinks)
    if moment <= 0:
        raise GoodinitError(f"{what} is zero everywhere; no gain can keep a signal's size")
    return 1 / math.sqrt(moment)


def pytorch_gain(activation: str | Activation) -> float | None:
    """The gain in PyTorch's table, `torch.nn.init.calculate_gain`; None where PyTorch has none.

    It is a convention, not the quadrature of `gain`: tanh's 5/3 and selu's 3/4 are choices, and gelu, silu, elu and
    mish are missing. leaky_relu's is sqrt(2 / (1 + slope^2)).

    Raises GoodinitError for an unknown name.

    >>> pytorch_gain("selu"), pytorch_gain("gelu")
    (0.75, None)

    Source: PyTorch 2.13, `torch.nn.init.calculate_gain`.
    """
    found = activations.get(activation)
    if found.name.partition("(")[0] == "leaky_relu":
        slope = float(found.derivative(np.array([-1.0]))[0])
        return math.sqrt(2 / (1 + slope * slope))
    return _PYTORCH.get(found.name)


def random_walk_gain(activation: str, *, width: int) -> float:
    """The gain that keeps the expected logarithm of a deep, narrow network's norm near 0.

    relu: sqrt(2) exp(1.2 / (max(N, 6) - 2.4)); linear: exp(1 / (2 N)); N = `width`, the number of units. The critical
    gain keeps the mean square only; the typical network's norm shrinks, as `log_norm_drift` says, and this makes
    up for it.

    Raises GoodinitError for another activation, or a width that is not an integer of at least 1.

    >>> round(random_walk_gain("linear", width=100), 6), round(random_walk_gain("relu", width=100), 6)
    (1.005013, 1.431709)

    Source: Sussillo & Abbott 2014, Random walk initialization, the linear and the ReLU case.
    """
    check_choice("activation", str(activation), ("relu", "linear"))
    units = check_count("width", width)
    if str(activation) == "linear":
        return math.exp(1 / (2 * units))
    return math.sqrt(2) * math.exp(1.2 / (max(units, 6) - 2.4))
