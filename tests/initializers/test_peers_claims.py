"""Every claim that the catalogue makes about PyTorch, Keras and JAX is one that a cross-check measures."""

import math
import re

import numpy as np
import pytest
from test_peers_differ import DIFFERS
from test_peers_same import EQUAL, MODULES, ORTHOGONAL, SAME, drawn

from goodinit import initializers

FRAMEWORKS = ("PyTorch", "Keras", "JAX")

# The public initializers of the frameworks, all of them, by the name that each has here; none: it makes no weights.
COUNTERPARTS = [
    ("zeros", "zeros_", "Zeros", "zeros"),
    ("ones", "ones_", "Ones", "ones"),
    ("constant", "constant_", "Constant", "constant"),
    ("uniform", "uniform_", "RandomUniform", "uniform"),
    ("normal", "normal_", "RandomNormal", "normal"),
    ("truncated_normal", "trunc_normal_", "TruncatedNormal", "truncated_normal"),
    ("variance_scaling", "", "VarianceScaling", "variance_scaling"),
    ("lecun_normal", "", "LecunNormal", "lecun_normal"),
    ("lecun_uniform", "", "LecunUniform", "lecun_uniform"),
    ("glorot_normal", "xavier_normal_", "GlorotNormal", "glorot_normal xavier_normal"),
    ("glorot_uniform", "xavier_uniform_", "GlorotUniform", "glorot_uniform xavier_uniform"),
    ("he_normal", "kaiming_normal_", "HeNormal", "he_normal kaiming_normal"),
    ("he_uniform", "kaiming_uniform_", "HeUniform", "he_uniform kaiming_uniform"),
    ("orthogonal", "orthogonal_", "Orthogonal", "orthogonal"),
    ("delta_orthogonal", "", "", "delta_orthogonal"),
    ("identity", "eye_", "Identity", ""),
    ("dirac", "dirac_", "", ""),
    ("sparse", "sparse_", "", ""),
    (None, "", "Initializer STFT", "Initializer"),  # base classes, and the waves of a Fourier transformation
]
NAMES = {
    framework: {theirs: row[0] for row in COUNTERPARTS for theirs in row[1 + column].split()}
    for column, framework in enumerate(FRAMEWORKS)
}
MEASURED_SAME = {(framework, initializers.get(text).name) for framework, text, _, _ in (*EQUAL, *SAME, *ORTHOGONAL)}
CLAIMS = [
    (framework, cls, text)
    for cls in initializers.catalogue()
    for key, text in cls.elsewhere.items()
    for framework in key.split(", ")
    if framework in FRAMEWORKS  # the others are not installed here
]

# What each framework draws when no option is told, for the classes that tell it as numbers.
DEFAULTS = {
    ("PyTorch", "uniform"): lambda nn: nn.init.uniform_,
    ("PyTorch", "normal"): lambda nn: nn.init.normal_,
    ("PyTorch", "truncated_normal"): lambda nn: nn.init.trunc_normal_,
    ("Keras", "uniform"): lambda k: k.RandomUniform(seed=3),
    ("Keras", "normal"): lambda k: k.RandomNormal(seed=3),
    ("Keras", "truncated_normal"): lambda k: k.TruncatedNormal(seed=3),
    ("JAX", "uniform"): lambda j: j.uniform(),
    ("JAX", "normal"): lambda j: j.normal(),
    ("JAX", "truncated_normal"): lambda j: j.truncated_normal(),
}
DEFAULT = re.compile(r"std (?P<std>[\d.]+)|U[(\[](?P<low>-?[\d.]+), (?P<high>-?[\d.]+)\)")
STARTS = ("", "pytorch_linear", "forget_bias", "unit_forget_bias")  # how layers start, without a name elsewhere


def claimed(framework, text):
    """What a text claims: `none`; `default`, numbers; `same`, also with an option; `differs`, whatever else it says."""
    rest, numbers = DEFAULT.subn("", text)
    kinds = {"default"} if numbers else set()
    for clause in re.split(r"[,;:] ", rest):
        clause = clause.strip(" ,;:")
        if clause == "none" or re.match(r"the (same|default)\b|with \w+$", clause):
            kinds.add("none" if clause == "none" else "same")
        elif clause not in STARTS and re.sub(r"\(.*\)$", "", clause) not in NAMES[framework]:
            kinds.add("differs")
    return kinds


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("none", {"none"}),
        ("none; Glorot uniform is the default", {"none", "differs"}),
        ("the same", {"same"}),
        ("xavier_normal_, the same", {"same"}),
        ("xavier_normal_(gain=sqrt(2))", set()),
        ("the same, with fan_geo_avg", {"same"}),
        ("truncated normal", {"differs"}),
        ("not the same", {"differs"}),
        ("the same, but groups are not told apart", {"same", "differs"}),
        ("std 0.05, cut at 2 sigmas", {"default", "differs"}),
        ("U(-0.05, 0.05)", {"default"}),
        ("U[0, 0.01)", {"default"}),
    ],
)
def test_a_claim_is_read(text, kinds):
    assert claimed("PyTorch", text) == kinds


@pytest.mark.parametrize(("framework", "cls", "text"), CLAIMS, ids=[f"{c[1].name}-{c[0]}" for c in CLAIMS])
def test_every_claim_is_measured(framework, cls, text):
    measured = {"same"} if (framework, cls.name) in MEASURED_SAME else set()
    measured |= {"differs"} if (framework, cls.name) in DIFFERS else set()
    kinds = claimed(framework, text)
    assert kinds
    assert "none" not in kinds or cls.name not in NAMES[framework].values()
    if "default" in kinds:
        assert (framework, cls.name) in DEFAULTS
    assert kinds - {"default", "none"} <= measured, f"no cross-check measures {text!r}"
    for option in re.findall(r"\bwith (\w+)", text):
        assert any(option in row[1] for row in SAME if row[0] == framework)
    if "default" not in kinds:
        assert measured <= kinds | {"same"}, f"{text!r} does not tell the difference that is measured"
    assert "same" not in measured or "none" not in kinds


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_counterpart_is_measured_and_told(framework):
    constants = {"zeros", "ones", "constant"}  # mean one thing everywhere, and tell nothing
    counterparts = set(NAMES[framework].values()) - {None}
    assert counterparts <= set(initializers.names())
    assert counterparts <= {name for claim, name in MEASURED_SAME | DIFFERS if claim == framework}
    assert counterparts - constants <= {cls.name for claim, cls, text in CLAIMS if claim == framework}
    assert all((framework, name) in MEASURED_SAME for name in constants)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_initializer_of_a_framework_has_its_place_here(framework):
    module = pytest.importorskip(MODULES[framework])
    if framework == "PyTorch":  # those without an underscore are deprecated
        public = {name for name in module.init.__all__ if name.endswith("_")}
    elif framework == "JAX":
        public = {name for name in dir(module) if not name.startswith("_")}
    else:
        public = {value.__name__ for value in vars(module).values() if isinstance(value, type)}
    assert public == set(NAMES[framework])


@pytest.mark.parametrize(("framework", "name"), DEFAULTS)
def test_the_default_is_the_one_told(framework, name):
    values = drawn(framework, DEFAULTS[framework, name], (400, 500)).astype(np.float64)
    told = DEFAULT.search(type(initializers.get(name)).elsewhere[framework])
    if name == "uniform":
        low, high = float(told["low"]), float(told["high"])
        near = (high - low) / 10_000
        assert low - 1e-9 <= values.min() < low + near
        assert high - near < values.max() <= high + 1e-9
        return
    std = float(told["std"])
    if name == "truncated_normal":
        assert 1.99 * std < np.abs(values).max() <= 2 * std * (1 + 1e-6)
        std *= 0.87962566103423978  # what is left of it
    assert abs(values.std() - std) < 5 * std / math.sqrt(2 * values.size)
