"""One run of a model forward, and one backward where there is a loss: everything that a checkup measures."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from goodinit.checkup import model_extras as extras
from goodinit.checkup.model_layers import layers_of, sums_of
from goodinit.checkup.model_recurrent import gates_of
from goodinit.checkup.model_signals import FEWEST_FEATURES, FirstNotFinite, Signals, spread
from goodinit.checkup.model_weights import parameters_of
from goodinit.checkup.step import Step
from goodinit.errors import GoodinitError
from goodinit.model_records import GateStart, ModelStart, NormStart
from goodinit.pytorch.calling import call_model, mapped, spoiled, tensors_in
from goodinit.pytorch.guard import runnable, untouched
from goodinit.pytorch.losses import LossFunction, total_loss
from goodinit.pytorch.read import closed_parts, is_quantized
from goodinit.pytorch.trace import Tracer
from goodinit.structure import Trace

__all__ = ["Expensive", "measure_model"]


@dataclass(frozen=True)
class Expensive:
    """Which of the expensive measures are asked for."""

    curvature: bool = False
    jacobian: bool = False
    rounding: bool = False


def measure_model(
    model: torch.nn.Module, inputs: Any, targets: Any, loss: LossFunction | None, step: Step, expensive: Expensive
) -> ModelStart:
    """Measure a model's start; it is left as it was, to the bit, however this ends."""
    lazy = model
    model = runnable(model)
    notes = (
        ["lazily built parameters were drawn on a copy, as the model's own first call will"]
        if model is not lazy
        else []
    )
    closed = [reason.partition(";")[0] for reason in closed_parts(model)]
    if closed:
        more = f", and {len(closed) - 1} modules more" if len(closed) > 1 else ""
        notes.append(f"{closed[0]}{more}: what it does inside was not seen")
    if _flattened(model):
        notes.append(
            "FSDP keeps the parameters in flat pieces: this process's were measured, and none of the layers; check the "
            "model before it is wrapped"
        )
    with torch.inference_mode(False), untouched(model, inputs) as own:
        targets = mapped(lambda tensor: tensor.detach().clone(), targets)
        return _Run(model, own, targets, loss).start(step, expensive, notes)


class _Run:
    """One run of a model: forward, its loss, backward."""

    def __init__(self, model: torch.nn.Module, inputs: Any, targets: Any, loss: LossFunction | None) -> None:
        self.model, self.inputs, self.targets, self.loss = model, inputs, targets, loss
        first = next((tensor for tensor in tensors_in(inputs) if tensor.dim()), None)
        self.examples = None if first is None else first.shape[0]
        self.gradients: dict[str, Tensor | None] | None = None
        self.failure: str | None = None

    def start(self, step: Step, expensive: Expensive, notes: list[str]) -> ModelStart:
        """Everything that is measured, as records."""
        model, state = self.model, torch.get_rng_state()
        wanted = self._wants_gradients()
        signals: Signals
        tracer = Tracer(model)
        tracer.observer = signals = Signals(self.examples, wanted, tracer.call, tracer.known)
        with torch.set_grad_enabled(wanted):
            with tracer:
                tracer.feed(self.inputs)
                output = call_model(model, self.inputs)
                signals.ended = tracer.ended = True
                total = total_loss(output, self.targets, self.loss)
            if total is None and self.loss is None and self.targets is not None:
                raise GoodinitError(
                    "targets were given, but no loss: say loss=torch.nn.functional.cross_entropy, or another callable "
                    "of (output, targets)"
                )
            if total is not None and wanted:
                self._backward(total)
                if any(map(is_quantized, model.modules())) and None in (self.gradients or {}).values():
                    self.gradients = None
                    notes.append("not every quantized layer passes gradients: none are judged")
        value = None if total is None else float(total.detach())
        trace = tracer.trace()
        parameters = parameters_of(model, trace, self.gradients, step)
        layers = layers_of(trace, signals.calls, {each.name: each for each in parameters})
        if _sharded(model):
            seen = "all was collected from its processes" if layers else "none of its layers was measured"
            notes.append(f"the model is sharded: {seen}")
        losses = None if value is None else signals.losses.start(value, output, self.targets)
        start = ModelStart(
            model=type(model).__name__,
            dtype=_dtype(model),
            training=model.training,
            examples=self.examples,
            layers=layers,
            parameters=parameters,
            sums=sums_of(signals.sums),
            input_spread=self._input_spread(),
            loss=losses,
            backward=self.gradients is not None,
            backward_failure=self.failure,
            learning_rate=step.learning_rate,
            optimizer=step.optimizer,
            inputs=signals.inputs.start(self.inputs, trace),
            norms=tuple(
                NormStart(f"batch norm {number}", float(offset), float(scale))
                for number, (offset, scale) in enumerate(signals.norms, 1)
            ),
            gates=self._gates(trace, signals),
            attentions=signals.attentions.start(),
            dropout=signals.dropout,
        )
        self.gradients = None
        del output, total
        start = replace(start, first_not_finite=self._first_not_finite(start, state))
        return self._expensive(start, expensive, notes, state)

    def _gates(self, trace: Trace, signals: Signals) -> tuple[GateStart, ...]:
        modules = dict(self.model.named_modules())
        found: list[GateStart] = []
        for index, inputs in signals.recurrent.items():
            name = trace.calls[index].module
            found += gates_of(modules.get(name, self.model), name, inputs)
        signals.recurrent.clear()
        return tuple(found)

    def _wants_gradients(self) -> bool:
        return any(parameter.requires_grad for parameter in self.model.parameters())

    def _backward(self, total: Tensor) -> None:
        """Gradients without a trace on the parameters: nothing is added to their `.grad`."""
        if not total.requires_grad:
            self.failure = "the loss depends on no parameter that asks for a gradient"
            self.gradients = {}
            return
        own = {name: each for name, each in self.model.named_parameters() if each.requires_grad}
        gradients: Sequence[Tensor | None]
        try:
            # Gradients of parts cannot be taken through these; `untouched` keeps every `.grad`.
            if _sharded(self.model) or _flattened(self.model) or _own_backward(total):
                total.backward()
                gradients = [each.grad for each in own.values()]
            else:
                gradients = torch.autograd.grad(total, list(own.values()), allow_unused=True)
        except RuntimeError as error:
            self.failure = f"{type(error).__name__}: {error}"
            return
        self.gradients = dict(zip(own, gradients, strict=True))

    def _input_spread(self) -> float | None:
        """How the inputs differ from each other, where they are numbers with some features."""
        for tensor in tensors_in(self.inputs):
            if tensor.dtype.is_floating_point and tensor.dim() > 1:
                if not len(tensor) or tensor[0].numel() < FEWEST_FEATURES:
                    return None
                numbers: dict[str, Tensor] = {}
                spread(tensor.detach(), self.examples, numbers)
                return float(numbers["spread"]) if "spread" in numbers else None
        return None

    def _first_not_finite(self, start: ModelStart, state: Tensor) -> str | None:
        """Where the first number appears that is not finite; the model is run once more only where there is one."""
        bad = next((each.name for each in start.parameters if not each.finite), None)
        if bad is not None:
            return f"parameter {bad}"
        if any(map(spoiled, tensors_in(self.inputs))):
            return "the inputs"
        lost = start.loss is not None and not math.isfinite(start.loss.total)
        if not lost and all(layer.signal.finite for layer in start.layers):
            return None
        tracer = Tracer(self.model)
        tracer.observer = first = FirstNotFinite(tracer.last)
        torch.set_rng_state(state)
        with torch.no_grad(), tracer:
            tracer.feed(self.inputs)
            total_loss(call_model(self.model, self.inputs), self.targets, self.loss)
        return first.found or ("the loss" if lost else None)

    def _expensive(self, start: ModelStart, expensive: Expensive, notes: list[str], state: Tensor) -> ModelStart:
        facts: dict[str, Any] = {}

        def again() -> Any:
            torch.set_rng_state(state)
            return call_model(self.model, self.inputs)

        def total() -> Tensor | None:
            return total_loss(again(), self.targets, self.loss)

        if expensive.curvature:
            facts["curvature"], note = extras.curvature(self.model, total)
            notes.append(note)
        if expensive.jacobian:
            torch.set_rng_state(state)
            facts["singular"], note = extras.singular_values(self.model, self.inputs)
            notes.append(note)
        if expensive.rounding:
            facts["rounding"], note = extras.rounding(self.model, again)
            notes.append(note)
        return replace(start, notes=tuple(note for note in notes if note), **facts)


def _sharded(model: torch.nn.Module) -> bool:
    """Whether parameters are pieces of tensors that several processes hold."""
    return any(hasattr(parameter, "full_tensor") for parameter in model.parameters())


def _flattened(model: torch.nn.Module) -> bool:
    """Whether PyTorch's first FSDP is around it, or within: what it calls layers with are views of its own."""
    fsdp = sys.modules.get("torch.distributed.fsdp.fully_sharded_data_parallel")  # of a model of it, it was imported
    wrapper = getattr(fsdp, "FullyShardedDataParallel", None)
    return wrapper is not None and any(isinstance(module, wrapper) for module in model.modules())


def _own_backward(total: Tensor) -> bool:
    """Whether a function with a `backward` of its own lies in the graph of the loss.

    It may fill `.grad` itself, as reentrant checkpoints and reversible blocks do.
    """
    waiting, seen = [total.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            return True
        seen.add(node)
        waiting += [each for each, _ in node.next_functions]
    return False


def _dtype(model: torch.nn.Module) -> str:
    dtype = next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), torch.float32)
    if torch.is_autocast_enabled():
        dtype = torch.get_autocast_gpu_dtype()
    return str(dtype).removeprefix("torch.")
