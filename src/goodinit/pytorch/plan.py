"""What each weight of a model is to be filled with: rules, defaults and gains, and everything that speaks against it.

A plan is made before anything is drawn, so that a model is filled whole or left as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from torch import nn

from goodinit.errors import GoodinitError, nearest, shown
from goodinit.initializers import Initializer, get
from goodinit.methods import Assignment, Probing, Ruled, RuleInit, Start, Unknown, as_method, assign
from goodinit.methods.complete import Reason
from goodinit.methods.measuring import MEASURED_ON
from goodinit.pytorch.read import ModelWeight
from goodinit.structure import ROLES, Structure, Trace
from goodinit.weights import Weight

__all__ = ["WITHOUT_FANS", "Planned", "Rules", "plan", "planned"]


Rules = Mapping[str | type[nn.Module], RuleInit]
"""What differs: by a pattern of names (`*.embed.weight`), a role (`embedding`), or a class of modules."""

WITHOUT_FANS: Final = (
    *("zeros", "ones", "constant", "forget_bias", "uniform", "normal", "truncated_normal"),
    "given_values",  # as measured on a batch
)
_WITHOUT_A_RULE: Final = ("default", "its weight", "its look-up", MEASURED_ON)
_MOST_SHOWN: Final = 20  # problems in one error; a large model has thousands of parameters


@dataclass(frozen=True)
class Planned:
    """One weight of a model and what is said of it."""

    weight: ModelWeight
    said: Assignment

    @property
    def initializer(self) -> Initializer | None:
        """What fills it, None where it is kept."""
        return self.said.initializer

    @property
    def because(self) -> str:
        """What decided."""
        return self.said.because

    @property
    def target(self) -> Weight:
        """What the initializer is told of the tensor."""
        return self.weight.target


def plan(
    model: nn.Module,
    weights: Sequence[ModelWeight],
    init: str | Start,
    rules: Rules | None = None,
    trace: Trace | None = None,
    unknown: Unknown = "refuse",
    own: Mapping[str, Reason] | None = None,
    scales: Mapping[str, float] | None = None,
    probing: Probing | None = None,
    measured: bool = True,
) -> tuple[Planned, ...]:
    """What every weight is to be filled with; those named in `own`, and what is not understood, may be kept.

    `probing` makes the probe that a method which measures is given; without `measured` it says what it begins from.

    Raises GoodinitError that names every weight that cannot be filled so, and what to do about each; for a rule
    that no parameter matches, and for a method that the model does not allow.
    """
    ruled = _ruled(model, weights, rules or {})
    structure = Structure(tuple(weights), trace)
    options: dict[str, Any] = {"ruled": ruled, "unknown": unknown, "own": own, "scales": scales, "measured": measured}
    return planned(weights, assign(as_method(init), structure, probing, **options))


def planned(weights: Sequence[ModelWeight], said: Sequence[Assignment]) -> tuple[Planned, ...]:
    """What is said of each weight beside it. Raises GoodinitError that names every weight that cannot be filled so."""
    made = tuple(Planned(weight, each) for weight, each in zip(weights, said, strict=True))
    problems = [f"{each.weight.name}: {problem}" for each in made if (problem := _problem(each)) is not None]
    if problems:
        more = len(problems) - _MOST_SHOWN
        named = [*problems[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        listed = "\n  ".join(named)
        raise GoodinitError(
            f"{len(problems)} of {len(made)} parameters cannot be filled, and nothing was changed:\n  {listed}"
        )
    return made


def _ruled(model: nn.Module, weights: Sequence[ModelWeight], rules: Rules) -> Ruled:
    """What the first rule that matches says of each parameter; every rule matches one."""
    if not isinstance(rules, Mapping):
        raise GoodinitError(
            f"rules={shown(rules)}: give a mapping from name patterns, roles or classes to initializers"
        )
    for key, value in rules.items():
        if not (isinstance(key, str) or (isinstance(key, type) and issubclass(key, nn.Module))):
            raise GoodinitError(
                f"rules: {shown(key)} is not a key of a rule; give a pattern of names, a role or a class of modules"
            )
        if value is not None and value not in ("keep", "init"):
            get(value)  # refuses what is not an initializer
        if not any(_matches(model, weight, key) for weight in weights):
            raise GoodinitError(f"rules: no parameter matches {_written(key)}; {_advice(key, weights)}")
    found: dict[str, tuple[RuleInit, str]] = {}
    for weight in weights:
        for key, value in rules.items():
            if _matches(model, weight, key):
                found[weight.name] = value, f"rule {_written(key)}"
                break
    return found


def _advice(key: str | type, weights: Sequence[ModelWeight]) -> str:
    if isinstance(key, type):
        kinds = sorted({weight.kind for weight in weights})
        return f"the model's layers with parameters are {', '.join(kinds[:12])}"
    close = nearest(key, [*(weight.name for weight in weights), *ROLES])
    if close:
        return f"did you mean {' or '.join(close)}?"
    return "write * for any part of a name, as in '*.weight'; read_model lists the names"


def _written(key: str | type) -> str:
    return repr(key) if isinstance(key, str) else key.__name__


def _matches(model: nn.Module, weight: ModelWeight, key: str | type) -> bool:
    """Whether a rule is about a weight. That for a class leaves the biases and shifts of its modules alone."""
    if isinstance(key, str):
        if key in ROLES:
            return weight.role == key
        return any(fnmatchcase(name, key) for name in (weight.name, *weight.aliases))
    if weight.role in ("bias", "gate bias", "norm shift"):
        return False
    return isinstance(model.get_submodule(weight.module), key)


def _suggested(weight: ModelWeight) -> str:
    """An initializer as an example: of one axis it may be a norm's scale, where a small normal would be a fault."""
    return "'ones'" if len(weight.shape or ()) < 2 else "'normal(std=0.02)'"


def _needs_fans(initializer: Initializer) -> bool:
    """Whether an initializer, or the one that it scales, is for weights that multiply."""
    return getattr(initializer, "inner", initializer).name not in WITHOUT_FANS


def _problem(made: Planned) -> str | None:
    """Why a weight cannot be filled as planned, and what to do; None where it can."""
    weight, initializer = made.weight, made.initializer
    if weight.lazy:
        return f"{weight.reason}; pass inputs, a batch that the model can be called with"
    if initializer is None:
        if weight.meta:
            return "it is on the meta device and has no values to keep; give it a rule that fills it"
        return None
    if not weight.fillable:
        return f"{weight.reason}; keep it, with rules={{{weight.name!r}: 'keep'}}"
    own = made.because not in _WITHOUT_A_RULE and not made.because.startswith("rule ")
    own = own and not made.said.named
    if weight.weight is None and (own or _needs_fans(initializer)):
        asked = "" if own else f", and {initializer.name} needs its fans"
        return (
            f"{weight.reason}{asked}; pass inputs, a batch, so that one run tells; or say what it is with "
            f"register_rule({weight.kind}, ...), or fill or keep it with "
            f"rules={{{weight.name!r}: {_suggested(weight)}}} or 'keep'"
        )
    if made.target.kind == "elementwise" and _needs_fans(initializer):
        return f"{initializer} is for weights that multiply, and this is a {weight.role}; use zeros, ones or normal"
    try:
        initializer.expected_variance(made.target)
        initializer.expected_mean(made.target)
    except GoodinitError as error:
        return f"{error}; or give it another rule, rules={{{weight.name!r}: ...}}"
    return None
