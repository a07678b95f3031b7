"""Attentions: how their scores are scaled, how large they are, and how evenly they weigh, from a part of the batch."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
class _Measured:
    """One attention, its numbers as tensors of one element."""

    calls: tuple[int, ...]
    factor: float
    size: int | None
    numbers: tuple[Tensor, Tensor]
    keys: int
    across: bool = False


class AttentionSignals:
    """Sees the functions that a model calls, and measures those that are an attention's softmax."""

    def __init__(self, call: Callable[[int], LayerCall], value: Callable[[Tensor], Value]) -> None:
        self._call, self._value = call, value
        self._measured: list[_Measured] = []
        self._size: int | None = None  # of the last product of two signals, should a softmax follow
        self._alpha = 1.0  # what that product was multiplied by as it was made
        # Weights that sum to 1 along another axis than the last.
        self._weights: dict[int, tuple[weakref.ref[Tensor], tuple[int, ...]]] = {}

    def done(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Look at a function's call."""
        what = role(function)
        if what == "softmax":
            self._softmax(args, kwargs, result)
        elif what == "attend":
            query, key = argument(args, kwargs, 0, "query"), argument(args, kwargs, 1, "key")
            calls = (*self._value(query).calls, *self._value(key).calls)
            self._measure(calls, fused_scores(args, kwargs, _EXAMPLES, _QUERIES))
        elif function is functional.multi_head_attention_forward:
            scores = packed_scores(args, kwargs, _EXAMPLES, _QUERIES)
            if scores is not None:
                self._measure(self._value(result[0]).calls, scores)
        elif LAYERS.get(function) == "matmul":
            added = getattr(function, "__name__", "") in ("baddbmm", "addbmm", "addmm")  # a bias and alpha products
            first = argument(args, kwargs, 1, "batch1") if added else None
            self._size = _contracted((first,) if added else args)
            self._alpha = float(kwargs.get("alpha", 1)) if added else 1.0
            self._used(args)
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
            found.append(AttentionStart(name, weights, each.keys, *size, rms, entropy, each.across))
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
            self._measure(value.scored, Scores(scores[..., ::step, :], value.scale * self._alpha, self._size or 0))
        else:
            self._weights[id(result)] = (weakref.ref(result), value.scored)

    def _used(self, args: tuple[Any, ...]) -> None:
        """Weights that sum to 1 along another axis than the one that they are summed along."""
        kept = self._weights.get(id(args[0])) if len(args) == 2 else None
        if kept is not None and isinstance(args[0], Tensor) and kept[0]() is args[0]:
            unknown = torch.full((), math.nan)
            keys = int(args[0].shape[-1])
            self._measured.append(_Measured(kept[1], 1.0, None, (unknown, unknown), keys, across=True))

    def _measure(self, calls: tuple[int, ...], scores: Scores) -> None:
        values = scores.values
        if values.numel() == 0 or not values.dtype.is_floating_point:
            return
        with torch.no_grad():
            values = values.float()
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
            rms = (torch.where(enough, square, 0.0).sum() / total).sqrt()
        calls = tuple(dict.fromkeys(calls))
        numbers = (rms, entropy)
        self._measured.append(_Measured(calls, scores.factor, scores.size or None, numbers, values.shape[-1]))


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
