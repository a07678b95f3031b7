"""What goes through a model, measured where it goes by: nothing is kept but numbers and small samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from goodinit import activations
from goodinit.checkup.measure import NEAR_BOUND
from goodinit.checkup.model_attention import AttentionSignals
from goodinit.checkup.model_data import InputSignals
from goodinit.checkup.model_loss import LossWatch
from goodinit.checkup.model_theory import known
from goodinit.model_records import Histogram
from goodinit.pytorch.functions import ACTIVATIONS, LAYERS, Function, argument, role
from goodinit.pytorch.held import real_parts, whole_tensor
from goodinit.pytorch.operands import Operands
from goodinit.pytorch.trace import Observer, Value
from goodinit.structure import LayerCall

__all__ = ["CallSignals", "FirstNotFinite", "Signals", "SumSignals", "histogram", "size", "spread"]

ROWS: Final = 32  # inputs whose outputs are compared
FEATURES: Final = 512  # of each of them
FEWEST_FEATURES: Final = 8  # below it, two outputs are alike by chance
SAMPLE: Final = 16384  # values that shares are estimated from
DRAWN: Final = 2048  # values that a histogram is made of
BINS: Final = 40
HALF_LEAST: Final = 2.0**-25  # what float16 rounds to 0
_NORM: Final = ("input", "running_mean", "running_var")
_ALPHA: Final = (functional.alpha_dropout, functional.feature_alpha_dropout)  # they keep mean and size
NEAR_FLAT: Final = 1e-4  # an output that near to the flat side of a smooth activation is on it


@dataclass
class CallSignals:
    """Numbers of one layer call, as tensors of one element that are read at the end, all at once."""

    numbers: dict[str, Tensor] = field(default_factory=dict)
    outputs: Tensor | None = None
    gradients: Tensor | None = None
    rank_limit: int | None = None
    elements: int = 0
    contracted: float | None = None

    def read(self) -> dict[str, float]:
        """The numbers as Python's."""
        names = list(self.numbers)
        if not names:
            return {}
        values = torch.stack([self.numbers[name].detach().double().reshape(()).cpu() for name in names]).tolist()
        return dict(zip(names, values, strict=True))


@dataclass(frozen=True)
class SumSignals:
    """One residual addition, its numbers as tensors of one element."""

    calls: tuple[int, ...]
    stream: Tensor
    total: Tensor
    scale: float


class Signals(Observer):
    """Measures every layer call's output as it is made, its activation, and the gradient that comes back to it."""

    def __init__(
        self,
        examples: int | None,
        gradients: bool,
        call: Callable[[int], LayerCall],
        known: Callable[[Tensor], Value],
    ) -> None:
        self.calls: dict[int, CallSignals] = {}
        self.sums: list[SumSignals] = []
        self.losses = LossWatch(known)
        self.attentions = AttentionSignals(call, known)
        self.inputs = InputSignals()
        self.norms: list[tuple[Tensor, Tensor]] = []
        self.recurrent: dict[int, Tensor] = {}
        self.dropout = 0.0
        self.ended = False  # the model has given its output: what follows is the loss
        self.examples = examples
        self._gradients = gradients
        self._call, self._known = call, known

    def layer(self, index: int, used: Operands, output: Tensor) -> None:
        """Measure the output before anything overwrites it, and ask for its gradient."""
        signals = self.calls[index] = CallSignals(elements=output.numel())
        if used.kind == "recurrent":
            self.recurrent[index] = whole_tensor(used.input.detach())
        self.inputs.meets(index, used, self._known(used.input).given)
        if output.numel() == 0 or not output.dtype.is_floating_point:
            return
        with torch.no_grad():
            numbers, values = signals.numbers, whole_tensor(output.detach())
            numbers["mean"] = values.sum(dtype=_wide(values)) / values.numel()
            numbers["rms"] = size(values)
            low, high = torch.aminmax(values)
            numbers["largest"] = torch.maximum(low.abs(), high.abs())
            if used.seen and used.input.dtype.is_floating_point and used.input.numel():
                numbers["input"] = self._input(index, whole_tensor(used.input.detach()))
            if not isinstance(used.weight, torch.nn.Parameter):  # computed from parameters: it is there only now
                numbers["weight"] = whole_tensor(used.weight.detach()).to(_wide(values)).std(correction=0)
                numbers["weight_square"] = size(whole_tensor(used.weight.detach())).square()
            signals.contracted = _contracted(used)
            if used.whole:
                signals.rank_limit = spread(values, self.examples, numbers)
            signals.outputs = _pick(values, DRAWN).float()
        if self._gradients and output.requires_grad and used.whole:
            output.register_hook(lambda gradient: self._gradient(signals, gradient))

    def _input(self, index: int, values: Tensor) -> Tensor:
        """The rms of an input; that of the activation before it where the input is nothing else."""
        call = self._call(index)
        if call.plain:
            before = self.calls[call.sources[0]].numbers
            kept = before.get("activation" if call.input_activation else "rms")
            if kept is not None:
                return kept
        return size(values)

    def _gradient(self, signals: CallSignals, gradient: Tensor) -> None:
        with torch.no_grad():
            values, numbers = whole_tensor(gradient.detach()), signals.numbers
            if "gradient" in numbers:  # a second backward pass
                return
            numbers["gradient"] = size(values)
            sample = _pick(values, DRAWN).float()
            small = (sample.abs() <= HALF_LEAST) & (sample != 0)
            numbers["underflow"] = small.float().sum() / (sample != 0).sum().clamp(min=1)
            signals.gradients = sample

    def activated(self, calls: tuple[int, ...], name: str, output: Tensor) -> None:
        """Measure the size after an activation, and its dead and saturated shares."""
        if self.ended or output.numel() == 0 or not output.dtype.is_floating_point:
            return
        with torch.no_grad():
            values = whole_tensor(output.detach())
            numbers = {"activation": size(values)}
            activation = known(name)
            if activation is not None:
                low, high = activation.saturation
                if low is not None or activation.can_die:
                    numbers["dead"] = _dead(activation, values, self._call(calls[0]))
                if low is not None and high is not None:
                    # A kink, as ReLU6's, is flat at the bound itself alone: small inputs are near it, and not on it.
                    margin = 0.0 if activation.can_die else NEAR_BOUND * (high - low)
                    sample = _pick(values, SAMPLE)
                    numbers["saturated"] = ((sample <= low + margin) | (sample >= high - margin)).float().mean()
            for index in calls:
                own = self.calls[index].numbers
                for name in (
                    "dead",
                    "saturated",
                ):  # of a part of the activation, as a sigmoid that multiplies its input
                    own.pop(name, None)
                own.update(numbers)

    def summed(self, stream: Tensor, branch: Tensor, calls: tuple[int, ...], total: Tensor, scale: float) -> None:
        """Measure a residual stream before and after an addition; one in place has overwritten what was before."""
        if not (total.numel() and stream.dtype.is_floating_point and total.dtype.is_floating_point):
            return
        with torch.no_grad():
            after = size(whole_tensor(total.detach()))
            if stream is total:  # the two parts are taken for uncorrelated
                before = (after.square() - size(whole_tensor(branch.detach())).square()).clamp(min=0).sqrt()
            else:
                before = size(whole_tensor(stream.detach()))
            self.sums.append(SumSignals(calls, before, after, scale))

    def lost(self, name: str, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], loss: Any) -> None:
        """Hand a loss on to the one that judges it."""
        self.losses.seen(name, function, args, kwargs, loss)

    def done(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Measure an attention and a batch norm in evaluation, and see how much a dropout leaves out."""
        if self.ended:
            return
        self.attentions.done(function, args, kwargs, result)
        if function is functional.dropout or (role(function) == "dropout" and function not in _ALPHA):
            if argument(args, kwargs, 2, "training", True) is True:
                self.dropout = max(self.dropout, float(argument(args, kwargs, 1, "p", 0.5)))
        elif function is functional.batch_norm and not argument(args, kwargs, 5, "training", False):
            values, mean, variance = (argument(args, kwargs, place, name) for place, name in enumerate(_NORM))
            if isinstance(mean, Tensor) and isinstance(variance, Tensor) and values.numel():
                with torch.no_grad():
                    axes = [axis for axis in range(values.dim()) if axis != 1]
                    deviation = (variance + 1e-5).sqrt()
                    offset = size((values.detach().float().mean(axes) - mean) / deviation)
                    scale = (values.detach().float().std(axes, correction=0) / deviation).median()
                self.norms.append((offset, scale))


class FirstNotFinite(Observer):
    """Finds the first function that gives a number which is not finite."""

    def __init__(self, last: Callable[[], LayerCall | None]) -> None:
        self.found: str | None = None
        self._last = last

    def done(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Look at a result; a mask of -inf is not a fault, so that only layers and activations must be without them."""
        if self.found is not None or not isinstance(result, Tensor) or not result.dtype.is_floating_point:
            return
        with torch.no_grad():
            values = whole_tensor(result.detach())
            strict = function in LAYERS or function in ACTIVATIONS or role(function) == "norm"
            bad = ~torch.isfinite(values) if strict else torch.isnan(values) | (values == torch.inf)
            if not bool(bad.any()):
                return
        if getattr(function, "__name__", "") in ("empty", "empty_like", "new_empty", "full", "full_like"):
            return
        call = self._last()
        name = getattr(function, "__name__", str(function)).strip("_")
        if call is None:
            self.found = f"{name}, before the first layer"
        elif function in LAYERS:
            self.found = f"{call.module or call.weight}"
        else:
            self.found = f"{name}, after {call.module or call.weight}"


def size(values: Tensor) -> Tensor:
    """Root mean square of all elements, in at least float32; of complex ones that of their parts."""
    if values.numel() == 0:
        return values.new_zeros((), dtype=torch.float32)
    values = real_parts(values)
    if values.dtype in (torch.float32, torch.float64) and values.is_contiguous():
        flat = values.view(-1)
        return (torch.dot(flat, flat) / values.numel()).sqrt()
    wide = values.detach().to(_wide(values)).reshape(-1)
    return (torch.dot(wide, wide) / values.numel()).sqrt()


def _contracted(used: Operands) -> float | None:
    """The number of inputs summed into one output, as the shapes show it."""
    if used.kind in ("linear", "matmul") and used.input.dim():
        return float(used.input.shape[-2 if used.left and used.input.dim() > 1 else -1])
    return float(used.weight[0].numel()) if used.kind == "conv" and len(used.weight) else None


def _wide(values: Tensor) -> torch.dtype:
    return torch.float64 if values.dtype == torch.float64 else torch.float32


def spread(values: Tensor, examples: int | None, numbers: dict[str, Tensor]) -> int | None:
    """How the outputs of different inputs differ, into `numbers`, and the most that their rank can be.

    The spread is 1 less the mean cosine of two of them, computed from differences so that a collapse keeps its digits.
    """
    if values.dim() < 2:
        return None
    axis = 1 if values.dim() > 2 and values.shape[0] != examples and values.shape[1] == examples else 0
    count = values.shape[axis]
    if count < 2 or values.numel() // count < FEWEST_FEATURES:
        return None
    place = torch.arange(0, count, max(1, count // ROWS), device=values.device)[:ROWS]
    rows = values.index_select(axis, place)
    rows = rows.movedim(axis, 0).reshape(len(place), -1)
    if rows.shape[1] > FEATURES:
        rows = rows.index_select(1, _places(rows.shape[1], FEATURES, values.device))
    rows = rows.to(_wide(values))
    number = len(rows)
    centred = rows - rows.mean(0)
    gram = centred @ centred.T
    trace = gram.diagonal().sum()
    numbers["rank"] = trace * trace / (gram * gram).sum()
    unit = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    around = unit - unit.mean(0)
    numbers["spread"] = around.square().sum() / (number - 1)
    return min(number - 1, rows.shape[1])


@lru_cache(maxsize=256)
def _places(total: int, count: int, device: torch.device) -> Tensor:
    """Places spread evenly but on no grid, so that no axis of a flattened tensor is favoured."""
    steps = torch.arange(count, dtype=torch.float64) * 0.6180339887498949
    return ((steps % 1.0) * total).long().clamp(max=total - 1).to(device)


def _pick(values: Tensor, most: int) -> Tensor:
    """Some of the elements, all where there are few."""
    total = values.numel()
    flat = values.reshape(-1)
    return flat if total <= most else flat[_places(total, most, values.device)]


def _dead(activation: activations.Activation, values: Tensor, call: LayerCall) -> Tensor:
    """The share of units whose every output lies at a flat side of the activation."""
    across = call.kind in ("conv", "conv_transpose") and values.dim() == len(call.output_shape) > 2
    axis = 1 if across and values.shape[1] == call.output_shape[1] else values.dim() - 1
    others = [each for each in range(values.dim()) if each != axis]
    low, high = activation.saturation
    if not others or (high is not None and not activation.can_die):
        return values.new_zeros(
            (), dtype=torch.float32
        )  # what lies at the ends of a smooth bound is saturated, not dead
    low = low or 0.0
    if high is not None:
        return ((values <= low) | (values >= high)).to(torch.uint8).amin(others).float().mean()
    reached = values.amax(others) - low if activation.can_die else (values - low).abs().amax(others) - NEAR_FLAT
    return (reached <= 0).float().mean()


def histogram(values: Tensor | None, *, powers: bool = False) -> Histogram | None:
    """How a sample lies: between its ends, or within 4 rms where they are farther; or as powers of ten of its size."""
    if values is None:
        return None
    finite = values[torch.isfinite(values)].cpu()
    if powers:
        finite = finite[finite != 0].abs().log10()
    if finite.numel() == 0:
        return None
    low, high = float(finite.min()), float(finite.max())
    if not powers:
        reach = 4 * float(finite.double().square().mean().sqrt())
        low, high = max(low, -reach), min(high, reach)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts = torch.histc(finite.float(), BINS, low, high)
    return Histogram(low, high, tuple(int(count) for count in counts.tolist()))
