"""What a method may measure: a network or a model, filled as the method says, run on a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from goodinit.jsonable import json_fields
from goodinit.methods.assignment import Assignment
from goodinit.structure import LayerCall

__all__ = ["CallOutput", "Finish", "GainSlopes", "Gains", "Measurement", "Probe", "Probing", "Rescale", "Sweep"]

Gains = Mapping[str, float]
"""What weights are multiplied by, by name; those left out by 1."""


@dataclass(frozen=True)
class CallOutput:
    """The output of one layer call over a batch.

    `mean` and `std` are over all its elements, `unit_means` and `unit_stds` those of each unit (channel), or of all of
    them together where it is not known which axis counts units. `between` is the share of the variance that lies
    between examples, which no layer can bring back once it is gone; None where examples cannot be told apart.
    `jacobian` is the mean over outputs of the squared derivatives by the output of the layer call before it,
    E |dh'/dh|^2 / N'; None unless it was asked for, and where there is no such call.
    """

    mean: float
    std: float
    between: float | None = None
    unit_means: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    unit_stds: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    jacobian: float | None = None


@dataclass(frozen=True)
class Rescale:
    """A layer's weights times `gain`, one number or one a unit, and `shift` added to its bias, where it has one."""

    gain: float | NDArray[np.float64] = 1.0
    shift: NDArray[np.float64] | None = None


Sweep = Callable[[LayerCall, CallOutput], Rescale | None]
"""Sees the output of each layer call in execution order, and says how its weight is rescaled before it goes on."""


@dataclass(frozen=True)
class GainSlopes:
    """A number, and its derivatives by the gains of weights."""

    value: float
    slopes: Gains


@dataclass(frozen=True)
class Measurement:
    """What a method measured at one place, before and after it set the weight there.

    `where` is the weight's name, or `loss` for what is of the whole model; `call` the number of the layer call, None
    where it is of no one call. `quantity` says what was measured, `aim` what it was to be, None where it was only to
    fall or to grow. `reached` says whether the aim was met.
    """

    where: str
    quantity: str
    before: float | None
    after: float | None
    aim: float | None = None
    reached: bool = True
    call: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return json_fields(self)


class Probe(Protocol):
    """A network or a model with a batch. Every run starts from the same random state, and leaves no trace.

    What is said of the parameters is completed before it is run, as `assign` completes it: a person's rules count.
    """

    @property
    def has_loss(self) -> bool:
        """Whether a loss can be computed."""
        ...

    def free(self, said: tuple[Assignment, ...]) -> frozenset[str]:
        """The parameters that get what was said of them: no rule says another, and they are neither frozen nor kept."""
        ...

    def outputs(self, said: tuple[Assignment, ...]) -> tuple[CallOutput, ...]:
        """One run: the output of every layer call, in execution order."""
        ...

    def sweep(self, said: tuple[Assignment, ...], sweep: Sweep, *, jacobians: bool = False) -> tuple[CallOutput, ...]:
        """One run in which each layer call's weight is rescaled before its output goes on.

        `sweep` is asked again with what came of it until it gives None; what it said of a weight's first call holds for
        its later ones too, and nothing of it is kept. Gives the outputs as they went on.
        """
        ...

    def sum_inputs(self, said: tuple[Assignment, ...]) -> Mapping[int, float]:
        """The variance of what each residual branch is added to, by the number of the branch's last layer call."""
        ...

    def lengths(self, said: tuple[Assignment, ...]) -> Mapping[str, float]:
        """The Euclidean norm of each parameter."""
        ...

    def backward(self, said: tuple[Assignment, ...]) -> Mapping[str, float]:
        """The norm of each weight's gradient over that of the weight, where outputs' gradients are standard normal."""
        ...

    def gradients(self, said: tuple[Assignment, ...]) -> Mapping[str, NDArray[np.float64]]:
        """The gradient of the loss by each parameter."""
        ...

    def quotient(
        self, said: tuple[Assignment, ...], gains: Gains, *, noise: str | None = None, epsilon: float = 1e-5
    ) -> GainSlopes:
        """The gradient quotient: the mean of |(g - Hg) / (g + epsilon sign g) - 1| over all parameters.

        `noise` names standard normal numbers that take the place of the inputs; None takes the batch.
        """
        ...

    def norm(
        self, said: tuple[Assignment, ...], gains: Gains, *, order: int, parts: int | None = None, slopes: bool = True
    ) -> GainSlopes:
        """The norm of the loss's gradient, of order 1 or 2, on the first two thirds of the batch.

        With `parts` it is the mean of the norms over so many parts of the batch; without `slopes` it has none, and
        takes no second derivatives.
        """
        ...

    def after_step(self, said: tuple[Assignment, ...], gains: Gains, *, rate: float, order: int) -> GainSlopes:
        """The loss on the last two thirds of the batch after one step on the first two.

        The step goes down the gradient's direction, `rate` long, or where order is 1 by `rate` in every element.
        """
        ...

    def cosine(self, said: tuple[Assignment, ...], gains: Gains, *, parts: int) -> GainSlopes:
        """The mean cosine between the gradients of every two parts of the batch."""
        ...

    def record(self, *measurements: Measurement) -> None:
        """Keep what was measured for the record of the initialization."""
        ...

    def note(self, text: str) -> None:
        """Keep a sentence for the record of the initialization."""
        ...


Finish = Callable[[tuple[Assignment, ...]], tuple[Assignment, ...]]
"""What makes of a method's word what every parameter gets."""

Probing = Callable[[Finish], Probe]
"""Makes the probe of a network or a model, when a method asks for one."""
