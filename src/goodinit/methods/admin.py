"""Admin: post-norm transformers whose branches are weighed by what a batch shows of their variances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment
from goodinit.methods.measuring import MEASURED_ON, MeasuringMethod
from goodinit.methods.probe import CallOutput, Measurement, Probe, Rescale
from goodinit.methods.registry import register
from goodinit.methods.scaling import divided
from goodinit.structure import MULTIPLYING, LayerCall, ResidualStream, Structure

__all__ = ["Admin"]


@register
@dataclass(frozen=True)
class Admin(MeasuringMethod):
    """LN(omega x + f(x)), trained as LN(x + f(x) / omega): ends of branches divided by omega, with their rates.

    omega of branch i of a stream is the root of the variance that has come together before it: that of what enters the
    stream, and of the outputs of branches 0 to i - 1, each measured on the batch behind those before it; that of
    branch 0 is 1. A norm does
    not see that its input is divided by omega, but for its epsilon, which counts as if it were times omega^2: so the
    model stays as it is written. The paper lets omega, one for each unit, be trained; here it stays as it starts.

    >>> import torch, goodinit
    >>> layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    >>> model = torch.nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
    >>> x = torch.randn(8, 5, 16, generator=torch.Generator().manual_seed(0))
    >>> done = goodinit.initialize(model, "admin", seed=0, inputs=x)
    >>> omegas = [each.after for each in done.measured if each.quantity == "omega"]
    >>> len(omegas), bool(omegas[0] < omegas[-1])
    (8, True)

    Raises GoodinitError where no batch is given, and where one run shows no stream with norms after its sums.
    """

    name = "admin"
    summary = "post-norm transformers: LN(omega x + f(x)) as branch ends divided by omega, with their rates"
    formula = "omega_0 = 1, omega_i = sqrt(Var x_0 + sum over j < i of Var f_j) on a batch; branch ends: of / omega_i"
    reference = "Liu, Liu, Gao, Chen & Han 2020 (Understanding the Difficulty of Training Transformers)"
    needs = ("run", "inputs")
    plain = True
    elsewhere = MappingProxyType({"Transformer-Clinic": "admin_init_type adaptive; omega is a parameter there"})

    of: str | Initializer = "glorot_uniform"

    def before(self, structure: Structure) -> tuple[Assignment, ...]:
        """The initializer on every weight, where the structure allows the method."""
        for stream in self.streams(structure):
            self._check(structure, stream)
        return super().before(structure)

    def _check(self, structure: Structure, stream: ResidualStream) -> None:
        where = stream.branches[0].ends[0].module
        if stream.norms != "after":
            found = "lie before the branches" if stream.norms == "before" else "are missing"
            raise GoodinitError(
                f"{self}: it is for norms that come after the sums, and at {where} they {found}; "
                "residual_scaling and depth_scaled are for those"
            )
        for branch in stream.branches:
            if branch.norm_at_end:
                raise GoodinitError(
                    f"{self}: a norm follows {branch.ends[0].module} before the sum, which undoes what its weights are "
                    "divided by; take that norm out"
                )
        ends = [structure[call.weight].name for branch in stream.branches for call in branch.ends]
        if len(set(ends)) < len(ends):
            raise GoodinitError(f"{self}: branches share their last layer, which cannot be divided by two numbers")

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The initializer on every weight, divided at the branches' ends by what was measured."""
        said, probe = self.before(structure), self.probed(probe)
        free = probe.free(said)
        entering = probe.sum_inputs(said)
        branches = {
            call.index: (stream.number, branch)
            for stream in structure.streams
            for branch in stream.branches
            for call in branch.ends
        }
        sums = {s.number: entering.get(s.branches[0].ends[-1].index, 1.0) for s in structure.streams}
        omegas: dict[int, float] = {}
        variances: dict[int, float] = {}

        def sweep(call: LayerCall, output: CallOutput) -> Rescale | None:
            if call.index not in branches or call.index in variances:
                return None
            stream, branch = branches[call.index]
            variances[call.index] = output.std**2 * branch.scale**2
            omegas[call.index] = math.sqrt(sums[stream]) if branch.number and sums[stream] > 0 else 1.0
            if call.index == branch.ends[-1].index:
                sums[stream] += sum(variances.get(each.index, 0.0) for each in branch.ends)
            return Rescale(1 / omegas[call.index]) if structure[call.weight].name in free else None

        probe.sweep(said, sweep)
        calls = {call.index: call for stream in structure.streams for each in stream.branches for call in each.ends}
        by = {structure[name].name: omega for index, omega in omegas.items() for name in calls[index].parameters}
        missed = [name for index in omegas if (name := structure[calls[index].weight].name) not in free]
        if missed:
            probe.note(f"{missed[0]} is kept by a rule, so that its branch is not divided by its omega")
        for index, omega in omegas.items():
            name = structure[calls[index].weight].name
            reached = name in free
            probe.record(
                Measurement(name, "omega", 1.0, omega, reached=reached, call=index),
                Measurement(name, "variance of the branch", variances[index], variances[index] / omega**2, call=index),
            )
        return tuple(
            divided(each, by[each.name], MEASURED_ON if structure[each.name].role in MULTIPLYING else None)
            if each.name in by
            else each
            for each in said
        )
