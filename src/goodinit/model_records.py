"""What was measured of a person's model at its start: frozen records. They hold, and compute next to nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from goodinit.jsonable import json_fields, json_value
from goodinit.structure import LayerCall

__all__ = [
    "AttentionStart",
    "Copies",
    "GateStart",
    "Histogram",
    "InputStart",
    "LayerGradient",
    "LayerSignal",
    "LayerStart",
    "LossStart",
    "ModelStart",
    "NormStart",
    "ParameterStart",
    "SumStart",
]

_OF_CALLS: Final = (
    *("kind", "weight", "number", "activation", "residual", "norm_before", "norm_after", "varied", "scoring"),
    *("attended", "gating"),
)  # what a layer's JSON holds of its call


@dataclass(frozen=True)
class Histogram:
    """How a sample lies: `counts` of equal bins between `low` and `high`; values outside are not counted."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class InputStart:
    """One input of real numbers: its size, and how its features compare.

    `by` says what is counted as a feature: the columns of a table, the channels of images (`channel`), or None where
    that is not known. `largest` is the feature of the largest rms, `uneven` its rms over the median feature's, `offset`
    the median of |mean| / standard deviation over the features that are not constant, `moving` the share of those. All
    are told as the first layer meets it, behind arithmetic in `forward`; `norm_after` says that a norm follows there.
    """

    name: str
    shape: tuple[int, ...]
    by: str | None
    mean: float
    rms: float
    low: float
    high: float
    largest: int | None
    uneven: float | None
    offset: float | None
    moving: float
    norm_after: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class GateStart:
    """One layer of a recurrent module, replayed on a part of the batch.

    `saturated` is the share of its gates and new values at their flat ends, None for a ReLU; `keeps` the mean of the
    gate that keeps the state, None where there is none.
    """

    name: str
    kind: str
    saturated: float | None
    keeps: float | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class AttentionStart:
    """One attention's softmax, measured on a part of the batch: 2 examples and 32 queries.

    `weights` are those of its queries and keys, `head_size` the number of products in each score, None where that is
    not known, and `factor` what they are multiplied by. `scores_rms` is the rms of the scores about the mean of each
    query's, `entropy` that of the weights over the logarithm of the number of keys, which 1 is for weights that are
    all alike; both are nan where there are fewer than 4 keys. `across` says that the weights sum to 1 along another
    axis than the `keys` that they are summed along. `added_rms` is what is added to the scores, such as a bias of
    places, about the mean of each query's, 0 where nothing is, and `added` the parameters that it comes from.
    """

    name: str
    weights: tuple[str, ...]
    keys: int
    head_size: int | None
    factor: float
    scores_rms: float
    entropy: float
    across: bool
    added: tuple[str, ...] = ()
    added_rms: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class NormStart:
    """A batch norm in evaluation: how far the batch is from its running statistics.

    `offset` is the rms over channels of (batch mean - running mean) / running deviation, `scale` the median over
    channels of the batch's deviation over the running one.
    """

    name: str
    offset: float
    scale: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class LayerSignal:
    """What came out of one layer call: its size before the activation, over the whole batch, and after it.

    None stands for what was not measured or has no theory.

    Attributes:
        mean: of the output.
        rms: root mean square of the output.
        rms_expected: the same by mean-field theory, one layer on from what was measured before it.
        gain: rms over the rms of the layer's input.
        gain_expected: rms_expected over the same.
        activation_rms: root mean square after the activation.
        activation_rms_expected: sqrt(E[phi(u)^2]) for u normal with the measured rms.
        dead_share: units whose output is at a flat side of the activation for the whole batch.
        saturated_share: outputs within 1.5 % of the activation's range from one of its two bounds.
        spread: 1 less the mean cosine between the outputs of different inputs; 0 is collapse.
        effective_rank: of the outputs of different inputs, their mean taken away: (sum of eigenvalues)^2 / sum of their
            squares; at most `rank_limit`.
        rank_limit: the most that effective rank can be for this sample.
        susceptibility: fan_in E[w^2] E[phi'(u)^2] for u normal with the measured rms of the layer before: what one
            layer multiplies the mean square of a small difference by; the theory's chi_1.
        largest: the largest absolute value of the output.
        finite: whether every output is a finite number.
        histogram: how the outputs lie.
    """

    mean: float
    rms: float
    rms_expected: float | None
    gain: float | None
    gain_expected: float | None
    activation_rms: float | None
    activation_rms_expected: float | None
    dead_share: float | None
    saturated_share: float | None
    spread: float | None
    effective_rank: float | None
    rank_limit: int | None
    susceptibility: float | None
    largest: float
    finite: bool
    histogram: Histogram | None

    @property
    def correlation(self) -> float | None:
        """The mean cosine between the outputs of different inputs."""
        return None if self.spread is None else 1 - self.spread


@dataclass(frozen=True)
class LayerGradient:
    """The loss's gradient by the output of one layer call; None stands for what was not measured or has no theory.

    Attributes:
        rms: root mean square.
        rms_expected: the same by theory, one layer back from what was measured behind it.
        norm: the Euclidean norm.
        underflow_share: elements, other than 0, that float16 would round to 0.
        histogram: how the elements lie, as powers of ten of their size.
    """

    rms: float | None
    rms_expected: float | None
    norm: float | None
    underflow_share: float | None
    histogram: Histogram | None


@dataclass(frozen=True)
class LayerStart:
    """One layer call: what its weight is and should be, what came out, and what gradient came back.

    `call` says which layer it is and what lies around it; its `gating` holds for layers that go into gates alone too.
    `weight_std` is the standard deviation of the weight's elements, `weight_std_expected` gain / sqrt(fan_in) by
    quadrature for the activation that follows; they and `fan_in` are None where that is not known. `beside` are the
    learned tables of places that are added to a look-up, each with its rms over what the look-up adds.
    """

    call: LayerCall
    fan_in: float | None
    weight_std: float
    weight_std_expected: float | None
    signal: LayerSignal
    gradient: LayerGradient
    beside: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        """The path of the module, or the name of the weight where `forward` uses a bare parameter."""
        return self.call.module or self.call.weight

    @property
    def title(self) -> str:
        """The name, with the number of the use where the weight was used before."""
        return f"{self.name} #{self.call.number + 1}" if self.call.number else self.name

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, in one level: what came out by its name, of the gradient as `gradient_rms`."""
        signal, gradient = json_fields(self.signal), json_fields(self.gradient)
        return {
            "name": self.name,
            "shape": list(self.call.output_shape),
            **{name: getattr(self.call, name) for name in _OF_CALLS},
            **{
                name: json_value(getattr(self, name))
                for name in ("fan_in", "weight_std", "weight_std_expected", "beside")
            },
            "outputs": signal.pop("histogram"),
            **signal,
            "correlation": json_value(self.signal.correlation),
            "gradients": gradient.pop("histogram"),
            "underflow_share": gradient.pop("underflow_share"),
            **{f"gradient_{name}": value for name, value in gradient.items()},
        }


@dataclass(frozen=True)
class Copies:
    """What is there more than once in a parameter, and whether training can tell it apart.

    `units` counts output units, `duplicates` those of them with the same weights as another, and
    `duplicate_gradients` says that these get the same gradients too (None where it is not known). `same_as` names an
    earlier parameter with the same values, and `same_gradient` whether it gets the same gradient.
    """

    units: int | None = None
    duplicates: int | None = None
    duplicate_gradients: bool | None = None
    same_as: str | None = None
    same_gradient: bool | None = None


@dataclass(frozen=True)
class ParameterStart:
    """One parameter: its size, what it should be, and the gradient that reaches it.

    Its `role` is `quantized` where real numbers are held as integers; they are measured as they are multiplied.
    `part_std` is the standard deviation within each packed part, empty where there is one part only.
    `values_to_scores` is the gradient's rms over an attention's values over that of its queries and keys, where one
    weight makes all of them; None where that is not known. `used` says
    whether a function of PyTorch met it. `gradient_rms` is None where no gradient was taken or none came, which
    `has_gradient` tells apart (None for the first). `update_to_weight` is that of one step of the optimizer told.
    """

    name: str
    role: str
    kind: str
    shape: tuple[int, ...]
    trainable: bool
    used: bool
    fan_in: float | None
    fan_out: float | None
    parts: tuple[int, ...]
    mean: float
    std: float
    std_expected: float | None
    part_std: tuple[float, ...]
    finite: bool
    has_gradient: bool | None
    gradient_rms: float | None
    gradient_to_weight: float | None
    update_to_weight: float | None
    values_to_scores: float | None
    copies: Copies

    @property
    def rms(self) -> float:
        """Root mean square of the elements."""
        return math.hypot(self.mean, self.std)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: what `copies` holds stands beside the rest."""
        facts = json_fields(self)
        copies: dict[str, Any] = facts.pop("copies")
        return facts | copies


@dataclass(frozen=True)
class SumStart:
    """One residual addition: the rms of the stream before it and after it, and the layer calls at the branch's end.

    `scale` is what the branch is multiplied by before it is added, by a number or by a parameter's size.
    """

    calls: tuple[int, ...]
    stream_rms: float
    total_rms: float
    scale: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class LossStart:
    """The loss before any training.

    `term` is the loss function that was recognized, `value` its value and `chance` its value for outputs that know
    nothing: equal scores, or the targets' mean. `offset` is the part of `value` that comes from the outputs' mean being
    off the targets', for a squared error. `sure_share` counts outputs that give a class 99 % or more, and
    `sure_and_wrong_share` those of them where it is not the target; `logit_rms` is that of the scores, each set of them
    taken from its mean. `scores` says what the outputs are where the loss wants something else: `probabilities` or
    `positive` where it wants scores, `not logarithms` where it wants logarithms of probabilities. `broadcast` are the
    shapes of outputs and targets that PyTorch stretches to one that is larger than both. `alone` says that all
    targets are one class, or one number.
    """

    total: float
    term: str | None = None
    value: float | None = None
    chance: float | None = None
    offset: float | None = None
    classes: int | None = None
    sure_share: float | None = None
    sure_and_wrong_share: float | None = None
    logit_rms: float | None = None
    scores: str | None = None
    broadcast: tuple[tuple[int, ...], ...] = ()
    alone: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


@dataclass(frozen=True)
class ModelStart:
    """A whole model: its layer calls in execution order, its parameters, its residual sums, its loss.

    `backward` says whether gradients were taken, `backward_failure` why they could not be. `first_not_finite` says
    where the first number appears that is not finite. `curvature` is the Hessian's eigenvalue largest in size,
    `singular` the smallest and the largest singular value of the input-output Jacobian, `rounding` what the model
    multiplies a relative change of its weights by: each None unless asked for. `inputs` are those of real numbers,
    `norms` the batch norms in evaluation, `gates` those of recurrent layers, `attentions` every softmax of one,
    `dropout` the largest share that a dropout leaves out. `notes` say what was left out, and how the expensive measures
    were taken.
    """

    model: str
    dtype: str
    training: bool
    examples: int | None
    layers: tuple[LayerStart, ...]
    parameters: tuple[ParameterStart, ...]
    sums: tuple[SumStart, ...] = ()
    input_spread: float | None = None
    loss: LossStart | None = None
    backward: bool = False
    backward_failure: str | None = None
    first_not_finite: str | None = None
    learning_rate: float | None = None
    optimizer: str | None = None
    curvature: float | None = None
    singular: tuple[float, float] | None = None
    rounding: float | None = None
    inputs: tuple[InputStart, ...] = ()
    norms: tuple[NormStart, ...] = ()
    gates: tuple[GateStart, ...] = ()
    attentions: tuple[AttentionStart, ...] = ()
    dropout: float = 0.0
    notes: tuple[str, ...] = ()

    def parameter(self, name: str) -> ParameterStart:
        """The parameter of that name."""
        return next(each for each in self.parameters if each.name == name)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: numbers that are not finite are null."""
        return json_fields(self)
