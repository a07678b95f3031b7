"""What is known of a model before it is filled: its parameters as one run shows them, and what it begins of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from goodinit.errors import GoodinitError, shown
from goodinit.methods import Probing, Start, Unknown
from goodinit.methods.complete import Reason
from goodinit.pytorch.depth import depth_scales
from goodinit.pytorch.guard import plain_model
from goodinit.pytorch.own import ZeroStarts, own_starts
from goodinit.pytorch.plan import Planned, Rules, plan
from goodinit.pytorch.read import ModelWeight, read_model, with_meaning
from goodinit.pytorch.ready import Lazies, shaped, traced
from goodinit.structure import Structure, Trace

__all__ = ["KnownModel", "known_model"]


@dataclass(frozen=True)
class KnownModel:
    """A model that has been read and, where there were inputs, run once: whatever fills it is planned from this.

    `model` is without wrappers, and a copy where lazy modules had to be shaped; `own` names the parameters whose values
    are the model's choice, `scales` the ends of branches that it begins smaller.
    """

    model: nn.Module
    lazies: Lazies
    weights: tuple[ModelWeight, ...]
    trace: Trace | None
    own: Mapping[str, Reason]
    scales: Mapping[str, float]
    unknown: Unknown

    @property
    def structure(self) -> Structure:
        """Its parameters by role, with the run's layer calls and residual streams."""
        return Structure(self.weights, self.trace)

    def plan(
        self,
        init: str | Start,
        rules: Rules | None = None,
        probing: Probing | None = None,
        *,
        measured: bool = True,
    ) -> tuple[Planned, ...]:
        """What every weight is to be filled with.

        `probing` makes the probe of a method that measures; without `measured` such a method says what it begins from,
        which takes no time. Raises GoodinitError that names every weight that cannot be filled so.
        """
        options: dict[str, Any] = {"own": self.own, "scales": self.scales, "probing": probing, "measured": measured}
        return plan(self.model, self.weights, init, rules, self.trace, self.unknown, **options)


def known_model(
    model: nn.Module, inputs: Any = None, unknown: Unknown | None = None, zero_starts: ZeroStarts | None = None
) -> KnownModel:
    """Read the model and run it once on the inputs; it is left as it was.

    Raises GoodinitError for what is not a model, and where it cannot be run on the inputs.
    """
    read = read_model(model)  # refuses what it cannot read before the inputs are run
    concrete, lazies = shaped(plain_model(model), inputs)
    trace, meanings = traced(concrete, inputs)
    read = read if concrete is model else read_model(concrete)
    weights = tuple(with_meaning(weight, meanings) for weight in read)
    keeps = _chosen("zero_starts", zero_starts, ("keep", "fill"), inputs is not None) == "keep"
    refuses = _chosen("unknown", unknown, ("keep", "refuse"), inputs is not None) == "refuse"
    own = own_starts(concrete, read, weights, trace, zeros=keeps, closed=not refuses)
    scales = depth_scales(concrete, weights, trace) if keeps and trace is not None else {}
    return KnownModel(concrete, lazies, weights, trace, own, scales, "refuse" if refuses else "keep")


def _chosen(option: str, given: str | None, choices: tuple[str, str], ran: bool) -> str:
    """What was asked for; else the first choice where a run has told what the parameters are for, else the second."""
    if given is None:
        return choices[0] if ran else choices[1]
    if given not in choices:
        raise GoodinitError(f"{option}={shown(given)}: give {choices[0]!r} or {choices[1]!r}")
    return given
