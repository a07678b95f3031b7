"""All that theory says of one activation: its gains, its critical line, and what weights of each variance do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from goodinit.activations import Activation
from goodinit.arguments import check_number
from goodinit.errors import GoodinitError
from goodinit.theory.arguments import check_activation
from goodinit.theory.criticality import CriticalPoint, critical_line, half_stable_critical_point
from goodinit.theory.fixed_points import MeanField, mean_field
from goodinit.theory.gains import backward_gain, gain, pytorch_gain

__all__ = ["Survey", "survey"]

BIASES: Final = (0.0, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.5, 1.0)
LINE: Final = tuple(float(b) for b in np.concatenate([[0.0], np.geomspace(1e-3, 2.0, 40)]))
AROUND: Final = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0)  # times the central weight variance


@dataclass(frozen=True)
class Survey:
    """What mean-field theory says of one activation.

    `line` holds (bias variance, critical weight variance) pairs, nan where there is none; `mean_fields` are those of
    weight variances around `centre` at `bias_variance`, and `scan` finer ones. `centre` is the critical weight
    variance there, or gain^2 where there is none.
    """

    activation: Activation
    gain: float
    backward_gain: float
    pytorch_gain: float | None
    half_stable: CriticalPoint | None
    bias_variance: float
    centre: float
    critical: bool
    line: tuple[tuple[float, float], ...]
    mean_fields: tuple[MeanField, ...]
    scan: tuple[MeanField, ...]

    @property
    def shown_biases(self) -> tuple[float, ...]:
        """The round bias variances of the line, for a table."""
        return tuple(sorted({*BIASES, self.bias_variance}))


def survey(activation: str | Activation, *, bias_variance: float = 0.05) -> Survey:
    """Everything `Survey` holds, for one activation at one bias variance.

    >>> tanh = survey("tanh")
    >>> round(tanh.centre, 4), tanh.mean_fields[0].phase, tanh.mean_fields[-1].phase
    (1.761, 'ordered', 'chaotic')

    Raises GoodinitError for an unknown activation or a negative bias variance.
    """
    found = check_activation(activation)
    variance = check_number("bias_variance", bias_variance, low=0)
    biases = sorted({*BIASES, *LINE, variance})
    line = tuple(zip(biases, critical_line(found, biases).tolist(), strict=True))
    centre = dict(line)[variance]
    critical = math.isfinite(centre)
    if not critical:
        centre = gain(found) ** 2
    try:
        half_stable = half_stable_critical_point(found)
    except GoodinitError:
        half_stable = None

    def fields(factors: tuple[float, ...]) -> tuple[MeanField, ...]:
        return tuple(mean_field(found, weight_variance=f * centre, bias_variance=variance) for f in factors)

    fine = tuple(float(f) for f in 1 + np.concatenate([-np.geomspace(0.75, 1e-3, 40), np.geomspace(1e-3, 2.0, 40)]))
    return Survey(
        activation=found,
        gain=gain(found),
        backward_gain=backward_gain(found),
        pytorch_gain=pytorch_gain(found),
        half_stable=half_stable,
        bias_variance=variance,
        centre=centre,
        critical=critical,
        line=line,
        mean_fields=fields(AROUND),
        scan=fields(fine),
    )
