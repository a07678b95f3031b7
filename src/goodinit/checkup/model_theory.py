"""What mean-field theory expects of one layer, given what was measured before it.

The integrals over a normal pre-activation are sums over a fixed grid, to about three digits: a checkup of a hundred
layers would otherwise take longer than the model's own run. `goodinit.theory` has them to full precision.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np

from goodinit import activations, theory
from goodinit.errors import GoodinitError

__all__ = ["baseline_saturation", "expected_std", "known", "moments", "saturated_where_critical"]

_STEP: Final = 1 / 512
_GRID: Final = (np.arange(-8 * 512, 8 * 512) + 0.5) * _STEP  # symmetric, and no point on a kink at 0
_WEIGHTS: Final = np.exp(-_GRID * _GRID / 2) / np.exp(-_GRID * _GRID / 2).sum()


@lru_cache
def known(name: str) -> activations.Activation | None:
    """The activation of that name; None where goodinit has none."""
    return activations.get(name) if activations.is_known(name) else None


@lru_cache(maxsize=4096)
def moments(name: str | None, q: float) -> tuple[float, float] | None:
    """(E[phi(u)^2], E[phi'(u)^2]) for u ~ N(0, q) and that activation, None for linear; None where it is not known."""
    if name is None or name == "linear":
        return q, 1.0
    activation = known(name)
    if activation is None or not math.isfinite(q):
        return None
    u = math.sqrt(q) * _GRID
    with np.errstate(all="ignore"):
        value, slope = activation.value(u), activation.derivative(u)
    return float(_WEIGHTS @ value**2), float(_WEIGHTS @ slope**2)


@lru_cache(maxsize=512)
def expected_std(name: str | None, fan_in: float) -> float | None:
    """gain / sqrt(fan_in): of weights that keep the size of a signal with that activation, and of its gradient.

    The gain is `theory.gain`, 1 / sqrt(E[phi(z)^2]), but for tanh and other odd and bounded activations: those grow
    chaotic with it, and the critical gain without biases is 1 / phi'(0), which is 1. A sine of a frequency w is taken
    as the sine of w times the pre-activation, whose variance is then 1.
    """
    if fan_in <= 0:
        return None
    if name is None or name == "linear":
        return 1 / math.sqrt(fan_in)
    activation = known(name)
    if activation is None:
        return None
    low, high = activation.saturation
    if high is not None and low == -high:
        return 1 / abs(float(activation.derivative(np.zeros(1))[0])) / math.sqrt(fan_in)
    frequency = 1.0
    if name.startswith("sine(frequency="):
        frequency = abs(float(name.removeprefix("sine(frequency=").removesuffix(")")))
        name = "sine"
    try:
        return theory.gain(name) / frequency / math.sqrt(fan_in) if frequency else None
    except GoodinitError:
        return None


@lru_cache(maxsize=64)
def baseline_saturation(name: str, margin: float) -> float:
    """The share of outputs near a bound for standard normal pre-activations: half of a ReLU6's are at its 0."""
    return _saturation(name, margin, 1.0)


@lru_cache(maxsize=64)
def saturated_where_critical(name: str, margin: float) -> float | None:
    """The share of outputs near a bound where small differences and gradients keep their size through depth.

    1 where they do so at no start of normal weights and biases, and None for an activation that is not known. A
    sigmoid's is 0.54: its critical weights are 10 / sqrt(fan in), at which its units are held at its ends.
    """
    if known(name) is None:
        return None
    for point in (theory.critical_point, theory.half_stable_critical_point):
        try:
            return _saturation(name, margin, point(name).q_star)
        except GoodinitError:
            continue
    return 1.0


def _saturation(name: str, margin: float, q: float) -> float:
    """The share of outputs near a bound for pre-activations of variance q, 0 where there are not two."""
    activation = known(name)
    if activation is None or None in activation.saturation:
        return 0.0
    low, high = activation.saturation
    assert low is not None
    assert high is not None
    value = activation.value(math.sqrt(q) * _GRID)
    reach = margin * (high - low)
    return float(_WEIGHTS @ ((value <= low + reach) | (value >= high - reach)))
