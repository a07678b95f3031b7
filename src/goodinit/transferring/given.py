"""What a person gave to `transfer`, made into a model with its batches, loss and optimizers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from goodinit.errors import GoodinitError, shown

if TYPE_CHECKING:
    import torch

__all__ = ["Given", "Made"]

_PARTS: Final = ("model", "inputs", "targets", "loss", "optimizer")
_SHARDED: Final = ("DTensor", "ShardedTensor", "FlatParameter")
_WRAPPERS: Final = ("FullyShardedDataParallel", "DistributedDataParallel", "DataParallel")


@dataclass
class Made:
    """A model that is about to be trained; `batch(step)` gives inputs and targets."""

    model: torch.nn.Module
    batch: Callable[[int], tuple[Any, Any]]
    loss: Callable[..., Any] | None
    optimizers: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Given:
    """The arguments of `transfer`, which make a model for any size and seed."""

    name: str
    make: Callable[..., Any]
    axis: str
    batch: Any = None
    loss: Callable[..., Any] | None = None
    optimizer: Any = None
    learning_rate: float | None = None
    init: Any = None

    def made(self, size: int, seed: int, rate: float | None = None) -> Made:
        """A new model of that size; PyTorch's random state is that of the seed within, and as before after it.

        Raises GoodinitError where the factory fails or gives something else than is needed, and for models in parts.
        """
        from goodinit.pytorch.loop import seeded

        where = f"{self.name}({self.axis}={size})"
        with seeded(seed, "transfer"):
            try:
                found = self._called(size)
            except GoodinitError:
                raise
            except (Exception, SystemExit) as error:
                raise GoodinitError(f"{where} failed: {type(error).__name__}: {error}") from error
            parts = self._parts(found, where)
            model = _whole(parts["model"], where)
            batch = _batches(self.batch if self.batch is not None else _pair(parts), where)
            loss = self.loss if self.loss is not None else parts.get("loss")
            done = None
            if self.init is not None:
                from goodinit.pytorch import initialize

                inputs, targets = batch(0)
                done = initialize(model, self.init, seed=seed, inputs=inputs, targets=targets, loss=loss)
            wanted = self.optimizer if self.optimizer is not None else parts.get("optimizer")
            optimizers = self._optimizers(wanted, model, size, rate, done, where)
        return Made(model, batch, loss, optimizers)

    def _called(self, size: int) -> Any:
        known: Mapping[str, inspect.Parameter] = {}
        with suppress(TypeError, ValueError):  # of what is built in
            known = inspect.signature(self.make).parameters
        by_name = self.axis in known or any(each.kind is each.VAR_KEYWORD for each in known.values())
        return self.make(**{self.axis: size}) if by_name else self.make(size)

    def _parts(self, found: Any, where: str) -> dict[str, Any]:
        if isinstance(found, Mapping):
            unknown = [key for key in found if key not in _PARTS]
            if unknown:
                raise GoodinitError(
                    f"{where} returned a dict with {shown(unknown[0])}; its keys are {', '.join(_PARTS)}"
                )
            return {"model": None, **found}
        parts = found if isinstance(found, tuple | list) else (found,)
        if not 1 <= len(parts) <= len(_PARTS):
            raise GoodinitError(f"{where} returned {len(parts)} things; return up to five: {', '.join(_PARTS)}")
        return dict(zip(_PARTS, parts, strict=False))

    def _optimizers(
        self, wanted: Any, model: torch.nn.Module, size: int, rate: float | None, done: Any, where: str
    ) -> list[Any]:
        import torch

        from goodinit.pytorch.loop import TORCH_OPTIMIZERS

        step = self.learning_rate if rate is None else rate
        parameters: Any = [each for each in model.parameters() if each.requires_grad]
        if hasattr(done, "param_groups") and (wanted is None or isinstance(wanted, str | type)):
            parameters = done.param_groups(lr=1e-3 if step is None else step)
        if wanted is None or isinstance(wanted, str):
            name = wanted or "adam"
            if name not in TORCH_OPTIMIZERS:
                raise GoodinitError(
                    f"optimizer={shown(name)}: it must be one of {', '.join(TORCH_OPTIMIZERS)}, or a function"
                )
            return [TORCH_OPTIMIZERS[name](parameters, 1e-3 if step is None else step)]
        if isinstance(wanted, type) and issubclass(wanted, torch.optim.Optimizer):
            build: Any = wanted
            return [build(parameters, lr=1e-3 if step is None else step)]
        if isinstance(wanted, torch.optim.Optimizer):
            return _scaled([wanted], self.learning_rate, rate)
        if not callable(wanted):
            raise GoodinitError(f"optimizer={shown(wanted)}: give a function of the model that returns an optimizer")
        known = inspect.signature(wanted).parameters
        values = {self.axis: size, "learning_rate": step, "lr": step}
        if self.axis in getattr(wanted, "keywords", {}):  # of a partial: what a person has bound stays
            del values[self.axis]
        keywords = {key: each for key, each in values.items() if key in known and each is not None}
        try:
            made = wanted(model, **keywords)
        except Exception as error:
            raise GoodinitError(f"the optimizer of {where} failed: {type(error).__name__}: {error}") from error
        several = list(made) if isinstance(made, tuple | list) else [made]
        if not several or not all(hasattr(each, "param_groups") and hasattr(each, "step") for each in several):
            raise GoodinitError(f"optimizer(model) returned {shown(made)}; return an optimizer, or a list of them")
        own = "learning_rate" in keywords or "lr" in keywords
        return several if own else _scaled(several, self.learning_rate, rate)


def _scaled(optimizers: list[Any], base: float | None, rate: float | None) -> list[Any]:
    """The optimizers with every group's rate times the same number, so that the largest, or `base`, becomes `rate`."""
    if rate is not None:
        groups = [group for each in optimizers for group in each.param_groups]
        factor = rate / (max(float(group["lr"]) for group in groups) if base is None else base)
        for group in groups:
            group["lr"] = group["lr"] * factor
    return optimizers


def _whole(model: Any, where: str) -> torch.nn.Module:
    import torch

    if not isinstance(model, torch.nn.Module):
        raise GoodinitError(
            f"{where} returned a {type(model).__name__}; return a torch.nn.Module, or ({', '.join(_PARTS)})"
        )
    parts = [type(each).__name__ for each in (*model.parameters(), *model.modules())]
    parts += [type(each.data).__name__ for each in model.parameters()]
    sharded = next((name for name in parts if name in _SHARDED or name in _WRAPPERS), None)
    if sharded is not None:
        raise GoodinitError(
            f"{where} returned a model that is spread over processes ({sharded}); return the whole model, as it is "
            "before it is sharded: the check needs small widths only"
        )
    from goodinit.pytorch.guard import plain_model

    model = plain_model(model)
    for name, each in model.named_parameters():
        if each.is_meta or torch.nn.parameter.is_lazy(each):
            raise GoodinitError(f"{where}: {name} has no values yet; fill it, or run the model once in the function")
    return model


def _pair(parts: Mapping[str, Any]) -> Any:
    return (parts["inputs"], parts.get("targets")) if parts.get("inputs") is not None else None


def _batches(given: Any, where: str) -> Callable[[int], tuple[Any, Any]]:
    """A function of the step: the batch again and again, one of several in turn, or a person's own."""
    if given is None:
        raise GoodinitError(f"{where} returned no inputs; give batch=(inputs, targets), or return them")
    if callable(given) and not hasattr(given, "shape"):
        return lambda step: _checked(given(step))
    if isinstance(given, Sequence) and given and all(isinstance(each, tuple) and len(each) == 2 for each in given):
        several = list(given)
        if not isinstance(given, tuple):  # a tuple of two tuples is inputs and targets
            return lambda step: _checked(several[step % len(several)])
    pair = _checked(given)
    return lambda step: pair


def _checked(pair: Any) -> tuple[Any, Any]:
    if isinstance(pair, tuple | list) and len(pair) == 2:
        return pair[0], pair[1]
    if isinstance(pair, tuple | list) and len(pair) == 1:
        return pair[0], None
    if isinstance(pair, tuple | list):
        raise GoodinitError(f"batch: a {type(pair).__name__} of {len(pair)} was given; give (inputs, targets)")
    return pair, None
