"""What the functions of this room accept, and the errors they give for anything else."""

from __future__ import annotations

from typing import Any

from goodinit import activations
from goodinit.activations import Activation, check_vectorised
from goodinit.errors import GoodinitError

__all__ = ["check_activation", "check_vectorised"]


def check_activation(activation: Any) -> Activation:
    """The activation of that name, or as it is; a plain function is refused, as its derivative is not known."""
    if callable(activation) and not isinstance(activation, Activation):
        raise GoodinitError(
            f"activation={activation!r} is a plain function, and here its derivative is needed too; give a name, or "
            "goodinit.activations.Activation(name, value, derivative, None)"
        )
    return activations.get(activation)
