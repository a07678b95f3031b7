"""What the page can choose from: `/api/catalogue`."""

from __future__ import annotations

from dataclasses import Field, asdict, fields
from functools import cache
from importlib.metadata import version
from typing import Any

from goodinit import activations, findings, initializers
from goodinit.checkup.measure import NEAR_BOUND
from goodinit.checkup.model_theory import baseline_saturation
from goodinit.datasets import BUILTIN
from goodinit.errors import GoodinitError
from goodinit.initializers import Initializer, Scaled
from goodinit.lab.laws import law
from goodinit.lab.limits import LIMITS, most_work
from goodinit.lab.scene import CLASSED, NOISE, STREAMS, Scene
from goodinit.networks import MLP
from goodinit.options import LOSSES
from goodinit.streams import KeyedStream
from goodinit.training import OPTIMIZERS

__all__ = ["catalogue", "served_catalogue"]


@cache
def catalogue() -> dict[str, Any]:
    """Initializers, activations, data, and everything else that has a name or a bound, for a page without a server."""
    return {
        "version": version("goodinit"),
        "defaults": Scene().to_dict(),
        "served": False,
        "limits": {**LIMITS, "work": LIMITS["page_work"]},
        "initializers": [_initializer(kind) for kind in initializers.catalogue() if _serves(kind)],
        "activations": [_activation(name) for name in activations.names()],
        "data": [*(_data(name) for name in CLASSED), {"name": "own"}, {"name": "csv"}],
        "losses": list(LOSSES),
        "optimizers": list(OPTIMIZERS),
        "streams": list(STREAMS),
        "seed": {"low": LIMITS["seed"][0], "high": LIMITS["seed"][1]},
        "findings": _findings(),
    }


def served_catalogue() -> dict[str, Any]:
    """The same for a page whose networks this machine trains."""
    return {**catalogue(), "served": True, "limits": {**LIMITS, "work": most_work()}}


def _findings() -> dict[str, Any]:
    """Every text by language and code (findings/texts.py says how they are written), and the limits of the rules."""
    return {
        "texts": {language: findings.texts(language) for language in findings.LANGUAGES},
        "limits": {code: asdict(limit) for code, limit in findings.LIMITS.items()},
        "zero_gradient": findings.ZERO_GRADIENT,
        "usual_saturation": {name: baseline_saturation(name, NEAR_BOUND) for name in activations.names()},
    }


def _serves(kind: type[Initializer]) -> bool:
    """Whether an initializer can fill a fully connected network; a gain on any of them has a slider of its own."""
    if kind is Scaled:
        return False
    for widths in ((2, 10, 5, 1), (8, 8, 8)):  # some need even or equal widths
        network = MLP(widths, activations.get("relu"), "squared_error")
        try:
            network.parameters(kind(), KeyedStream(0))
        except GoodinitError:
            continue
        return True
    return False


def _initializer(kind: type[Initializer]) -> dict[str, Any]:
    return {
        "name": kind.name,
        "aliases": list(kind.aliases),
        "summary": kind.summary,
        "formula": kind.formula,
        "reference": kind.reference,
        "activations": list(kind.activations),
        "options": [_option(kind, option) for option in fields(kind) if option.init],
        "law": law(kind),
    }


def _option(kind: type[Initializer], option: Field[Any]) -> dict[str, Any]:
    """An option's type by its default; a word's choices and a number's bounds by what the initializer refuses."""
    facts: dict[str, Any] = {"name": option.name, "default": option.default}
    if isinstance(option.default, bool):
        return {**facts, "type": "boolean"}
    if isinstance(option.default, str):
        return {**facts, "type": "choice", "choices": _choices(kind, option.name)}
    facts["type"] = "number"
    if not _takes(kind, option.name, -1e-100):
        facts["low"] = 0
        facts["above"] = not _takes(kind, option.name, 0.0)  # whether the bound itself is refused
    if _takes(kind, option.name, 1.0) and not _takes(kind, option.name, 1.001):
        facts["high"] = 1
    return facts


def _takes(kind: type[Initializer], option: str, value: object) -> bool:
    wider = {"high": 10.0} if option == "low" else {}  # whose bound is its own, not the other end
    try:
        initializers.get(kind.name, **{**wider, option: value})
    except GoodinitError:
        return False
    return True


def _choices(kind: type[Initializer], option: str) -> list[str]:
    """The words that an option takes, an activation's any that it takes; none where it is a free text."""
    words = list(kind.choices.get(option, ()))
    return words or (activations.names() if option == "activation" else [])


def _activation(name: str) -> dict[str, Any]:
    known = activations.get(name)
    return {
        "name": name,
        "options": _activation_options(name),
        "kinks": list(known.kinks),
        "saturation": list(known.saturation),
    }


def _activation_options(name: str) -> list[dict[str, Any]]:
    option = activations.option(name)
    if option is None:
        return []
    return [{"name": option[0], "type": "number", "default": option[1]}]


def _data(name: str) -> dict[str, Any]:
    kind = BUILTIN[name]
    points = LIMITS["points"]
    return {
        "name": name,
        "summary": kind.summary,
        "features": len(kind.features),
        "classes": list(kind.classes),
        "seeded": kind.varies,
        "image": list(kind.image) if kind.image else None,
        "noise": None if kind.noise is None else {"default": kind.noise, "low": 0, "high": NOISE[name]},
        "points": None if kind.points is None else {"default": kind.points, "low": points[0], "high": points[1]},
        "examples": None if kind.rows is None else dict(zip(("train", "test"), kind.rows, strict=True)),
    }
