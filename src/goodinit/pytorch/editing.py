"""Edits: announced, reversible changes of what a model computes, where a start needs more than values."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import nn

from goodinit.errors import GoodinitError, unknown_name
from goodinit.pytorch import (  # noqa: F401  # each registers its own
    activation_edits,
    branch_edits,
    fixup_edit,
    logits_edit,
)
from goodinit.pytorch.edit_steps import EDITS, Change, EditKind, EditStep
from goodinit.pytorch.guard import plain_model
from goodinit.pytorch.structure import read_structure
from goodinit.spec import build, format_fields, parse_spec

__all__ = ["Edit", "edit", "edit_names"]


def edit_names() -> list[str]:
    """The names of all kinds of edits."""
    return sorted(EDITS)


@dataclass(frozen=True)
class Edit:
    """What `goodinit.edit` changed; a table when printed.

    `name` is the edit with its options, `changes` say what is computed differently and where, `parameters` names what
    was added: they are in `model.parameters()` and in its state dict. A state dict of an edited model is loaded into a
    model that was edited the same way.
    """

    name: str
    changes: tuple[Change, ...]
    parameters: tuple[str, ...]
    steps: tuple[EditStep, ...] = field(repr=False, compare=False)
    _done: list[str] = field(default_factory=list, repr=False, compare=False)

    def undo(self) -> None:
        """Take the edit back: the model computes what it did, in the parameters that it had, in their order.

        They keep the values that they have, which the edit itself never changes: before any training the model is as
        it was to the bit. After training, `fold` keeps what was learned of the scales.

        Raises GoodinitError where it was taken back already.
        """
        self._end("undone")
        for step in reversed(self.steps):
            step.undo()

    def fold(self) -> None:
        """Take the edit back and keep what the model computes: the scales are multiplied into the weights.

        Raises GoodinitError where it was taken back already, and for an edit that values alone cannot express.
        """
        for step in self.steps:
            if (reason := getattr(step, "unfoldable", None)) is not None:
                raise GoodinitError(f"{self.name} cannot be folded: {reason}; undo() takes it back")
        self._end("folded")
        for step in reversed(self.steps):
            step.fold()

    def _end(self, how: str) -> None:
        if self._done:
            raise GoodinitError(f"this {self.name} was {self._done[0]} already; edit the model again to change it")
        self._done.append(how)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "edit": self.name,
            "parameters": list(self.parameters),
            "changes": [each.to_dict() for each in self.changes],
        }

    def __rich__(self) -> Table:
        title = f"{self.name}: {len(self.changes)} changes, {len(self.parameters)} new parameters"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        for heading in ("where", "before", "after"):
            table.add_column(heading, overflow="fold")
        for each in self.changes:
            table.add_row(Text(each.where), Text(each.before), Text(each.after))
        return table

    def __str__(self) -> str:
        buffer = io.StringIO()
        Console(file=buffer, width=120).print(self)
        return buffer.getvalue().rstrip()


def edit(model: nn.Module, name: str, *, inputs: Any) -> Edit:
    """Change what a model computes, as a published start asks; see `goodinit.edit`, which is this."""
    inner = plain_model(model)
    kind = _kind(name)
    before = {each for each, _ in inner.named_parameters()}
    steps = tuple(kind.steps(inner, read_structure(inner, inputs), inputs))
    done: list[EditStep] = []
    try:
        for step in steps:
            step.do()
            done.append(step)
    except BaseException:
        for step in reversed(done):
            step.undo()
        raise
    hidden = (".original",)
    added = tuple(each for each, _ in inner.named_parameters() if each not in before and not each.endswith(hidden))
    return Edit(format_fields(kind.name, kind), tuple(step.change for step in steps), added, steps)


def _kind(name: str) -> EditKind:
    known = edit_names()
    if not isinstance(name, str):
        raise GoodinitError(f"edit {name!r}: give a name, one of {', '.join(known)}")
    parsed, options = parse_spec(name)
    if parsed not in known:
        raise unknown_name("edit", parsed, known)
    return build(EDITS[parsed], "edit", parsed, options)
