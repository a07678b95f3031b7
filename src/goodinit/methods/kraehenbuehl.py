"""Data-dependent initialization: every unit's output scaled, then every layer's rate of change made the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import numpy as np

from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment
from goodinit.methods.measuring import MeasuringMethod
from goodinit.methods.per_unit import UnitScales, measure_units
from goodinit.methods.probe import CallOutput, Measurement, Probe, Rescale
from goodinit.methods.registry import register
from goodinit.structure import LayerCall, Structure

__all__ = ["Kraehenbuehl"]

_CLOSE: Final = 0.01  # relative: ratios that are as near to each other are the same


@register
@dataclass(frozen=True)
class Kraehenbuehl(MeasuringMethod):
    """Each unit's output with mean `mean` and variance 1; then layers rescaled until all change at the same rate.

    The rate of a layer is the norm of its weight's gradient over that of the weight, where the gradients of the outputs
    are standard normal numbers. In each of at most `rounds` rounds every weight is multiplied by the root of its rate
    over the geometric mean of all, and biases follow, so that a unit's mean stays `mean` times its deviation. In a
    network whose layers are homogeneous, as with ReLU, the output's size stays 1.

    >>> import torch, goodinit
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 4))
    >>> x = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    >>> done = goodinit.initialize(model, "kraehenbuehl", seed=0, inputs=x)
    >>> first, last = (each.after for each in done.measured if each.quantity == "rate of change")
    >>> bool(abs(first / last - 1) < 0.02)
    True

    Raises GoodinitError for an option out of range, and where no batch is given.
    """

    name = "kraehenbuehl"
    summary = "each unit's output scaled to variance 1 on a batch, then layers rescaled to one rate of change"
    formula = "w = of / std, b = mean - mean(output) / std by unit; then w *= sqrt(C_k / C), C_k = |dl/dw| / |w|"
    reference = "Kraehenbuehl, Doersch, Donahue & Darrell 2016 (Data-dependent Initializations of CNNs)"
    needs = ("run", "inputs", "gradients")

    of: str | Initializer = "normal"
    mean: float = 0.0
    rounds: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_number("mean", -math.inf)
        self.check_number("rounds", 0, whole=True)

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The weights and biases."""
        said, probe = self.before(structure), self.probed(probe)
        scales = measure_units(structure, probe, said, self.mean)
        factors = dict.fromkeys(scales.gains, 1.0)
        made = scales.applied(said, factors)
        if not self.rounds:
            return made
        first = rates = self._rates(probe, made, factors)
        output = 1.0
        for _ in range(self.rounds):
            if self._even(rates) or not rates:
                break
            aim = math.exp(fmean(map(math.log, rates.values()))) * output ** (1 / len(rates))
            for name, rate in rates.items():
                factors[name] *= math.sqrt(rate / aim)
            output = self._shifted(probe, scales, said, factors)
            made = scales.applied(said, factors)
            rates = self._rates(probe, made, factors)
        aim = math.exp(fmean(map(math.log, rates.values()))) if rates else 0.0
        reached = self._even(rates)
        for name, rate in rates.items():
            near = abs(math.log(rate / aim)) <= _CLOSE
            probe.record(Measurement(name, "rate of change", first.get(name), rate, aim=aim, reached=near))
        if not reached:
            probe.note(
                f"after {self.rounds} rounds the largest rate of change is {self._spread(rates):.3g} times the least"
            )
        return made

    def _rates(self, probe: Probe, made: tuple[Assignment, ...], factors: dict[str, float]) -> dict[str, float]:
        found = probe.backward(made)
        return {name: rate for name in factors if math.isfinite(rate := found.get(name, 0.0)) and rate > 0}

    def _spread(self, rates: dict[str, float]) -> float:
        """The largest rate over the smallest."""
        return max(rates.values()) / min(rates.values()) if rates else 1.0

    def _even(self, rates: dict[str, float]) -> bool:
        return self._spread(rates) <= 1 + 2 * _CLOSE

    def _shifted(
        self, probe: Probe, scales: UnitScales, said: tuple[Assignment, ...], factors: dict[str, float]
    ) -> float:
        """Set the biases of weights times `factors`; gives the last layer's size of a unit's deviation."""
        bare = UnitScales(scales.structure, scales.firsts, scales.gains).applied(said, factors)
        seen: set[int] = set()
        size = 1.0

        def sweep(call: LayerCall, output: CallOutput) -> Rescale | None:
            nonlocal size
            if call.index not in scales.firsts:
                return None
            size = float(np.mean(output.unit_stds))
            bias = scales.firsts[call.index][1]
            if bias not in scales.shifts or call.index in seen:
                return None
            seen.add(call.index)
            scales.shifts[bias] = shift = self.mean * output.unit_stds - output.unit_means
            return Rescale(shift=shift)

        probe.sweep(bare, sweep)
        return size
