"""One look at a model on a fixed batch: how large everything is, and what moved it since the start."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from goodinit.pytorch.attention import Scores, fused_scores, packed_scores
from goodinit.pytorch.calling import call_model, mapped, tensors_in
from goodinit.pytorch.functions import Function
from goodinit.pytorch.operands import Operands, operands
from goodinit.pytorch.trace import Known, Observer
from goodinit.pytorch.uses import UseTracer

__all__ = ["Look", "Seen", "look"]

_SAMPLE: Final = 32768  # elements of an output that are kept from one step to the next
_ROWS: Final = 16  # examples whose attention scores are computed again
_SCORES: Final = {torch.softmax, Tensor.softmax, functional.softmax, torch._softmax}
_ATTENDS: Final = {functional.scaled_dot_product_attention}


@dataclass
class Seen:
    """A layer call, a sum, attention scores or the output: what was seen of it in one run.

    `kind` is that of the layer, or `sum`, `scores`, `output`. `output` is a sample of its elements; `own` one
    of the part of it that the weight's own change made, `input` the rms of what came in (of scores: the number of
    products in each), `factor` the number it is
    multiplied by before anything else is done with it, `branch` whether it ends a branch of a residual stream.
    """

    key: str
    kind: str
    weight: str
    output: Tensor
    own: Tensor | None = None
    input: float = math.nan
    factor: float = 1.0
    branch: bool = False
    size: float = math.nan


@dataclass
class Look:
    """All that was seen in one run, by key, in execution order."""

    seen: dict[str, Seen] = field(default_factory=dict)
    meanings: dict[str, Any] = field(default_factory=dict)


class _Sums(Observer):
    """Keeps the totals of residual streams."""

    def __init__(self, probe: _Probe) -> None:
        self.probe = probe

    def summed(self, stream: Tensor, branch: Tensor, calls: tuple[int, ...], total: Tensor, scale: float) -> None:
        """A branch was added to its stream."""
        last = self.probe.call(calls[-1])
        for index in calls:
            self.probe.ends.add(index)
        number = sum(each.kind == "sum" for each in self.probe.found.values())
        name = f"stream after {last.weight.rpartition('.')[0] or last.weight}"
        self.probe.keep(name if name not in self.probe.found else f"{name} ({number})", "sum", last.weight, total)


class _Probe(UseTracer):
    """Sees every layer call, and computes it again with the weights of the start."""

    def __init__(self, model: torch.nn.Module, start: Mapping[str, Tensor] | None) -> None:
        super().__init__(model)
        self.own_parameters = dict(model.named_parameters())
        self.start = start
        self.found: dict[str, Seen] = {}
        self.keys: dict[int, str] = {}
        self.ends: set[int] = set()
        self.factors: dict[int, float] = {}
        self.products = 0
        self.observer = _Sums(self)

    def keep(self, key: str, kind: str, weight: str, output: Tensor, **facts: Any) -> Seen:
        """Note one output."""
        finite = output.detach()
        self.found[key] = Seen(key, kind, weight, _sampled(finite), size=_rms(finite), **facts)
        return self.found[key]

    # --- layer calls ---

    def _layer(
        self, func: Function, kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        first = len(self.notes.calls)
        super()._layer(func, kind, args, kwargs, before, result)
        made = self.notes.calls[first:]
        output = next(iter(tensors_in(result)), None)
        if kind == "attention":
            self._fused(packed_scores(args, kwargs, _ROWS))
        if kind == "matmul" and not made and args and isinstance(args[0], Tensor):
            self.products = int(args[0].shape[-1])  # of two signals: a query and its key, should a softmax follow
        if not made or output is None:
            return
        groups = operands(func, kind, args, kwargs, lambda tensor: self.notes.value(tensor).names)
        for call, used in zip(made, groups, strict=True):
            title = call.module or call.weight
            key = title if call.number == 0 else f"{title} ({call.number + 1})"
            if key in self.found:  # several weights of one module
                key = call.weight if call.number == 0 else f"{call.weight} ({call.number + 1})"
            values = output if used.whole else used.sampled()
            floating = used.input.dtype.is_floating_point
            seen = self.keep(
                key, call.kind, call.weight, values, input=_rms(used.input.detach()) if floating else math.nan
            )
            self.keys[call.index] = key
            if self.start is not None:
                seen.own = self._own(func, args, kwargs, used, values)

    def _own(
        self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], used: Operands, values: Tensor
    ) -> Tensor | None:
        """The output now less the output for the same input with the weights of the start."""
        if not used.whole:
            before = self._first(used.weight)
            if before is None:
                return None
            rows = used.input.detach().reshape(-1, used.input.shape[-1])
            step = max(1, len(rows) // 256)
            return _sampled(functional.linear(rows[::step][:256], used.weight.detach() - before))
        replaced = [0]

        def of_start(tensor: Tensor) -> Tensor:
            first = self._first(tensor)
            replaced[0] += first is not None
            return tensor if first is None else first

        old_args, old_kwargs = mapped(of_start, args), mapped(of_start, dict(kwargs))
        if not replaced[0]:
            return None
        old = next(iter(tensors_in(func(*old_args, **old_kwargs))), None)
        return None if old is None or old.shape != values.shape else _sampled(values.detach() - old.detach())

    def _first(self, tensor: Tensor) -> Tensor | None:
        """What a parameter, or a view of one, was at the start."""
        names = self.notes.value(tensor).names
        if self.start is None or len(names) != 1 or names[0] not in self.start:
            return None
        parameter, first = self.own_parameters[names[0]], self.start[names[0]]
        if tensor is parameter:
            return first
        if tensor.untyped_storage()._cdata != parameter.untyped_storage()._cdata:
            return None
        return first.as_strided(
            tensor.shape, tensor.stride(), tensor.storage_offset() - parameter.storage_offset() + first.storage_offset()
        )

    # --- what a layer's output is multiplied by ---

    def _product(self, func: Function, args: tuple[Any, ...], data: Known, result: Any) -> None:
        super()._product(func, args, data, result)
        for tensor in tensors_in(result):
            value = self.notes.value(tensor)
            for index in value.calls:
                self.factors[index] = value.scale

    def _learn(
        self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], before: Known, result: Any
    ) -> None:
        if func in _ATTENDS:
            self._fused(fused_scores(args, kwargs, _ROWS))
        elif func in _SCORES and args and isinstance(args[0], Tensor) and args[0].dim() >= 3:
            value = self.notes.value(args[0])
            if value.signal and not value.calls:
                self._scores(args[0].detach(), value.scale, self.products or None)
        super()._learn(func, args, kwargs, before, result)

    # --- attention scores ---

    def _scores(self, scores: Tensor, factor: float, size: int | None) -> None:
        number = sum(each.kind == "scores" for each in self.found.values())
        last = self.notes.calls[-1].weight if self.notes.calls else ""
        kept = scores[scores > torch.finfo(scores.dtype).min / 2] if not bool(torch.isfinite(scores).all()) else scores
        seen = self.keep(f"attention scores {number + 1}", "scores", last, kept, factor=factor)
        seen.input = math.nan if size is None else float(size)

    def _fused(self, scores: Scores | None) -> None:
        if scores is not None:
            self._scores(scores.values, scores.factor, scores.size)


def _sampled(values: Tensor) -> Tensor:
    flat = values.reshape(-1)
    step = max(1, flat.numel() // _SAMPLE) | 1  # odd, so that it meets every feature
    return flat[::step].float().clone()


def _rms(values: Tensor) -> float:
    return float(values.float().square().mean().sqrt()) if values.numel() else math.nan


def look(model: torch.nn.Module, inputs: Any, start: Mapping[str, Tensor] | None) -> Look:
    """Run the model on the inputs and note what goes by; `start` are the parameters of the start, to compare with."""
    with torch.no_grad(), _Probe(model, start) as probe:
        probe.feed(inputs)
        output = call_model(model, inputs)
    for index, key in probe.keys.items():
        probe.found[key].factor = probe.factors.get(index, 1.0)
        probe.found[key].branch = index in probe.ends
    tensors = [each for each in tensors_in(output) if each.dtype.is_floating_point]
    final = next((each for each in tensors if each.dim() > 1), tensors[0] if tensors else None)
    if final is not None:
        probe.keep("output", "output", "", final)
    return Look(probe.found, probe.meanings())
