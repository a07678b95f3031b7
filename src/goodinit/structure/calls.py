"""What one run of a model did: its layer calls in execution order, and the sums of its residual streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from goodinit.structure.forms import SignalForm

__all__ = ["LayerCall", "MadeWeight", "ResidualSum", "Trace"]


@dataclass(frozen=True)
class MadeWeight:
    """What a layer's output is to another layer: its `weight` or its `bias`.

    `fan_in` is that layer's, `biased` says that it has a bias, and `activation` follows it, None for none.
    """

    kind: Literal["weight", "bias"]
    fan_in: int
    biased: bool
    activation: str | None = None


@dataclass(frozen=True)
class LayerCall:
    """One use of one weight: where, of what kind, and what goes before and after it.

    `weight` and `parameters` (the weight, then its bias and others) are named as in `named_parameters`; a weight that
    a parametrization computes is named by the parameters it is computed from, and `weight` is the first of them.
    `number` counts the uses of that weight from 0. `activation` is the one that follows, looking through views,
    dropout, pooling and norms: a name of `goodinit.activations` where it is one, None where a sum, another layer or
    the output comes first. `input_activation` is the one that the input came through. `residual` says that the output
    is added to a value it was computed from; `norm_before` and `norm_after` that a norm lies between this layer and
    the last, or the next. `sources` are the calls whose outputs reach this input with no layer between, and `plain`
    that there is one of them, and only its activation and views between. `mixed` says that a signal of no layer, such
    as the model's input, lies in it too. `varied` says that the input descends from the model's, as that of an
    embedding of places does not. `beside` names the tables and tokens of places that are added to a look-up, each with
    what the look-up is multiplied by before that over what the table is. `scoring` says that the output is a query,
    a key or a router's choice: it goes into a softmax, from which little comes back while all scores are alike.
    `gating` says that the output multiplies another signal, behind a sigmoid.
    `attended` says that the output is summed by the weights of an attention, as its values; where a layer makes queries
    and keys too, `value_units` are the ranges of its output units that are values, none where that cannot be told.
    `head_size` is how many units of it one of its heads has. `after` are the calls whose outputs its input was computed
    from with no layer between, through gates and attentions too.
    `passed` names the parameters of norms and scales that its input came through since the last layer or sum.
    `stream` is the residual stream that the input is, behind norms and views; None where no sum was made of it yet.
    `first` says that it descends from no layer call, and `last` that no layer call descends from the output.
    `output_scale` is what that is multiplied by before it leaves the model, is a softmax's choice or goes into a
    sigmoid, and what a look-up is multiplied by before it is first added to something. `makes` are the weights and
    biases of other layers that the output is, as those of a hypernetwork's heads.
    """

    index: int
    module: str
    kind: str
    weight: str
    parameters: tuple[str, ...]
    number: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    activation: str | None = None
    input_activation: str | None = None
    residual: bool = False
    norm_before: bool = False
    norm_after: bool = False
    sources: tuple[int, ...] = ()
    plain: bool = False
    mixed: bool = False
    varied: bool = True
    beside: tuple[tuple[str, float], ...] = ()
    scoring: bool = False
    gating: bool = False
    attended: bool = False
    value_units: tuple[tuple[int, int], ...] = ()
    head_size: int | None = None
    after: tuple[int, ...] = ()
    passed: tuple[str, ...] = ()
    stream: int | None = None
    first: bool = False
    last: bool = False
    output_scale: float = 1.0
    makes: tuple[MadeWeight, ...] = ()


@dataclass(frozen=True)
class ResidualSum:
    """One addition of a branch to the value it was computed from.

    `branch` are the layer calls at the branch's end, `scale` what its output is multiplied by before it is added.
    `stream` numbers the residual stream that it is added to: sums between which lie only norms and activations share
    one. `inside` are all layer calls of the branch, its end included. `passed` names the scales of norms and of layers
    that the end's output goes through before the sum, and `activation` an activation that it does. `normed` says that a
    norm lies on the stream itself between the sum before, or its beginning, and this one: that norms come after sums.
    `shortcut` is the layer call whose output it is added to, where that is a projection of what it was computed from.
    """

    branch: tuple[int, ...]
    stream: int
    scale: float = 1.0
    inside: tuple[int, ...] = ()
    passed: tuple[str, ...] = ()
    normed: bool = False
    activation: str | None = None
    shortcut: int | None = None


@dataclass(frozen=True)
class Trace:
    """One run: the layer calls and the residual sums in execution order, and the parameters that met no function.

    `lost` are the numbers of the calls whose outputs reached no other and not what the model gave, as far as was seen:
    a function outside of PyTorch's took them up, or none. `forms` say of each layer call what its input is made of.
    """

    calls: tuple[LayerCall, ...]
    unused: tuple[str, ...] = ()
    sums: tuple[ResidualSum, ...] = ()
    lost: tuple[int, ...] = ()
    forms: tuple[SignalForm, ...] = field(default=(), repr=False, compare=False)

    def of(self, weight: str) -> tuple[LayerCall, ...]:
        """The calls of that weight."""
        return tuple(call for call in self.calls if weight in call.parameters)
