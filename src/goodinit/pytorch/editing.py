"""Edits: announced, reversible changes of what a model computes, where a start needs more than values."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import nn

from goodinit.errors import GoodinitError, unknown_name
from goodinit.jsonable import json_fields
from goodinit.pytorch.guard import plain_model
from goodinit.pytorch.structure import read_structure
from goodinit.spec import build, format_fields, parse_spec
from goodinit.structure import Structure

__all__ = ["Change", "Edit", "EditKind", "Step", "edit", "edit_names", "register_edit"]


@dataclass(frozen=True)
class Change:
    """One change: where, what was computed there before, and what is computed since."""

    where: str
    before: str
    after: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


class Step(Protocol):
    """One change that can be made, taken back, and for values be made the model's own."""

    @property
    def change(self) -> Change:
        """What it changes."""
        ...

    def do(self) -> None:
        """Make the change."""
        ...

    def undo(self) -> None:
        """Take it back. Raises GoodinitError where the model was changed since."""
        ...

    def fold(self) -> None:
        """Take it back with its effect kept in the parameters' values. Raises GoodinitError where values cannot."""
        ...


class EditKind(Protocol):
    """A kind of edit, a frozen dataclass whose fields are its options."""

    name: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]

    def steps(self, model: nn.Module, structure: Structure) -> Sequence[Step]:
        """What is to be changed. Raises GoodinitError where the structure does not allow it; nothing is changed yet."""
        ...


_KINDS: Final[dict[str, Callable[..., EditKind]]] = {}


def register_edit(cls: Any) -> Any:
    """Let `edit` find a kind of edit by its name; a class's decorator."""
    _KINDS[cls.name] = cls
    return cls


def edit_names() -> list[str]:
    """The names of all kinds of edits."""
    from goodinit.pytorch import branch_edits, fixup_edit  # noqa: F401  # each registers its own

    return sorted(_KINDS)


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
    steps: tuple[Step, ...] = field(repr=False, compare=False)
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
    steps = tuple(kind.steps(inner, read_structure(inner, inputs)))
    done: list[Step] = []
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
    return build(_KINDS[parsed], "edit", parsed, options)
