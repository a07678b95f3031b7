"""Recipes: what public training code fills each parameter of a transformer with, as data pinned to its source."""

from __future__ import annotations

from goodinit.recipes.catalogue import get, names
from goodinit.recipes.record import Expected, Pace, Recipe, Rule
from goodinit.recipes.roles import Place, places

__all__ = ["Expected", "Pace", "Place", "Recipe", "Rule", "get", "names", "places"]
