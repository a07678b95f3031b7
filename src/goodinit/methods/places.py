"""What a transformer's parameters are for, as recipes speak of them: one run decides, and names tell the rest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from goodinit.recipes import Place, places
from goodinit.structure import MULTIPLYING, LayerCall, Parameter, Structure

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
    for stream in sorted({each.stream for each in structure.trace.sums}):
        branches = [each.branch for each in structure.trace.sums if each.stream == stream and each.branch]
        if len(branches) > 1:
            found |= _of_stream(structure, sorted(branches, key=min))
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


def _of_stream(structure: Structure, branches: list[tuple[int, ...]]) -> dict[str, _Seen]:
    """The weights of a stream's branches. A branch in which something scores is attention's."""
    assert structure.trace is not None
    calls = structure.trace.calls
    members: list[tuple[list[LayerCall], tuple[int, ...]]] = []
    start = 0
    for branch in branches:
        members.append(([calls[index] for index in range(start, max(branch) + 1)], branch))
        start = max(branch) + 1
    attends = [any(call.scoring for call in inside) for inside, _ in members]
    layers = (len(attends) - sum(attends)) or len(attends)
    found: dict[str, _Seen] = {}
    done = 0
    for (inside, branch), attention in zip(members, attends, strict=True):
        layer = min(done, layers - 1)
        done += not attention or all(attends)
        packed = sum(call.index not in branch and not call.first for call in inside) == 1
        for call in inside:
            parameter = structure[call.weight]
            if parameter.role not in MULTIPLYING or call.first:
                continue
            if call.index in branch:
                end = "attention_out" if attention else "mlp_out"
                found[parameter.name] = _Seen((end, *_ENDS), layer, layers)
            else:
                scoring = "qkv" if packed else "query"
                others = (scoring if call.scoring else "value") if attention else "mlp_in"
                found.setdefault(parameter.name, _Seen((others, *_ALL), layer, layers))
    return found


_ALL: Final = (
    *_ATTENTION,
    *("mlp_in", "mlp_gate", "expert_in", "expert_gate", "expert_out", "router", "attention_out", "mlp_out"),
    *("mixer_in", "mixer_out", "mixer_conv", "mixer_select", "mixer_step", "patch", "pooler", "relative_position"),
)


def _width(structure: Structure) -> int | None:
    """The width of the residual stream that has the most branches."""
    if structure.trace is None:
        return None
    sums = [each for each in structure.trace.sums if each.branch]
    usual = Counter(each.stream for each in sums).most_common(1)
    if not usual or usual[0][1] < 2:
        return None
    stream = usual[0][0]
    ends = [structure.trace.calls[index] for each in sums if each.stream == stream for index in each.branch]
    widths = {
        math.floor(weight.fan_out)
        for call in ends
        if (weight := structure[call.weight].weight) is not None and weight.kind != "elementwise"
    }
    return widths.pop() if len(widths) == 1 else None
