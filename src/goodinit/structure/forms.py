"""What a layer's input is made of: outputs of other layers, and what was done to them in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["INPUT", "UNKNOWN", "SignalForm"]


@dataclass(frozen=True, eq=False)
class SignalForm:
    """A signal, by how it was made of others; a signal that is used twice is one object.

    `kind` says how: an `input` of the model, the output of the `layer` call numbered `number`, an `activation` of that
    `name`, a `norm`, a `sum` or `product` of signals, one `scaled` by `number`, a `join` side by side, with each part's
    share in `shares`, a `mean` or `max` over `number` elements, `dropout` of the share `number`, a `softmax` over
    `number` elements, or `unknown`.
    """

    kind: Literal[
        "input",
        "layer",
        "activation",
        "norm",
        "sum",
        "product",
        "scaled",
        "join",
        "mean",
        "max",
        "dropout",
        "softmax",
        "unknown",
    ]
    of: tuple[SignalForm, ...] = ()
    number: float = 0.0
    name: str = ""
    shares: tuple[float, ...] = ()


INPUT: Final = SignalForm("input")
"""What the model is given."""
UNKNOWN: Final = SignalForm("unknown")
"""Something that goodinit has no rule for."""
