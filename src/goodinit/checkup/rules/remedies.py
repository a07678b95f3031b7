"""Remedies: Python that can be pasted, in the names `model`, `inputs`, `targets`, `torch` and `goodinit`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from keyword import iskeyword

from goodinit import theory
from goodinit.findings import Finding
from goodinit.model_records import LayerStart, ModelStart, ParameterStart

__all__ = ["alternatives", "biases_of", "expression", "initialize", "orthogonal", "redraw", "scale", "wrapped"]

_BOUNDED = ("tanh", "erf", "softsign", "hard_tanh", "sigmoid")
_SMOOTH = ("gelu", "silu", "mish")
_DEEP = 20  # layers
_MOST_ENDS = 5
_OF_WEIGHTS = ("goodinit.initialize(", "torch.nn.init.", ".mul_(")


def expression(name: str) -> str:
    """A parameter's name as Python, `blocks.3.fc.weight` being `model.blocks[3].fc.weight`."""
    parts = name.split(".")
    if all(part.isdigit() or (part.isidentifier() and not iskeyword(part)) for part in parts):
        return "model" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts)
    return f"model.get_parameter({name!r})"


def initialize(start: ModelStart) -> str:
    """Reinitialize the whole model, orthogonal, which keeps sizes best in deep networks.

    The gain follows each layer's activation; for activations that are bounded it is 1, since any larger one leads into
    chaos with depth. A deep network of gelu, silu or mish keeps its sizes with no gain alone: it gets the variances of
    its half-stable critical point, biases included.
    """
    names = [layer.call.activation for layer in start.layers if layer.call.activation is not None]
    sines = [name for name in names if name.startswith("sine")]
    bounded = [name for name in names if name in _BOUNDED]
    if 2 * len(sines) > len(names):
        return 'goodinit.initialize(model, "siren", seed=0, inputs=inputs)'
    smooth = [name for name in names if name in _SMOOTH]
    biased = any(each.role == "bias" for each in start.parameters)
    if (
        len(smooth) >= _DEEP
        and 2 * len(smooth) > len(names)
        and biased
        and not any(e.call.norm_after for e in start.layers)
    ):
        point = theory.half_stable_critical_point(smooth[0])
        gain, bias = math.sqrt(point.weight_variance), math.sqrt(point.bias_variance)
        rules = f'rules={{"bias": "normal(std={bias:.4g})"}}'
        return f'goodinit.initialize(model, "orthogonal(gain={gain:.4g})", seed=0, inputs=inputs, {rules})'
    init = "orthogonal(gain=1)" if 2 * len(bounded) > len(names) else "orthogonal"
    return f'goodinit.initialize(model, "{init}", seed=0, inputs=inputs)'


def alternatives(start: ModelStart, finding: Finding) -> tuple[str, ...]:
    """What else may remove a finding whose remedy changes weights, where that remedy does not."""
    if not any(word in finding.remedy for word in _OF_WEIGHTS):
        return ()
    others = ("he_normal", "residual_scaling", "default")
    return (initialize(start), *(f'goodinit.initialize(model, "{init}", seed=0, inputs=inputs)' for init in others))


def redraw(start: ModelStart, layer: LayerStart) -> str:
    """Reinitialize one layer's weight with the standard deviation that theory wants, and set its biases to 0."""
    if layer.weight_std_expected is None:
        return initialize(start)
    lines = [f"torch.nn.init.normal_({expression(layer.call.weight)}, std={layer.weight_std_expected:.4g})"]
    lines += [f"torch.nn.init.zeros_({expression(name)})" for name in biases_of(start, layer)]
    return "\n".join(lines)


def biases_of(start: ModelStart, layer: LayerStart) -> list[str]:
    """The names of a layer's biases."""
    path = layer.call.weight.rpartition(".")[0]
    return [
        each.name
        for each in start.parameters
        if each.role in ("bias", "gate bias") and each.name.rpartition(".")[0] == path
    ]


def scale(start: ModelStart, names: Sequence[str], factor: float, zeroed: Sequence[str] = ()) -> str:
    """Multiply parameters by a number, and set others to 0."""
    lines = [f"    {line}" for line in _each(start, names, f"{{}}.mul_({factor:.3g})")]
    return "\n".join(["with torch.no_grad():", *lines, *(f"    {expression(name)}.zero_()" for name in zeroed)])


def orthogonal(start: ModelStart, names: Sequence[str]) -> str:
    """Reinitialize parameters as orthogonal matrices."""
    return "\n".join(_each(start, names, "torch.nn.init.orthogonal_({})"))


def wrapped(start: ModelStart, parameters: Sequence[ParameterStart]) -> str:
    """Reinitialize parameters with the standard deviations that theory wants of them, where it wants one of all."""
    groups: dict[str, list[str]] = {}
    for each in parameters:
        if each.std_expected is None or not math.isfinite(each.std_expected):
            return ""
        groups.setdefault(f"{each.std_expected:.4g}", []).append(each.name)
    return "\n".join(
        line for std, names in groups.items() for line in _each(start, names, f"torch.nn.init.normal_({{}}, std={std})")
    )


def _each(start: ModelStart, names: Sequence[str], statement: str) -> list[str]:
    """Lines that do to each of these parameters what a statement with a gap for it does, in a loop for several."""
    if len(names) < 2:
        return [statement.format(expression(name)) for name in names]
    if ends := _common_ends(start, names):
        return [
            "for name, parameter in model.named_parameters():",
            f"    if name.endswith({ends if len(ends) > 1 else ends[0]!r}):",
            f"        {statement.format('parameter')}",
        ]
    return [
        "for name in (",
        *(f"    {name!r}," for name in names),
        "):",
        f"    {statement.format('model.get_parameter(name)')}",
    ]


def _common_ends(start: ModelStart, names: Sequence[str]) -> tuple[str, ...]:
    """The ends of these names, where they are few and no other parameter's name has one of them; empty otherwise."""
    for parts in (2, 3, 1):
        ends = tuple(dict.fromkeys("." + ".".join(name.split(".")[-parts:]) for name in names))
        if len(ends) < min(len(names), _MOST_ENDS):
            matched = {each.name for each in start.parameters if each.name.endswith(ends)}
            if matched == set(names):
                return ends
    return ()
