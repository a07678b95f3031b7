"""Scores of attentions whose inside no function mode sees, computed again for a part of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from goodinit.pytorch.functions import argument

__all__ = ["Scores", "fused_scores", "packed_scores"]


@dataclass(frozen=True)
class Scores:
    """Scores as the softmax meets them, (..., queries, keys), the number they were multiplied by, and the head size.

    Where a key is masked its score is -inf.
    """

    values: Tensor
    factor: float
    size: int


def fused_scores(args: tuple[Any, ...], kwargs: Mapping[str, Any], examples: int, queries: int | None = None) -> Scores:
    """Those of a call of `scaled_dot_product_attention`, for its first examples, and so many of the queries."""
    query, key = argument(args, kwargs, 0, "query"), argument(args, kwargs, 1, "key")
    mask, causal = argument(args, kwargs, 3, "attn_mask"), argument(args, kwargs, 5, "is_causal", False)
    scale, size = argument(args, kwargs, 6, "scale"), query.shape[-1]
    factor = 1 / math.sqrt(size) if scale is None else float(scale)
    query, key = query[:examples].detach(), key[:examples].detach()
    if query.dim() > 3 and query.shape[-3] != key.shape[-3]:  # grouped queries
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    rows = _rows(query.shape[-2], queries, query.device)
    values = query.index_select(-2, rows) @ key.transpose(-2, -1) * factor
    if causal:
        places = torch.arange(values.shape[-1], device=values.device)
        values = values.masked_fill(places > rows[:, None], -math.inf)
    elif isinstance(mask, Tensor):
        mask = mask.detach()
        mask = mask[:examples] if mask.dim() == values.dim() and mask.shape[0] > 1 else mask
        mask = mask.index_select(-2, rows) if mask.dim() > 1 and mask.shape[-2] > 1 else mask
        values = values.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else values + mask
    return Scores(values, factor, size)


def packed_scores(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], examples: int, queries: int | None = None
) -> Scores | None:
    """Those of `nn.MultiheadAttention` without its masks; its tensors are (places, examples, width).

    Queries and keys have a matrix each, or are made by the first two thirds of one.
    """
    query, key = argument(args, kwargs, 0, "query"), argument(args, kwargs, 1, "key")
    heads = argument(args, kwargs, 4, "num_heads")
    weight, bias = argument(args, kwargs, 5, "in_proj_weight"), argument(args, kwargs, 6, "in_proj_bias")
    apart = bool(argument(args, kwargs, 17, "use_separate_proj_weight", False))
    matrices: tuple[Any, ...] = (
        argument(args, kwargs, 18, "q_proj_weight"),
        argument(args, kwargs, 19, "k_proj_weight"),
    )
    if not apart and isinstance(weight, Tensor):
        matrices = weight.chunk(3)[:2]
    if not all(isinstance(each, Tensor) for each in matrices) or query.dim() != 3:
        return None
    made = []
    for number, given in enumerate((query, key)):
        matrix = matrices[number].detach()
        shift = bias.detach().chunk(3)[number] if isinstance(bias, Tensor) else None
        given = given[:, :examples].detach()
        given = given.index_select(0, _rows(len(given), None if number else queries, given.device))
        projected = functional.linear(given, matrix, shift)
        made.append(projected.reshape(*projected.shape[:2], heads, -1).permute(1, 2, 0, 3))
    size = int(made[0].shape[-1])
    factor = 1 / math.sqrt(size)
    return Scores(made[0] @ made[1].transpose(-2, -1) * factor, factor, size)


def _rows(total: int, most: int | None, device: torch.device) -> Tensor:
    step = 1 if most is None else max(1, -(-total // most))
    return torch.arange(0, total, step, device=device)
