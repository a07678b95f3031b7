"""What a start should do, by calculation: gains, mean field, the critical line, finite width, Jacobian spectra.

Everything here is a function of plain numbers; nothing trains or draws. Weight variances are fan_in times the variance
of a weight (2 for He, 1 for LeCun), bias variances are those of a bias, and widths are infinite unless said.
"""

from __future__ import annotations

from goodinit.theory.criticality import (
    CriticalPoint,
    critical_line,
    critical_point,
    critical_weight_variance,
    half_stable_critical_point,
)
from goodinit.theory.finite_width import LogNormDrift, log_norm_drift
from goodinit.theory.fixed_points import MeanField, correlation_map, mean_field
from goodinit.theory.gains import backward_gain, gain, pytorch_gain, random_walk_gain
from goodinit.theory.jacobian import JacobianSpectrum, jacobian_spectrum
from goodinit.theory.learning import learning_time
from goodinit.theory.maps import second_moment_ratio, variance_map
from goodinit.theory.survey import Survey, survey

__all__ = [
    "CriticalPoint",
    "JacobianSpectrum",
    "LogNormDrift",
    "MeanField",
    "Survey",
    "backward_gain",
    "correlation_map",
    "critical_line",
    "critical_point",
    "critical_weight_variance",
    "gain",
    "half_stable_critical_point",
    "jacobian_spectrum",
    "learning_time",
    "log_norm_drift",
    "mean_field",
    "pytorch_gain",
    "random_walk_gain",
    "second_moment_ratio",
    "survey",
    "variance_map",
]
