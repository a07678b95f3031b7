"""`Structure`: the parameters and one run of a network or a model, and what follows from them alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from goodinit.structure.branches import ResidualStream, streams_of
from goodinit.structure.calls import LayerCall, Trace
from goodinit.structure.parameters import Parameter
from goodinit.structure.roles import MULTIPLYING

__all__ = ["Structure"]


@dataclass(frozen=True)
class Structure:
    """What a network or a model is.

    `parameters` are in the framework's order. `trace` is what one run did, None where none was made. `adapts` says
    that an initializer whose gain is left open gets that of the activation behind a weight: so it is for a model,
    while for a network the person's word counts as it is. `own_start` says that the parameters have values already
    which its own code gave them, so that they can be kept.
    """

    parameters: tuple[Parameter, ...]
    trace: Trace | None = None
    adapts: bool = True
    own_start: bool = True

    def __getitem__(self, name: str) -> Parameter:
        """The parameter of that name, of an alias, or of a name that its framework keeps it under."""
        return self._named[name]

    @cached_property
    def _named(self) -> dict[str, Parameter]:
        return {name: each for each in self.parameters for name in (each.name, *each.aliases, *each.parameters)}

    @cached_property
    def depths(self) -> dict[str, int]:
        """The weights at the ends of residual branches, each with the number of branches of its stream.

        A weight that ends branches of several streams has the largest.
        """
        if self.trace is None:
            return {}
        branches = Counter(each.stream for each in self.trace.sums)
        found: dict[str, int] = {}
        for each in self.trace.sums:
            for index in each.branch:
                name = self[self.trace.calls[index].weight].name
                if self[name].role in MULTIPLYING:
                    found[name] = max(found.get(name, 0), branches[each.stream])
        return found

    @cached_property
    def streams(self) -> tuple[ResidualStream, ...]:
        """The residual streams of the run, with their branches, blocks and norms."""
        return () if self.trace is None else streams_of(self.trace)

    @cached_property
    def inputs(self) -> frozenset[str]:
        """The weights that meet the model's inputs before any other layer does, tables that are looked up included."""
        calls = () if self.trace is None else self.trace.calls
        return frozenset(self[call.weight].name for call in calls if call.first)

    def calls_of(self, name: str) -> tuple[LayerCall, ...]:
        """The layer calls of a weight, in execution order."""
        calls = () if self.trace is None else self.trace.calls
        return tuple(call for call in calls if self[call.weight].name == name)

    def beside_readout(self, name: str) -> bool:
        """Whether a parameter belongs to a readout's layer, as its bias does."""
        calls = () if self.trace is None else self.trace.calls
        return any(call.last and set(call.parameters) & set(self[name].parameters) for call in calls)

    @cached_property
    def readouts(self) -> frozenset[str]:
        """The weights whose outputs no other layer takes."""
        calls = () if self.trace is None else self.trace.calls
        return frozenset(self[call.weight].name for call in calls if call.last)
