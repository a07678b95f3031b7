"""What every method is: a published rule for a whole network, which says of each parameter what fills it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment
from goodinit.methods.probe import Probe
from goodinit.spec import format_fields
from goodinit.structure import Structure

__all__ = ["Method", "Need"]

Need = Literal["run", "inputs", "targets", "gradients", "second order"]
"""What a method needs besides the parameters: one run that shows the layer calls, or numbers of a batch."""


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
    source: ClassVar[str | None] = None  # a hash of its file, where it was named by that

    @property
    def base(self) -> Initializer | None:
        """The initializer that the weights get before the method changes it; None where there is none."""
        return None

    @property
    def measures(self) -> bool:
        """Whether it needs numbers of a batch, more than one run that shows the layer calls."""
        return bool(set(self.needs) - {"run"})

    def before(self, structure: Structure) -> tuple[Assignment, ...]:
        """What can be said without a batch: of a method that measures, what its measurements begin from.

        Raises GoodinitError where the structure does not allow the method.
        """
        return self.prepare(structure)

    @abstractmethod
    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """What each parameter of the structure gets, in the structure's order.

        Raises GoodinitError where the structure does not allow the method, or the probe that it needs is missing.
        """

    def suits(self, structure: Structure) -> str | None:
        """Why the method is sound for a structure, as half a sentence; None where it is not, or makes no claim.

        It is the summary where the structure allows the method; one that can say more, or fits too much, overrides it.
        """
        try:
            self.before(structure)
        except GoodinitError:
            return None
        return self.summary

    def ran(self, structure: Structure) -> Structure:
        """The structure, with what one run did. Raises GoodinitError where none was made."""
        if structure.trace is None:
            raise GoodinitError(f"{self.name} needs to see the model run once: pass inputs, a batch")
        return structure

    def probed(self, probe: Probe | None) -> Probe:
        """The probe. Raises GoodinitError in one sentence that says what the method needs and was not given."""
        if probe is None:
            more = ", targets and loss" if "targets" in self.needs else ""
            raise GoodinitError(f"{self.name} measures the model on a batch: pass inputs{more}")
        if "targets" in self.needs and not probe.has_loss:
            raise GoodinitError(
                f"{self.name} needs gradients of the loss: pass loss, a callable of (output, targets), and targets"
            )
        return probe

    def __str__(self) -> str:
        return format_fields(self.name, self)
