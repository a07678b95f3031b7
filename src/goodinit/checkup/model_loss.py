"""The loss at the start: its chance level, and how sure the outputs are before they know anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from goodinit.checkup.measure import SURE
from goodinit.model_records import LossStart
from goodinit.pytorch.functions import Function, argument
from goodinit.pytorch.values import Value

__all__ = ["LossWatch"]

_ROWS: Final = 1024  # outputs whose certainty is looked at
_SAME: Final = 1e-3  # relative: a term as near as this to the whole loss is the loss
_ENOUGH: Final = 32  # numbers that are alike by no chance
_OFF: Final = 1e-2  # of a sum of probabilities from 1, in half precision
_CUT: Final = 0.1  # of examples with a score that is exactly 0, where a ReLU lies before them
_SQUASHED: Final = ("sigmoid", "hardsigmoid")
_REGRESSION: Final = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")


class LossWatch:
    """Sees the loss functions that are called, and says what the whole loss was made of."""

    def __init__(self, value: Callable[[Tensor], Value]) -> None:
        self._value = value
        self._terms: list[dict[str, Any]] = []

    def seen(self, name: str, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], loss: Any) -> None:
        """A loss function was called."""
        outputs, targets = argument(args, kwargs, 0, "input"), argument(args, kwargs, 1, "target")
        if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor) and isinstance(loss, Tensor)):
            return
        if not outputs.numel() or not loss.numel():
            return
        squashed = self._value(outputs).activation in _SQUASHED
        with torch.no_grad():
            self._terms.append(
                {
                    "term": name,
                    "value": float(loss.detach().float().mean()),
                    **_of(name, function, (outputs.detach(), targets.detach()), args, dict(kwargs), squashed),
                }
            )

    def start(self, total: float, output: Any, targets: Any) -> LossStart:
        """The whole loss, with the one term it consists of where that was recognized.

        A loss that is written out is recognized by its value: the same as that of PyTorch's function.
        """
        if isinstance(output, Tensor) and isinstance(targets, Tensor):
            stretched = _stretched(total, output.detach(), targets.detach())
            if stretched:
                return LossStart(total=total, term="mse_loss", value=total, broadcast=stretched)
        if not self._terms and isinstance(output, Tensor) and isinstance(targets, Tensor):
            self._written_out(total, output.detach(), targets.detach())
        near = [t for t in self._terms if math.isclose(t["value"], total, rel_tol=_SAME) or not math.isfinite(total)]
        chosen = near or self._terms
        return LossStart(total=total, **chosen[-1]) if chosen else LossStart(total=total)

    def _written_out(self, total: float, output: Tensor, targets: Tensor) -> None:
        if not output.dtype.is_floating_point or not output.numel() or output.shape[:1] != targets.shape[:1]:
            return
        with torch.no_grad():
            if output.dim() == 2 and targets.dim() == 1 and not targets.dtype.is_floating_point:
                if int(targets.min()) >= 0 and int(targets.max()) < output.shape[1]:
                    loss = functional.cross_entropy(output, targets.long())
                    self.seen("cross_entropy", functional.cross_entropy, (output, targets), {}, loss)
            elif output.shape == targets.shape and targets.dtype.is_floating_point:
                loss = functional.mse_loss(output, targets)
                self.seen("mse_loss", functional.mse_loss, (output, targets), {}, loss)
        self._terms = [term for term in self._terms if math.isclose(term["value"], total, rel_tol=_SAME)]


def _of(
    name: str,
    function: Function,
    given: tuple[Tensor, Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    squashed: bool,
) -> dict[str, Any]:
    """What a loss of (outputs, targets) is measured by; `squashed` says that the outputs come through a sigmoid."""
    outputs, targets = given
    if name in ("cross_entropy", "nll_loss"):
        if outputs.dim() == 1:
            outputs, targets = outputs[None], targets[None]
        classes = outputs.shape[1]
        chance = math.log(classes) * _count(outputs, targets, kwargs) if classes > 1 else None
        facts = {"scores": _scores(outputs, name), "alone": _alone(targets)}
        return {"classes": classes, "chance": chance, **facts, **_certainty(outputs, targets)}
    if name.startswith("binary_cross_entropy"):
        logits = name.endswith("with_logits")
        blank = torch.full((), 0.0 if logits else 0.5, dtype=outputs.dtype, device=outputs.device).expand(outputs.shape)
        facts = {"scores": "probabilities" if logits and squashed else None, "alone": _alone(targets)}
        chance = _again(function, blank, args, kwargs)
        return {"classes": 2, "chance": chance, **facts, **_binary(outputs, targets, logits)}
    if name in _REGRESSION and targets.shape == outputs.shape:
        axis = 0 if targets.dim() and len(targets) > 1 else tuple(range(targets.dim()))
        mean = targets.mean(axis, keepdim=True)
        chance = _again(function, mean.expand(targets.shape), args, kwargs)
        offset = None
        if name == "mse_loss":
            offset = float((outputs.mean(axis, keepdim=True) - mean).square().float().mean())
            if axis == 0:  # the mean of n is nearer to each of them than the true mean is: by 1 - 1/n in the square
                chance *= len(targets) / (len(targets) - 1)
                offset = max(offset - chance / len(targets), 0.0)
        return {"chance": chance if chance > 0 else None, "offset": offset, "alone": _alone(targets)}
    return {}


def _stretched(total: float, outputs: Tensor, targets: Tensor) -> tuple[tuple[int, ...], ...]:
    """The shapes of as many outputs as targets whose mean squared or absolute error was taken of every pair of them."""
    if outputs.numel() != targets.numel() or outputs.shape == targets.shape or outputs.numel() > _ROWS:
        return ()
    if not outputs.dtype.is_floating_point or not targets.dtype.is_floating_point:
        return ()
    try:
        apart = (outputs - targets).double()
    except RuntimeError:
        return ()
    if apart.numel() <= outputs.numel():
        return ()
    both = (float(apart.square().mean()), float(apart.abs().mean()))
    found = any(math.isclose(each, total, rel_tol=_SAME) for each in both)
    return (tuple(outputs.shape), tuple(targets.shape)) if found else ()


def _alone(targets: Tensor) -> bool:
    """Whether all of several targets are the same."""
    return targets.numel() >= _ENOUGH and bool((targets == targets.reshape(-1)[0]).all())


def _scores(outputs: Tensor, name: str) -> str | None:
    """What (examples, classes, ...) outputs are where a cross-entropy wants scores, or `nll_loss` their logarithms."""
    rows = outputs[:_ROWS].movedim(1, -1).reshape(-1, outputs.shape[1])[:_ROWS].double()
    if rows.shape[1] < 2 or rows.numel() < _ENOUGH or not bool(torch.isfinite(rows).all()):
        return None
    if name == "nll_loss":
        sums = rows.exp().sum(1)
        return None if bool(((sums - 1).abs() < _OFF).all()) else "not logarithms"
    if bool((rows >= 0).all()) and bool(((rows.sum(1) - 1).abs() < _OFF).all()):
        return "probabilities"
    cut = float(((rows == 0).any(1) & (rows > 0).any(1)).double().mean())
    return "positive" if bool((rows >= 0).all()) and cut >= _CUT else None


def _again(function: Function, outputs: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """The same loss of other outputs."""
    if args:
        return float(function(outputs, *args[1:], **kwargs).float().mean())
    return float(function(**{**kwargs, "input": outputs}).float().mean())


def _count(outputs: Tensor, targets: Tensor, kwargs: Mapping[str, Any]) -> float:
    """How many terms of ln(classes) a loss has: 1 where it is a mean."""
    if kwargs.get("reduction", "mean") != "sum":
        return 1.0
    if targets.dtype.is_floating_point:
        return targets.numel() / outputs.shape[1]
    return float((targets != kwargs.get("ignore_index", -100)).sum())


def _certainty(scores: Tensor, targets: Tensor) -> dict[str, Any]:
    """How sure of a class the outputs are: scores (examples, classes, ...), from a sample of them."""
    indices = not targets.dtype.is_floating_point and targets.dim() == scores.dim() - 1
    step = max(1, len(scores) // _ROWS)
    scores, targets = scores[::step].movedim(1, -1), targets[::step]
    rows = scores.reshape(-1, scores.shape[-1])
    place = torch.arange(0, len(rows), max(1, len(rows) // _ROWS), device=rows.device)[:_ROWS]
    rows = rows[place].float()
    top, likeliest = torch.softmax(rows, dim=1).max(dim=1)
    sure = top >= SURE
    centred = rows - rows.mean(1, keepdim=True)
    facts = {"sure_share": float(sure.float().mean()), "logit_rms": float(centred.square().mean().sqrt())}
    if indices:
        right = targets.reshape(-1)[place.to(targets.device)].to(likeliest.device) == likeliest
        facts["sure_and_wrong_share"] = float((sure & ~right).float().mean())
    return facts


def _binary(outputs: Tensor, targets: Tensor, logits: bool) -> dict[str, Any]:
    scores, wanted = outputs.reshape(-1)[: _ROWS * 16].float(), targets.reshape(-1)[: _ROWS * 16].float()
    p = torch.sigmoid(scores) if logits else scores
    sure = torch.maximum(p, 1 - p) >= SURE
    facts = {"sure_share": float(sure.float().mean())}
    if wanted.shape == p.shape:
        facts["sure_and_wrong_share"] = float((sure & ((p > 0.5) != (wanted > 0.5))).float().mean())
    if logits:
        facts["logit_rms"] = float(scores.square().mean().sqrt())
    return facts
