"""Neural initialization optimization: gains tuned until parts of the batch agree on the gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

from goodinit.methods.assignment import Assignment
from goodinit.methods.descent import GainAdam
from goodinit.methods.measuring import MeasuringMethod, gained
from goodinit.methods.probe import Measurement, Probe
from goodinit.methods.registry import register
from goodinit.structure import Structure

__all__ = ["GradCosine"]


@register
@dataclass(frozen=True)
class GradCosine(MeasuringMethod):
    """Each tensor's gain tuned by Adam to raise the mean cosine between the gradients of parts of the batch.

    The paper's quantity is the cosine between the gradients of single examples, which its code takes of `parts` parts
    of a batch, in the batch's order; with as many parts as examples it is the paper's. While the mean norm of the
    parts' gradients is above `bound`, a step lowers that.

    >>> import torch, goodinit
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))
    >>> x = torch.linspace(-2, 2, 256).reshape(32, 8).sin()
    >>> y, loss = (x[:, 0] > 0).long(), torch.nn.functional.cross_entropy
    >>> done = goodinit.initialize(model, "grad_cosine(steps=20)", seed=0, inputs=x, targets=y, loss=loss)
    >>> (cosine,) = [each for each in done.measured if each.quantity == "gradient cosine"]
    >>> cosine.after > cosine.before
    True

    Raises GoodinitError for an option out of range, where no batch with a loss is given, and where the gradients are
    not finite before any step.
    """

    name = "grad_cosine"
    aliases = ("nio",)
    summary = "a gain for each tensor, tuned until parts of the batch agree on the gradient's direction"
    formula = "max over gains of the mean cosine of the parts' gradients while their mean norm <= bound; else min norm"
    reference = "Yang, Wang, Yuan & Lin 2022 (Towards Theoretically Inspired Neural Initialization Optimization)"
    needs = ("run", "inputs", "targets", "gradients", "second order")
    elsewhere = MappingProxyType({"its code": "gradinit_lr=0.05, min_scale=0.01, gamma=5, 100 iterations, 2 splits"})

    parts: int = 2
    bound: float = 5.0
    steps: int = 100
    rate: float = 0.05
    least: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_number("parts", 2, whole=True)
        self.check_number("steps", 1, whole=True)
        for option in ("bound", "rate", "least"):
            self.check_number(option, 0, above=True)

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The weights with the gains found."""
        said, probe = self.before(structure), self.probed(probe)
        free = probe.free(said)
        tuned = [name for name, length in probe.lengths(said).items() if length > 0 and name in free]
        adam = GainAdam(tuned, self.rate, self.least)
        first = probe.cosine(said, adam.gains, parts=self.parts).value
        norms = [probe.norm(said, adam.gains, order=2, parts=self.parts, slopes=False).value]
        self.begin("the gradients' norm", norms[0])
        for _ in range(self.steps):
            if norms[-1] > self.bound or not math.isfinite(norms[-1]):
                adam.step(probe.norm(said, adam.gains, order=2, parts=self.parts).slopes, constraint=True)
            else:
                found = probe.cosine(said, adam.gains, parts=self.parts)
                adam.step({name: -slope for name, slope in found.slopes.items()})
            norms.append(probe.norm(said, adam.gains, order=2, parts=self.parts, slopes=False).value)
        last = probe.cosine(said, adam.gains, parts=self.parts).value
        held, rose = norms[-1] <= self.bound * 1.05, last >= first
        probe.record(
            Measurement("loss", "gradient cosine", first, last, reached=rose),
            Measurement("loss", "gradient norm", norms[0], norms[-1], aim=self.bound, reached=held),
            *(Measurement(name, "gain", 1.0, gain) for name, gain in adam.gains.items()),
        )
        if not held:
            probe.note(f"the gradient's norm is {norms[-1]:.4g} after {self.steps} steps, above {self.bound:g}")
        if not rose:
            probe.note(f"the gradients' cosine did not rise: {first:.4g} before, {last:.4g} after {self.steps} steps")
        return gained(said, adam.gains)
