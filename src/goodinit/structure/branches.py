"""Residual streams: their branches in order, the blocks they make, where norms lie, and what attends to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from goodinit.structure.calls import LayerCall, ResidualSum, Trace

__all__ = ["Branch", "Norms", "ResidualStream", "streams_of"]

Norms = Literal["before", "after", "none"]
"""Where a stream's norms are: within the branches, before their first layer; on the stream, after its sums; nowhere."""

_MIXING: Final = ("conv", "recurrent")


@dataclass(frozen=True)
class Branch:
    """One branch of a residual stream.

    `calls` are its layer calls in execution order, `ends` those whose output is added to the stream. `number` counts
    the branches of its stream from 0, `block` the blocks. `attends` says that it is an attention, `memory` are the
    other streams whose outputs it attends to. `norm_before` says that a norm lies before its first layer,
    `norm_inside` that one lies before its end, `norm_at_end` that its output goes through a norm before the sum;
    `passed` names the scales of norms and layers that it goes through there. `activation` is one that its output goes
    through, and `scale` what it is multiplied by. `shortcut` is the projection that it is added to, where that is one.
    """

    number: int
    block: int
    calls: tuple[LayerCall, ...]
    ends: tuple[LayerCall, ...]
    attends: bool
    memory: frozenset[int]
    norm_before: bool
    norm_inside: bool
    norm_at_end: bool
    passed: tuple[str, ...]
    activation: str | None
    scale: float
    shortcut: LayerCall | None = None

    @property
    def depth(self) -> int:
        """The most layers that lie one behind another in the branch: 2 for values and output of an attention."""
        depths: dict[int, int] = {}
        for call in self.calls:
            depths[call.index] = 1 + max((depths.get(index, 0) for index in call.after), default=0)
        return max(depths.values())


@dataclass(frozen=True)
class ResidualStream:
    """A residual stream: its branches in order, how many `blocks` they make, and where its `norms` are.

    A block begins with a branch that mixes places, as attention, convolution and recurrence do, and where no branch of
    the stream does, or none does not, with each branch.
    """

    number: int
    branches: tuple[Branch, ...]
    norms: Norms

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return self.branches[-1].block + 1

    @property
    def attends(self) -> bool:
        """Whether a branch is an attention."""
        return any(each.attends for each in self.branches)

    @property
    def memory(self) -> frozenset[int]:
        """The other streams that it attends to: a decoder's encoder."""
        return frozenset().union(*(each.memory for each in self.branches))


def streams_of(trace: Trace) -> tuple[ResidualStream, ...]:
    """The residual streams of a run, in the order of their first sums; sums without a layer are left out."""
    sums: dict[int, list[ResidualSum]] = {}
    for each in trace.sums:
        if each.inside and each.branch:
            sums.setdefault(each.stream, []).append(each)
    return tuple(_stream(number, own, trace.calls) for number, own in sums.items())


def _stream(number: int, sums: Sequence[ResidualSum], calls: Sequence[LayerCall]) -> ResidualStream:
    inside = [tuple(calls[index] for index in each.inside) for each in sums]
    memories = [
        frozenset(call.stream for call in own if call.stream is not None and call.stream != number) for own in inside
    ]
    attending = [any(call.attended for call in own) for own in inside]
    blocks = _blocks(inside, attending, memories)
    branches = []
    for place, (each, own) in enumerate(zip(sums, inside, strict=True)):
        ends = tuple(calls[index] for index in each.branch)
        made = {call.index for call in own}
        first = [call for call in own if not set(call.sources) & made and call.stream == number] or own[:1]
        branches.append(
            Branch(
                number=place,
                block=blocks[place],
                calls=own,
                ends=ends,
                attends=attending[place],
                memory=memories[place] if attending[place] else frozenset(),
                norm_before=any(call.norm_before for call in first) and not each.normed,
                norm_inside=len(own) > len(ends) and any(call.norm_before for call in ends),
                norm_at_end=any(call.norm_after for call in ends),
                passed=each.passed,
                activation=each.activation,
                scale=each.scale,
                shortcut=None if each.shortcut is None else calls[each.shortcut],
            )
        )
    after = [each.normed for each in sums]
    norms: Norms = "none"
    if sum(after[1:]) > len(after[1:]) / 2:
        norms = "after"
    elif any(each.norm_before for each in branches):
        norms = "before"
    return ResidualStream(number, tuple(branches), norms)


def _blocks(
    inside: Sequence[tuple[LayerCall, ...]], attending: Sequence[bool], memories: Sequence[frozenset[int]]
) -> list[int]:
    """The block of each branch, from 0."""
    own = [attends and not memory for attends, memory in zip(attending, memories, strict=True)]
    mixing = [here or any(call.kind in _MIXING for call in calls) for here, calls in zip(own, inside, strict=True)]
    begins = own if any(own) and all(mixing) else mixing
    if not any(begins):
        begins = [True] * len(begins)
    found: list[int] = []
    for starts in begins:
        found.append(found[-1] + starts if found else 0)
    return found
