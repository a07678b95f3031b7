"""The gain of a weight: decided by the activation that follows its layer, where the initializer leaves that open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Final

from goodinit import activations
from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.initializers.base import same_everywhere
from goodinit.structure import MULTIPLYING, Parameter, Trace

__all__ = ["following", "with_gain"]

_LINEAR: Final = ("softmax", "log_softmax", "softmin")  # over the whole output: no element's own activation


def following(weight: Parameter, trace: Trace | None) -> tuple[str | None, str | None]:
    """The activation after a weight's layer, `linear` for none, and a caution; None where it is not known.

    Inside an attention or a recurrent layer the class tells: query, key and value meet no activation, gates have
    bounded ones that a gain of 1 suits, and a plain recurrent layer has its own. For all others the trace of a batch
    does.
    """
    if weight.role not in MULTIPLYING:
        return None, None
    if weight.role.startswith("recurrent"):
        return ("linear" if weight.role == "recurrent projection" else weight.cell or "linear"), None
    if weight.role == "attention":
        return "linear", None
    if trace is None:
        return None, None
    calls = [call for name in weight.parameters for call in trace.of(name)]
    if any(call.index in trace.lost and call.activation is None for call in calls):
        return None, "what becomes of its output was not seen: its gain is the rule's own"
    found = {call.activation or "linear" for call in calls}
    names = sorted("linear" if name in _LINEAR else name for name in found)
    if not names:
        return None, "the batch did not use it: its gain is the rule's own"
    if len(set(names)) > 1:
        return None, f"{' and '.join(names)} follow it at different places: its gain is the rule's own"
    if not activations.is_known(names[0]):
        return None, f"goodinit does not know {names[0]}, which follows it: its gain is the rule's own"
    return names[0], None


def with_gain(
    initializer: Initializer, activation: str | None, fixed: Iterable[str] = ()
) -> tuple[Initializer, str | None]:
    """The initializer with the option that the activation decides, and a caution where it knows no such activation.

    >>> from goodinit.initializers import get
    >>> str(with_gain(get("he_normal"), "tanh")[0])
    'he_normal(activation=tanh)'
    >>> str(with_gain(get("orthogonal"), "relu")[0])
    'orthogonal(gain=1.41421356237)'
    """
    option = initializer.follows
    if activation is None or option is None or option in set(fixed):
        return initializer, None
    try:
        value = activation if option == "activation" else _gain(activation)
        made = replace(initializer, **{option: value})
        object.__setattr__(made, "_given", initializer.given)  # what a person said, not what the activation did
        return made, None
    except GoodinitError as error:
        return initializer, f"it does not follow {activation} ({error})"


@lru_cache
def _gain(activation: str) -> float:
    from goodinit import theory  # its quadrature takes a while to import

    return same_everywhere(theory.gain(activation))
