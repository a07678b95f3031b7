"""Many models of one architecture trained at once, each by its own learning rate, as stacked arrays.

Every model takes the examples of its seed in the order of its seed. One call of `torch.func.vmap` runs all, and the
optimizer's steps are those of PyTorch's, written for stacked parameters: a model's numbers are those of training it
alone but for rounding, since products of stacked arrays may add in another order. Layers that `vmap` does not know,
such as PyTorch's recurrent ones, are refused by it with a RuntimeError.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from goodinit.methods import Multipliers
from goodinit.pytorch.loop import Criterion, LoopRun, all_outputs, outputs_of

__all__ = ["STACKED", "Examples", "check_stacked", "train_ensemble"]

_AGREE: Final = 1e-3  # relative


class _Update(Protocol):
    def __call__(self, name: str, parameter: Tensor, grad: Tensor, step: int, by: _Factors) -> None:
        """Change the parameter in place, a model a row."""
        ...


@dataclass(frozen=True)
class _Factors:
    """What a parameter's rate, epsilon and decay are, a model a row; None for an epsilon and a decay of no model."""

    rate: Tensor
    epsilon: Tensor
    decay: Tensor


@dataclass
class _Momentum:
    momentum: float
    decay: float
    kept: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, name: str, parameter: Tensor, grad: Tensor, step: int, by: _Factors) -> None:
        if self.decay:
            grad = torch.addcmul(grad, parameter, self.decay * by.decay)
        if self.momentum:
            kept = self.kept.get(name)
            self.kept[name] = grad = grad.clone() if kept is None else kept.mul_(self.momentum).add_(grad)
        parameter.addcmul_(by.rate, grad, value=-1)


@dataclass
class _Adam:
    decay: float
    decoupled: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    kept: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __call__(self, name: str, parameter: Tensor, grad: Tensor, step: int, by: _Factors) -> None:
        one, two = self.betas
        if self.decay and self.decoupled:
            parameter.mul_(1 - self.decay * by.rate * by.decay)
        elif self.decay:
            grad = torch.addcmul(grad, parameter, self.decay * by.decay)
        if name not in self.kept:
            self.kept[name] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        first, second = self.kept[name]
        first.lerp_(grad, 1 - one)
        second.mul_(two).addcmul_(grad, grad, value=1 - two)
        root = second.sqrt().div_(math.sqrt(1 - two**step)).add_(self.epsilon * by.epsilon)
        parameter.addcmul_(by.rate, first.div(root), value=-1 / (1 - one**step))


STACKED: Final[Mapping[str, Callable[[float], _Update]]] = {
    "gradient_descent": lambda decay: _Momentum(0.0, decay),
    "momentum": lambda decay: _Momentum(0.9, decay),
    "adam": _Adam,
    "adamw": lambda decay: _Adam(decay, decoupled=True),
}
"""The optimizers of `loop.TORCH_OPTIMIZERS` for stacked parameters, by their weight decay."""


@dataclass(frozen=True)
class Examples:
    """What the models of a seed are trained on: inputs, an example a row, targets, and the examples of each step."""

    X: Tensor
    targets: Tensor
    batches: Iterable[Any]


def train_ensemble(
    models: Sequence[nn.Module],
    seeds: Sequence[int],
    examples: Mapping[int, Examples],
    kind: Criterion,
    *,
    optimizer: str,
    weight_decay: float,
    learning_rates: Sequence[float],
    steps: int,
    record_every: int,
    factor: Callable[[int], float] = lambda step: 1.0,
    clipping: float | None = None,
    progress: Callable[[int], None] = lambda step: None,
    multipliers: Sequence[Mapping[str, Multipliers]] = (),
) -> list[LoopRun]:
    """Train the models, which share their architecture, and put what was trained into them; a run for each.

    Arguments:
        models: on the device of the inputs.
        seeds: of each model; `examples` has as many for every seed, in batches of the same sizes.
        kind, optimizer, weight_decay, steps, record_every, factor, clipping, progress: as for `loop.train_model`.
        learning_rates: of each model, and `multipliers` by a parameter's name for each.

    Raises RuntimeError for layers that cannot be stacked, and for what a model draws while it trains, such as dropout.
    """
    ensemble = _Ensemble(models, learning_rates, multipliers or [{}] * len(models), STACKED[optimizer](weight_decay))
    kept = list(dict.fromkeys(seeds))
    place = torch.tensor([kept.index(seed) for seed in seeds])
    X, targets = (torch.stack([getattr(examples[seed], name) for seed in kept]) for name in ("X", "targets"))
    orders = [iter(examples[seed].batches) for seed in kept]
    place = place.to(X.device)
    losses: list[list[float]] = [[] for _ in models]
    ended: dict[int, tuple[int, Tensor]] = {}
    often = max(1, steps // 100)

    def record(step: int) -> Tensor:
        outputs = ensemble.outputs(X, place.tolist())
        values = _losses(kind, outputs, targets[place])
        finite = values.isfinite() & ensemble.finite()
        for at, (value, whole) in enumerate(zip(values.tolist(), finite.tolist(), strict=True)):
            if not whole:
                ended.setdefault(at, (step, outputs[at]))
            losses[at].append(math.nan if at in ended else value)
        return outputs

    for step in range(steps):
        if step % record_every == 0:
            record(step)
        chosen = [next(order) for order in orders]
        part, wanted = (
            torch.stack([each[rows] for each, rows in zip(all_, chosen, strict=True)]) for all_ in (X, targets)
        )
        ensemble.step(part[place], wanted[place], kind, step + 1, factor(step), clipping)
        if (step + 1) % often == 0:
            progress(step + 1)
    progress(steps)
    outputs = record(steps)  # with which the models have what was trained
    runs = []
    for at, values in enumerate(losses):
        by, last = ended.get(at, (None, outputs[at]))
        runs.append(LoopRun(tuple(values[:-1]), values[-1], by, last))
    return runs


def check_stacked(models: Sequence[nn.Module], X: Tensor) -> None:
    """Raise RuntimeError where models cannot be run as one on the inputs, or give other outputs than by themselves.

    A model may hold what is neither a parameter nor a buffer: as one, all have that of the first.
    """
    ensemble = _Ensemble(models, [0.0] * len(models), [{}] * len(models), _Momentum(0.0, 0.0))
    ensemble.base.train()
    with torch.no_grad():
        together = ensemble.all(X.expand(len(models), *X.shape))
        for found, model in zip(together, models, strict=True):
            wanted = outputs_of(copy.deepcopy(model).train(), X)
            if not torch.allclose(found, wanted, rtol=_AGREE, atol=_AGREE * float(wanted.abs().max())):
                raise RuntimeError("its outputs are then others: it holds what is neither a parameter nor a buffer")


class _Ensemble:
    """Models as stacked parameters and buffers."""

    def __init__(
        self,
        models: Sequence[nn.Module],
        rates: Sequence[float],
        multipliers: Sequence[Mapping[str, Multipliers]],
        update: _Update,
    ) -> None:
        self.models, self.update = list(models), update
        trains = {name for name, parameter in models[0].named_parameters() if parameter.requires_grad}
        self.parameters = _stacked([dict(model.named_parameters()) for model in models])
        self.buffers = _stacked([dict(model.named_buffers()) for model in models])
        self.trained = [name for name in self.parameters if name in trains]
        self.base = copy.deepcopy(models[0])
        self.factors = {}
        for name in self.trained:
            own = [each.get(name, Multipliers()) for each in multipliers]
            rows = (
                [rate * each.rate for rate, each in zip(rates, own, strict=True)],
                [each.epsilon for each in own],
                [each.decay for each in own],
            )
            self.factors[name] = _Factors(*(self._column(row, self.parameters[name]) for row in rows))
        self.run = vmap(self._one, in_dims=(0, 0, 0), randomness="error")

    @staticmethod
    def _column(row: Sequence[float], like: Tensor) -> Tensor:
        return torch.tensor(row, dtype=like.dtype, device=like.device).reshape(-1, *(1,) * (like.dim() - 1))

    def all(self, X: Tensor) -> Tensor:
        """The outputs of every model for inputs of its own."""
        with sdpa_kernel(SDPBackend.MATH):  # the other kernels of attention would run the models one after the other
            outputs: Tensor = self.run(self.parameters, self.buffers, X)
        return outputs

    def _one(self, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], X: Tensor) -> Tensor:
        return outputs_of(_Called(self.base, {**parameters, **buffers}), X)

    def step(
        self, X: Tensor, targets: Tensor, kind: Criterion, step: int, factor: float, clipping: float | None
    ) -> None:
        """One step of every model, whose rates are multiplied by the factor, and gradients clipped."""
        self.base.train()
        loss = _losses(kind, self.all(X), targets).sum()
        values = [self.parameters[name] for name in self.trained]
        grads: Sequence[Tensor | None] = torch.autograd.grad(loss, values, allow_unused=True)
        with torch.no_grad():
            if clipping is not None:
                grads = _clipped(grads, clipping)
            for name, value, grad in zip(self.trained, values, grads, strict=True):
                if grad is not None:
                    own = self.factors[name]
                    if factor != 1:
                        own = replace(own, rate=own.rate * factor)
                    self.update(name, value, grad, step, own)

    @torch.no_grad()
    def outputs(self, X: Tensor, place: Sequence[int]) -> Tensor:
        """Those of every model in evaluation mode for the inputs at its place: (models, examples, outputs).

        The models then have what was trained so far. One model after the other: of many examples that takes as long as
        all at once, or half of it.
        """
        self.put_back()
        return torch.stack([all_outputs(model, X[at]) for model, at in zip(self.models, place, strict=True)])

    @torch.no_grad()
    def finite(self) -> Tensor:
        """Whether all parameters of a model are finite."""
        found = [value.flatten(1).isfinite().all(dim=1) for value in self.parameters.values()]
        return torch.stack(found).all(dim=0)

    @torch.no_grad()
    def put_back(self) -> None:
        """Copy what was trained into the models."""
        for at, model in enumerate(self.models):
            for name, value in [*model.named_parameters(), *model.named_buffers()]:
                value.copy_((self.parameters if name in self.parameters else self.buffers)[name][at])


def _stacked(tensors: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of each name, a model a row. Models may be of classes of their own: the first one is called."""
    return {
        name: torch.stack([each[name].detach() for each in tensors]).requires_grad_(first.requires_grad)
        for name, first in tensors[0].items()
    }


class _Called:
    """A module called with given parameters and buffers."""

    def __init__(self, module: nn.Module, values: Mapping[str, Tensor]) -> None:
        self.module, self.values = module, dict(values)

    def __call__(self, X: Tensor) -> Any:
        return functional_call(self.module, self.values, (X,))


def _clipped(grads: Sequence[Tensor | None], limit: float) -> tuple[Tensor | None, ...]:
    """The gradients, a model a row, as torch.nn.utils.clip_grad_norm_ leaves those of each."""
    norms = torch.stack([grad.flatten(1).norm(dim=1) for grad in grads if grad is not None]).norm(dim=0)
    factor = (limit / (norms + 1e-6)).clamp(max=1)
    return tuple(
        None if grad is None else grad * factor.view(-1, *(1,) * (grad.dim() - 1)).to(grad.dtype) for grad in grads
    )


def _losses(kind: Criterion, outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean loss of each model, as `loop.loss_of`, by (models, examples, outputs) and (models, examples)."""
    if callable(kind):
        return torch.stack([kind(*own) for own in zip(outputs, targets, strict=True)])
    if kind == "cross_entropy":
        each = functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
        return each.view(targets.shape).mean(dim=1)
    wanted = targets.to(outputs.dtype)
    if kind == "binary_cross_entropy":
        each = functional.binary_cross_entropy_with_logits(outputs[..., 0], wanted, reduction="none")
        return each.mean(dim=1)
    return (outputs[..., 0] - wanted).square().mean(dim=1)
