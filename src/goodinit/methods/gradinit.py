"""GradInit: a gain for each tensor, tuned so that one step of the optimizer lowers the loss most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from goodinit.errors import GoodinitError
from goodinit.methods.assignment import Assignment
from goodinit.methods.descent import GainAdam
from goodinit.methods.measuring import MeasuringMethod, gained
from goodinit.methods.probe import Measurement, Probe
from goodinit.methods.registry import register
from goodinit.structure import Structure

__all__ = ["GradInit"]


@register
@dataclass(frozen=True)
class GradInit(MeasuringMethod):
    """Each tensor's gain tuned by Adam to lower the loss after one step, with the gradient's norm held to `bound`.

    While the gradient's norm is above `bound` a step lowers that; else it lowers the loss on the last two thirds of the
    batch after one step on the first two thirds, of length `eta` down the gradient for `sgd`, or of `eta` in every
    element for `adam`, whose norm is the sum of absolute values. Scales and shifts of norms that are not zero are tuned
    too; no gain falls below `least`, and slopes are cut to 1. The paper draws a new batch for each step.

    >>> import torch, goodinit
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    >>> x = torch.linspace(-2, 2, 240).reshape(30, 8).sin()
    >>> y, loss = (x[:, 0] > 0).long(), torch.nn.functional.cross_entropy
    >>> done = goodinit.initialize(model, "gradinit(steps=60)", seed=0, inputs=x, targets=y, loss=loss)
    >>> [each.quantity for each in done.measured if each.where == "loss"]
    ['gradient norm', 'after one step']

    Raises GoodinitError for an option out of range, where no batch with a loss is given, and where the gradients are
    not finite before any step.
    """

    name = "gradinit"
    summary = "a gain for each tensor, tuned so that one step of the optimizer lowers the loss most"
    formula = "min over gains of L(w - eta A[g]; other examples) while |g| <= bound, by Adam; else min |g|"
    reference = "Zhu, Ni, Xu, Kong, Huang & Goldstein 2021 (GradInit)"
    needs = ("run", "inputs", "targets", "gradients", "second order")
    elsewhere = MappingProxyType({"zhuchen03/gradinit": "gradinit-gamma 1, gradinit-eta 0.1, gradinit-lr 1e-3 to 1e-1"})

    optimizer: Literal["sgd", "adam"] = "sgd"
    eta: float = 0.1
    bound: float = 1.0
    steps: int = 200
    rate: float = 0.01
    least: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer not in ("sgd", "adam"):
            raise GoodinitError(f"gradinit(optimizer={self.optimizer!r}): choose sgd or adam")
        self.check_number("steps", 1, whole=True)
        for option in ("eta", "bound", "rate", "least"):
            self.check_number(option, 0, above=True)

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The weights with the gains found."""
        said, probe = self.before(structure), self.probed(probe)
        free, order = probe.free(said), 1 if self.optimizer == "adam" else 2
        tuned = [name for name, length in probe.lengths(said).items() if length > 0 and name in free]
        adam = GainAdam(tuned, self.rate, self.least)
        norms = [probe.norm(said, adam.gains, order=order, slopes=False).value]
        self.begin("the gradient's norm", norms[0])
        first = probe.after_step(said, adam.gains, rate=self.eta, order=order).value
        for _ in range(self.steps):
            if norms[-1] > self.bound or not math.isfinite(norms[-1]):
                adam.step(probe.norm(said, adam.gains, order=order).slopes, constraint=True)
            else:
                found = probe.after_step(said, adam.gains, rate=self.eta, order=order)
                adam.step({name: slope / self.eta for name, slope in found.slopes.items()})
            norms.append(probe.norm(said, adam.gains, order=order, slopes=False).value)
        last = probe.after_step(said, adam.gains, rate=self.eta, order=order).value
        held = norms[-1] <= self.bound * 1.05
        probe.record(
            Measurement("loss", "gradient norm", norms[0], norms[-1], aim=self.bound, reached=held),
            Measurement("loss", "after one step", first, last, reached=last <= first),
            *(Measurement(name, "gain", 1.0, gain) for name, gain in adam.gains.items()),
        )
        if not held:
            probe.note(f"the gradient's norm is {norms[-1]:.4g} after {self.steps} steps, above {self.bound:g}")
        return gained(said, adam.gains)
