"""One parameter of a network or a model: what it is called, what it is for, and what an initializer knows of it."""

from __future__ import annotations

from dataclasses import dataclass

from goodinit.structure.roles import Role
from goodinit.weights import Weight

__all__ = ["Parameter"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One tensor that is learned.

    `name` is what everybody calls it: `W1` and `b1` of a network of goodinit's own, and of a model the name that its
    framework has, without the prefixes of wrappers such as `torch.compile`'s; `aliases` are its other names where it
    is tied. `parameters` are the names under which the framework keeps it: for a parametrized tensor those of what it
    is computed from. `module` is the path of the layer that owns it, `kind` that layer's class, and `cell` the
    activation inside a plain recurrent layer.

    `weight` holds fans, parts and groups, and is None where it is not known what the tensor does, for the
    `reason` given. `zero_row` is the row of an embedding that padding looks up. `shape` is None for a parameter whose
    shape a first batch is to tell.
    """

    name: str
    aliases: tuple[str, ...] = ()
    parameters: tuple[str, ...]
    module: str
    kind: str
    role: Role
    weight: Weight | None
    reason: str | None = None
    shape: tuple[int, ...] | None
    trainable: bool = True
    zero_row: int | None = None
    cell: str | None = None

    @property
    def lazy(self) -> bool:
        """Whether the shape is still to be told by a first batch."""
        return self.shape is None

    @property
    def fillable(self) -> bool:
        """Whether its numbers are of a kind that initializers draw."""
        return True

    @property
    def keepable(self) -> bool:
        """Whether it has values that can be kept."""
        return True

    @property
    def local(self) -> str:
        """The tensor's name within its layer, such as `weight`."""
        return self.name.rpartition(".")[2]

    @property
    def target(self) -> Weight:
        """What an initializer is told of the tensor: its fans, or only its shape where they are not known."""
        return self.weight if self.weight is not None else Weight.elementwise(self.name, self.shape or ())
