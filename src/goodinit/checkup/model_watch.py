"""`watch`: one line in a plain training loop that looks at its first steps."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from goodinit.arguments import check_count
from goodinit.results import Finding

if TYPE_CHECKING:  # models need torch, and are imported by those who use them
    import torch

__all__ = ["StartWarning", "Watch", "WatchedStep", "watch"]

SAMPLE: Final = 4096  # elements of a weight whose updates are followed
LARGE: Final = 0.1  # an update of that share of the weights in the median
SMALL: Final = 1e-7
RISEN: Final = 3.0  # times the first loss


class StartWarning(UserWarning):
    """A severe finding in the first steps of training."""


@dataclass(frozen=True)
class WatchedStep:
    """One step: its loss where it is known, the median ratios of gradient to weight and of the update before it."""

    loss: float | None
    gradient_to_weight: float | None
    update_to_weight: float | None


class Watch:
    """Looks at a loop's first steps; see `watch`. `steps` are those seen, `findings` what was found."""

    def __init__(self, model: torch.nn.Module, steps: int) -> None:
        self.steps: list[WatchedStep] = []
        self.findings: list[Finding] = []
        self._model = model
        self._left = steps
        self._before: dict[str, torch.Tensor] = {}

    @property
    def healthy(self) -> bool:
        """Whether nothing severe was found so far."""
        return not any(finding.severity == "severe" for finding in self.findings)

    def __call__(self, loss: Any) -> tuple[Finding, ...]:
        """Look at one step: call it after `backward()`, with None where the loss is not known.

        Gives what this step showed for the first time.

        A severe finding is also given as a `StartWarning`. After the steps asked for it does nothing.
        """
        if self._left <= 0:
            return ()
        self._left -= 1
        value = None if loss is None else float(loss.detach() if hasattr(loss, "detach") else loss)
        known = {finding.code for finding in self.findings}
        new = tuple(finding for finding in self._look(value) if finding.code not in known)
        self.findings += new
        for finding in new:
            if finding.severity == "severe":
                warnings.warn(f"{finding.code}: {finding.message}", StartWarning, stacklevel=2)
        if self._left == 0:
            self._before = {}
        return new

    def _look(self, loss: float | None) -> list[Finding]:
        import torch

        from goodinit.pytorch.held import real_parts

        gradients: list[tuple[str, float]] = []
        updates: list[tuple[str, float]] = []
        missing: list[str] = []
        bad: list[dict[str, Any]] = []
        with torch.no_grad():
            for name, parameter in self._model.named_parameters():
                if parameter.dim() < 2 or not parameter.requires_grad or not parameter.numel():
                    continue
                flat = real_parts(parameter.detach()).reshape(-1)
                now = flat[:: max(1, flat.numel() // SAMPLE)].float()
                size = float(now.norm())
                if not math.isfinite(size):
                    bad.append({"case": None, "name": name})
                    continue
                if parameter.grad is None:
                    missing.append(name)
                else:
                    largest = float(parameter.grad.detach().abs().max())
                    if not math.isfinite(largest):
                        bad.append({"case": "gradient", "name": name})
                    slope = real_parts(parameter.grad.detach()).reshape(-1)[:: max(1, flat.numel() // SAMPLE)].float()
                    gradients.append((name, float(slope.norm()) / size if size else math.inf * (largest > 0)))
                if name in self._before and size:
                    updates.append((name, float((now - self._before[name]).norm()) / size))
                self._before[name] = now.clone()
        step = WatchedStep(loss, _median(gradients), _median(updates))
        self.steps.append(step)
        return self._judge(step, gradients, missing, bad)

    def _judge(
        self, step: WatchedStep, gradients: list[tuple[str, float]], missing: list[str], bad: list[dict[str, Any]]
    ) -> list[Finding]:
        number, found = len(self.steps), []
        lost = step.loss is not None and not math.isfinite(step.loss)
        if bad or lost:
            values = {"case": "step" if bad else "loss", "step": number, "places": bad}
            found.append(Finding("not-finite", "severe", bad[0]["name"] if bad else None, values))
        if missing and number > 1:
            found.append(Finding("no-gradient", "warning", missing[0], {"case": "step", "names": missing}))
        still = [name for name, ratio in gradients if ratio == 0]
        if still and number > 1:
            at = {"case": "step", "step": number, "names": still}
            found.append(Finding("zero-gradient", "severe", still[0], at, 0.0))
        update, before = step.update_to_weight, {"case": "step", "step": number - 1}
        if update is not None and update > LARGE:
            found.append(Finding("update-too-large", "warning", None, before, update, 1e-3))
        if update is not None and 0 <= update < SMALL:
            found.append(Finding("update-too-small", "warning", None, before, update, 1e-3))
        first = self.steps[0].loss
        if first is not None and step.loss is not None and not lost and 0 < RISEN * first < step.loss:
            found.append(Finding("loss-rising", "severe", None, {"step": number}, step.loss, first))
        return found

    def __str__(self) -> str:
        rows = [f"{'step':>4}  {'loss':>10}  {'gradient/weight':>15}  {'update/weight':>13}"]
        for number, step in enumerate(self.steps, 1):
            rows.append(
                f"{number:>4}  {_formatted(step.loss, 4):>10}  {_formatted(step.gradient_to_weight):>15}  "
                f"{_formatted(step.update_to_weight):>13}"
            )
        rows += [f"{finding.severity} {finding.code}: {finding.message}" for finding in self.findings]
        return "\n".join(rows)


def _formatted(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _median(pairs: list[tuple[str, float]]) -> float | None:
    return median(value for _, value in pairs) if pairs else None


def watch(model: torch.nn.Module, steps: int = 10) -> Watch:
    """Look at the first steps of a plain training loop, from one line after `backward()`.

    It reads weights, their gradients and the loss, and changes nothing: no hook, no gradient, no random state. Of each
    weight it keeps 4,096 elements, to follow how far steps move it. A severe finding is given as a `StartWarning`.

    Arguments:
        model: the model that is trained.
        steps: how many calls are looked at; later ones do nothing.

    Raises GoodinitError for something that is not a model, or a number of steps that is not an integer of at least 1.

    >>> import goodinit, torch
    >>> model = torch.nn.Linear(4, 2)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> watch = goodinit.watch(model, steps=3)
    >>> for _ in range(5):
    ...     loss = model(torch.ones(8, 4)).square().mean()
    ...     loss.backward()
    ...     _ = watch(loss)
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    >>> len(watch.steps), watch.healthy
    (3, True)
    """
    from goodinit.pytorch.guard import plain_model

    return Watch(plain_model(model), check_count("steps", steps))
