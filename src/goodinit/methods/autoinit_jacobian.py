"""Weights scaled until the Jacobian from each layer to the next keeps lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment
from goodinit.methods.measuring import MeasuringMethod, gained, listed, weight_calls
from goodinit.methods.probe import CallOutput, Measurement, Probe, Rescale
from goodinit.methods.registry import register
from goodinit.structure import LayerCall, Structure

__all__ = ["AutoInitJacobian"]

_CLOSE: Final = 0.05


@register
@dataclass(frozen=True)
class AutoInitJacobian(MeasuringMethod):
    """Weights scaled so that the squared norm of the Jacobian from each layer's output to the next one's is 1 a unit.

    The norm is E |dh'/dh|^2 / N', a mean over the batch and the N' outputs, estimated with random vectors. It is
    quadratic in the layer's own weights whatever lies before them, so that one run in execution order tunes them all,
    where the paper descends a sum of squared logarithms to the same end. At the ends of the B branches of a residual
    stream the aim is 1 / B: with 1 every block would double what passes back through it.

    >>> import torch, goodinit
    >>> model = torch.nn.Sequential(torch.nn.Linear(50, 200), torch.nn.Tanh(), torch.nn.Linear(200, 200))
    >>> x = torch.randn(64, 50, generator=torch.Generator().manual_seed(0))
    >>> done = goodinit.initialize(model, "autoinit_jacobian", seed=0, inputs=x)
    >>> [round(each.after, 2) for each in done.measured]
    [1.0, 1.0]

    Raises GoodinitError where no batch is given.
    """

    name = "autoinit_jacobian"
    summary = "weights scaled so that each layer's Jacobian keeps the length of what passes back through it"
    formula = "w = of / sqrt(J), J = E |dh'/dh|^2 / N', layer by layer; J = 1 / B at the ends of B residual branches"
    reference = "He, Doshi & Gromov 2022 (AutoInit: Automatic Initialization via Jacobian Tuning)"
    needs = ("run", "inputs", "gradients")

    of: str | Initializer = "he_normal"

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The weights, scaled by what was measured."""
        said, probe = self.before(structure), self.probed(probe)
        calls = weight_calls(structure, probe.free(said))
        firsts = {own[0].index: name for name, own in calls.items()}
        aims = {name: 1 / structure.depths.get(name, 1) for name in calls}
        before = probe.sweep(said, lambda call, output: None, jacobians=True)
        gains: dict[str, float] = {}

        def sweep(call: LayerCall, output: CallOutput) -> Rescale | None:
            name = firsts.get(call.index)
            size = output.jacobian
            if name is None or name in gains or size is None or not math.isfinite(size):
                return None
            gains[name] = math.sqrt(aims[name] / size)
            return Rescale(gains[name])

        probe.sweep(said, sweep, jacobians=True)
        made = gained(said, gains)
        after = probe.sweep(made, lambda call, output: None, jacobians=True)
        missed: list[str] = []
        for index, name in firsts.items():
            size, aim = after[index].jacobian, aims[name]
            if size is None:
                continue
            reached = abs(size / aim - 1) <= _CLOSE
            missed += [name] * (not reached)
            probe.record(
                Measurement(name, "Jacobian", before[index].jacobian, size, aim=aim, reached=reached, call=index)
            )
        if missed:
            probe.note(f"the Jacobian does not have its aim at {listed(missed)}")
        return made
