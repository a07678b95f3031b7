"""Remedies are tried before they are shown: the model is measured again with each, and put back."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import torch

from goodinit.checkup.model_findings import SEVERITIES, model_findings
from goodinit.checkup.model_measure import Expensive, measure_model
from goodinit.checkup.model_places import FaultPlaces, place_of
from goodinit.checkup.rules.code import in_code
from goodinit.checkup.rules.remedies import alternatives
from goodinit.checkup.step import Step
from goodinit.findings import Finding, RemedyEffect
from goodinit.model_records import ModelStart
from goodinit.pytorch.calling import call_model, mapped
from goodinit.pytorch.guard import untouched
from goodinit.pytorch.losses import LossFunction
from goodinit.pytorch.trace import Tracer

__all__ = ["Remedies"]

_MOST_TRIED: Final = 12  # runs of one checkup
_OF_CURVATURE: Final = "learning-rate-too-large"  # a rate is judged by the curvature that is known
_OF_ROUNDING: Final = "sensitive-to-rounding"


class Remedies:
    """Tries remedies on one model with its batch, each different one once."""

    def __init__(
        self,
        model: torch.nn.Module,
        given: tuple[Any, Any, LossFunction | None],
        step: Step,
        start: ModelStart,
        found: Sequence[Finding],
    ) -> None:
        self.model, self.step, self.start, self.found = model, step, start, tuple(found)
        self.inputs, self.targets, self.loss = given
        self._tried: dict[str, tuple[ModelStart, tuple[Finding, ...]] | None] = {}

    def findings(self) -> tuple[Finding, ...]:
        """The findings with remedies that made them less severe, what those did, and the lines that are at fault."""
        found = self._placed([self._with_effect(finding) for finding in self.found])
        return tuple(sorted(found, key=lambda each: SEVERITIES.index(each.severity)))

    def _with_effect(self, finding: Finding) -> Finding:
        if not finding.remedy:
            return finding
        for code in dict.fromkeys((finding.remedy, *alternatives(self.start, finding))):
            effect = self._effect(finding, code)
            if effect is not None:
                return replace(finding, remedy=code, effect=effect)
        # What no weight's size brings down comes from the loss itself, as from a margin that is asked for.
        own = finding.code == "loss-above-chance" and finding.severity == "warning"
        severity = "info" if own else finding.severity
        return in_code(self.start, replace(finding, severity=severity, remedy="", effect=RemedyEffect(False)))

    def _effect(self, finding: Finding, code: str) -> RemedyEffect | None:
        """What the remedy did, None where it made the finding no less severe, or brought a severe one about."""
        if code not in self._tried and len(self._tried) < _MOST_TRIED:
            self._tried[code] = self._run(finding, code)
        tried = self._tried.get(code)
        if tried is None:
            return None
        after, found = tried
        known = {each.code for each in self.found if each.severity == "severe"}
        if any(each.severity == "severe" and each.code not in known for each in found):
            return None
        several = sum(each.code == finding.code for each in self.found) > 1
        left = [each for each in found if each.code == finding.code and (not several or each.where == finding.where)]
        remains = min(left, key=lambda each: SEVERITIES.index(each.severity), default=None)
        worst = None if remains is None else remains.severity
        if remains is not None and not _milder(finding, remains):
            return None
        scaled = "loss_scale" in code  # the two losses are then not of one size
        losses = (None, None) if scaled else (_first_loss(self.start), _first_loss(after))
        return RemedyEffect(worst is None, worst, *(losses if None not in losses else (None, None)))

    def _run(self, finding: Finding, code: str) -> tuple[ModelStart, tuple[Finding, ...]] | None:
        """The start with the remedy, and what is found in it; None where the remedy raises."""
        with warnings.catch_warnings(), torch.inference_mode(False), untouched(self.model, self.inputs) as own:
            warnings.simplefilter("ignore")
            targets = mapped(lambda tensor: tensor.detach().clone(), self.targets)
            space: dict[str, Any] = {"model": self.model, "inputs": own, "targets": targets, "loss": self.loss}
            space |= {"torch": torch, "learning_rate": self.step.learning_rate, "loss_scale": 1.0}
            space["goodinit"] = importlib.import_module("goodinit")  # a remedy's name for the package, of all floors
            expensive = Expensive(rounding=finding.code == _OF_ROUNDING)
            try:
                exec(compile(code, "<remedy>", "exec"), space)
                step = Step(self.step.optimizer, space["learning_rate"])
                loss = _scaled(space["loss"], space["loss_scale"])
                after = measure_model(self.model, space["inputs"], space["targets"], loss, step, expensive)
            except Exception:
                return None  # a remedy that does not run is none
        if finding.code == _OF_CURVATURE:
            after = replace(after, curvature=self.start.curvature)
        return after, model_findings(after)

    def _placed(self, found: list[Finding]) -> list[Finding]:
        """The findings about code with the line that is at fault, from one more run where there are any."""
        wanted = {what for each in found if each.change() and (what := place_of(each)) is not None}
        if not wanted:
            return found
        tracer = Tracer(self.model)
        tracer.observer = places = FaultPlaces(self.model, wanted, tracer.known)
        with torch.inference_mode(False), untouched(self.model, self.inputs) as own, tracer:
            tracer.feed(own)
            try:
                output = call_model(self.model, own)
                if self.loss is not None:
                    self.loss(output) if self.targets is None else self.loss(output, self.targets)
            except Exception:
                return found
        return [_with_line(each, places.found.get(place_of(each) or "")) if each.change() else each for each in found]


def _with_line(finding: Finding, line: str | None) -> Finding:
    """The finding with the line at fault; without one nothing is known of what makes examples alike."""
    if line:
        return replace(finding, values={**finding.values, "line": line})
    unknown = (finding.code, finding.values.get("case")) == ("collapsed", "between")
    return replace(finding, values={**finding.values, "case": None}) if unknown else finding


def _milder(before: Finding, after: Finding) -> bool:
    """Whether a finding is less severe than it was, or as severe but twice as near to what is expected, in powers."""
    if after.severity != before.severity:
        return SEVERITIES.index(after.severity) > SEVERITIES.index(before.severity)
    away = [_away(before), _away(after)]
    return all(map(math.isfinite, away)) and away[1] <= away[0] / 2


def _away(finding: Finding) -> float:
    """How far the number that decided is from what it should be near, in powers of e; nan where that says nothing."""
    measured, expected = finding.measured, finding.expected
    if measured is None or expected is None or not measured > 0 or not expected > 0 or not math.isfinite(measured):
        return math.nan
    return abs(math.log(measured / expected))


def _scaled(loss: LossFunction | None, factor: float) -> LossFunction | None:
    if loss is None or factor == 1:
        return loss
    return lambda *given: factor * loss(*given)


def _first_loss(start: ModelStart) -> float | None:
    return start.loss.total if start.loss is not None and math.isfinite(start.loss.total) else None
