"""`MLP`: a fully connected network as a description; its parameters are a dict of plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from goodinit import activations
from goodinit.activations import Activation
from goodinit.arguments import is_integer
from goodinit.errors import GoodinitError, shown
from goodinit.methods import Assignment, Probing, Start, as_method, assign
from goodinit.streams import Stream
from goodinit.structure import INPUT, LayerCall, Parameter, Role, SignalForm, Structure, Trace
from goodinit.trainable import Kind, Loss, OwnLoss
from goodinit.weights import Weight

__all__ = ["MLP", "MOST_LAYERS", "MOST_WEIGHTS", "Loss", "Parameters", "check_size", "check_widths", "stack"]

Parameters = dict[str, NDArray[np.float64]]
"""`W1, b1, W2, b2, ...`: W of shape (outputs, inputs), b of shape (outputs, 1); an ensemble has a leading axis."""


MOST_LAYERS: Final = 10_000
MOST_WEIGHTS: Final = 50_000_000


def check_widths(widths: Sequence[int]) -> None:
    """Refuse widths that are not integers of at least 1."""
    if any(not is_integer(w) or w < 1 for w in widths):
        raise GoodinitError(
            f"widths={shown(list(widths))}: every width must be an integer of at least 1; drop the layer or give it a "
            "size"
        )
    if len(widths) > MOST_LAYERS or max(widths, default=1) > MOST_WEIGHTS:
        raise GoodinitError(
            f"widths={shown(list(widths))}: use {MOST_LAYERS:,} layers at most, of {MOST_WEIGHTS:,} units at most"
        )


def check_size(network: MLP) -> None:
    """Refuse a network with more weights than `MOST_WEIGHTS`, before any is drawn."""
    if network.size > MOST_WEIGHTS:
        raise GoodinitError(
            f"widths={shown(list(network.widths))}: {network.size:,} weights; use smaller layers, "
            f"{MOST_WEIGHTS:,} at most"
        )


@dataclass(frozen=True)
class MLP:
    """Widths from the inputs to the outputs, one activation for all hidden layers, and the loss on the logits.

    `binary_cross_entropy` has one output, the logit of class 1; `cross_entropy` has one logit a class;
    `squared_error` compares any outputs with numbers.

    >>> from goodinit import activations
    >>> network = MLP((2, 10, 5, 1), activations.get("relu"), "binary_cross_entropy")
    >>> [weight.shape for weight in network.weights]
    [(10, 2), (5, 10), (1, 5)]
    """

    widths: tuple[int, ...]
    activation: Activation
    loss: Loss
    own_loss: OwnLoss | None = None

    kind: ClassVar[Kind] = "network"
    brings_data: ClassVar[bool] = False
    own_start: ClassVar[bool] = False
    engines: ClassVar[bool] = True
    together: ClassVar[bool] = True
    ensemble: ClassVar[int] = 1
    keeps_parameters: ClassVar[bool] = True
    remembered: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_widths(self.widths)
        if len(self.widths) < 2:
            raise GoodinitError(f"widths={list(self.widths)}: a network needs inputs and outputs")
        if self.loss == "binary_cross_entropy" and self.widths[-1] != 1:
            raise GoodinitError(f"widths={list(self.widths)}: binary cross-entropy needs one output")

    @property
    def depth(self) -> int:
        """The number of layers with weights."""
        return len(self.widths) - 1

    def unchecked(self) -> MLP:
        """Itself: its checkup costs next to nothing."""
        return self

    @property
    def size(self) -> int:
        """The number of weights, biases left out."""
        return sum(weight.size for weight in self.weights)

    @property
    def description(self) -> str:
        """The network in a few words."""
        return f"{list(self.widths)}, {self.activation}"

    @property
    def title(self) -> str:
        """The network as a figure's title has it."""
        return f"{'-'.join(map(str, self.widths))}, {self.activation}"

    @property
    def sentence(self) -> str:
        """The network in a sentence, of equal layers only their number."""
        return f"{_in_words(self.widths)} units, {self.activation.name}"

    @property
    def needed(self) -> str | None:
        """What a person must have besides to make the network again."""
        if activations.is_known(self.activation.name):
            return None
        return f"activation stands for the Activation {self.activation.name!r}, made in Python."

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON holds it."""
        own = {} if self.own_loss is None else {"own_loss": self.own_loss.facts}
        return {"widths": list(self.widths), "activation": self.activation.name, "loss": self.loss, **own}

    @property
    def modules(self) -> tuple[str, ...]:
        """The module of a person's own loss."""
        return () if self.own_loss is None else (self.own_loss.module,)

    @cached_property
    def structure(self) -> Structure:
        """The network as every method sees one: W1, b1, W2, b2, ... and a layer call for each pair of them.

        >>> from goodinit import activations
        >>> structure = MLP((2, 10, 5, 1), activations.get("relu"), "binary_cross_entropy").structure
        >>> [each.name for each in structure.parameters], sorted(structure.readouts)
        (['W1', 'b1', 'W2', 'b2', 'W3', 'b3'], ['W3'])
        """
        parameters: list[Parameter] = []
        calls: list[LayerCall] = []
        for layer, weight in enumerate(self.weights, 1):
            place, bias = f"layer {layer}", f"b{layer}"
            own: tuple[tuple[Role, Weight], ...] = (
                ("weight", weight),
                ("bias", Weight.elementwise(bias, (weight.shape[0], 1))),
            )
            parameters += [
                Parameter(
                    name=each.name,
                    parameters=(each.name,),
                    module=place,
                    kind="Linear",
                    role=role,
                    weight=each,
                    shape=each.shape,
                )
                for role, each in own
            ]
            hidden = layer < self.depth
            calls.append(
                LayerCall(
                    index=layer - 1,
                    module=place,
                    kind="linear",
                    weight=weight.name,
                    parameters=(weight.name, bias),
                    number=0,
                    input_shape=(1, weight.shape[1]),
                    output_shape=(1, weight.shape[0]),
                    activation=self.activation.name if hidden else None,
                    input_activation=self.activation.name if layer > 1 else None,
                    sources=(layer - 2,) if layer > 1 else (),
                    plain=layer > 1,
                    first=layer == 1,
                    last=not hidden,
                )
            )
        forms = [INPUT, *(self._form(layer) for layer in range(self.depth - 1))]
        trace = Trace(tuple(calls), forms=tuple(forms))
        return Structure(tuple(parameters), trace, adapts=False, own_start=False)

    def _form(self, layer: int) -> SignalForm:
        """What the layer after that one is given."""
        return SignalForm("activation", (SignalForm("layer", number=layer),), name=self.activation.name)

    @property
    def weights(self) -> tuple[Weight, ...]:
        """W1, W2, ..., each of shape (outputs, inputs)."""
        pairs = zip(self.widths, self.widths[1:], strict=False)
        return tuple(Weight.linear(f"W{layer}", fan_in, fan_out) for layer, (fan_in, fan_out) in enumerate(pairs, 1))

    def assignments(self, init: str | Start, probing: Probing | None = None) -> tuple[Assignment, ...]:
        """What an initialization says of W1, b1, W2, ...; biases are 0 unless its rule draws them.

        `probing` makes the probe of a method that measures; without it, it says what its measurements begin from.

        Raises GoodinitError for one that a network does not allow.
        """
        if probing is not None:
            return assign(as_method(init), self.structure, probing)
        try:
            return _assignments(self, init)
        except TypeError:  # an option that cannot be hashed, such as a list
            return assign(as_method(init), self.structure, measured=False)

    def parameters(self, init: str | Start, stream: Stream, probing: Probing | None = None) -> Parameters:
        """The start: every parameter drawn as the initialization says, layer by layer.

        Raises GoodinitError where the initialization measures a batch and there is no `probing`.
        """
        if probing is None and as_method(init).measures:
            raise GoodinitError(f"{init} measures examples, and there are none here; use it where the data are known")
        return self.draw(self.assignments(init, probing), stream)

    def draw(self, said: Sequence[Assignment], stream: Stream) -> Parameters:
        """Every parameter drawn as it is said of it, layer by layer."""
        start: Parameters = {}
        for each in said:
            assert each.initializer is not None, each
            start[each.name] = each.initializer.draw(self.structure[each.name].target, stream)
        return start


@lru_cache(maxsize=256)
def _assignments(network: MLP, init: str | Start) -> tuple[Assignment, ...]:
    return assign(as_method(init), network.structure, measured=False)


def stack(members: Sequence[Mapping[str, NDArray[np.float64]]]) -> Parameters:
    """The parameters of several networks as one ensemble: the same arrays with a leading axis."""
    return {name: np.stack([member[name] for member in members]) for name in members[0]}


def _in_words(widths: Sequence[int]) -> str:
    """The widths with dashes, a run of equal ones told by its length."""
    runs: list[list[int]] = []
    for width in widths:
        if runs and runs[-1][0] == width:
            runs[-1][1] += 1
        else:
            runs.append([width, 1])
    return "-".join("-".join([str(width)] * count) if count < 4 else f"({width}\u00d7{count})" for width, count in runs)
