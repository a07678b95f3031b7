"""What each weight of a model is to be filled with: rules, defaults and gains, and everything that speaks against it.

A plan is made before anything is drawn, so that a model is filled whole or left as it was.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, Literal

from torch import nn

from goodinit.errors import GoodinitError, nearest
from goodinit.initializers import Initializer, Normal, get
from goodinit.initializers.base import same_everywhere
from goodinit.pytorch.gains import following, with_gain
from goodinit.pytorch.read import ModelWeight
from goodinit.structure import MULTIPLYING, ROLES, Role, Trace
from goodinit.weights import Weight

__all__ = ["DEFAULTS", "WITHOUT_FANS", "Assignment", "RuleInit", "Rules", "Unknown", "plan"]

RuleInit = str | Initializer | None
"""An initializer, or its text; None or `keep` leaves a parameter as it is, and `init` takes what the weights get."""

Rules = Mapping[str | type[nn.Module], RuleInit]
"""What differs: by a pattern of names (`*.embed.weight`), a role (`embedding`), or a class of modules."""

DEFAULTS: Final[Mapping[Role, str]] = MappingProxyType(
    {
        "recurrent hidden": "orthogonal",  # a state passes through it at every step: lengths must last
        "embedding": "normal",  # a row is looked up, not summed: fan in 1, variance 1
        "tied embedding": "lecun_normal",  # it multiplies in the output layer, whose logits then have variance 1
        "bias": "zeros",
        "gate bias": "forget_bias",
        "norm scale": "ones",
        "norm shift": "zeros",
        "norm offset": "zeros",  # (1 + w) times a normalized signal
        "position": "normal(std=0.02)",  # beside a signal of size 1, as in BERT and ViT
        "slope": "constant(value=0.25)",  # He et al. 2015, and PyTorch's
    }
)
"""What a role starts from unless a rule says another; all other weights take `init`."""

WITHOUT_FANS: Final = ("zeros", "ones", "constant", "forget_bias", "uniform", "normal", "truncated_normal")
Unknown = Literal["keep", "refuse"]
"""What becomes of a parameter that nothing tells the purpose of."""
_MOST_TOLD: Final = 20  # problems in one error; a large model has thousands of parameters


@dataclass(frozen=True)
class Assignment:
    """One weight and what fills it, None where it is kept; `because` says which rule or default decided.

    `activation` is the one that its layer's output goes through, `linear` for none, None where it is not known.
    """

    weight: ModelWeight
    initializer: Initializer | None
    because: str
    activation: str | None = None
    caution: str | None = None

    @property
    def target(self) -> Weight:
        """What the initializer is told of the tensor: its fans, or only its shape where they are not known."""
        if self.weight.weight is not None:
            return self.weight.weight
        return Weight.elementwise(self.weight.name, self.weight.shape or ())


def plan(
    model: nn.Module,
    weights: Sequence[ModelWeight],
    init: str | Initializer,
    rules: Rules | None = None,
    trace: Trace | None = None,
    unknown: Unknown = "refuse",
    zeros: Container[str] = (),
) -> tuple[Assignment, ...]:
    """What every weight is to be filled with; those named in `zeros`, and what is not understood, may be kept.

    Raises GoodinitError that names every weight that cannot be filled so, and what to do about each; and for a rule
    that no parameter matches.
    """
    base = get(init)
    chosen = _checked(model, weights, rules or {})
    made = [_assign(model, weight, init, base, chosen, trace) for weight in weights]
    made = [_kept(each, unknown, zeros) for each in _with_places(_with_biases(made), trace)]
    problems = [f"{each.weight.name}: {problem}" for each in made if (problem := _problem(each)) is not None]
    if problems:
        more = len(problems) - _MOST_TOLD
        told = [*problems[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else [])]
        listed = "\n  ".join(told)
        raise GoodinitError(
            f"{len(problems)} of {len(made)} parameters cannot be filled, and nothing was changed:\n  {listed}"
        )
    return tuple(made)


def _checked(model: nn.Module, weights: Sequence[ModelWeight], rules: Rules) -> list[tuple[str | type, RuleInit]]:
    """The rules, each with at least one parameter that it matches."""
    if not isinstance(rules, Mapping):
        raise GoodinitError(f"rules={rules!r}: give a mapping from name patterns, roles or classes to initializers")
    for key, value in rules.items():
        if not (isinstance(key, str) or (isinstance(key, type) and issubclass(key, nn.Module))):
            raise GoodinitError(
                f"rules: {key!r} is not a key of a rule; give a pattern of names, a role or a class of modules"
            )
        if value is not None and value not in ("keep", "init"):
            get(value)  # refuses what is not an initializer
        if not any(_matches(model, weight, key) for weight in weights):
            raise GoodinitError(f"rules: no parameter matches {_written(key)}; {_advice(key, weights)}")
    return list(rules.items())


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


def _assign(
    model: nn.Module,
    weight: ModelWeight,
    init: str | Initializer,
    base: Initializer,
    rules: list[tuple[str | type, RuleInit]],
    trace: Trace | None,
) -> Assignment:
    for key, value in rules:
        if _matches(model, weight, key):
            because = f"rule {_written(key)}"
            if value is None or value == "keep":
                return Assignment(weight, None, because)
            return _decided(model, weight, init if value == "init" else value, because, trace)
    if not weight.trainable:
        return Assignment(weight, None, "kept", caution="it is frozen, and was left as it is; a rule would fill it")
    if weight.role in DEFAULTS:
        return _decided(model, weight, DEFAULTS[weight.role], "default", None)
    return _decided(model, weight, init, "init", trace, base)


def _decided(
    model: nn.Module,
    weight: ModelWeight,
    given: str | Initializer,
    because: str,
    trace: Trace | None,
    initializer: Initializer | None = None,
) -> Assignment:
    initializer = initializer or get(given)
    if weight.lazy:
        return Assignment(weight, initializer, because)
    mode = getattr(model.get_submodule(weight.module), "mode", None) or _cell_mode(model, weight)
    activation, caution = following(weight, trace, mode)
    filled, further = with_gain(initializer, activation, initializer.given)
    if initializer.follows is None:
        caution = None  # its gain is the rule's own whatever follows
    return Assignment(weight, filled, because, activation, further or caution)


def _cell_mode(model: nn.Module, weight: ModelWeight) -> str | None:
    module = model.get_submodule(weight.module)
    return f"RNN_{module.nonlinearity}".upper() if isinstance(module, nn.RNNCell) else None


def _with_biases(made: list[Assignment]) -> list[Assignment]:
    """Biases go with their layer's weight: drawn where its rule draws them, as that of `edge_of_chaos` may."""
    spreads = {
        each.weight.module: each.initializer.bias_std()
        for each in made
        if each.weight.role in MULTIPLYING and each.initializer is not None
    }
    return [
        replace(each, initializer=Normal(std=std), because="its weight")
        if each.weight.role == "bias"
        and each.because == "default"
        and (std := spreads.get(each.weight.module, 0.0)) > 0
        else each
        for each in made
    ]


def _with_places(made: list[Assignment], trace: Trace | None) -> list[Assignment]:
    """A table of places that is added to a look-up takes its scale, beside which it would drown or be drowned."""
    scales: dict[str, float] = {}
    tables = {name: each for each in made for name in each.weight.parameters}
    for call in trace.calls if trace is not None else ():
        table = tables[call.weight]
        if call.beside and table.initializer is not None and not table.weight.lazy:
            std = math.sqrt(table.initializer.expected_variance(table.target))
            scales |= {name: same_everywhere(std * factor) for name, factor in call.beside}
    return [
        replace(each, initializer=Normal(std=std), because="its look-up")
        if each.because == "default"
        and each.weight.role in ("embedding", "position")
        and (std := scales.get(each.weight.parameters[0], 0.0)) > 0
        else each
        for each in made
    ]


def _kept(made: Assignment, unknown: Unknown, zeros: Container[str]) -> Assignment:
    """What no rule fills and is better left as it is."""
    weight = made.weight
    if made.because.startswith("rule ") or made.initializer is None or weight.lazy:
        return made
    if weight.name in zeros:
        because, caution = "zero start", "it is zero as its model wants it, and was kept; zero_starts='fill' fills it"
    elif weight.role == "scale":
        because, caution = "its own", None
    elif unknown == "keep" and weight.weight is None and not weight.meta:
        because = "unknown"
        caution = f"{weight.reason}, and it was kept; {_say_what(weight)}"
    else:
        return made
    return replace(made, initializer=None, because=because, activation=None, caution=caution)


def _suggested(weight: ModelWeight) -> str:
    """An initializer as an example: of one axis it may be a norm's scale, where a small normal would be a fault."""
    return "'ones'" if len(weight.shape or ()) < 2 else "'normal(std=0.02)'"


def _say_what(weight: ModelWeight) -> str:
    return f"say what it is with register_rule({weight.kind}, ...), or fill it with a rule for {weight.name!r}"


def _problem(made: Assignment) -> str | None:
    """Why a weight cannot be filled as planned, and what to do; None where it can."""
    weight, initializer = made.weight, made.initializer
    if weight.lazy:
        return f"{weight.reason}; pass inputs, a batch that the model can be called with"
    if initializer is None:
        if weight.meta:
            return "it is on the meta device and has no values to keep; give it a rule that fills it"
        return None
    if not weight.dtype.is_floating_point:
        return f"{weight.reason}; keep it, with rules={{{weight.name!r}: 'keep'}}"
    if weight.weight is None and (made.because == "init" or initializer.name not in WITHOUT_FANS):
        asked = "" if made.because == "init" else f", and {initializer.name} needs its fans"
        return (
            f"{weight.reason}{asked}; pass inputs, a batch, so that one run tells; or say what it is with "
            f"register_rule({weight.kind}, ...), or fill or keep it with "
            f"rules={{{weight.name!r}: {_suggested(weight)}}} or 'keep'"
        )
    if made.target.kind == "elementwise" and initializer.name not in WITHOUT_FANS:
        return f"{initializer} is for weights that multiply, and this is a {weight.role}; use zeros, ones or normal"
    try:
        initializer.expected_variance(made.target)
        initializer.expected_mean(made.target)
    except GoodinitError as error:
        return f"{error}; or give it another rule, rules={{{weight.name!r}: ...}}"
    return None
