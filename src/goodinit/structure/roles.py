"""What a parameter is for, in words that every framework shares."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

from goodinit.weights import Weight

__all__ = ["MULTIPLYING", "ROLES", "Meaning", "Role"]

Role = Literal[
    "weight",
    "attention",
    "recurrent input",
    "recurrent hidden",
    "recurrent projection",
    "embedding",
    "tied embedding",
    "bias",
    "gate bias",
    "norm scale",
    "norm shift",
    "norm offset",
    "position",
    "scale",
    "slope",
    "unknown",
]
"""What a parameter is for. `attention` is an input projection of query, key and value, packed or not; `gate bias` the
one of an LSTM's two biases that holds the forget gate's start; `tied embedding` a table that is an output layer too;
`slope` that of a PReLU. Only a run tells the rest: `norm offset` is a norm's scale kept as its distance
from 1, `position` a table of places or a token that is added to or put beside a signal, `scale` what multiplies a
signal element by element behind no norm, or after a function of its own: a layer scale, a temperature, a gate, a state
space's parameter."""

ROLES: Final[tuple[Role, ...]] = get_args(Role)
MULTIPLYING: Final[tuple[Role, ...]] = (
    "weight",
    "attention",
    "recurrent input",
    "recurrent hidden",
    "recurrent projection",
)
"""The roles whose tensors sum many inputs into an output, so that fans decide their size."""


class Meaning(NamedTuple):
    """The role of one parameter, and its weight; None where its elements each serve one unit alone."""

    role: Role
    weight: Weight | None = None
