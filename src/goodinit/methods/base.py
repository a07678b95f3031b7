"""What every method is: a published rule for a whole network, which says of each parameter what fills it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment
from goodinit.spec import format_fields
from goodinit.structure import Structure

__all__ = ["Method", "Need", "Probe"]

Need = Literal["run", "inputs", "targets", "gradients", "second order"]
"""What a method needs besides the parameters: one run that shows the layer calls, or numbers of a batch."""


class Probe(Protocol):
    """What a method may ask of data: the model filled as it says, run on a batch."""

    def outputs(self, assignments: tuple[Assignment, ...]) -> tuple[tuple[float, float], ...]:
        """The mean and the standard deviation of every layer call's output, in the order of the structure's calls."""
        ...


@dataclass(frozen=True)
class Method(ABC):
    """A rule for a whole network. Its options are the dataclass's fields.

    The class attributes are its facts, shown by `goodinit show` and read by the tests: `name` as people write it,
    `aliases`, one-sentence `summary`, `formula`, `reference`, what it `needs`, and `elsewhere`, what other libraries
    have.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    formula: ClassVar[str]
    reference: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[Need, ...]] = ()
    elsewhere: ClassVar[Mapping[str, str]] = {}

    @property
    def base(self) -> Initializer | None:
        """The initializer that the weights get before the method changes it; None where there is none."""
        return None

    @abstractmethod
    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """What each parameter of the structure gets, in the structure's order.

        Raises GoodinitError where the structure does not allow the method, or the probe that it needs is missing.
        """

    def ran(self, structure: Structure) -> Structure:
        """The structure, with what one run did. Raises GoodinitError where none was made."""
        if structure.trace is None:
            raise GoodinitError(f"{self.name} needs to see the model run once: pass inputs, a batch")
        return structure

    def __str__(self) -> str:
        return format_fields(self.name, self)
