"""An initializer by its name or its text form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final

from goodinit.errors import GoodinitError, nearest, unknown_name
from goodinit.initializers.base import Initializer
from goodinit.spec import parse_spec

__all__ = ["get", "register"]

_BY_NAME: Final[dict[str, type[Initializer]]] = {}


def register(classes: Iterable[type[Initializer]]) -> None:
    """Let `get` find initializers by their names and aliases."""
    _BY_NAME.update({name: cls for cls in classes for name in (cls.name, *cls.aliases)})


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
            f"{initializer!r} is not an initialization; give a name, name(option=value) or an initializer"
        )
    name, written = parse_spec(initializer)
    if name not in _BY_NAME:
        raise unknown_name("initializer", name, _BY_NAME, see="goodinit show lists them all")
    cls, options = _BY_NAME[name], {**written, **options}
    known = [f.name for f in fields(cls) if f.init]
    for option in options:
        if option not in known:
            close = nearest(option, known)
            advice = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known) or 'no option'}"
            raise GoodinitError(f"initializer {name!r} has no option {option!r}; {advice}")
    return cls(**options)
