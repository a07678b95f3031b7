"""The recipes by name: a file each."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from goodinit.errors import GoodinitError, shown, unknown_name
from goodinit.recipes.record import Recipe, Rule
from goodinit.spec import parse_spec

__all__ = ["get", "names"]


def names() -> list[str]:
    """The names of all recipes.

    >>> "gpt2" in names()
    True
    """
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    found = sorted(
        each.name.removesuffix(".toml")
        for each in files("goodinit.recipes").joinpath("data").iterdir()
        if each.name.endswith(".toml") and each.name != "roles.toml"
    )
    return tuple(found)


def get(recipe: str | Recipe, **options: float) -> Recipe:
    """The recipe of that name; `name(option=number)` is the same as options.

    >>> str(get("megatron(std=0.01)"))
    'megatron(std=0.01)'

    Raises GoodinitError for an unknown name or option.
    """
    if isinstance(recipe, Recipe):
        return _with(recipe, options) if options else recipe
    if not isinstance(recipe, str):
        raise GoodinitError(f"{shown(recipe)} is not a recipe; give a name, such as gpt2, or name(option=number)")
    name, written = parse_spec(recipe)
    if name not in names():
        raise unknown_name("recipe", name, names())
    return _with(_read(name), {**written, **options})


def _with(found: Recipe, options: Mapping[str, Any]) -> Recipe:
    for option, given in options.items():
        if option not in found.defaults:
            takes = ", ".join(found.defaults) or "no option"
            raise GoodinitError(f"recipe {found.name!r} has no option {option!r}; it takes {takes}")
        if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0 or not math.isfinite(given):
            raise GoodinitError(f"recipe {found.name!r}: {option}={shown(given)} must be a number above 0")
    return replace(found, options={**found.options, **options})


@cache
def _read(name: str) -> Recipe:
    facts: dict[str, Any] = tomllib.loads(
        files("goodinit.recipes").joinpath("data", f"{name}.toml").read_text(encoding="utf-8")
    )
    rules = tuple(
        Rule(tuple(each.pop("roles")), stacks=tuple(each.pop("stacks", ())), **each) for each in facts.pop("rule")
    )
    return Recipe(name, rules=rules, defaults=facts.pop("options", {}), **facts)
