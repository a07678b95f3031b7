"""The table of activations: each with its value, its derivative, and what a start must know of it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError, is_finite, shown, unknown_name
from goodinit.spec import canonical, format_spec, parse_spec

__all__ = [
    "SELU_ALPHA",
    "SELU_SCALE",
    "Activation",
    "check_vectorised",
    "get",
    "is_known",
    "names",
    "of_function",
    "option",
]

Array = NDArray[Any]


def _special() -> Any:
    from scipy import special  # where it is used: it takes longer to import than all else here

    return special


def _expit(z: Array) -> Any:
    return _special().expit(z)


def _ndtr(z: Array) -> Any:
    return _special().ndtr(z)


@dataclass(frozen=True)
class Activation:
    """One activation function, applied element by element.

    `value` and `derivative` map pre-activations to arrays of the same shape and dtype. `saturation` is
    the (lower, upper) pair of bounds the value approaches, None for a side without one; a unit that sits
    within 3 % of the range from a bound is called saturated. `can_die` says that the derivative is
    exactly zero on a half-line, so that a unit can stop learning for every input. `kinks` are the points
    where the derivative jumps. `torch_name` is the class in `torch.nn`, None where there is none. `family` is
    the table's name for it without options, None for an activation of one's own, and `parameter` the value of
    its option, where it has one: compiled code finds its own form of an activation by these two.
    """

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    torch_name: str | None
    saturation: tuple[float | None, float | None] = (None, None)
    can_die: bool = False
    kinks: tuple[float, ...] = ()
    family: str | None = None
    parameter: float | None = None

    @property
    def saturates(self) -> bool:
        """True where the value is bounded on both sides, so that large inputs give no gradient."""
        return None not in self.saturation

    def __str__(self) -> str:
        return self.name


def _linear() -> Activation:
    return Activation("linear", lambda z: z, np.ones_like, "Identity")


def _relu() -> Activation:
    return Activation(
        "relu",
        lambda z: np.maximum(z, 0),
        lambda z: (z > 0).astype(z.dtype),
        "ReLU",
        saturation=(0.0, None),
        can_die=True,
        kinks=(0.0,),
    )


def _relu6() -> Activation:
    return Activation(
        "relu6",
        lambda z: np.clip(z, 0, 6),
        lambda z: ((z > 0) & (z < 6)).astype(z.dtype),
        "ReLU6",
        saturation=(0.0, 6.0),
        can_die=True,
        kinks=(0.0, 6.0),
    )


def _leaky_relu(slope: float = 0.01) -> Activation:
    return Activation(
        format_spec("leaky_relu", {} if slope == 0.01 else {"slope": slope}),
        lambda z: np.where(z > 0, z, slope * z).astype(z.dtype),
        lambda z: np.where(z > 0, 1.0, slope).astype(z.dtype),
        "LeakyReLU",
        kinks=(0.0,),
    )


def _elu(alpha: float = 1.0) -> Activation:
    return Activation(
        format_spec("elu", {} if alpha == 1 else {"alpha": alpha}),
        lambda z: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))).astype(z.dtype),
        lambda z: np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))).astype(z.dtype),
        "ELU",
        saturation=(-alpha, None),
        kinks=(0.0,),
    )


SELU_SCALE = 1.0507009873554804934193349852946  # Klambauer et al. 2017: fixed point at mean 0, variance 1
SELU_ALPHA = 1.6732632423543772848170429916717


def _selu() -> Activation:
    elu = _elu(SELU_ALPHA)
    return Activation(
        "selu",
        lambda z: (SELU_SCALE * elu.value(z)).astype(z.dtype),
        lambda z: (SELU_SCALE * elu.derivative(z)).astype(z.dtype),
        "SELU",
        saturation=(-SELU_SCALE * SELU_ALPHA, None),
        kinks=(0.0,),
    )


def _sigmoid() -> Activation:
    return Activation(
        "sigmoid",
        _expit,
        lambda z: _expit(z) * _expit(-z),
        "Sigmoid",
        saturation=(0.0, 1.0),
    )


def _tanh() -> Activation:
    return Activation("tanh", np.tanh, lambda z: 1 - np.tanh(z) ** 2, "Tanh", saturation=(-1.0, 1.0))


def _erf() -> Activation:
    """The error function, whose expectations over normals have closed forms (Williams 1998, Saad & Solla 1995)."""
    return Activation(
        "erf",
        lambda z: _special().erf(z),
        lambda z: (2 / np.sqrt(np.pi) * np.exp(-z * z)).astype(z.dtype),
        None,
        saturation=(-1.0, 1.0),
    )


def _hard_tanh() -> Activation:
    return Activation(
        "hard_tanh",
        lambda z: np.clip(z, -1, 1),
        lambda z: (np.abs(z) < 1).astype(z.dtype),
        "Hardtanh",
        saturation=(-1.0, 1.0),
        can_die=True,
        kinks=(-1.0, 1.0),
    )


def _softsign() -> Activation:
    return Activation(
        "softsign",
        lambda z: z / (1 + np.abs(z)),
        lambda z: 1 / (1 + np.abs(z)) ** 2,
        "Softsign",
        saturation=(-1.0, 1.0),
    )


def _softplus() -> Activation:
    return Activation(
        "softplus", lambda z: np.logaddexp(z, z.dtype.type(0)), _expit, "Softplus", saturation=(0.0, None)
    )


def _gelu() -> Activation:
    """Hendrycks & Gimpel 2016, the exact form z Phi(z)."""
    return Activation(
        "gelu",
        lambda z: z * _ndtr(z),
        lambda z: (_ndtr(z) + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)).astype(z.dtype),
        "GELU",
        saturation=(0.0, None),
    )


def _silu() -> Activation:
    return Activation(
        "silu",
        lambda z: z * _expit(z),
        lambda z: _expit(z) * (1 + z * _expit(-z)),
        "SiLU",
        saturation=(0.0, None),
    )


def _mish() -> Activation:
    def derivative(z: Array) -> Array:
        t = np.tanh(np.logaddexp(z, z.dtype.type(0)))
        return np.asarray(t + z * _expit(z) * (1 - t * t))

    return Activation(
        "mish",
        lambda z: z * np.tanh(np.logaddexp(z, z.dtype.type(0))),
        derivative,
        "Mish",
        saturation=(0.0, None),
    )


def _sine(frequency: float = 1.0) -> Activation:
    return Activation(
        format_spec("sine", {} if frequency == 1 else {"frequency": frequency}),
        lambda z: np.sin(frequency * z),
        lambda z: frequency * np.cos(frequency * z),
        None,
    )


_TABLE: dict[str, Callable[..., Activation]] = {
    "linear": _linear,
    "relu": _relu,
    "relu6": _relu6,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "erf": _erf,
    "hard_tanh": _hard_tanh,
    "softsign": _softsign,
    "sine": _sine,
}
_ALIASES = {"swish": "silu"}  # Ramachandran et al. 2017 at beta 1
_OPTIONS = {"leaky_relu": "slope", "elu": "alpha", "sine": "frequency"}


def names() -> list[str]:
    """The names in the table, in its order."""
    return list(_TABLE)


def option(name: str) -> tuple[str, float] | None:
    """The name and the default of an activation's one option, None where it has none.

    >>> option("leaky_relu")
    ('slope', 0.01)
    """
    if name not in _OPTIONS:
        return None
    default = inspect.signature(_TABLE[name]).parameters[_OPTIONS[name]].default
    return _OPTIONS[name], float(default)


def is_known(text: str) -> bool:
    """Whether the text, options or not, names an activation of the table."""
    name = canonical(text.partition("(")[0])
    return _ALIASES.get(name, name) in _TABLE


def get(activation: str | Activation) -> Activation:
    """The activation of that name, `leaky_relu(slope=0.2)` included; an Activation comes back as it is.

    `swish` is another name of `silu`.

    >>> get("relu").can_die
    True

    Raises GoodinitError for an unknown name or option.
    """
    if isinstance(activation, Activation):
        return activation
    if not isinstance(activation, str):
        raise GoodinitError(f"activation={shown(activation)} must be a name, one of {', '.join(_TABLE)}")
    name, options = parse_spec(activation)
    name = _ALIASES.get(name, name)
    if name not in _TABLE:
        raise unknown_name("activation", name, _TABLE)
    allowed = _OPTIONS.get(name)
    for given, value in options.items():
        if given != allowed:
            takes = f"its one option is {allowed}" if allowed else "it takes no option"
            raise GoodinitError(f"activation {name!r} has no option {given!r}; {takes}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
            raise GoodinitError(f"activation {name}({given}={shown(value)}): {given} must be a finite number")
    named = option(name)
    parameter = None if named is None else float(options.get(*named))
    return replace(_TABLE[name](**options), family=name, parameter=parameter)


def check_vectorised(function: Callable[[Array], Any]) -> Callable[[Array], Array]:
    """The function as it is, once it has mapped an array to finite real numbers of the same shape."""
    label = getattr(function, "__name__", None) or repr(function)
    advice = "it must map a NumPy array to an array of the same shape, element by element; np.vectorize makes it so"
    points = np.array([-2.0, -0.5, 0.25, 1.0, 3.0])
    try:
        values = np.asarray(function(points))
    except Exception as error:
        raise GoodinitError(f"activation {label} fails on an array ({error}); {advice}") from error
    if values.shape != points.shape:
        raise GoodinitError(f"activation {label} gave shape {values.shape} for an array of {points.shape}; {advice}")
    if values.dtype.kind not in "fiub" or not np.isfinite(values.astype(np.float64)).all():
        raise GoodinitError(f"activation {label} gave {values!r} at {points!r}; it must give finite real numbers")
    return lambda u: np.asarray(function(u), dtype=np.float64)


def of_function(function: Callable[[Array], Any]) -> Activation:
    """A plain function of an array, element by element, as an activation.

    Its derivative is that of central differences at two steps (Richardson 1911), good to about 1e-11 where the
    function is smooth; give an `Activation` with the derivative itself where it is not, or time counts. The name is the
    function's with a hash of its values, so that two functions of one name are told apart.

    Raises GoodinitError for a function that does not map an array to finite real numbers of the same shape.

    >>> found = of_function(lambda z: z**3)
    >>> bool(abs(found.derivative(np.array([2.0]))[0] - 12) < 1e-9)
    True
    """
    value = check_vectorised(function)

    def difference(z: Array, step: Array) -> Array:
        return np.asarray((value(z + step) - value(z - step)) / (2 * step))

    def derivative(z: Array) -> Array:
        step = 2.0**-10 * np.maximum(1.0, np.abs(z))
        return np.asarray((4 * difference(z, step / 2) - difference(z, step)) / 3).astype(z.dtype)

    seen = ",".join(f"{each:.10g}" for each in value(np.linspace(-8.0, 8.0, 257)))
    label = str(getattr(function, "__name__", "function")).strip("<>")
    name = f"{label}#{hashlib.sha256(seen.encode()).hexdigest()[:8]}"
    return Activation(name, lambda z: value(z).astype(z.dtype), derivative, None)
