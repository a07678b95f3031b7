"""The weights of a mirrored residual block, which turns [relu(u), relu(-u)]: what RISOTTO starts from."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError
from goodinit.initializers.base import Initializer
from goodinit.initializers.lookup import register
from goodinit.initializers.matrices import centre
from goodinit.initializers.orthogonal import haar
from goodinit.streams import Stream
from goodinit.weights import Weight

__all__ = ["MirroredBlock"]

_Part = Literal["first", "end", "first beside", "end beside", "shortcut", "out", "in", "both"]
_PARTS: Final[tuple[str, ...]] = get_args(_Part)


@dataclass(frozen=True)
class MirroredBlock(Initializer):
    """One weight of a mirrored residual block, drawn for the name `key` that all weights of the block share."""

    name = "mirrored_block"
    summary = "one weight of a residual block that turns [relu(u), relu(-u)] by an orthogonal matrix"
    formula = (
        "LL(M) = [[M, -M], [-M, M]]: first LL(I), end LL(O) - I; beside a projection LL(P), LL(O P' / 2), LL(O / 2)"
    )
    reference = "after Gadhikar & Burkholz 2022"
    choices = MappingProxyType({"part": _PARTS})
    whole = True

    part: _Part = "first"
    key: str = ""
    into: int = 0

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_number("into", low=0)

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        """The elements start <= i < stop of the weight in C order."""
        whole = np.zeros(weight.shape)
        stacks = weight.stacks(whole)
        stack = stacks[0]
        if len(stacks) != 1 or stack.shape[0] != 1 or (stack.shape[1] % 2 and self.part != "in"):
            raise GoodinitError(
                f"{self}: weight {weight.name!r} of shape {weight.shape} is not one matrix of even height"
            )
        middle = centre(stack)
        middle[0] = self._matrix(stream, *middle.shape[1:])
        return whole.reshape(-1)[start:stop]

    def _matrix(self, stream: Stream, out: int, into: int) -> NDArray[np.float64]:
        rows, columns = out // 2, into // 2
        if self.part in ("out", "in", "both"):
            rows, columns = out if self.part == "in" else rows, into if self.part == "out" else columns
            turn = self._turn(stream, "O", rows, columns)
            turn = turn if self.part == "in" else np.concatenate([turn, -turn])
            return turn if self.part == "out" else np.concatenate([turn, -turn], axis=1)
        if self.part == "first":
            return _mirrored(np.eye(rows, columns))
        if self.part == "end":
            return _mirrored(self._turn(stream, "O", rows, columns)) - np.eye(out)
        if self.part == "first beside":
            return _mirrored(self._turn(stream, "P", rows, columns))
        if self.part == "shortcut":
            return _mirrored(self._turn(stream, "O", rows, columns) / 2)
        narrow = self.into // 2
        turn, first = self._turn(stream, "O", rows, narrow), self._turn(stream, "P", columns, narrow)
        return _mirrored(turn @ first.T / 2)

    def _turn(self, stream: Stream, which: str, rows: int, columns: int) -> NDArray[np.float64]:
        values = stream.normal(f"{self.key}/{which}", 0, rows * columns)
        return np.asarray(haar(values.reshape(1, rows, columns))[0])

    def expected_variance(self, weight: Weight) -> float:
        """The expected mean square of an element."""
        ((_, out, into, *_),) = weight.stack_shapes
        rows, columns = out // 2, into // 2
        square = {
            "first": 4.0 * min(rows, columns),
            "end": 4.0 * columns + out,
            "first beside": 4.0 * columns,
            "shortcut": 1.0 * columns,
            "end beside": 1.0 * (self.into // 2),
            "out": 2.0 * min(rows, into),
            "in": 2.0 * min(out, columns),
            "both": 4.0 * min(rows, columns),
        }[self.part]
        return square / max(weight.size, 1)


def _mirrored(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.block([[matrix, -matrix], [-matrix, matrix]])


register((MirroredBlock,), listed=False)
