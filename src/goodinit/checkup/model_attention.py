"""Attentions: how their scores are scaled, how large they are, and how evenly they weigh, from a part of the batch."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from goodinit.model_records import AttentionStart
from goodinit.pytorch.attention import Scores, fused_scores, packed_scores
from goodinit.pytorch.functions import LAYERS, Function, argument, role
from goodinit.pytorch.held import whole_tensor
from goodinit.pytorch.trace import Value
from goodinit.structure import LayerCall

__all__ = ["AttentionSignals"]

_EXAMPLES: Final = 2
_QUERIES: Final = 32
_FEWEST: Final = 4  # keys, from which weights can be even or not
_MASKED: Final = -9e3  # a score as low stands for a mask


@dataclass(frozen=True)
class _Added:
    """What is added to scores: the parameters that it comes from, and its rms about each query's mean."""

    names: tuple[str, ...]
    rms: Tensor


@dataclass(frozen=True)
class _Measured:
    """One attention, its numbers as tensors of one element."""

    calls: tuple[int, ...]
    factor: float
    size: int | None
    numbers: tuple[Tensor, Tensor]
    keys: int
    across: bool = False
    added: _Added | None = None


class AttentionSignals:
    """Sees the functions that a model calls, and measures those that are an attention's softmax."""

    def __init__(self, call: Callable[[int], LayerCall], value: Callable[[Tensor], Value]) -> None:
        self._call, self._value = call, value
        self._measured: list[_Measured] = []
        self._size: int | None = None  # of the last product of two signals, should a softmax follow
        self._alpha = 1.0  # what that product was multiplied by as it was made
        self._added: dict[tuple[int, ...], _Added] = {}  # by the calls of queries and keys, until the softmax
        # Weights that sum to 1 along another axis than the last.
        self._weights: dict[int, tuple[weakref.ref[Tensor], tuple[int, ...]]] = {}

    def done(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Look at a function's call."""
        what = role(function)
        if what == "softmax":
            self._softmax(args, kwargs, result)
        elif what == "attend":
            query, key = argument(args, kwargs, 0, "query"), argument(args, kwargs, 1, "key")
            pair = self._value(query), self._value(key)
            mask = self._addition(argument(args, kwargs, 3, "attn_mask"))
            fused = fused_scores(args, kwargs, _EXAMPLES, _QUERIES)
            before = math.prod(value.scale for value in pair)  # as Whisper has it
            calls = tuple(call for value in pair for call in value.calls)
            self._measure(calls, replace(fused, factor=fused.factor * before), mask)
        elif function is functional.multi_head_attention_forward:
            scores = packed_scores(args, kwargs, _EXAMPLES, _QUERIES)
            if scores is not None:
                last = self._value(result[0]).calls[-1]  # the layer behind queries, keys and values, or all three
                apart = argument(args, kwargs, 17, "use_separate_proj_weight", False)
                self._measure((last - 3, last - 2) if apart else (last - 1,), scores)
        elif LAYERS.get(function) == "matmul":
            added = getattr(function, "__name__", "") in ("baddbmm", "addbmm", "addmm")  # a bias and alpha products
            first = argument(args, kwargs, 1, "batch1") if added else None
            self._size = _contracted((first,) if added else args)
            self._alpha = float(kwargs.get("alpha", 1)) if added else 1.0
            if added and isinstance(result, Tensor) and (scored := self._value(result).scored):
                self._keep(args[0], scored)
            self._used(args)
        elif what == "sum":
            self._sum(args)
        elif what == "dropout" and isinstance(result, Tensor) and args and id(args[0]) in self._weights:
            self._weights[id(result)] = (weakref.ref(result), self._weights[id(args[0])][1])

    def start(self) -> tuple[AttentionStart, ...]:
        """The records, in execution order."""
        found: list[AttentionStart] = []
        for each in self._measured:
            rms, entropy = (float(number) for number in each.numbers)
            weights = tuple(dict.fromkeys(self._call(index).weight for index in each.calls))
            name = self._call(each.calls[0]).module if each.calls else f"attention {len(found) + 1}"
            size = (each.size, each.factor)
            added = ((), 0.0) if each.added is None else (each.added.names, float(each.added.rms))
            found.append(AttentionStart(name, weights, each.keys, *size, rms, entropy, each.across, *added))
        return tuple(found)

    def _softmax(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        given = argument(args, kwargs, 0, "input")
        if not isinstance(given, Tensor) or not isinstance(result, Tensor) or given.dim() < 3:
            return
        value, axis = self._value(given), argument(args, kwargs, 1, "dim")
        if not value.scored or not isinstance(axis, int):
            return
        if axis % given.dim() == given.dim() - 1:
            scores = whole_tensor(given.detach())[:_EXAMPLES]
            step = max(1, -(-scores.shape[-2] // _QUERIES))
            made = Scores(scores[..., ::step, :], value.scale * self._alpha, self._size or 0)
            self._measure(value.scored, made, self._added.pop(value.scored, None))
        else:
            self._weights[id(result)] = (weakref.ref(result), value.scored)

    def _sum(self, args: tuple[Any, ...]) -> None:
        """Keep what is added to scores; of several such the largest."""
        pair = [each for each in args[:2] if isinstance(each, Tensor)]
        scored = [value.scored for value in map(self._value, pair)]
        if len(pair) == 2 and bool(scored[0]) != bool(scored[1]):
            self._keep(pair[bool(scored[0])], scored[0] or scored[1])

    def _keep(self, given: Any, scored: tuple[int, ...]) -> None:
        added, before = self._addition(given), self._added.get(scored)
        if added is not None and (before is None or bool(added.rms > before.rms)):
            self._added[scored] = added

    def _addition(self, given: Any) -> _Added | None:
        """What is added to scores; None for a mask, and for what is the same for all keys."""
        if not isinstance(given, Tensor) or not given.dtype.is_floating_point or not given.dim():
            return None
        if given.shape[-1] < _FEWEST:
            return None
        value, values = self._value(given), whole_tensor(given.detach())
        names = value.names or tuple(dict.fromkeys(self._call(index).weight for index in value.calls))
        values = values[:_EXAMPLES] if values.dim() > 3 else values
        rows = values.shape[-2] if values.dim() > 1 else 1
        values = values[..., :: max(1, -(-rows // _QUERIES)), :] if rows > 1 else values
        return _Added(names, _about_mean(values.float())[0])

    def _used(self, args: tuple[Any, ...]) -> None:
        """Weights that sum to 1 along another axis than the one that they are summed along."""
        kept = self._weights.get(id(args[0])) if len(args) == 2 else None
        if kept is not None and isinstance(args[0], Tensor) and kept[0]() is args[0]:
            unknown = torch.full((), math.nan)
            keys = int(args[0].shape[-1])
            self._measured.append(_Measured(kept[1], 1.0, None, (unknown, unknown), keys, across=True))

    def _measure(self, calls: tuple[int, ...], scores: Scores, added: _Added | None = None) -> None:
        values = scores.values
        if values.numel() == 0 or not values.dtype.is_floating_point:
            return
        calls, keys = tuple(dict.fromkeys(calls)), values.shape[-1]
        numbers = _about_mean(values.float())
        self._measured.append(_Measured(calls, scores.factor, scores.size or None, numbers, keys, added=added))


def _about_mean(values: Tensor) -> tuple[Tensor, Tensor]:
    """The rms of scores about each query's mean, and the entropy of their softmax over the logarithm of the keys.

    Masked ones are left out, and queries that see fewer than 4 keys; both are nan where there are none.
    """
    with torch.no_grad():
        top = values.amax(-1, keepdim=True)
        kept = (values > _MASKED) | (values == top)
        count = kept.sum(-1)
        inside = values.masked_fill(~kept, 0.0)
        mean = inside.sum(-1, keepdim=True) / count[..., None]
        square = ((inside - mean).square() * kept).sum(-1) / count
        weights = torch.softmax(values.masked_fill(~kept, -math.inf), -1)
        entropy = torch.special.entr(weights).sum(-1) / count.clamp(min=2).log()
        enough = count >= _FEWEST
        total = enough.sum()
        entropy = torch.where(enough, entropy, 0.0).sum() / total  # nan where there are none
        return (torch.where(enough, square, 0.0).sum() / total).sqrt(), entropy


def _contracted(args: tuple[Any, ...]) -> int | None:
    """Over how many products a product of two tensors sums."""
    if args and isinstance(args[0], Tensor):
        return int(args[0].shape[-1]) if args[0].dim() else None
    if not args or not isinstance(args[0], str) or "->" not in args[0] or "." in args[0]:
        return None
    operands = args[1] if len(args) == 2 and isinstance(args[1], list | tuple) else args[1:]
    given, out = args[0].replace(" ", "").split("->")
    labels = given.split(",")
    if len(labels) != 2 or len(operands) != 2:
        return None
    sizes = dict(zip(labels[0], operands[0].shape, strict=False))
    return math.prod(int(sizes[each]) for each in sizes if each in labels[1] and each not in out)
