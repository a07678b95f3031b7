"""What the methods share that start from an initializer on every weight."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import ClassVar

from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer, get
from goodinit.methods.assignment import Assignment
from goodinit.methods.base import Method
from goodinit.methods.every import EveryWeight
from goodinit.structure import ResidualStream, Structure

__all__ = ["OverInitializer"]


@dataclass(frozen=True)
class OverInitializer(Method):
    """A method that takes an initializer, `of`, on every weight before it changes some.

    `plain` says that its own default is taken without the gain of the activations, as its paper and code have it;
    another initializer follows them as ever.
    """

    plain: ClassVar[bool] = False

    of: str | Initializer = "he_normal"
    inner: Initializer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        inner = get(self.of)
        object.__setattr__(self, "of", str(inner))
        object.__setattr__(self, "inner", inner)

    @property
    def base(self) -> Initializer:
        """The initializer before it is changed."""
        return self.inner

    def every(self, structure: Structure) -> tuple[Assignment, ...]:
        """The initializer on every weight."""
        default = next(each.default for each in fields(self) if each.name == "of")
        plain = self.plain and self.of == default
        return EveryWeight(self.inner).prepare(replace(structure, adapts=False) if plain else structure)

    def streams(self, structure: Structure) -> tuple[ResidualStream, ...]:
        """The residual streams. Raises GoodinitError where no run was made, and where one shows none."""
        found = self.ran(structure).streams
        if not found:
            raise GoodinitError(f"{self}: the network has no residual stream, so that there is no branch to scale")
        return found
