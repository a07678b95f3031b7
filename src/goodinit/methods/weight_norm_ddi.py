"""The data-dependent start of weight normalization: every unit's output with mean 0 and variance 1."""

from __future__ import annotations

from dataclasses import dataclass

from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment
from goodinit.methods.measuring import MeasuringMethod
from goodinit.methods.per_unit import measure_units
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import Structure

__all__ = ["WeightNormDDI"]


@register
@dataclass(frozen=True)
class WeightNormDDI(MeasuringMethod):
    """Weights whose every unit's output has mean 0 and variance 1 on a batch, layer by layer in execution order.

    With `torch.nn.utils.parametrizations.weight_norm` it sets the magnitudes g and the biases as the paper does; a
    layer without it gets the same effective weights. A layer without a bias keeps its units' means. A weight that
    several calls share is set by the first of them.

    >>> import torch, goodinit
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> x = torch.linspace(-1, 1, 64).reshape(16, 4) ** 3 + 2
    >>> done = goodinit.initialize(model, "weight_norm_ddi", seed=0, inputs=x)
    >>> output = model[0](x)
    >>> bool(output.mean(0).abs().max() < 1e-4), bool((output.std(0, correction=0) - 1).abs().max() < 1e-4)
    (True, True)

    Raises GoodinitError where no batch is given.
    """

    name = "weight_norm_ddi"
    aliases = ("data_dependent",)
    summary = "each unit's output of mean 0 and variance 1 on a batch, as weight normalization starts"
    formula = "t = v x / |v|; g = 1 / std(t), b = -mean(t) / std(t), w = g v / |v|, layer by layer"
    reference = "Salimans & Kingma 2016 (Weight Normalization, section 3)"
    needs = ("run", "inputs")

    of: str | Initializer = "normal(std=0.05)"

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The weights and biases, unit by unit."""
        said, probe = self.before(structure), self.probed(probe)
        return measure_units(structure, probe, said, 0.0).applied(said, {})
