"""The catalogue: one family of initializers a file, looked up by name."""

from __future__ import annotations

from typing import Final

from goodinit.initializers import mimetic_factors, mirrored, padded, parts  # noqa: F401  # each lets `get` find its own
from goodinit.initializers.base import Initializer
from goodinit.initializers.constants import Constant, ForgetBias, Ones, Zeros
from goodinit.initializers.deep import EdgeOfChaos, RandomWalk, Siren
from goodinit.initializers.deterministic import Sinusoidal, ZeroHadamard
from goodinit.initializers.distributions import Normal, TruncatedNormal, Uniform
from goodinit.initializers.lookup import get, register
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
register(_CLASSES)


def names() -> list[str]:
    """The names of all initializers, family by family.

    >>> "he_normal" in names()
    True
    """
    return [cls.name for cls in _CLASSES]


def catalogue() -> tuple[type[Initializer], ...]:
    """The initializers' classes, in the order of `names`; each carries its facts as class attributes."""
    return _CLASSES
