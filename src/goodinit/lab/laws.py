"""What the page draws by itself: each initializer as a law, in numbers and names of its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from goodinit import activations
from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.initializers.base import same_everywhere
from goodinit.initializers.critical_table import CRITICAL
from goodinit.lab.limits import LIMITS
from goodinit.weights import Weight

__all__ = ["law"]

_WIDEST: Final = max(LIMITS["width"], LIMITS["csv_features"])

_PLAIN: Final[Mapping[str, dict[str, Any]]] = {
    "zeros": {"kind": "constant", "value": 0},
    "ones": {"kind": "constant", "value": 1},
    "constant": {"kind": "constant"},
    "normal": {"kind": "normal"},
    "uniform": {"kind": "uniform"},
    "truncated_normal": {"kind": "truncated_normal"},
    "orthogonal": {"kind": "orthogonal"},
    "delta_orthogonal": {"kind": "orthogonal", "tall": True},
    "identity": {"kind": "diagonal"},
    "dirac": {"kind": "diagonal"},  # of a layer without a kernel
    "sparse": {"kind": "sparse"},
}


@cache
def law(kind: type[Initializer]) -> dict[str, Any] | None:
    """How the page draws the weights of a fully connected layer by that initializer; None where it does not.

    A number is one, or `{"option": name}`. A law of the kind `variance` has the mode of its fan, its distribution and
    its `scale`, which the fan divides: a number, an option (to a power), or a table by activation (`gain_of`,
    `critical_of`) or by activation and fan in (`by_fan`).
    """
    if kind.name in _PLAIN:
        return _PLAIN[kind.name]
    scale = _SCALES.get(kind.name)
    if scale is None:
        return None
    options = kind.__dataclass_fields__
    rule: dict[str, Any] = {
        "kind": "variance",
        "mode": {"option": "mode"} if "mode" in options else getattr(kind, "_mode"),  # noqa: B009
        "distribution": {"option": "distribution"} if "distribution" in options else getattr(kind, "_distribution"),  # noqa: B009
        "scale": scale(kind),
    }
    if "bias_variance" in options:
        rule["bias_variance"] = {"option": "bias_variance"}
    return rule


def _scale(kind: type[Initializer], **options: Any) -> float:
    """What the fan in divides."""
    return kind(**options).expected_variance(Weight.linear("W", 1, 1))


def _of_activation(kind: type[Initializer], known: Mapping[str, float | None] | None = None) -> dict[str, float]:
    """Its scale for each activation that has one; not asked for are those that are `known` to have none."""
    found = {}
    for name in activations.names():
        if (known or {}).get(name, 0.0) is None:
            continue
        try:
            found[name] = _scale(kind, activation=name)
        except GoodinitError:
            continue  # no critical point: the page refuses it as the catalogue does
    return found


def _by_fan(kind: type[Initializer]) -> dict[str, list[float]]:
    weights = [Weight.linear("W", fan, 1) for fan in range(1, _WIDEST + 1)]
    return {
        activation: [same_everywhere(kind(activation=activation).expected_variance(w) * w.fan_in) for w in weights]
        for activation in kind.activations
    }


_SCALES: Final[Mapping[str, Callable[[type[Initializer]], Any]]] = {
    "variance_scaling": lambda kind: {"option": "scale"},
    "lecun_normal": _scale,
    "lecun_uniform": _scale,
    "glorot_normal": lambda kind: {"option": "gain", "power": 2},
    "glorot_uniform": lambda kind: {"option": "gain", "power": 2},
    "he_normal": lambda kind: {"gain_of": _of_activation(kind)},
    "he_uniform": lambda kind: {"gain_of": _of_activation(kind)},
    "pytorch_linear": _scale,
    "edge_of_chaos": lambda kind: {"critical_of": _of_activation(kind, CRITICAL)},
    "random_walk": lambda kind: {"by_fan": _by_fan(kind)},
    "siren": lambda kind: {"siren": True},
}
