"""The contestants in drawing weights: float32 arrays of one distribution, filled in place."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from goodinit.bench.records import TrainerKind
from goodinit.streams import KeyedStream, Law

__all__ = ["DISTRIBUTIONS", "drawers"]

Draw = Callable[[], Any]

DISTRIBUTIONS: Final = {
    "normal": (Law("normal"), 0.0, 1.0),
    "truncated normal": (Law("truncated_normal"), 0.0, 0.87962566),  # of the standard normal cut at 2
    "uniform": (Law("centred"), 0.0, 3**-0.5),
}
"""Of each name the law, its mean and its standard deviation."""


def drawers(distribution: str, elements: int) -> dict[str, tuple[TrainerKind, Draw]]:
    """What fills that many float32 elements, by name: goodinit, and the peers that are installed."""
    law = DISTRIBUTIONS[distribution][0]
    stream, ours = KeyedStream(0), np.empty(elements, np.float32)

    def goodinit_fill() -> Any:
        stream.fill("W", law, ours)
        return ours

    found: dict[str, tuple[TrainerKind, Draw]] = {"goodinit KeyedStream": ("goodinit", goodinit_fill)}
    generator, theirs = np.random.Generator(np.random.Philox(0)), np.empty(elements, np.float32)
    if distribution == "normal":
        found["NumPy Philox"] = "peer", lambda: generator.standard_normal(out=theirs, dtype=np.float32)
    elif distribution == "uniform":

        def scaled() -> Any:
            generator.random(out=theirs, dtype=np.float32)
            np.multiply(theirs, 2, out=theirs)
            return np.subtract(theirs, 1, out=theirs)

        found["NumPy Philox"] = "peer", scaled
    if find_spec("torch") is not None:
        found[f"torch.nn.init.{_TORCH[distribution]}"] = "peer", _torch(distribution, elements)
    return found


_TORCH: Final = {"normal": "normal_", "truncated normal": "trunc_normal_", "uniform": "uniform_"}


def _torch(distribution: str, elements: int) -> Draw:
    import torch
    from torch.nn import init

    generator, out = torch.Generator().manual_seed(0), torch.empty(elements, dtype=torch.float32)
    if distribution == "normal":
        return lambda: init.normal_(out, generator=generator)
    if distribution == "truncated normal":
        return lambda: init.trunc_normal_(out, generator=generator)
    return lambda: init.uniform_(out, -1, 1, generator=generator)
