"""What a transformer's parameters are for, as recipes speak of them: one run decides, and names tell the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from goodinit.recipes import Place, places
from goodinit.structure import MULTIPLYING, Branch, Parameter, Structure

__all__ = ["places_of"]

_ENDS: Final = ("mlp_out", "attention_out", "expert_out", "mixer_out")
_READOUTS: Final = ("head", "pooler", "embedding")
_ATTENTION: Final = ("query", "key", "value", "qkv", "key_value")
_OF_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "norm scale": ("norm_scale",),
    "norm offset": ("norm_offset",),
    "norm shift": ("norm_bias",),
    "bias": ("bias", "patch_bias", "step_bias"),
    "embedding": ("embedding", "position", "token_type", "relative_position"),
    "tied embedding": ("embedding",),
    "position": ("position", "token"),
}


def places_of(structure: Structure) -> dict[str, Place]:
    """Every parameter's place, by its name and its aliases.

    Where a run was made it decides: the ends of residual branches, with the depth counted along their stream, the
    readouts, norms and what their scales are kept as. A name then says which of several it is, as of query and key; of
    what the run tells nothing, the name is believed alone.
    """
    shapes = {name: each.shape or () for each in structure.parameters for name in (each.name, *each.aliases)}
    named = places(shapes)
    seen = _seen(structure)
    width = _width(structure)
    found: dict[str, Place] = {}
    for each in structure.parameters:
        for name in (each.name, *each.aliases):
            place = named[name]
            if each.weight is not None and each.weight.kind != "elementwise":
                place = replace(place, fans=(each.weight.fan_in, each.weight.fan_out))
            if width is not None:
                place = replace(place, width=width)
            found[name] = _decided(place, each, seen.get(each.name))
    return found


@dataclass(frozen=True)
class _Seen:
    """What a run shows of a weight: what it may be, the likeliest first, and its layer of how many."""

    roles: tuple[str, ...]
    layer: int | None = None
    layers: int | None = None


def _decided(place: Place, parameter: Parameter, seen: _Seen | None) -> Place:
    roles = seen.roles if seen is not None else _OF_ROLES.get(parameter.role, ())
    if roles and place.role not in roles:
        place = replace(place, role=roles[0])
    if seen is not None and seen.layer is not None and seen.layers is not None:
        place = replace(place, layer=seen.layer, layers=seen.layers, inside=True)
    return place


def _seen(structure: Structure) -> dict[str, _Seen]:
    if structure.trace is None:
        return {}
    calls = structure.trace.calls
    found: dict[str, _Seen] = {}
    for stream in structure.streams:
        for branch in stream.branches if len(stream.branches) > 1 else ():
            found |= _of_branch(structure, branch, stream.blocks)
    for call in calls:
        name = structure[call.weight].name
        if structure[name].role == "embedding" and not call.varied:
            found[name] = _Seen(("position", "relative_position"))
        if structure[name].role not in MULTIPLYING:
            continue
        if name in structure.readouts and not call.residual:
            found[name] = _Seen(_READOUTS)
        elif call.first and call.kind.startswith("Conv") and name not in found:
            found[name] = _Seen(("patch",))
    return found


def _of_branch(structure: Structure, branch: Branch, layers: int) -> dict[str, _Seen]:
    """The weights of a branch."""
    found: dict[str, _Seen] = {}
    packed = len(branch.calls) - len(branch.ends) == 1
    for call in branch.calls:
        parameter = structure[call.weight]
        if parameter.role not in MULTIPLYING or call.first:
            continue
        if call in branch.ends:
            roles: tuple[str, ...] = ("attention_out" if branch.attends else "mlp_out", *_ENDS)
        elif branch.attends:
            roles = ("qkv" if packed else "value" if call.attended else "query", *_ALL)
        else:
            roles = ("mlp_in", *_ALL)
        found.setdefault(parameter.name, _Seen(roles, branch.block, layers))
    return found


_ALL: Final = (
    *_ATTENTION,
    *("mlp_in", "mlp_gate", "expert_in", "expert_gate", "expert_out", "router", "attention_out", "mlp_out"),
    *("mixer_in", "mixer_out", "mixer_conv", "mixer_select", "mixer_step", "patch", "pooler", "relative_position"),
)


def _width(structure: Structure) -> int | None:
    """The width of the residual stream that has the most branches."""
    streams = sorted(structure.streams, key=lambda each: len(each.branches))
    if not streams or len(streams[-1].branches) < 2:
        return None
    ends = [structure[call.weight].weight for branch in streams[-1].branches for call in branch.ends]
    widths = {math.floor(each.fan_out) for each in ends if each is not None and each.kind != "elementwise"}
    return widths.pop() if len(widths) == 1 else None
