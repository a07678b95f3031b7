"""`Initialization`: what was done to a model, weight by weight, and how it is shown."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from goodinit.jsonable import json_fields

__all__ = ["Filled", "Initialization"]


@dataclass(frozen=True)
class Filled:
    """What one tensor was filled with.

    `parameters` are the names it is kept under, `aliases` its other names where it is tied. `initializer` is None where
    it was kept as it was, and `because` says what decided. `activation` is the one that its layer's output goes
    through, `linear` for none, None where that is not known. `gain` is sqrt(fan_in * expected variance) where the
    tensor multiplies: what a signal's size is multiplied by before the activation. `expected_std` is the
    initializer's, about its mean; `realised_std` that of the values drawn, of the part that is kept here where the
    tensor is distributed.
    """

    name: str
    aliases: tuple[str, ...]
    parameters: tuple[str, ...]
    kind: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    fan_in: float | None
    fan_out: float | None
    initializer: str | None
    because: str
    activation: str | None
    gain: float | None
    expected_mean: float | None
    expected_std: float | None
    realised_std: float | None
    caution: str | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: a number that is not finite is null."""
        return json_fields(self)


@dataclass(frozen=True)
class Initialization:
    """What `goodinit.initialize` did: the initializer asked for, the seed, and every weight in the model's order."""

    init: str
    seed: int
    weights: tuple[Filled, ...]

    @property
    def cautions(self) -> tuple[str, ...]:
        """What to beware of, with the weight's name first."""
        return tuple(f"{each.name}: {each.caution}" for each in self.weights if each.caution)

    @property
    def size(self) -> int:
        """The number of elements that were filled."""
        return sum(math.prod(each.shape) for each in self.weights if each.initializer is not None)

    def __getitem__(self, name: str) -> Filled:
        """The weight of that name, or of one of its aliases."""
        for each in self.weights:
            if name in (each.name, *each.aliases):
                return each
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"init": self.init, "seed": self.seed, "weights": [each.to_dict() for each in self.weights]}

    def __rich__(self) -> Table:
        """The table that Rich prints."""
        filled = sum(each.initializer is not None for each in self.weights)
        kept = len(self.weights) - filled
        title = f"{self.init}, seed {self.seed}: {filled} weights filled, {self.size:,} numbers"
        table = Table(
            title=f"{title}; {kept} kept" if kept else title,
            title_justify="left",
            caption_justify="left",
            box=SIMPLE_HEAD,
        )
        for heading in ("weight", "layer", "shape"):
            table.add_column(heading, overflow="fold")
        table.add_column("fan in", justify="right")
        table.add_column("filled with", overflow="fold")
        table.add_column("by", overflow="fold")
        table.add_column("gain", justify="right")
        table.add_column("std\nexpected", justify="right")
        table.add_column("std\nrealised", justify="right")
        for each in self.weights:
            table.add_row(*(Text(cell) for cell in _cells(each)))
        table.caption = Text("\n".join(self.cautions)) if self.cautions else None
        return table

    def __str__(self) -> str:
        buffer = io.StringIO()
        Console(file=buffer, width=140).print(self)
        return buffer.getvalue().rstrip()

    def _repr_html_(self) -> str:
        console = Console(file=io.StringIO(), record=True, width=140)
        console.print(self)
        return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def _cells(each: Filled) -> tuple[str, ...]:
    names = " = ".join((each.name, *each.aliases))
    gain = "" if each.gain is None else f"{each.activation or 'its own'} {each.gain:.4g}"
    return (
        names,
        each.kind,
        " x ".join(map(str, each.shape)) or "one number",
        "" if each.gain is None or each.fan_in is None else f"{each.fan_in:g}",
        each.initializer or "kept",
        each.because,
        gain,
        *("" if not std else f"{std:.4g}" for std in (each.expected_std, each.realised_std)),
    )
