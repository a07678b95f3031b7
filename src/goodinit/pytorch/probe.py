"""The probe of a model: it is filled as a method says, run on a batch, and in the end as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from goodinit.errors import GoodinitError
from goodinit.methods.assignment import Assignment
from goodinit.methods.probe import CallOutput, Finish, Gains, GainSlopes, Measurement, Sweep
from goodinit.pytorch import derivatives
from goodinit.pytorch.calling import call_model, describe, mapped, spoiled, tensors_in
from goodinit.pytorch.guard import untouched
from goodinit.pytorch.loop import seeded
from goodinit.pytorch.losses import LossFunction, total_loss
from goodinit.pytorch.plan import Planned, planned
from goodinit.pytorch.read import ModelWeight
from goodinit.pytorch.staging import is_staged, stage
from goodinit.pytorch.sweep import Sweeper
from goodinit.pytorch.trace import Observer
from goodinit.pytorch.writing import tensors_of, write
from goodinit.streams import KeyedStream
from goodinit.structure import Trace

__all__ = ["GivenBatch", "ModelProbe"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class GivenBatch:
    """What a person gave to measure on: inputs, targets, and the loss; a loss of None is the output's own."""

    inputs: Any = None
    targets: Any = None
    loss: LossFunction | None = None


class ModelProbe:
    """A model filled and run as a method asks; see `goodinit.methods.Probe`, which this is.

    From its making until `close` the model is its own: it is then as it was, to the bit. The model runs in the mode
    that it is in, from the same random state each time.
    """

    def __init__(
        self,
        model: nn.Module,
        weights: Sequence[ModelWeight],
        trace: Trace | None,
        stream: KeyedStream,
        batch: GivenBatch,
        finish: Finish,
    ) -> None:
        assert trace is not None
        if any(each.meta for each in weights):
            raise GoodinitError(
                "a batch is measured, which takes numbers: make the model on a real device, not on the meta device"
            )
        for place, tensor in enumerate(tensors_in(batch.inputs), 1):
            if spoiled(tensor):
                raise GoodinitError(
                    f"a batch is measured, and input {place} of it, {describe(tensor)}, holds nan or infinite numbers; "
                    "fill them, or drop their rows"
                )
        self._model, self._weights, self._trace, self._stream = model, weights, trace, stream
        self._finish, self.batch = finish, batch
        self.measured: list[Measurement] = []
        self.notes: list[str] = []
        self._stack = ExitStack()
        self._stack.enter_context(untouched(model))
        self._parameters = dict(model.named_parameters())
        self._filled: tuple[Assignment, ...] | None = None
        self._bases: dict[str, Tensor] = {}
        self._tuned: dict[str, Tensor] = {}
        self._without_grad = True
        first = next((tensor for tensor in tensors_in(batch.inputs) if tensor.dim()), None)
        self.examples = None if first is None else first.shape[0]
        self._loss_found: bool | None = None

    def close(self) -> None:
        """Put the model back."""
        self._stack.close()

    # --- what it is filled with ---

    def free(self, said: tuple[Assignment, ...]) -> frozenset[str]:
        """The parameters that get what was said of them."""
        return frozenset(
            each.name
            for each, final in zip(said, self._finish(said), strict=True)
            if each.initializer is not None and each.initializer is final.initializer
        )

    def scalable(self, said: tuple[Assignment, ...]) -> dict[str, Tensor]:
        """Of those the tensors that can be multiplied where they lie, by name."""
        free = self.free(said)
        return {
            each.name: self._parameters[each.parameters[0]]
            for each in self._weights
            if each.name in free and each.form == "plain" and each.dtype.is_floating_point
        }

    def _fill(self, said: tuple[Assignment, ...]) -> None:
        if self._filled is said:
            return
        made: tuple[Planned, ...] = planned(self._weights, self._finish(said))
        staged = {each.weight.name: stage(self._model, each, self._stream) for each in made if is_staged(each)}
        write(made, staged, self._stream, tensors_of(self._model))
        self._filled, self._bases, self._tuned = said, {}, {}

    def _scale(self, said: tuple[Assignment, ...], gains: Gains) -> dict[str, Tensor]:
        """Fill, multiply, and give the tensors that can be multiplied."""
        self._fill(said)
        if not self._bases:
            self._tuned = self.scalable(said)
            self._bases = {name: tensor.detach().clone() for name, tensor in self._tuned.items()}
        with torch.no_grad():
            for name, tensor in self._tuned.items():
                torch.mul(self._bases[name], gains.get(name, 1.0), out=tensor)
                tensor.requires_grad_()
        return self._tuned

    # --- runs ---

    @contextmanager
    def _run(self, gradients: bool) -> Iterator[Any]:
        """Copies of the inputs; the random state is the probe's, and buffers are as before after it."""
        buffers = [(buffer, buffer.detach().clone()) for buffer in self._model.buffers()]
        try:
            with seeded(self._stream.seed, "probe"), torch.set_grad_enabled(gradients), _twice(gradients):
                yield mapped(lambda tensor: tensor.detach().clone(), self.batch.inputs)
        except RuntimeError as error:
            raise GoodinitError(f"the model cannot be differentiated as the method asks ({_brief(error)})") from error
        finally:
            with torch.no_grad():
                for buffer, values in buffers:
                    buffer.copy_(values)

    def _traced(
        self, sweep: Sweep | None, jacobians: bool, gradients: bool, observer: Observer | None = None
    ) -> tuple[CallOutput, ...]:
        sweeper = Sweeper(self._model, self._trace, self.examples, self._stream, sweep, jacobians)
        sweeper.observer = observer or sweeper.observer
        with self._run(gradients) as inputs:
            if jacobians:
                starts: list[Tensor] = []
                inputs = mapped(lambda tensor: _start(tensor, starts), inputs)
                sweeper.enter(starts)
            with sweeper:
                sweeper.feed(inputs)
                call_model(self._model, inputs)
        return tuple(sweeper.outputs)

    def outputs(self, said: tuple[Assignment, ...]) -> tuple[CallOutput, ...]:
        """One run: the output of every layer call."""
        return self._tried(said, lambda gradients: self._traced(None, False, gradients))

    def sum_inputs(self, said: tuple[Assignment, ...]) -> Mapping[int, float]:
        """The variance of what each residual branch is added to."""

        def run(gradients: bool) -> dict[int, float]:
            sums = _Sums()
            self._traced(None, False, gradients, sums)
            return sums.variances

        return self._tried(said, run)

    def sweep(self, said: tuple[Assignment, ...], sweep: Sweep, *, jacobians: bool = False) -> tuple[CallOutput, ...]:
        """One run in which each layer call's weight is rescaled before its output goes on."""
        try:
            return self._tried(said, lambda gradients: self._traced(sweep, jacobians, gradients or jacobians))
        except GoodinitError as error:
            if jacobians:  # the same run works without
                raise GoodinitError(
                    "the Jacobians between layers cannot be taken: the model differentiates inside its own forward, or "
                    f"changes its layers' outputs where that must be known ({_brief(error.__cause__ or error)})"
                ) from error
            raise
        finally:
            self._filled = None  # projections inside a function were rescaled where they lie

    def _tried(self, said: tuple[Assignment, ...], run: Callable[[bool], _T]) -> _T:
        """A run without gradients, or with them where the model takes some in `forward`, as energies and forces do."""
        self._fill(said)
        if self._without_grad:
            try:
                return run(False)
            except GoodinitError:
                self._without_grad, self._filled = False, None
        self._fill(said)
        return run(True)

    # --- the loss ---

    @property
    def has_loss(self) -> bool:
        """Whether a loss can be computed: one was given, or the output carries one."""
        if self._loss_found is None:
            self._loss_found = self.batch.loss is not None
            if not self._loss_found:
                with self._run(False) as inputs:
                    self._loss_found = total_loss(call_model(self._model, inputs), None, None) is not None
        return self._loss_found

    def loss(self, inputs: Any, targets: Any) -> Tensor:
        """The loss of some inputs; called within a run."""
        try:
            output = call_model(self._model, inputs)
        except GoodinitError as error:
            if inputs is self.batch.inputs or not isinstance(error.__cause__, Exception):
                raise
            raise GoodinitError(
                "parts of the batch are measured, and the model does not run on a part alone, as where examples refer "
                f"to each other ({_brief(error.__cause__)})"
            ) from error
        try:
            total = total_loss(output, targets, self.batch.loss)
        except GoodinitError as error:
            own = self.batch.targets
            if inputs is self.batch.inputs or not isinstance(own, Tensor) or own.shape[:1] == (self.examples,):
                raise
            rows = own.shape[0] if own.dim() else 1
            raise GoodinitError(
                f"{error}; parts of the batch are measured, and beside {self.examples} examples there are {rows} rows "
                "of targets: give one row for each example"
            ) from error
        if total is None or not total.requires_grad:
            raise GoodinitError("the loss depends on no parameter that asks for a gradient")
        return total

    def part(self, start: float, stop: float) -> tuple[Any, Any]:
        """The inputs and the targets of a part of the examples; of all where there are too few to divide."""
        count = self.examples or 0
        low, high = round(count * start), round(count * stop)
        if high - low < 1 or not count:
            return self.batch.inputs, self.batch.targets

        def cut(tensor: Tensor) -> Tensor:
            return tensor[low:high] if tensor.dim() and tensor.shape[0] == count else tensor

        return mapped(cut, self.batch.inputs), mapped(cut, self.batch.targets)

    def lengths(self, said: tuple[Assignment, ...]) -> Mapping[str, float]:
        """The Euclidean norm of each parameter that can be multiplied."""
        return {name: float(tensor.detach().double().norm()) for name, tensor in self._scale(said, {}).items()}

    def backward(self, said: tuple[Assignment, ...]) -> Mapping[str, float]:
        """The norm of each weight's gradient over that of the weight, where outputs' gradients are standard normal."""
        tensors = self._scale(said, {})
        with self._run(True) as inputs:
            output = [each for each in tensors_in(call_model(self._model, inputs)) if each.requires_grad]
            drawn = [
                torch.from_numpy(self._stream.normal(f"probe/backward/{at}", 0, each.numel()))
                .to(each.device, each.dtype)
                .reshape(each.shape)
                for at, each in enumerate(output)
            ]
            if not output:
                raise GoodinitError("the model's output depends on no weight")
            found = torch.autograd.grad(output, list(tensors.values()), drawn, allow_unused=True)
        return {
            name: 0.0 if each is None else float(each.double().norm()) / (float(tensor.detach().double().norm()) or 1.0)
            for (name, tensor), each in zip(tensors.items(), found, strict=True)
        }

    def gradients(self, said: tuple[Assignment, ...]) -> Mapping[str, NDArray[np.float64]]:
        """The gradient of the loss by each parameter that it depends on."""
        self._scale(said, {})
        own = {name: tensor for name, tensor in self._parameters.items() if tensor.requires_grad}
        with self._run(True) as inputs:
            found = torch.autograd.grad(self.loss(inputs, self.batch.targets), list(own.values()), allow_unused=True)
        return {name: each.double().cpu().numpy() for name, each in zip(own, found, strict=True) if each is not None}

    def quotient(
        self, said: tuple[Assignment, ...], gains: Gains, *, noise: str | None = None, epsilon: float = 1e-5
    ) -> GainSlopes:
        """The gradient quotient."""
        tensors = self._scale(said, gains)
        with self._run(True) as inputs:
            if noise is not None:
                inputs = self._noise(inputs, noise)
            total = self.loss(inputs, self.batch.targets)
            return derivatives.slope_of(derivatives.quotient(total, self._differentiated(), epsilon), tensors, gains)

    def norm(
        self, said: tuple[Assignment, ...], gains: Gains, *, order: int, parts: int | None = None, slopes: bool = True
    ) -> GainSlopes:
        """The norm of the loss's gradient over two thirds of the batch, or the mean of those over parts of it."""
        tensors, own = self._scale(said, gains), self._differentiated()
        with self._run(True):
            totals = [self.loss(*self.part(0, 2 / 3))] if parts is None else self._losses(parts)
            norms = torch.stack([derivatives.norm(total, own, order, again=slopes) for total in totals]).mean()
            return derivatives.slope_of(norms, tensors, gains) if slopes else GainSlopes(float(norms), {})

    def after_step(self, said: tuple[Assignment, ...], gains: Gains, *, rate: float, order: int) -> GainSlopes:
        """The loss of the last two thirds of the batch after a step on the first two."""
        tensors = self._scale(said, gains)
        own = self._differentiated()
        with self._run(True):
            found = torch.autograd.grad(self.loss(*self.part(0, 2 / 3)), own, allow_unused=True)
        before = [tensor.detach().clone() for tensor in own]
        squares = sum(float(each.double().square().sum()) for each in found if each is not None)
        with torch.no_grad():
            for tensor, each in zip(own, found, strict=True):
                if each is not None:
                    tensor.sub_(rate * (each.sign() if order == 1 else each / (squares**0.5 or 1.0)))
        try:
            with self._run(True):
                total = self.loss(*self.part(1 / 3, 1))
                slopes = torch.autograd.grad(total, list(tensors.values()), allow_unused=True)
        finally:
            with torch.no_grad():
                for tensor, values in zip(own, before, strict=True):
                    tensor.copy_(values)
        return GainSlopes(float(total.detach()), derivatives.by_gain(slopes, tensors, gains))

    def cosine(self, said: tuple[Assignment, ...], gains: Gains, *, parts: int) -> GainSlopes:
        """The mean cosine between the gradients of every two parts of the batch."""
        tensors = self._scale(said, gains)
        with self._run(True):
            return derivatives.slope_of(derivatives.cosine(self._losses(parts), self._differentiated()), tensors, gains)

    def _losses(self, parts: int) -> list[Tensor]:
        return [self.loss(*self.part(at / parts, (at + 1) / parts)) for at in range(parts)]

    def _differentiated(self) -> list[Tensor]:
        return [tensor for tensor in self._parameters.values() if tensor.requires_grad]

    def _noise(self, inputs: Any, name: str) -> Any:
        """Standard normal numbers in the place of every input that is not of whole numbers."""
        place = 0

        def drawn(tensor: Tensor) -> Tensor:
            nonlocal place
            place += 1
            if not tensor.dtype.is_floating_point:
                return tensor
            values = self._stream.normal(f"{name}/{place}", 0, tensor.numel())
            return torch.from_numpy(values).to(tensor.device, tensor.dtype).reshape(tensor.shape)

        return mapped(drawn, inputs)

    # --- the record ---

    def record(self, *measurements: Measurement) -> None:
        """Keep what was measured."""
        self.measured += measurements

    def note(self, text: str) -> None:
        """Keep a sentence."""
        self.notes.append(text)


def _brief(error: BaseException) -> str:
    """The first sentence of another's error."""
    lines = str(error).strip().splitlines()
    return lines[0].partition(". ")[0][:160] if lines else f"{type(error).__name__}, no reason given"


def _twice(gradients: bool) -> AbstractContextManager[Any]:
    """Attention by its plain formula, which can be differentiated twice, unlike PyTorch's fused kernels."""
    return sdpa_kernel(SDPBackend.MATH) if gradients else nullcontext()


class _Sums(Observer):
    """Keeps the variance of what each branch is added to."""

    def __init__(self) -> None:
        self.variances: dict[int, float] = {}

    def summed(self, stream: Tensor, branch: Tensor, calls: tuple[int, ...], total: Tensor, scale: float) -> None:
        """A branch was added."""
        self.variances[calls[-1]] = float(stream.detach().double().var(correction=0))


def _start(tensor: Tensor, starts: list[Tensor]) -> Tensor:
    """An input whose derivatives are taken; it may be changed in place."""
    if not tensor.dtype.is_floating_point:
        return tensor
    starts.append(tensor.requires_grad_())
    return tensor.clone()
