"""`check`: is a model's start healthy, and if not, what is to be changed?"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodinit import report
from goodinit.arguments import check_count, check_number
from goodinit.checkup.model_changes import difference
from goodinit.checkup.model_findings import model_findings
from goodinit.checkup.step import STEP_OPTIMIZERS, Step
from goodinit.errors import GoodinitError, shown, unknown_name
from goodinit.findings import codes
from goodinit.model_records import LayerStart, ModelStart
from goodinit.report import MAX_ROWS, CheckupTable
from goodinit.results import Difference, Finding

if TYPE_CHECKING:  # models need torch, and are imported by those who use them
    import torch

__all__ = ["Checkup", "check"]


@dataclass(frozen=True)
class Checkup:
    """What was measured of a model at its start, and the findings drawn from it.

    It prints as a table, of which `text` gives more lines, shows itself in a notebook, and `report` writes a page.
    `start` holds every number; `layers` are its layer calls in execution order.
    """

    start: ModelStart
    findings: tuple[Finding, ...]

    @property
    def layers(self) -> tuple[LayerStart, ...]:
        """One record a layer call, in execution order."""
        return self.start.layers

    @property
    def healthy(self) -> bool:
        """Whether no finding is severe."""
        return not any(finding.severity == "severe" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: numbers that are not finite, and what was not measured, are null."""
        return {
            "healthy": self.healthy,
            "findings": [finding.to_dict() for finding in self.findings],
            **self.start.to_dict(),
        }

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def beside(self, other: Checkup) -> Difference:
        """What is different in another checkup, as of a model of the same family: findings, the loss, layers, sizes.

        >>> import goodinit, torch
        >>> one, other = (torch.nn.Linear(8, 8) for _ in range(2))
        >>> with torch.no_grad():
        ...     _ = other.weight.copy_(one.weight * 2)
        >>> checkups = [goodinit.check(model, torch.randn(32, 8)) for model in (one, other)]
        >>> [name for name, old, new in checkups[0].beside(checkups[1]).changes if "weight std" in name]
        ['weight, weight std']
        """
        return difference(self.to_dict(), other.to_dict())

    def since(self, baseline: Mapping[str, Any]) -> Difference:
        """What changed since a checkup that was kept as JSON, as `to_dict` gives it."""
        return difference(baseline, self.to_dict())

    def report(self, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
        """Write the checkup as one HTML page that needs nothing else, and return its place.

        Raises GoodinitError where the file exists and `overwrite` is not set, or cannot be written.
        """
        return report.write_checkup(self.start, self.findings, path, overwrite=overwrite)

    def _repr_html_(self) -> str:
        return report.checkup_html(self.start, self.findings)

    def table(self, max_rows: int = MAX_ROWS) -> CheckupTable:
        """What Rich prints, in at most that many lines: findings, layers folded as far as that takes, the verdict.

        Raises GoodinitError where `max_rows` is no integer of at least 1.
        """
        return CheckupTable(self.start, self.findings, check_count("max_rows", max_rows))

    def text(self, max_rows: int = MAX_ROWS, width: int = 100) -> str:
        """The table as plain text; `print(checkup)` prints that of 40 lines.

        >>> import goodinit, torch
        >>> checkup = goodinit.check(torch.nn.Linear(8, 8), torch.full((4, 8), torch.nan))
        >>> print(checkup.text(max_rows=200).splitlines()[0])
        Linear: not a healthy start: not-finite
        """
        return report.text(self.table(max_rows), width)

    def __rich__(self) -> Any:
        return self.table()

    def __str__(self) -> str:
        return self.text()


def check(
    model: torch.nn.Module,
    inputs: Any,
    targets: Any = None,
    *,
    loss: Callable[..., Any] | None = None,
    learning_rate: float | None = None,
    optimizer: str = "sgd",
    curvature: bool = False,
    jacobian: bool = False,
    rounding: bool = False,
    ignore: Sequence[str] = (),
    remedies: bool = True,
) -> Checkup:
    """Run a model once on a batch, and say layer by layer whether its start is healthy.

    The model runs forward, and backward where there is a loss, in the mode that it is in; it is left as it was, to the
    bit: parameters, buffers, modes, gradients, hooks and random state. Sizes, dead units and gradients are those of the
    whole batch; correlations and ranks are estimated from 32 inputs and 512 features, saturation from 16,384
    values. That takes at most about four times the model's own pass, and as much again for each remedy that is tried.

    Arguments:
        model: any `torch.nn.Module`. `torch.compile`'s is looked into; one with lazily built parameters is run as a
            copy.
        inputs: a tensor, a tuple of positional arguments, or a dict of keywords that the model is called with.
        targets: what the loss compares the output with.
        loss: a callable of (output, targets), or of the output where no targets are given. It may be left out where the
            output carries its own `.loss`, and where only the forward side is wanted.
        learning_rate: the one training will start with, for the size of the first step.
        optimizer: `sgd`, `momentum`, `adam`, `adamw` or another of PyTorch's.
        curvature: also measure the largest eigenvalue of the loss's Hessian, which bounds the learning rate. Tens of
            passes.
        jacobian: also measure the extreme singular values of the output by the input, of one example. As many
            passes as there are outputs.
        rounding: also measure how far a change of the weights by one part in 65,536 spreads. Two passes.
        ignore: codes of findings that are known and accepted, which are left out.
        remedies: try each remedy before it is shown: the model is measured once more for each, and put back. One that
            makes its finding no less severe is not shown.

    Raises GoodinitError where the model or the loss cannot be run, naming their own error, and for an unknown code.

    >>> import goodinit, torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(20, 50), torch.nn.ReLU(), torch.nn.Linear(50, 3))
    >>> _ = goodinit.initialize(model, "orthogonal", seed=0)
    >>> batch, classes = torch.randn(64, 20), torch.randint(0, 3, (64,))
    >>> checkup = goodinit.check(model, batch, classes, loss=torch.nn.functional.cross_entropy)
    >>> checkup.healthy, [layer.name for layer in checkup.layers]
    (True, ['0', '2'])
    """
    import goodinit.pytorch  # noqa: F401  # where PyTorch is missing, it says which extra to install
    from goodinit.checkup.model_measure import Expensive, measure_model
    from goodinit.checkup.model_remedies import Remedies
    from goodinit.pytorch.guard import runnable

    rate = _rate(learning_rate)
    if optimizer not in STEP_OPTIMIZERS:
        raise GoodinitError(f"optimizer={shown(optimizer)} is not known; choose one of {', '.join(STEP_OPTIMIZERS)}")
    if loss is not None and not callable(loss):
        raise GoodinitError(f"loss={shown(loss)}: give a callable of (output, targets), such as F.cross_entropy")
    known = codes()
    for code in [ignore] if isinstance(ignore, str) else ignore:
        if code not in known:
            raise unknown_name("ignore: the code", str(code), known)
    step, given = Step(optimizer, rate), (inputs, targets, loss)
    start = measure_model(model, *given, step, Expensive(curvature, jacobian, rounding))
    left_out = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    found = tuple(each for each in model_findings(start) if each.code not in left_out)
    if remedies and found:
        found = Remedies(runnable(model), given, step, start, found).findings()
    return Checkup(start, found)


def _rate(given: float | None) -> float | None:
    return None if given is None else check_number("learning_rate", given, low=0, above=True)
