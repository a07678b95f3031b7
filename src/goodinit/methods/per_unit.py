"""Weights and biases set unit by unit, so that every unit's output has a chosen mean and variance 1 on a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from goodinit.initializers import Initializer
from goodinit.initializers.units import GainByUnit, GivenValues
from goodinit.methods.assignment import Assignment
from goodinit.methods.measuring import MEASURED_ON, listed, weight_calls
from goodinit.methods.probe import CallOutput, Measurement, Probe, Rescale
from goodinit.structure import LayerCall, Structure

__all__ = ["UnitScales", "measure_units"]

UnitValues = NDArray[np.float64]


@dataclass
class UnitScales:
    """What the weights' units are multiplied by, and what is added to biases, by name; the calls that were measured.

    `firsts` are the calls, by number, whose outputs decide a weight, each with that weight and its bias.
    """

    structure: Structure
    firsts: Mapping[int, tuple[str, str | None]]
    gains: dict[str, UnitValues] = field(default_factory=dict)
    shifts: dict[str, UnitValues] = field(default_factory=dict)

    def applied(self, said: Iterable[Assignment], factors: Mapping[str, float]) -> tuple[Assignment, ...]:
        """The assignments with all that, and the weights times `factors` besides."""
        return tuple(self._one(each, factors.get(each.name, 1.0)) for each in said)

    def _one(self, said: Assignment, factor: float) -> Assignment:
        initializer: Initializer | None = None
        if said.name in self.gains and said.initializer is not None:
            gains = self.gains[said.name] * factor
            outputs = self.structure[said.name].target
            if gains.size == 1:
                gains = np.full(outputs.shape[outputs.out_axis], float(gains.reshape(())))
            initializer = GainByUnit(said.initializer, tuple(map(float, gains)))
        elif said.name in self.shifts:
            initializer = GivenValues(tuple(map(float, self.shifts[said.name])))
        return said if initializer is None else replace(said, initializer=initializer, because=MEASURED_ON)


def measure_units(structure: Structure, probe: Probe, said: tuple[Assignment, ...], mean: float) -> UnitScales:
    """Scale every unit's output to variance 1, and shift it to the mean where its layer has a bias that may be set."""
    free = probe.free(said)
    before = probe.outputs(said)
    calls = weight_calls(structure, free)
    firsts = {own[0].index: (name, _bias(structure, own[0], free)) for name, own in calls.items()}
    scales = UnitScales(structure, firsts)
    silent: list[str] = []

    def sweep(call: LayerCall, output: CallOutput) -> Rescale | None:
        if call.index not in firsts:
            return None
        name, bias = firsts[call.index]
        if name in scales.gains:
            return None
        stds = output.unit_stds
        dead = ~(np.isfinite(stds) & (stds > 1e-12))
        silent.extend([name] * bool(dead.any()))
        gain = np.where(dead, 1.0, 1 / np.where(dead, 1.0, stds))
        scales.gains[name] = gain
        shift = None
        if bias is not None and gain.size == structure[bias].target.size:
            shift = np.where(dead, 0.0, mean - output.unit_means * gain)
            scales.shifts[bias] = shift
        return Rescale(gain if gain.size > 1 else float(gain[0]), shift)

    after = probe.sweep(said, sweep)
    for index, (name, bias) in firsts.items():
        reached = name not in silent
        one, two = (_size(each[index].unit_stds) for each in (before, after))
        probe.record(Measurement(name, "std of a unit", one, two, aim=1.0, reached=reached))
        if bias is not None:
            one, two = (_size(each[index].unit_means - mean) for each in (before, after))
            probe.record(Measurement(bias, "mean of a unit, off its aim", one, two, aim=0.0, reached=reached))
    if silent:
        probe.note(f"units whose output is the same for all examples were not scaled, in {listed(silent)}")
    return scales


def _size(values: UnitValues) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _bias(structure: Structure, call: LayerCall, free: frozenset[str]) -> str | None:
    """The bias of a layer call that may be set."""
    names = [structure[name].name for name in call.parameters]
    return next((name for name in names if structure[name].role == "bias" and name in free), None)
