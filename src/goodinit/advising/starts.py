"""What an initializer on every weight suits: each function is one initializer, and says why it is sound, or None."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from goodinit.methods.traits import Traits

__all__ = ["STARTS"]

_DEEP: Final = 6


def _he(found: Traits) -> str | None:
    if found.kind in ("shallow", "plain relu", "residual with norms", "with norms", "other"):
        behind = f" with the gain of the {found.activation} behind it" if found.activation is not None else ""
        return f"each layer keeps the size of the signal, by its own fan in{behind}"
    return None


def _glorot(found: Traits) -> str | None:
    return "few layers: signals and gradients keep their size between fan in and fan out" if _few(found) else None


def _few(found: Traits) -> bool:
    return found.kind in ("shallow", "recurrent")


def _lecun(found: Traits) -> str | None:
    if found.kind == "recurrent":
        return "gates have bounded activations, for which the gain is 1; hidden matrices stay orthogonal"
    if found.kind.startswith("transformer, norms"):
        return "norms set each branch's input to size 1, and a variance of 1 / fan in keeps it"
    return None


def _orthogonal(found: Traits) -> str | None:
    if found.kind.startswith("plain"):
        return f"the product of {found.layers} layers stays well conditioned, where random ones narrow with each"
    if found.kind in ("shallow", "recurrent", "with norms", "residual with norms", "transformer, norms before"):
        return "no direction of the signal is lost in any layer"
    return None


def _looks_linear(found: Traits) -> str | None:
    if found.kind == "plain relu" and found.activation in ("relu", "leaky_relu"):
        return f"{found.layers} layers of mirrored halves begin as one linear map, whatever the depth"
    return None


def _tanh(found: Traits) -> str | None:
    if found.kind == "plain tanh" and found.activation == "tanh":
        return f"{found.layers} layers of tanh on the critical line, where correlations live longest"
    return None


def _calm(found: Traits) -> str | None:
    if found.kind == "plain tanh":
        return f"a gain a little above 1 keeps {found.layers} layers at the edge between fading and chaos"
    return None


def _gelu(found: Traits) -> str | None:
    if found.kind == "plain gelu" and found.activation == "gelu":
        return f"{found.layers} layers of gelu on the critical line, which its gain alone does not hold"
    return None


def _siren(found: Traits) -> str | None:
    if found.activation is not None and found.activation.startswith("sine"):
        return "sines want uniform weights whose frequencies stay in range through the layers"
    return None


STARTS: Final[Mapping[str, Callable[[Traits], str | None]]] = {
    "siren": _siren,
    "orthogonal": _orthogonal,
    "orthogonal(gain=1.05)": _calm,
    "he_normal": _he,
    "lecun_normal": _lecun,
    "glorot_uniform": _glorot,
    "looks_linear": _looks_linear,
    "edge_of_chaos(activation=tanh, bias_variance=0.05)": _tanh,
    "edge_of_chaos(activation=gelu, bias_variance=0.174)": _gelu,
}
"""By the initializer's text."""
