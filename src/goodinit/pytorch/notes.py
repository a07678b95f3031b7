"""What a run has shown by now: of each tensor what it is, the layer calls, and the residual sums."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from goodinit.pytorch.calling import tensors_in
from goodinit.pytorch.operands import Operands
from goodinit.pytorch.owners import Owners
from goodinit.pytorch.values import Descent, Known, Value
from goodinit.structure import LayerCall, ResidualSum, Trace

__all__ = ["Notes"]


class Notes:
    """Of each tensor what is known of it, and the layer calls and the sums in execution order, still to be added to."""

    def __init__(self, owners: Owners) -> None:
        self.owners = owners
        self.descent = Descent()
        self.calls: list[LayerCall] = []
        self.sums: list[ResidualSum] = []
        self.fed: set[int] = set()  # layer calls from which others descend
        self.left: set[int] | None = None  # the calls that the model's output came from
        self.met: list[int] = []  # by layer call, the value that was its input
        self.scales: dict[int, float] = {}  # of look-ups, when they are first added to something
        self._values: dict[int, tuple[weakref.ref[Tensor], Value]] = {}
        self._seen: set[str] = set()
        self._uses: dict[str, int] = {}

    def trace(self) -> Trace:
        """What was seen until now."""
        calls = tuple(
            replace(call, last=call.index not in self.fed, output_scale=self.scales.get(call.index, call.output_scale))
            for call in self.calls
        )
        unused = tuple(name for name in self.owners.names if name not in self._seen)
        ends = [each.index for each in calls if each.last and self.left is not None]
        lost = tuple(index for index in ends if index not in (self.left or ()))
        return Trace(calls, unused, tuple(self.sums), lost)

    def value(self, tensor: Tensor) -> Value:
        """What is known of a tensor by now."""
        kept = self._values.get(id(tensor))
        if kept is not None and kept[0]() is tensor:
            return kept[1]
        names = self.owners.of(tensor)
        self._seen.update(names)
        return self.keep(tensor, Value(self.descent.node(()), names=names))

    def keep(self, tensor: Tensor, value: Value) -> Value:
        """Remember what a tensor is."""
        self._values[id(tensor)] = (weakref.ref(tensor), value)
        return value

    def put(self, result: Any, before: Known, **facts: Any) -> None:
        """Remember a function's results: values of their own, which descend from the signals among its arguments."""
        parents = tuple(value.node for _, value in before if value.signal)
        varied = any(value.varied for _, value in before)
        reach = frozenset().union(*(value.reach for _, value in before))
        for tensor in tensors_in(result):
            self.keep(tensor, Value(self.descent.node(parents), bool(parents), varied, parents, reach=reach, **facts))

    def open(self, used: Operands, value: Value, output: Tensor) -> int:
        """Note a use of a weight, and give its number."""
        weight = used.names[0]
        number = self._uses.get(weight, 0)
        self._uses[weight] = number + 1
        index = len(self.calls)
        whole = tuple(output.shape) if used.whole else (*used.input.shape[:-1], used.weight.shape[0])
        call = LayerCall(
            index=index,
            module=self.owners.module(weight, used.kind),
            kind=used.kind,
            weight=weight,
            parameters=used.names,
            number=number,
            input_shape=tuple(used.input.shape),
            output_shape=whole,
            input_activation=value.activation if used.seen else None,
            norm_before=value.normed and used.seen,
            sources=value.calls if used.seen else (),
            plain=used.seen and value.plain and len(value.calls) == 1 and value.scale == 1,
            mixed=value.mixed,
            varied=value.varied,
            first=used.seen and not value.reach,
            after=tuple(sorted(value.reach)) if used.seen else (index - 1,),
            passed=value.passed,
            stream=value.stream,
        )
        self.calls.append(call)
        self.met.append(value.node)
        return index

    def change(self, calls: Sequence[int], **facts: Any) -> None:
        """Note more of layer calls."""
        for index in calls:
            self.calls[index] = replace(self.calls[index], **facts)
