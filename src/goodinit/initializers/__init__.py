"""The catalogue: one family of initializers a file, looked up by name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from goodinit.errors import GoodinitError, nearest, unknown_name
from goodinit.initializers.base import Initializer
from goodinit.initializers.constants import Constant, ForgetBias, Ones, Zeros
from goodinit.initializers.deep import EdgeOfChaos, RandomWalk, Siren
from goodinit.initializers.deterministic import Sinusoidal, ZeroHadamard
from goodinit.initializers.distributions import Normal, TruncatedNormal, Uniform
from goodinit.initializers.orthogonal import DeltaOrthogonal, Orthogonal
from goodinit.initializers.scaled import Scaled
from goodinit.initializers.sparse import Sparse
from goodinit.initializers.structured import BilinearUpsampling, Dirac, Identity, LooksLinear
from goodinit.initializers.variance_scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    PytorchLinear,
    VarianceScaling,
)
from goodinit.spec import parse_spec

__all__ = [
    "BilinearUpsampling",
    "Constant",
    "DeltaOrthogonal",
    "Dirac",
    "EdgeOfChaos",
    "ForgetBias",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "LooksLinear",
    "Normal",
    "Ones",
    "Orthogonal",
    "PytorchLinear",
    "RandomWalk",
    "Scaled",
    "Sinusoidal",
    "Siren",
    "Sparse",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "ZeroHadamard",
    "Zeros",
    "catalogue",
    "get",
    "names",
]

_CLASSES: Final[tuple[type[Initializer], ...]] = (
    Zeros,
    Ones,
    Constant,
    ForgetBias,
    Uniform,
    Normal,
    TruncatedNormal,
    VarianceScaling,
    LecunNormal,
    LecunUniform,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    PytorchLinear,
    EdgeOfChaos,
    RandomWalk,
    Siren,
    Orthogonal,
    DeltaOrthogonal,
    Identity,
    Dirac,
    LooksLinear,
    BilinearUpsampling,
    Sparse,
    Sinusoidal,
    ZeroHadamard,
    Scaled,
)
_BY_NAME: Final = {name: cls for cls in _CLASSES for name in (cls.name, *cls.aliases)}


def names() -> list[str]:
    """The names of all initializers, family by family.

    >>> "he_normal" in names()
    True
    """
    return [cls.name for cls in _CLASSES]


def catalogue() -> tuple[type[Initializer], ...]:
    """The initializers' classes, in the order of `names`; each carries its facts as class attributes."""
    return _CLASSES


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
