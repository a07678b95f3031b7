"""A recipe: rules by role, depth and shape, with their source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from goodinit.recipes.formula import value
from goodinit.recipes.roles import Place
from goodinit.spec import format_spec

__all__ = ["Expected", "Pace", "Recipe", "Rule"]

LawName = Literal["normal", "truncated_normal", "uniform", "constant"]


@dataclass(frozen=True)
class Expected:
    """What a recipe fills one parameter with: `scale` is a normal's before it is cut at +-`cut`."""

    law: LawName
    mean: float
    scale: float
    cut: float = math.inf
    formula: str = ""

    @property
    def std(self) -> float:
        """The standard deviation of the elements."""
        if self.law != "truncated_normal" or self.cut > 8 * self.scale:
            return self.scale
        from scipy.stats import truncnorm

        return float(truncnorm(-self.cut / self.scale, self.cut / self.scale, scale=self.scale).std())

    def __str__(self) -> str:
        if self.law == "constant":
            return f"constant {self.mean:.4g}"
        if self.law == "uniform":
            return f"uniform({-self.scale * math.sqrt(3):.4g}, {self.scale * math.sqrt(3):.4g})"
        cut = f", cut at {self.cut:.4g}" if self.law == "truncated_normal" else ""
        return f"{self.law}(mean={self.mean:.4g}, std={self.scale:.4g}{cut})"


_PACES: Final = ("rate", "epsilon", "decay", "sgd_rate", "sgd_decay")


@dataclass(frozen=True)
class Pace:
    """What a source multiplies a layer's output by, and rate, epsilon and decay of Adam and of gradient descent."""

    forward: float = 1.0
    rate: float = 1.0
    epsilon: float = 1.0
    decay: float = 1.0
    sgd_rate: float = 1.0
    sgd_decay: float = 1.0


@dataclass(frozen=True)
class Rule:
    """What parameters of some roles are filled with, and how fast they move.

    `std`, `cut` (how far from the mean a truncated normal goes) and `value` (of a constant) are formulas over the
    numbers of a place (`Place.numbers`) and the recipe's options. `stacks` narrows the rule to parts of a model.
    `forward` is what the source's own model multiplies that layer's output by. `rate`, `epsilon` and `decay` are what
    the source multiplies those of Adam by, `sgd_rate` and `sgd_decay` those of gradient descent, nan where it has none.
    """

    roles: tuple[str, ...]
    law: LawName
    std: str = "0"
    cut: str = ""
    value: str = "0"
    stacks: tuple[str, ...] = ()
    forward: str = "1"
    rate: str = "1"
    epsilon: str = "1"
    decay: str = "1"
    sgd_rate: str = "1"
    sgd_decay: str = "1"

    def matches(self, place: Place) -> bool:
        """Whether the rule is about that parameter."""
        return place.role in self.roles and (not self.stacks or place.stack in self.stacks)

    def expected(self, place: Place, options: Mapping[str, float]) -> Expected:
        """What it fills the parameter with."""
        numbers = {**place.numbers, **options}
        if self.law == "constant":
            return Expected(self.law, value(self.value, numbers), 0.0, formula=self.value)
        std = value(self.std, numbers)
        cut = value(self.cut, {**numbers, "std": std}) if self.cut else math.inf
        return Expected(self.law, 0.0, std, cut, self.std)

    @property
    def pace_text(self) -> str:
        """What it multiplies, with its formulas."""
        words = {"forward": "output", "rate": "rate", "epsilon": "epsilon", "decay": "decay"}
        words |= {"sgd_rate": "SGD's rate", "sgd_decay": "SGD's decay"}
        said = {word: text for key, word in words.items() if (text := getattr(self, key)) not in ("1", "nan")}
        return "\n".join(f"{word} x {text}" for word, text in said.items())

    @property
    def moves(self) -> bool:
        """Whether it says anything of rates, or of a forward pass that multiplies."""
        return any(text != "1" for text in (self.forward, *(getattr(self, each) for each in _PACES)))

    def pace(self, place: Place, options: Mapping[str, float]) -> Pace:
        """What the parameter's learning rate, epsilon and decay are multiplied by."""
        numbers = {**place.numbers, **options, "nan": math.nan}
        return Pace(*(value(text, numbers) for text in (self.forward, *(getattr(self, each) for each in _PACES))))

    @property
    def text(self) -> str:
        """The law with its formulas."""
        if self.law == "constant":
            return f"constant {self.value}"
        cut = f", cut at +-({self.cut})" if self.cut else ""
        return f"{self.law.replace('_', ' ')}, std {self.std}{cut}"


@dataclass(frozen=True)
class Recipe:
    """What a public training code fills a model with.

    `repository`, `version` (a commit or a release), its `date` and `file` say where it was read, `covers` what models
    it is about, `note` what it is known to differ in. The first rule that matches a parameter counts; where none does,
    the recipe says nothing of it.
    """

    name: str
    title: str
    covers: str
    repository: str
    version: str
    date: str
    file: str
    rules: tuple[Rule, ...]
    defaults: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def numbers(self) -> dict[str, float]:
        """The options as they count."""
        return {**self.defaults, **self.options}

    @property
    def moves(self) -> bool:
        """Whether it says anything of learning rates."""
        return any(rule.moves for rule in self.rules)

    def rule(self, place: Place) -> Rule | None:
        """The rule that counts for a parameter."""
        return next((rule for rule in self.rules if rule.matches(place)), None)

    def expected(self, place: Place) -> Expected | None:
        """What it fills a parameter with, or None where it says nothing of its role."""
        rule = self.rule(place)
        return None if rule is None else rule.expected(place, self.numbers)

    def pace(self, place: Place) -> Pace:
        """What it multiplies the parameter's output and rates by; 1 where it says nothing."""
        rule = self.rule(place)
        return Pace() if rule is None else rule.pace(place, self.numbers)

    def __str__(self) -> str:
        return format_spec(self.name, dict[str, Any](self.options))
