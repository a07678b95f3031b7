"""MetaInit: the norms of weights tuned until the gradient changes little along itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from goodinit.errors import GoodinitError
from goodinit.methods.assignment import Assignment
from goodinit.methods.measuring import MeasuringMethod, gained
from goodinit.methods.probe import Measurement, Probe
from goodinit.methods.registry import register
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["MetaInit"]

_LEAST: Final = 1e-3  # of a norm, of what it was: below it a sign would turn
_TABLES: Final = ("embedding", "tied embedding", "position")


@register
@dataclass(frozen=True)
class MetaInit(MeasuringMethod):
    """Weights whose norms alone are tuned, by signed descent with momentum, to lower the gradient quotient.

    The quotient is the mean over all parameters of |(g - Hg) / (g + eps) - 1|, with g the gradient of the loss and H
    its Hessian: 0 where the gradient stays the same along itself. Each step takes standard normal numbers in the place
    of the inputs (whole numbers, such as tokens, stay), with the targets of the batch. Third derivatives are taken: a
    step costs about ten of training.

    It lowers the quotient, which is not always what trains: of saturated activations it may make more.

    >>> import torch, goodinit
    >>> layers = [torch.nn.Linear(8, 8) for _ in range(4)]
    >>> model = torch.nn.Sequential(*(part for layer in layers for part in (layer, torch.nn.ReLU())))
    >>> x, y = torch.ones(16, 8), torch.arange(16) % 8
    >>> loss = torch.nn.functional.cross_entropy
    >>> text = 'metainit(of="normal(std=1)", steps=30)'
    >>> done = goodinit.initialize(model, text, seed=0, inputs=x, targets=y, loss=loss)
    >>> (quotient,) = [each for each in done.measured if each.where == "loss"]
    >>> quotient.after < quotient.before
    True

    Raises GoodinitError for an option out of range, where no batch with a loss is given, and where the gradients are
    not finite before any step.
    """

    name = "metainit"
    summary = "the weights' norms tuned until the gradient changes little along itself"
    formula = "norms descend mean |(g - Hg) / (g + eps sign g) - 1| by rate * sign with momentum, on normal inputs"
    reference = "Dauphin & Schoenholz 2019 (MetaInit)"
    needs = ("run", "inputs", "targets", "gradients", "second order")
    elsewhere = MappingProxyType({"paper": "lr=0.1, momentum=0.9, steps=500, eps=1e-5 of its listing"})

    steps: int = 500
    rate: float = 0.1
    momentum: float = 0.9
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_number("steps", 1, whole=True)
        self.check_number("rate", 0, above=True)
        self.check_number("epsilon", 0, above=True)
        if not 0 <= self.momentum < 1:
            raise GoodinitError(f"metainit(momentum={self.momentum!r}): momentum must be a number from 0 to below 1")

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The weights with the norms found."""
        said, probe = self.before(structure), self.probed(probe)
        free = probe.free(said)
        tuned = (each for each in structure.parameters if each.role in (*MULTIPLYING, *_TABLES) and each.name in free)
        lengths = probe.lengths(said)
        norms = {name: length for each in tuned if (length := lengths.get(name := each.name, 0.0)) > 0}
        speeds = dict.fromkeys(norms, 0.0)
        gains = dict.fromkeys(norms, 1.0)
        first = probe.quotient(said, gains, noise="metainit/0", epsilon=self.epsilon).value
        self.begin("the gradient quotient", first)
        stopped = None
        for step in range(self.steps):
            found = probe.quotient(said, gains, noise=f"metainit/{step}", epsilon=self.epsilon)
            if not math.isfinite(found.value):
                stopped = step
                break
            for name, norm in norms.items():
                slope = found.slopes.get(name, 0.0)
                sign = 0.0 if slope == 0 or not math.isfinite(slope) else math.copysign(1.0, slope)
                speeds[name] = self.momentum * speeds[name] - self.rate * sign
                gains[name] = max(gains[name] + speeds[name] / norm, _LEAST)
        last = probe.quotient(said, gains, noise="metainit/0", epsilon=self.epsilon).value
        fell = math.isfinite(last) and not last > first
        probe.record(Measurement("loss", "gradient quotient", first, last, reached=fell))
        probe.record(
            *(
                Measurement(name, "norm", norm, norm * gains[name], reached=gains[name] > _LEAST)
                for name, norm in norms.items()
            )
        )
        if stopped is not None:
            probe.note(f"the gradient quotient was no longer finite at step {stopped}: tuning ended there")
        if not fell:
            probe.note(f"the gradient quotient did not fall: {first:.4g} before, {last:.4g} after {self.steps} steps")
        return gained(said, gains)
