"""What the shell offers after an option: the names that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from goodinit.options import OPTIONS, TASKS

__all__ = ["completion", "shown_names"]


def completion(option: str) -> Callable[[str], list[str]] | None:
    """Completes a value of that option of `compare`; None where it is no name."""
    choices = OPTIONS[option].choices
    names = _NAMES.get(option, (lambda: choices) if choices else None)
    return None if names is None else lambda incomplete: _beginning(incomplete, names())


def shown_names(incomplete: str) -> list[str]:
    """Completes what `goodinit show` takes: an initializer or an activation."""
    return _beginning(incomplete, [*_initializers(), *_activations()])


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete.lower()))


def _initializers() -> list[str]:
    from goodinit import initializers, methods, recipes

    return [*initializers.names(), *methods.names(), *recipes.names()]


def _activations() -> list[str]:
    from goodinit import activations

    return activations.names()


def _data() -> list[str]:
    from goodinit import datasets

    return datasets.names()


_NAMES: Final[dict[str, Callable[[], Iterable[str]]]] = {
    "init": _initializers,
    "activation": _activations,
    "data": _data,
    "tasks": lambda: TASKS,
}
