"""Initializations of a person's own: by `file.py:NAME` or `MODULE:NAME`, or by a name that an installed package gives.

It is a class under `Initializer` or `Method`, or a function of (weight, generator) that gives an array of
`weight.shape`; its further arguments are options. What takes another initializer, `of`, takes one of a person's own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, make_dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from goodinit import methods
from goodinit.comparison.own_code import Found, installed, written
from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer
from goodinit.methods import Method, Start
from goodinit.methods.over import OverInitializer
from goodinit.spec import build, parse_spec
from goodinit.streams import KeyedStream, Stream
from goodinit.weights import Weight

__all__ = ["read_start"]


def read_start(given: str | Start) -> Start:
    """The initialization that a person's word stands for: of the catalogue, a file, a module or an installed package.

    Raises GoodinitError where there is none, its code fails, or an option is not one of its own.
    """
    if not isinstance(given, str):
        return methods.get(given)
    found = written(given, "initialization")
    if found is not None:
        return _built(found)
    name, options = parse_spec(given)
    inner = _inner(options)
    try:
        return _known_by(methods.get(given, **inner), inner)
    except GoodinitError:
        if name in methods.names() or (found := installed(given, "initialization")) is None:
            raise
        return _built(found)


def _inner(options: Mapping[str, Any]) -> dict[str, Initializer]:
    """The initializer that a method or another initializer is to begin from, its option `of`; empty where none is said.

    Raises GoodinitError where there is none, or it is a method.
    """
    of = options.get("of")
    if not isinstance(of, str):
        return {}
    start = read_start(of)
    if not isinstance(start, Initializer):
        raise GoodinitError(f"of={of}: it must be an initializer, and this is a method")
    return {"of": start}


def _known_by(start: Start, inner: Mapping[str, Initializer]) -> Start:
    """The start, which depends on its inner initializer's source too."""
    sources = [each.source for each in (start, *inner.values()) if each.source is not None]
    if sources:
        object.__setattr__(start, "source", " ".join(sources))
    return start


def _built(found: Found) -> Start:
    name, made = found.name, found.made
    if inspect.isfunction(made):
        made = _of_function(name, made)
    if not (isinstance(made, type) and issubclass(made, Initializer | Method)) or inspect.isabstract(made):
        raise GoodinitError(
            f"initialization {name}: give a class under goodinit.initializers.Initializer or goodinit.methods.Method, "
            "or a function of (weight, generator) that gives an array of weight.shape"
        )
    for fact in ("summary", "formula", "reference"):
        if not hasattr(made, fact):
            setattr(made, fact, "")
    made.name, made.source = name, found.source  # what it is called by, and what a trial of it depends on
    inner = _inner(found.options) if issubclass(made, OverInitializer) else {}
    start: Any = build(made, "initialization", name, {**found.options, **inner})
    return _known_by(cast(Start, start), inner)


class _Written(Initializer):
    """Weights that a person's function draws, whole, by a generator of their own for each seed and weight."""

    function: ClassVar[Callable[..., Any]]
    whole = True
    summary = "drawn by a function of your own"
    formula = reference = ""

    def elements(self, weight: Weight, stream: Stream, start: int, stop: int) -> NDArray[np.float64]:
        return self._array(weight, stream).reshape(-1)[start:stop]

    def expected_variance(self, weight: Weight) -> float:
        """That of one draw, of seed 0."""
        return float(np.mean(self._array(weight, KeyedStream(0)) ** 2)) if weight.size else 0.0

    def _array(self, weight: Weight, stream: Stream) -> NDArray[np.float64]:
        words = (stream.uniform(weight.name, 0, 4) * 2**32).astype(np.uint32)
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        try:
            array = np.asarray(type(self).function(weight, np.random.default_rng(words), **options), np.float64)
        except Exception as error:
            raise GoodinitError(f"{self}, for the weight {weight.name}: {type(error).__name__}: {error}") from error
        if array.shape != weight.shape or not np.isfinite(array).all():
            raise GoodinitError(
                f"{self}, for the weight {weight.name}: it gave an array of shape {array.shape}; it must give finite "
                f"numbers of shape {weight.shape}"
            )
        return array


def _of_function(name: str, function: Callable[..., Any]) -> type[Initializer]:
    """The class of an initializer whose options are the function's arguments after the first two."""
    taken = [*inspect.signature(function).parameters.values()]
    if len(taken) < 2 or any(each.default is inspect.Parameter.empty for each in taken[2:]):
        raise GoodinitError(
            f"initialization {name}: a function takes (weight, generator) and options that have defaults, not "
            f"({', '.join(each.name for each in taken)})"
        )
    options: list[Any] = [(each.name, Any, each.default) for each in taken[2:]]
    space = {"function": staticmethod(function), "name": name}
    made: type[Initializer] = make_dataclass(
        function.__name__, options, bases=(_Written,), frozen=True, namespace=space
    )
    made.__module__ = function.__module__
    return made
