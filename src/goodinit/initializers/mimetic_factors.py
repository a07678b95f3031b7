"""Factors of products of weights that have a given diagonal: what mimetic attention starts from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.initializers.base import Initializer
from goodinit.initializers.lookup import register
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["MimeticFactors"]

_Pair = tuple[NDArray[np.float64], NDArray[np.float64]]
_FORM: Final = "give a list of [name, side, alpha, beta], side one of query, key, left, right"


@dataclass(frozen=True)
class MimeticFactors(Initializer):
    """Factors of alpha Z / sqrt(d) + beta I, one below the other along the output axis of a weight.

    Each of `factors` is (name, side, alpha, beta): the name that Z is drawn for, which both factors of a product share,
    and which of them it is: `query` or `key`, head by head, or the whole `left` or `right` one.
    """

    name = "mimetic_factors"
    summary = "factors of a product of weights that has a given diagonal"
    formula = "alpha Z / sqrt(d) + beta I = U S V': left U sqrt(S), right sqrt(S) V'; heads their first columns"
    reference = "Trockman & Kolter 2023"
    whole = True

    width: int = 1
    head: int = 1
    factors: tuple[tuple[str, str, float, float], ...] = (("product", "left", 0.4, -0.4),)

    def __post_init__(self) -> None:
        for option in ("width", "head"):
            self._check_number(option, low=1)
        try:
            factors = tuple((str(name), str(side), float(a), float(b)) for name, side, a, b in self.factors)
        except (TypeError, ValueError) as error:
            raise GoodinitError(f"mimetic_factors(factors={self.factors!r}): {_FORM}") from error
        if not factors or not {side for _, side, *_ in factors} <= {"query", "key", "left", "right"}:
            raise GoodinitError(f"mimetic_factors(factors={self.factors!r}): {_FORM}")
        object.__setattr__(self, "factors", factors)

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        """The elements start <= i < stop of the weight in C order."""
        if weight.size != len(self.factors) * self.width**2:
            found = f"{len(self.factors)} of width {self.width} for weight {weight.name!r} of shape {weight.shape}"
            raise GoodinitError(f"mimetic_factors: {found}; each factor is as wide as it is high")
        heads = cache(partial(self._heads, stream))  # a packed weight has both factors of the same products
        blocks = []
        for name, side, alpha, beta in self.factors:
            pair = heads(name, alpha, beta) if side in ("query", "key") else self._split(stream, name, alpha, beta)
            blocks.append(pair[side in ("key", "right")])
        whole = np.concatenate(blocks)  # (outputs, inputs)
        if weight.out_axis > weight.in_axis:
            whole = whole.T
        return np.ascontiguousarray(whole).reshape(-1)[start:stop]

    def _heads(self, stream: Stream, name: str, alpha: float, beta: float) -> _Pair:
        """The queries and the keys of all heads."""
        queries, keys = [], []
        for head in range(self.width // self.head):
            left, right = self._split(stream, f"{name}/{head}", alpha, beta)
            queries.append(left[:, : self.head].T)
            keys.append(right[: self.head])
        return np.concatenate(queries), np.concatenate(keys)

    def _split(self, stream: Stream, name: str, alpha: float, beta: float) -> _Pair:
        d = self.width
        z = stream.normal(name, 0, d * d).reshape(d, d) / np.sqrt(d)
        u, s, v = np.linalg.svd(alpha * z + beta * np.eye(d))
        root = np.sqrt(s)
        return u * root, root[:, None] * v

    def expected_variance(self, weight: Weight) -> float:
        """The expected variance of an element: the singular values' sum over the number of elements, for whole ones."""
        sizes = [np.hypot(alpha, beta) / self.width for _, _, alpha, beta in self.factors]
        return float(np.mean(sizes))


register((MimeticFactors,), listed=False)
