"""The zoo: models that others wrote, each with a batch and a loss, built from configurations, never downloaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Case", "Model", "classes", "installed", "pictures", "words", "zoo"]


@dataclass(frozen=True)
class Case:
    """A model with what it is called with; `loss` is None where the output carries its own."""

    model: nn.Module
    inputs: Any
    targets: Any = None
    loss: Callable[..., Tensor] | None = None


@dataclass(frozen=True)
class Model:
    """One animal: its name, the library it comes from, and the function that makes it."""

    name: str
    library: str
    make: Callable[[], Case]


def zoo() -> Iterator[Model]:
    """All models of the libraries that are installed."""
    from zoo_others import others
    from zoo_plain import plain
    from zoo_transformers import transformers
    from zoo_vision import importable, vision

    if installed("torchvision"):
        importable()
    for models in (plain, transformers, vision, others):
        yield from (model for model in models() if installed(model.library))


def installed(library: str) -> bool:
    """Whether a library is there."""
    return find_spec(library) is not None


def words(rows: int = 2, length: int = 24, vocabulary: int = 1000) -> Tensor:
    """Tokens, none of them a special one."""
    return torch.randint(5, vocabulary, (rows, length), generator=_seeded())


def pictures(rows: int = 4, size: int = 64, channels: int = 3) -> Tensor:
    """Standard normal pictures."""
    return torch.randn(rows, channels, size, size, generator=_seeded())


def classes(rows: int = 4, of: int = 10) -> Tensor:
    """Targets, every class about as often."""
    return torch.arange(rows) % of


def cross_entropy(output: Any, targets: Tensor) -> Tensor:
    """Of the logits, wherever a library has them."""
    logits = getattr(output, "logits", output)
    logits = logits[0] if isinstance(logits, tuple | list) else logits
    return functional.cross_entropy(logits, targets)


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)
