"""A recipe as a method: what a public training code fills each parameter with, applied to somebody's model."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from goodinit.errors import GoodinitError
from goodinit.initializers import Constant, Initializer, Normal, Ones, TruncatedNormal, Uniform, Zeros
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment, Multipliers
from goodinit.methods.base import Method
from goodinit.methods.places import places_of
from goodinit.methods.probe import Probe
from goodinit.recipes import Expected, Pace, Place, Recipe
from goodinit.structure import Parameter, Structure

__all__ = ["FromRecipe"]

_MOST: Final = 0.5  # of a model's numbers, that a recipe may say nothing of
_UNCUT: Final = 37.0  # standard deviations, beyond which no normal falls


@dataclass(frozen=True)
class FromRecipe(Method):
    """A public training code's start, parameter by parameter.

    Roles come from one run where `inputs` are given, and from the names that public models use else. What the source
    multiplies in its forward pass is put into the weights and their rates, so that the model's code stays as it is. A
    parameter that the recipe says nothing of is kept, with a caution.

    >>> from goodinit import methods
    >>> str(methods.get("llama3_titan")), str(methods.get("megatron(std=0.01)"))
    ('llama3_titan', 'megatron(std=0.01)')
    """

    name = "recipe"
    summary = "what a public training code fills each parameter with"
    formula = "that of each role; goodinit show NAME lists them"
    reference = "the repository, commit and file that the recipe names"

    recipe: Recipe

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """What the recipe says of each parameter.

        Raises GoodinitError where it is for other models than this one, and where an embedding is tied to a head that
        the recipe multiplies.
        """
        places = places_of(structure)
        self._fits(structure, places)
        return tuple(
            self._said(each, places[each.name], self._beside(each, structure, places), places)
            for each in structure.parameters
        )

    def suits(self, structure: Structure) -> str | None:
        """Where it speaks of every parameter of a model of its kind."""
        places = places_of(structure)
        try:
            self._fits(structure, places)
        except GoodinitError:
            return None
        rules = [self.recipe.rule(places[each.name]) for each in structure.parameters]
        covered = sum(rule is not None for rule in rules)
        whole = covered == len(rules)
        return f"a public training code starts {self.recipe.covers} so, and every role is found here" if whole else None

    def _said(self, parameter: Parameter, place: Place, beside: float, places: dict[str, Place]) -> Assignment:
        rule = self.recipe.rule(place)
        if rule is None and place.role == "norm_offset":
            rule = self.recipe.rule(replace(place, role="norm_scale"))
        if rule is None:
            what = "of a parameter of that name" if place.role == "other" else f"of a {_words(place.role)}"
            caution = f"{self} says nothing {what}, and it was kept; a rule fills it"
            return Assignment(parameter.name, None, "kept", caution=caution)
        wanted = self._kept_as(parameter, place, rule.expected(place, self.recipe.numbers))
        pace = rule.pace(place, self.recipe.numbers)
        self._untied(parameter, places)
        factor = pace.forward * beside
        gradient, adaptive = _multipliers(pace, factor)
        return Assignment(
            parameter.name, _filled(wanted, factor), _words(place.role), None, None, gradient, adaptive, named=True
        )

    def _kept_as(self, parameter: Parameter, place: Place, wanted: Expected) -> Expected:
        """The same start for a norm's scale that is kept in the other way, as itself or as its distance from 1."""
        offsets = any("norm_offset" in rule.roles for rule in self.recipe.rules)
        if parameter.role == "norm offset" and not offsets:
            return replace(wanted, mean=wanted.mean - 1)
        if parameter.role == "norm scale" and offsets:
            return replace(wanted, mean=wanted.mean + 1)
        return wanted

    def _beside(self, parameter: Parameter, structure: Structure, places: dict[str, Place]) -> float:
        """What the output that a bias is added to is multiplied by."""
        if parameter.role not in ("bias", "gate bias") and not parameter.local.startswith("bias"):
            return 1.0
        owners = [each for each in structure.parameters if each.module == parameter.module and each is not parameter]
        return math.prod({self.recipe.pace(places[each.name]).forward for each in owners} or {1.0})

    def _untied(self, parameter: Parameter, places: dict[str, Place]) -> None:
        heads = [name for name in (parameter.name, *parameter.aliases) if places[name].role == "head"]
        tied = parameter.role == "tied embedding" or (len(heads) > 0 and parameter.aliases != ())
        head = next((rule for rule in self.recipe.rules if "head" in rule.roles), None)
        if tied and head is not None:
            factor = head.pace(places[parameter.name], self.recipe.numbers).forward
            if factor != 1:
                raise GoodinitError(
                    f"{self}: {parameter.name} is the embedding and the readout, whose outputs it multiplies by "
                    f"{factor:g}; untie them, or multiply the logits in forward and use another start"
                )

    def _fits(self, structure: Structure, places: dict[str, Place]) -> None:
        """Refuse a model of another kind."""
        speaks = {role for rule in self.recipe.rules for role in rule.roles}
        mixing = speaks & {"qkv", "query", "mixer_in"}
        found = {places[each.name].role for each in structure.parameters}
        if not found & ({"query", "key", "value", "qkv", "key_value"} & speaks or mixing):
            what = "attention" if "query" in mixing or "qkv" in mixing else "state-space layer"
            advice = "" if structure.trace is not None else "; pass inputs, a batch, where its names are its own"
            raise GoodinitError(f"{self} is for {self.recipe.covers}, and no {what} is found in this model{advice}")
        left = Counter[str]()
        for each in structure.parameters:
            if self.recipe.rule(places[each.name]) is None:
                left[places[each.name].role] += math.prod(each.shape or ())
        whole = sum(math.prod(each.shape or ()) for each in structure.parameters)
        if left.total() > _MOST * whole:
            most = left.most_common(2)
            listed = " and ".join(f"{_words(role)} ({size:,} of {whole:,} numbers)" for role, size in most)
            advice = (
                "" if structure.trace is not None else "; pass inputs, a batch, so that one run tells what they are"
            )
            raise GoodinitError(
                f"{self} is for {self.recipe.covers}, and says nothing of most of this model: {listed}{advice}"
            )

    def __str__(self) -> str:
        return str(self.recipe)


def _words(role: str) -> str:
    return role.replace("_", " ")


def _filled(wanted: Expected, factor: float) -> Initializer:
    """The initializer of a law, its values times a number."""
    scale, mean = same_everywhere(wanted.scale * factor), same_everywhere(wanted.mean * factor)
    if wanted.law == "uniform":
        bound = same_everywhere(wanted.scale * factor * math.sqrt(3))
        return Uniform(-bound, bound)
    if wanted.law == "constant" or scale == 0:
        return Zeros() if mean == 0 else Ones() if mean == 1 else Constant(mean)
    cut = wanted.cut / wanted.scale
    if wanted.law == "normal" or cut > _UNCUT:
        return Normal(std=scale, mean=mean)
    sigmas = same_everywhere(cut)
    return TruncatedNormal(std=scale, mean=mean, low=-sigmas, high=sigmas)


def _multipliers(pace: Pace, factor: float) -> tuple[Multipliers, Multipliers]:
    """Those of gradient descent and of Adam, where a multiplier of the forward pass is put into the values."""
    gradient = Multipliers(rate=pace.sgd_rate * factor**2, decay=pace.sgd_decay / factor**2)
    adaptive = Multipliers(pace.rate * factor, pace.epsilon / factor, pace.decay / factor)
    return gradient, adaptive
