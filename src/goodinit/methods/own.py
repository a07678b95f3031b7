"""A model's own start, as its code draws it: every parameter is kept."""

from __future__ import annotations

from dataclasses import dataclass

from goodinit.errors import GoodinitError
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.probe import Probe
from goodinit.methods.registry import register
from goodinit.structure import Structure

__all__ = ["Default"]


@register
@dataclass(frozen=True)
class Default(Method):
    """A start that keeps: what the model's own code gave the parameters.

    >>> from goodinit.methods import get
    >>> get("as_is")
    Default()
    """

    name = "default"
    aliases = ("as_is",)
    summary = "a model's own start, as its code draws it"
    formula = "whatever the layers' reset_parameters draw"
    reference = "the model's own code"

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """Every parameter kept. Raises GoodinitError for a network of goodinit's own, which has no start."""
        if not structure.own_start:
            raise GoodinitError("default is the start that a PyTorch model has of its own; it goes with a model")
        return tuple(Assignment(each.name, None, "its own start") for each in structure.parameters)

    def suits(self, structure: Structure) -> None:
        """No claim: whether it is sound, a checkup tells."""
