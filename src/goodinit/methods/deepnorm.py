"""DeepNorm: post-norm transformers of many layers, with the constant of their residual sums inside the weights."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment
from goodinit.methods.over import OverInitializer
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.methods.scaling import Units, divided, scaled, value_path
from goodinit.structure import MULTIPLYING, ResidualStream, Structure

__all__ = ["DeepNorm", "deepnorm_constants"]


@register
@dataclass(frozen=True)
class DeepNorm(OverInitializer):
    """LN(a x + f(x)), trained as LN(x + f(x) / a): ends of branches divided by a, with their learning rates.

    In a stream of N blocks a = (2 N)^(1/4), and the values, outputs and feed-forward layers of its branches are times
    b = (8 N)^(-1/4). With an encoder of N and a decoder of M blocks, a = 0.81 (N^4 M)^(1/16) and
    b = 0.87 (N^4 M)^(-1/16) in the encoder, a = (3 M)^(1/4) and b = (12 M)^(-1/4) in the decoder. A norm does not see
    that its input is divided by a, but for its epsilon: so the model stays as it is written, x + f(x), and the
    last layer's weight and bias are 1 / a of DeepNorm's, with the rate / a under Adam and / a^2 under SGD, Adam's
    epsilon times a, and the decay as much larger: each step is DeepNorm's. The epsilon of a norm counts as if it were
    times a^2.

    >>> import torch, goodinit
    >>> layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    >>> model = torch.nn.TransformerEncoder(layer, 8)
    >>> done = goodinit.initialize(model, "deepnorm", seed=0, inputs=torch.ones(1, 3, 16))
    >>> done["layers.0.linear2.weight"].initializer, done["layers.0.linear2.weight"].adaptive.rate
    ('scaled(of=glorot_normal, gain=0.176776695297)', 0.5)

    Raises GoodinitError where one run shows no stream that attends, or norms that do not come after its sums.
    """

    name = "deepnorm"
    summary = "post-norm transformers of any depth: LN(a x + f(x)) as branch ends divided by a, with their rates"
    formula = "values, outputs, feed-forward: of * b; branch ends / a too; one stream a = (2 N)^(1/4), b = (8 N)^(-1/4)"
    reference = "Wang, Ma, Dong, Huang, Zhang & Wei 2022 (DeepNet), figure 2"
    needs = ("run",)
    plain = True
    elsewhere = MappingProxyType(
        {
            "torchscale": "deepnorm=True: 1.15 for b's 0.87 in an encoder beside a decoder, its reciprocal; it starts "
            "feed-forward layers from PyTorch's uniform, not Glorot's normal",
            "xformers": "once left the values unscaled",
        }
    )

    of: str | Initializer = "glorot_normal"

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The initializer on every weight, times b on the branches' way, divided by a at their ends."""
        gains: dict[str, tuple[float, Units]] = {}
        ends: dict[str, float] = {}
        streams = self.streams(structure)
        for stream in streams:
            self._check(stream)
            a, b = deepnorm_constants(stream, streams)
            for branch in stream.branches:
                gains |= {name: (b, units) for name, units in value_path(structure, branch, str(self)).items()}
                for call in branch.ends:
                    ends |= {structure[name].name: a for name in call.parameters}
        made = []
        for each in self.every(structure):
            if structure[each.name].role in MULTIPLYING and each.name in gains:
                gain, units = gains[each.name]
                each = scaled(each, gain, "values, outputs, feed-forward", units)
            if each.name in ends:
                weighs = structure[each.name].role in MULTIPLYING
                each = divided(each, ends[each.name], "end of a branch" if weighs else None)
            made.append(each)
        return tuple(made)

    def _check(self, stream: ResidualStream) -> None:
        """Refuse a stream that DeepNorm is not for."""
        where = stream.branches[0].ends[0].module
        if not stream.attends:
            found = f"the stream that begins at {where} has no attention"
            raise GoodinitError(f"{self}: it is for transformers, and {found}; use residual_scaling")
        if stream.norms != "after":
            found = "lie before the branches" if stream.norms == "before" else "are missing"
            raise GoodinitError(
                f"{self}: it is for norms that come after the sums, and at {where} they {found}; "
                "residual_scaling and depth_scaled are for those"
            )
        ended = next((branch for branch in stream.branches if branch.norm_at_end), None)
        if ended is not None:
            found = f"a norm follows {ended.ends[0].module} before the sum"
            raise GoodinitError(f"{self}: {found}, which undoes what its weights are divided by; take that norm out")


def deepnorm_constants(stream: ResidualStream, streams: tuple[ResidualStream, ...]) -> tuple[float, float]:
    """a and b of a stream: that of a decoder attends to others, an encoder is attended to."""
    blocks = stream.blocks
    if stream.memory:
        return (3 * blocks) ** 0.25, (12 * blocks) ** -0.25
    decoder = next((each for each in streams if stream.number in each.memory), None)
    if decoder is None:
        return (2 * blocks) ** 0.25, (8 * blocks) ** -0.25
    size = (blocks**4 * decoder.blocks) ** (1 / 16)
    return 0.81 * size, 0.87 / size
