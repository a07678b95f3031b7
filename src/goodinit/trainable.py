"""What a task trains, whoever made it: what every part of a study asks of it, in place of asking for its class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from goodinit.weights import Weight

__all__ = ["Kind", "Loss", "OwnLoss", "Trainable"]

Kind = Literal["network", "model"]
"""A network of goodinit's own, whose parameters are plain arrays, or somebody's model in a framework."""

Loss = Literal["binary_cross_entropy", "cross_entropy", "squared_error"]


@dataclass(frozen=True)
class OwnLoss:
    """A loss of a person's own: how it is called, a function of (outputs, targets), a hash of its source.

    `guess` is its value for an answer that knows nothing.
    """

    text: str
    function: Callable[..., Any] = field(repr=False, compare=False)
    fingerprint: str
    guess: float

    @property
    def module(self) -> str:
        """The module that defines the function."""
        made = getattr(self.function, "func", self.function)  # of a partial
        return str(getattr(made, "__module__", ""))

    @property
    def facts(self) -> list[str]:
        """As JSON holds it."""
        return [self.text, self.fingerprint]


class Trainable(Protocol):
    """What can be started and trained: `networks.MLP` and `factories.ModelFactory`.

    `kind` chooses what trains it and which options of `compare` it has. `brings_data` says that the data comes with it,
    `own_start` that it has a start of its own (`default`), `engines` that any engine of the registry may train it,
    `together` that several are trained as one ensemble, `ensemble` how many where a person says so, `keeps_parameters`
    that the trained parameters are kept, so that what was learned can be drawn, `remembered` that all this is known
    from an earlier run, and nothing can be trained.
    """

    @property
    def kind(self) -> Kind:
        """What it is, in one word."""
        ...

    @property
    def loss(self) -> Loss:
        """What its outputs are compared with the targets by."""
        ...

    @property
    def own_loss(self) -> OwnLoss | None:
        """A person's loss in place of it, for outputs and targets of the same forms; None for none."""
        ...

    @property
    def weights(self) -> tuple[Weight, ...]:
        """What an initializer must be able to fill."""
        ...

    @property
    def size(self) -> int:
        """The number of parameters that decide its cost."""
        ...

    @property
    def title(self) -> str:
        """What it is, short enough for a figure's title."""
        ...

    @property
    def description(self) -> str:
        """What it is, in a few words."""
        ...

    @property
    def sentence(self) -> str:
        """What it is, as a part of a sentence."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON holds it; trials are the same only if these are."""
        ...

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of a person that are needed where it is trained."""
        ...

    @property
    def needed(self) -> str | None:
        """What a person must have to make it again, beside the line that runs a study again; None for nothing."""
        ...

    @property
    def brings_data(self) -> bool: ...  # noqa: D102  # this one and the next are told above

    @property
    def own_start(self) -> bool: ...  # noqa: D102

    @property
    def engines(self) -> bool: ...  # noqa: D102

    @property
    def together(self) -> bool: ...  # noqa: D102

    @property
    def ensemble(self) -> int: ...  # noqa: D102

    @property
    def keeps_parameters(self) -> bool: ...  # noqa: D102

    @property
    def remembered(self) -> bool: ...  # noqa: D102

    def unchecked(self) -> Trainable:
        """The same, of whose starts no checkup is made that can be left out."""
        ...
