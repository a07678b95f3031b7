"""From a method to what every parameter gets: rules of a person, what goes with a weight, and what is better kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer, Normal, get
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.every import EveryWeight, decided
from goodinit.methods.probe import Probing
from goodinit.methods.scaling import scaled
from goodinit.structure import MULTIPLYING, Structure

__all__ = ["RuleInit", "Ruled", "Unknown", "assign"]

RuleInit = str | Initializer | None
"""An initializer, or its text; None or `keep` leaves a parameter as it is, and `init` takes what the weights get."""

Ruled = Mapping[str, tuple[RuleInit, str]]
"""By a parameter's name what a person's rule says of it, and which rule that is."""

Unknown = Literal["keep", "refuse"]
"""What becomes of a parameter that nothing tells the purpose of."""
Reason = tuple[str, str | None]
"""Why a parameter is kept, in a word or two, and the caution that says more."""


def assign(
    method: Method,
    structure: Structure,
    probing: Probing | None = None,
    *,
    ruled: Ruled | None = None,
    unknown: Unknown = "refuse",
    own: Mapping[str, Reason] | None = None,
    scales: Mapping[str, float] | None = None,
    measured: bool = True,
) -> tuple[Assignment, ...]:
    """What every parameter of the structure gets, in its order.

    A person's rules count before the method; a frozen parameter is kept. Biases and tables of places that nothing
    else was said of go with their weights. Those named in `own`, whose values are their model's own choice, and with
    `unknown` "keep" those that are not understood, are kept. What an initializer fills of those in `scales`, the ends
    of branches that their model begins smaller, is multiplied by that.

    `probing` makes the probe that a method which measures is given; without `measured` it says what it begins from.

    Raises GoodinitError where the method does not fit the structure.
    """

    def finish(said: tuple[Assignment, ...]) -> tuple[Assignment, ...]:
        assert [each.name for each in said] == [each.name for each in structure.parameters], method
        made = [_ruled(each, structure, method, ruled or {}) for each in said]
        made = _with_places(_with_biases(made, structure), structure)
        made = [_kept(each, structure, unknown, own or {}) for each in made]
        factors = scales or {} if isinstance(method, EveryWeight) else {}  # a method scales as it means to
        return tuple(_scaled(each, structure, factors) for each in made)

    if not measured:
        return finish(method.before(structure))
    probe = probing(finish) if probing is not None and method.measures else None
    return finish(method.prepare(structure, probe))


def _ruled(said: Assignment, structure: Structure, method: Method, ruled: Ruled) -> Assignment:
    if said.name in ruled:
        choice, because = ruled[said.name]
        if choice is None or choice == "keep":
            return replace(said, initializer=None, because=because, activation=None, caution=None)
        base = method.base if choice == "init" else get(choice)
        if base is None:
            raise GoodinitError(f"{because}: 'init' stands for no initializer where the start is {method}; name one")
        own = decided(structure[said.name], structure, base, because)
        return replace(own, gradient=said.gradient, adaptive=said.adaptive)
    if said.initializer is not None and not structure[said.name].trainable:
        caution = "it is frozen, and was left as it is; a rule would fill it"
        return Assignment(said.name, None, "kept", caution=caution)
    return said


def _with_biases(made: list[Assignment], structure: Structure) -> list[Assignment]:
    """Biases go with their layer's weight: drawn where its rule draws them, as that of `edge_of_chaos` may."""
    spreads = {
        structure[each.name].module: each.initializer.bias_std()
        for each in made
        if structure[each.name].role in MULTIPLYING and each.initializer is not None
    }
    return [
        replace(each, initializer=Normal(std=std), because="its weight")
        if each.because == "default"
        and structure[each.name].role == "bias"
        and (std := spreads.get(structure[each.name].module, 0.0)) > 0
        else each
        for each in made
    ]


def _with_places(made: list[Assignment], structure: Structure) -> list[Assignment]:
    """A table of places that is added to a look-up takes its scale, beside which it would drown or be drowned."""
    scales: dict[str, float] = {}
    tables = {each.name: each for each in made}
    for call in structure.trace.calls if structure.trace is not None else ():
        if not call.beside:
            continue
        parameter = structure[call.weight]
        initializer = tables[parameter.name].initializer
        if initializer is not None and not parameter.lazy:
            std = math.sqrt(initializer.expected_variance(parameter.target))
            scales |= {name: same_everywhere(std * factor) for name, factor in call.beside}
    return [
        replace(each, initializer=Normal(std=std), because="its look-up")
        if each.because == "default"
        and structure[each.name].role in ("embedding", "position")
        and (std := scales.get(structure[each.name].parameters[0], 0.0)) > 0
        else each
        for each in made
    ]


def _scaled(made: Assignment, structure: Structure, scales: Mapping[str, float]) -> Assignment:
    """The end of a branch with the scale that its model gives it, where no rule says otherwise."""
    factors = {scales[name] for name in structure[made.name].parameters if name in scales}
    if made.because != "init" or made.named or len(factors) != 1:
        return made
    return scaled(made, factors.pop(), "its depth scale")


def _kept(made: Assignment, structure: Structure, unknown: Unknown, own: Mapping[str, Reason]) -> Assignment:
    """What no rule fills and is better left as it is."""
    parameter = structure[made.name]
    if made.named or made.because.startswith("rule ") or made.initializer is None or parameter.lazy:
        return made
    reason = own.get(made.name)
    if reason is not None and reason[0] == "its own" and made.because not in ("default", "init"):
        return made  # a method means it
    if reason is not None:
        because, caution = reason
    elif parameter.role == "scale" and made.because == "init":
        because, caution = "its own", None
    elif unknown == "keep" and parameter.weight is None and parameter.keepable:
        because = "unknown"
        what = f"; say what it is with register_rule({parameter.kind}, ...), or fill it with a rule for {made.name!r}"
        caution = f"{parameter.reason}, and it was kept{what if parameter.fillable else ''}"
    else:
        return made
    return replace(made, initializer=None, because=because, activation=None, caution=caution)
