"""`Initialization`: what was done to a model, weight by weight, and how it is shown."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text
from torch import nn

from goodinit.errors import GoodinitError
from goodinit.jsonable import json_fields
from goodinit.methods import Measurement, Multipliers
from goodinit.methods.assignment import under
from goodinit.pytorch.groups import grouped, multiply

__all__ = ["Filled", "Initialization"]


@dataclass(frozen=True)
class Filled:
    """What one tensor was filled with.

    `parameters` are the names it is kept under, `aliases` its other names where it is tied. `initializer` is None where
    it was kept as it was, and `because` says what decided. `activation` is the one that its layer's output goes
    through, `linear` for none, None where that is not known. `gain` is sqrt(fan_in * expected variance) where the
    tensor multiplies: what a signal's size is multiplied by before the activation. `expected_std` is the
    initializer's, about its mean; `realised_std` that of the values drawn, of the part that is kept here where the
    tensor is distributed. `gradient` and `adaptive` are what its learning rate, epsilon and decay are to be
    multiplied by under gradient descent and momentum, and under Adam and AdamW: 1 unless a method says another.
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
    gradient: Multipliers
    adaptive: Multipliers

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: a number that is not finite is null."""
        return json_fields(self)


@dataclass(frozen=True)
class Initialization:
    """What `goodinit.initialize` did: the initialization, the seed, and every weight in the model's order.

    `tensors` are the model's parameters by name, for `param_groups`. `measured` is what a method measured on the batch,
    before and after, and `notes` what it has to say of that, an aim that was not reached first of all.
    """

    init: str
    seed: int
    weights: tuple[Filled, ...]
    tensors: Mapping[str, nn.Parameter] = field(default_factory=dict, repr=False, compare=False)
    measured: tuple[Measurement, ...] = ()
    notes: tuple[str, ...] = ()

    def multipliers(self, optimizer: str) -> dict[str, Multipliers]:
        """By a parameter's name what its learning rate, epsilon and decay are multiplied by under an optimizer."""
        return {
            name: under(optimizer, each.name, each.gradient, each.adaptive)
            for each in self.weights
            for name in each.parameters
        }

    def param_groups(
        self,
        *,
        lr: float,
        weight_decay: float | None = None,
        eps: float | None = None,
        optimizer: str = "adamw",
    ) -> list[dict[str, Any]]:
        """The model's trainable parameters in groups for a PyTorch optimizer, each with its own learning rate.

        Arguments:
            lr: the learning rate, which a method may multiply for each parameter.
            weight_decay, eps: those of the optimizer, multiplied as well; where a method does so they must be said.
            optimizer: what the groups are for: sgd, adam or adamw.

        >>> import torch, goodinit
        >>> model = torch.nn.Sequential(*(torch.nn.Linear(256, 256) for _ in range(3)))
        >>> done = goodinit.initialize(model, "mup(base_width=64)", seed=0, inputs=torch.ones(1, 256))
        >>> optimizer = torch.optim.AdamW(done.param_groups(lr=0.01, weight_decay=0.1))
        >>> [(len(group["params"]), group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
        [(4, 0.01, 0.1), (2, 0.0025, 0.4)]

        Raises GoodinitError for an optimizer that the method says nothing of, and for what must be said and was not.
        """
        given = self.multipliers(optimizer)
        for option, value, factors in (
            ("weight_decay", weight_decay, {each.decay for each in given.values()}),
            ("eps", eps, {each.epsilon for each in given.values()}),
        ):
            if value is None and factors - {1.0}:
                raise GoodinitError(f"{self.init} multiplies {option} too: say what it is, such as {option}=0")
        said = {"lr": lr, "weight_decay": weight_decay, "eps": eps}
        groups = [
            {**group, **{key: value for key, value in said.items() if value is not None}}
            for group in grouped(self.tensors, given)
        ]
        for group in groups:
            multiply(group)
        return groups

    @property
    def cautions(self) -> tuple[str, ...]:
        """What to beware of, with the weight's name first where it is of one."""
        return (*self.notes, *(f"{each.name}: {each.caution}" for each in self.weights if each.caution))

    @property
    def size(self) -> int:
        """The number of elements that were filled."""
        return sum(math.prod(each.shape) for each in self.weights if each.initializer is not None)

    def __iter__(self) -> Iterator[Filled]:
        """Each weight, in the model's order."""
        return iter(self.weights)

    def __getitem__(self, name: str) -> Filled:
        """The weight of that name, or of one of its aliases."""
        for each in self.weights:
            if name in (each.name, *each.aliases):
                return each
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "init": self.init,
            "seed": self.seed,
            "weights": [each.to_dict() for each in self.weights],
            "measured": [each.to_dict() for each in self.measured],
            "notes": list(self.notes),
        }

    def __rich__(self) -> Table | Group:
        """The table that Rich prints, and below it what was measured."""
        return Group(self._weights_table(), measured_table(self.measured)) if self.measured else self._weights_table()

    def _weights_table(self) -> Table:
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
        rates = any(each.gradient != each.adaptive or each.adaptive != Multipliers() for each in self.weights)
        if rates:
            table.add_column("rate\nSGD", justify="right")
            table.add_column("rate\nAdam", justify="right")
        for each in self.weights:
            further = (f"{each.gradient.rate:g}", f"{each.adaptive.rate:g}") if rates else ()
            table.add_row(*(Text(cell) for cell in (*_cells(each), *further)))
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


def measured_table(measured: Sequence[Measurement]) -> Table:
    """What a method measured, before and after it set the weights."""
    table = Table(title="measured on the batch", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("where", overflow="fold")
    table.add_column("what", overflow="fold")
    for heading in ("before", "after", "aim"):
        table.add_column(heading, justify="right")
    for each in measured:
        numbers = ("" if value is None else f"{value:.4g}" for value in (each.before, each.after, each.aim))
        missed = "" if each.reached else " (not reached)"
        where = each.where if each.call is None else f"{each.where}, call {each.call}"
        table.add_row(*(Text(cell) for cell in (where, each.quantity + missed, *numbers)))
    return table


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
