"""What every edit is made of: changes that can be made, taken back, and folded into values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from torch import nn

from goodinit.jsonable import json_fields
from goodinit.structure import Structure

__all__ = ["EDITS", "Change", "EditKind", "EditStep", "register_edit"]


@dataclass(frozen=True)
class Change:
    """One change: where, what was computed there before, and what is computed since."""

    where: str
    before: str
    after: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


class EditStep(Protocol):
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

    def steps(self, model: nn.Module, structure: Structure, inputs: Any) -> Sequence[EditStep]:
        """What is to be changed. Raises GoodinitError where the structure does not allow it; nothing is changed yet."""
        ...


EDITS: Final[dict[str, Callable[..., EditKind]]] = {}


def register_edit(cls: Any) -> Any:
    """Let `edit` find a kind of edit by its name; a class's decorator."""
    EDITS[cls.name] = cls
    return cls
