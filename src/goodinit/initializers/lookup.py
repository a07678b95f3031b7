"""An initializer by its name or its text form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from goodinit.errors import GoodinitError, shown, unknown_name
from goodinit.initializers.base import Initializer
from goodinit.spec import build, parse_spec

__all__ = ["get", "known", "register", "taken"]

_BY_NAME: Final[dict[str, type[Initializer]]] = {}
_UNLISTED: Final[dict[str, type[Initializer]]] = {}


def register(classes: Iterable[type[Initializer]], *, listed: bool = True) -> None:
    """Let `get` find initializers by their names and aliases; the catalogue has those that are `listed`."""
    names = _BY_NAME if listed else _UNLISTED
    names.update({name: cls for cls in classes for name in (cls.name, *cls.aliases)})


def known() -> list[str]:
    """Every name of the catalogue, aliases too."""
    return list(_BY_NAME)


def taken(name: str) -> bool:
    """Whether `get` takes the name, of the catalogue or not."""
    return name in _BY_NAME or name in _UNLISTED


def get(initializer: str | Initializer, **options: Any) -> Initializer:
    """The initializer of that name; `get("normal", std=10)` and `get("normal(std=10)")` are the same.

    The text is parsed, never evaluated; an Initializer comes back as it is.

    >>> get("normal(std=10)")
    Normal(std=10, mean=0.0)
    >>> str(get("xavier_uniform", gain=2))
    'glorot_uniform(gain=2)'

    Raises GoodinitError for an unknown name or option (with the nearest known ones) or a value out of range.
    """
    if isinstance(initializer, Initializer):
        if options:
            raise GoodinitError(
                f"{initializer} is an initializer already; give options with a name, not with an object"
            )
        return initializer
    if not isinstance(initializer, str):
        raise GoodinitError(
            f"{shown(initializer)} is not an initialization; give a name, name(option=value) or an initializer"
        )
    name, written = parse_spec(initializer)
    cls = _BY_NAME.get(name, _UNLISTED.get(name))
    if cls is None:
        raise unknown_name("initializer", name, _BY_NAME, see="goodinit show lists them all")
    return build(cls, "initializer", name, {**written, **options})
