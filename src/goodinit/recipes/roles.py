"""What a transformer's parameters are for, by their names: role, layer, width, as recipes speak of them."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["Place", "places"]

_NUMBER: Final = re.compile(r"\.(\d+)(?=\.)")
_INTO: Final = (
    "attention_out",
    "mlp_out",
    "expert_out",
    "mixer_out",
)  # their outputs have the width, their inputs need not
_WHOLE: Final = ("patch", "mixer_conv", "mixer_step")  # their inputs are all axes but the first
_BIASES: Final = {"patch": "patch_bias", "mixer_step": "step_bias"}  # of these roles' weights
_NORM: Final = re.compile(
    r"(^|[._])(norm|ln|layernorm|rmsnorm|rms_norm|layer_norm)|norm\d*(\.|$)|(^|\.)ln[_\d]", re.IGNORECASE
)


@dataclass(frozen=True)
class Place:
    """A parameter: its role, the layer it stands in (from 0) of how many, and the numbers that formulas speak of.

    `stack` is `encoder`, `decoder` or empty. `inside` says that it stands in a layer, and not before or behind them.
    `fans`, inputs and outputs, count where they are known.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    layer: int
    layers: int
    width: int
    stack: str = ""
    inside: bool = False
    fans: tuple[float, float] | None = None

    @property
    def fan_in(self) -> float:
        """The inputs of one output: by the role, as libraries differ in which axis comes first."""
        if self.fans is not None:
            return self.fans[0]
        if len(self.shape) < 2:
            return 1
        experts = self.shape[0] if len(self.shape) == 3 and self.role.startswith("expert") else 1
        size = math.prod(self.shape) // experts
        if self.role in _WHOLE:
            return math.prod(self.shape[1:])
        return max(1, size // self.width) if self.role in _INTO else self.width

    @property
    def fan_out(self) -> float:
        """The outputs of one input."""
        if self.fans is not None:
            return self.fans[1]
        experts = self.shape[0] if len(self.shape) == 3 and self.role.startswith("expert") else 1
        return max(1, math.prod(self.shape) // experts // self.fan_in)

    @property
    def numbers(self) -> dict[str, float]:
        """What a formula may name."""
        return {
            "layer": self.layer,
            "layers": self.layers,
            "inside": self.inside,
            "width": self.width,
            "fan_in": self.fan_in,
            "fan_out": self.fan_out,
        }


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    text = files("goodinit.recipes").joinpath("data", "roles.toml").read_text(encoding="utf-8")
    return tuple((each["role"], re.compile(each["pattern"])) for each in tomllib.loads(text)["role"])


def places(shapes: Mapping[str, Sequence[int]]) -> dict[str, Place]:
    """Every parameter's place, by the names that transformers, litgpt, torchtitan, OLMo-core, nanoGPT and timm give.

    The role is `other` where no name is known. The number of layers is that of the blocks beside a parameter's own.

    >>> found = places({"wte.weight": (100, 8), "h.0.attn.c_proj.weight": (8, 8), "h.1.attn.c_proj.weight": (8, 8)})
    >>> found["h.1.attn.c_proj.weight"].role, found["h.1.attn.c_proj.weight"].layers
    ('attention_out', 2)
    """
    roles = {name: role_of(name, tuple(shape)) for name, shape in shapes.items()}
    width = _width({name: tuple(shape) for name, shape in shapes.items()}, roles)
    blocks: dict[str, set[int]] = {}
    for name in shapes:
        if (found := _NUMBER.search(f".{name}")) is not None:
            blocks.setdefault(f".{name}"[: found.start()], set()).add(int(found[1]))
    result = {}
    for name, shape in shapes.items():
        found = _NUMBER.search(f".{name}")
        prefix = f".{name}"[: found.start()] if found is not None else ""
        stack = next((part for part in ("decoder", "encoder") if part in name.split(".")), "")
        layer, layers = (
            (int(found[1]), len(blocks[prefix]))
            if found is not None
            else (0, max(map(len, blocks.values()), default=0))
        )
        result[name] = Place(name, tuple(shape), roles[name], layer, layers, width, stack, found is not None)
    return result


def role_of(name: str, shape: tuple[int, ...]) -> str:
    """The role of a parameter of that name."""
    if name.endswith("bias") or name.rpartition(".")[2].startswith("bias"):
        owner = name.rpartition(".")[0]
        if _NORM.search(owner):
            return "norm_bias"
        return _BIASES.get(_named(f"{owner}.weight"), "bias")
    if name.endswith("mixer.D"):
        return "state_skip"
    if len(shape) <= 1:
        return "norm_scale" if _NORM.search(name) else "other"
    return _named(name)


def _named(name: str) -> str:
    return next((role for role, pattern in _patterns() if pattern.search(name)), "other")


def _width(shapes: Mapping[str, tuple[int, ...]], roles: Mapping[str, str]) -> int:
    """The width of the residual stream: what embeddings and norms have in common."""
    tables = [shapes[name][-1] for name, role in roles.items() if role == "embedding"]
    norms = Counter(shapes[name][-1] for name, role in roles.items() if role == "norm_scale")
    shared = [side for side in tables if side in norms or not norms]
    usual = [side for side, _ in norms.most_common(1)]
    return next(iter([*shared, *usual]), 1)
