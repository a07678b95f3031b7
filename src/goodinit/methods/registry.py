"""The registry of methods, and what a person's word for an initialization stands for."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from goodinit import initializers, recipes
from goodinit.errors import GoodinitError, unknown_name
from goodinit.initializers import Initializer
from goodinit.initializers.lookup import known, taken
from goodinit.methods.base import Method
from goodinit.methods.every import EveryWeight
from goodinit.methods.recipe import FromRecipe
from goodinit.spec import build, parse_spec

__all__ = ["Start", "as_method", "catalogue", "get", "names", "register", "unregister"]

Start = Initializer | Method
"""An initializer, which fills every weight, or a method."""

_CLASSES: Final[dict[str, type[Method]]] = {}
_BY_NAME: Final[dict[str, type[Method]]] = {}
_M = TypeVar("_M", bound=Method)


def register(cls: type[_M]) -> type[_M]:
    """Add a class of methods, so that its name is known wherever an initialization is named; a class's decorator.

    Raises GoodinitError for a name that an initializer, a recipe or another method has.
    """
    for name in (cls.name, *cls.aliases):
        other = _BY_NAME.get(name)
        if taken(name) or name in recipes.names() or (other is not None and other.__qualname__ != cls.__qualname__):
            raise GoodinitError(f"the name {name!r} of {cls.__name__} is taken; give the method another")
    _CLASSES[cls.name] = cls
    _BY_NAME.update(dict.fromkeys((cls.name, *cls.aliases), cls))
    return cls


def unregister(cls: type[Method]) -> None:
    """Take a class of methods out again."""
    _CLASSES.pop(cls.name, None)
    for name in (cls.name, *cls.aliases):
        _BY_NAME.pop(name, None)


def names() -> list[str]:
    """The names of all methods.

    >>> from goodinit import methods
    >>> "residual_scaling" in methods.names()
    True
    """
    return sorted(_CLASSES)


def catalogue() -> tuple[type[Method], ...]:
    """The methods' classes, in the order of `names`; each carries its facts as class attributes."""
    return tuple(_CLASSES[name] for name in names())


def get(init: str | Start, **options: Any) -> Start:
    """The initializer, method or recipe of that name; `name(option=value)` is the same as options.

    The text is parsed, never evaluated; an initializer or a method comes back as it is.

    >>> from goodinit import methods
    >>> methods.get("normal(std=10)"), str(methods.get("residual_scaling(of=lecun_normal)"))
    (Normal(std=10, mean=0.0), 'residual_scaling(of=lecun_normal)')

    Raises GoodinitError for an unknown name or option (with the nearest known ones) or a value out of range.
    """
    if isinstance(init, Method):
        if options:
            raise GoodinitError(f"{init} is a method already; give options with a name, not with an object")
        return init
    if isinstance(init, str):
        name, written = parse_spec(init)
        if name in _BY_NAME:
            return build(_BY_NAME[name], "method", name, {**written, **options})
        if name in recipes.names():
            return FromRecipe(recipes.get(init, **options))
        if not taken(name):
            raise unknown_name(
                "initializer", name, [*known(), *_BY_NAME, *recipes.names()], see="goodinit show lists them all"
            )
    return initializers.get(init, **options)


def as_method(init: str | Start) -> Method:
    """The method that an initialization is: of an initializer, that on every weight."""
    start = get(init)
    return start if isinstance(start, Method) else EveryWeight(start)
