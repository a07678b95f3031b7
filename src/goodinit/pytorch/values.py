"""What is remembered of a tensor while a model is run: where it comes from, and what was done to it since."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from goodinit.pytorch.functions import Function, argument
from goodinit.structure import LayerCall

_MOST_STEPS_BACK: Final = 4096  # of the search for a skip connection: longer branches are taken for none

__all__ = [
    "Descent",
    "Known",
    "ModelInput",
    "SignalOrigin",
    "Value",
    "as_many_axes",
    "drops_nothing",
    "in_new_units",
    "inputs_in",
    "is_mixed",
    "multiplied",
    "own_names",
    "same_facts",
    "units_of",
]


@dataclass(frozen=True, eq=False)
class ModelInput:
    """An input of the model, behind what changes its place or its units only: `form` has its shape and those units."""

    source: Tensor
    form: Tensor


@dataclass(frozen=True)
class Value:
    """What is known of a tensor that goes by.

    `calls` are those whose output it still is, up to what no unit is mixed by; `names` the parameters it is computed
    from where it is computed from nothing else. `signal` says that it is an output of a layer, or descends from the
    model's inputs (`varied`) or such an output; what is neither is a constant. `parents` are earlier values, by number.
    `stream` is the residual stream that it is, `reach` are the calls whose outputs it was computed from with no layer
    between. `passed` names the scales of norms and of layers that it went through since its calls, or since the last
    sum of its stream. `weighting` says that it is what an attention weights its values by, `routing` that it is a
    router's softmax, `changed` that it is a function of parameters that need not be 0 where they are. `given` are the
    model's inputs that it still is, or is a sum of. `units` are the ranges of its one call's output units that it
    holds, none where that is all of them or is not known; `made_by` are the calls whose outputs are the weight and the
    bias that it was made with. `origin` is the signal that it is an elementwise function of, where it is one of that
    signal alone.
    """

    node: int
    signal: bool = False
    varied: bool = False
    parents: tuple[int, ...] = ()
    calls: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    activation: str | None = None
    normed: bool = False
    plain: bool = False
    mixed: bool = False
    scale: float = 1.0
    scored: tuple[int, ...] = ()
    divisor_of: tuple[int, ...] = ()
    stream: int | None = None
    reach: frozenset[int] = frozenset()
    passed: tuple[str, ...] = ()
    weighting: bool = False
    routing: bool = False
    changed: bool = False
    units: tuple[tuple[int, int], ...] = ()
    made_by: tuple[int, ...] = ()
    given: tuple[ModelInput, ...] = ()
    origin: SignalOrigin | None = None


@dataclass(frozen=True, eq=False)
class SignalOrigin:
    """A signal before elementwise functions: what was known of it, and some of its values."""

    value: Value
    sample: Tensor


Known = list[tuple[Tensor, Value]]
"""Tensors that a function was given, with what was known of them."""


class Descent:
    """Which values were computed from which: they are numbered in the order they were made."""

    def __init__(self) -> None:
        self.parents: list[tuple[int, ...]] = []
        self.made: dict[int, tuple[int, ...]] = {}  # the layer calls that made a value

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.parents)

    def node(self, parents: tuple[int, ...]) -> int:
        """The number of a new value, computed from these."""
        self.parents.append(parents)
        return len(self.parents) - 1

    def near(self, node: int, most: int = 12) -> tuple[int, ...]:
        """What a value was computed from, a few functions back: enough to know a norm that is written out."""
        near: list[int] = []
        waiting = [node]
        while waiting and len(near) < most:
            parents = self.parents[waiting.pop()]
            near += parents
            waiting += parents
        return tuple(near)

    def between(self, node: int, ancestor: int) -> tuple[int, ...] | None:
        """The layer calls on the ways from a value to another that was computed from it; None where it was not.

        Values are numbered in the order they were made: what is older than the ancestor lies on no way.
        """
        seen: set[int] = {node}
        waiting = [node] if node > ancestor else []
        found = False
        while waiting and len(seen) < _MOST_STEPS_BACK:
            for parent in self.parents[waiting.pop()]:
                found |= parent == ancestor
                if parent > ancestor and parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return tuple(sorted({call for each in seen for call in self.made.get(each, ())})) if found else None


def same_facts(value: Value) -> dict[str, Any]:
    """What stays true of a signal that is only passed on."""
    return {
        "calls": value.calls,
        "activation": value.activation,
        "normed": value.normed,
        "mixed": value.mixed,
        "scored": value.scored,
        "scale": value.scale,
        "divisor_of": value.divisor_of,
        "stream": value.stream,
        "passed": value.passed,
        "weighting": value.weighting,
        "routing": value.routing,
        "units": value.units,
        "made_by": value.made_by,
        "given": value.given,
    }


def multiplied(
    func: Function, args: tuple[Any, ...], signal: Tensor, names: Callable[[Tensor], tuple[str, ...]]
) -> float | None:
    """The number that a signal is multiplied by: written down, or a parameter's size; None where that is not known.

    A quotient is the product with the inverse.
    """
    name = getattr(func, "__name__", "")
    divides = "div" in name
    if name == "__rtruediv__" or (divides and args[0] is not signal):
        return None  # a number over a signal
    for each in args:
        factor = None
        if isinstance(each, int | float) and not isinstance(each, bool):
            factor = float(each)
        elif isinstance(each, Tensor) and each is not signal and each.dtype.is_floating_point and each.numel():
            if names(each):
                factor = float(each.detach().float().square().mean().sqrt())
            elif each.numel() == 1:
                factor = float(each.detach())
        if factor is not None:
            return 1 / factor if divides and factor else factor
    return None


def in_new_units(value: Value, result: Any) -> tuple[ModelInput, ...]:
    """An input that something was added to, or that was multiplied; none where its shape is another by that."""
    same = len(value.given) == 1 and isinstance(result, Tensor) and result.shape == value.given[0].form.shape
    return (ModelInput(value.given[0].source, result),) if same else ()


def inputs_in(data: Known) -> tuple[ModelInput, ...]:
    """The inputs in signals that are put beside each other, or added."""
    return tuple({id(each.source): each for _, value in data for each in value.given}.values())


def as_many_axes(result: Any, data: Known) -> bool:
    """Whether a result has as many axes as the signal that it was made of."""
    return isinstance(result, Tensor) and result.dim() == data[0][0].dim()


def is_mixed(value: Value) -> bool:
    """Whether a value holds a signal of no layer."""
    return value.mixed or (value.signal and not value.calls)


def drops_nothing(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """A dropout in evaluation, or with probability 0."""
    share, training = argument(args, kwargs, 1, "p", 0.5), argument(args, kwargs, 2, "training", True)
    return training is False or share == 0


def own_names(before: Known) -> tuple[str, ...]:
    """The parameters that a function was given beside the signals, unless as a function of them."""
    own = [value for _, value in before if not value.signal and not value.changed]
    return tuple(dict.fromkeys(name for value in own for name in value.names))


def units_of(tensor: Tensor, call: LayerCall) -> tuple[tuple[int, int], ...]:
    """Which output units of a linear layer a view of its output holds, as ranges; none where that cannot be told.

    A view has the memory of the whole: its first element and its steps say which columns it reads.
    """
    row = call.output_shape[-1] if call.output_shape else 0
    memory = tensor.untyped_storage().nbytes() // max(tensor.element_size(), 1)
    if call.kind not in ("linear", "matmul") or row == 0:
        return ()
    size = 1
    for each in call.output_shape:
        size *= each
    if memory != size or tensor.device.type == "meta":
        return ()
    units = {int(tensor.storage_offset()) % row}
    for count, step in zip(tensor.shape, tensor.stride(), strict=True):
        if step % row and count > 1:
            units = {(unit + place * int(step)) % row for unit in units for place in range(count)}
            if len(units) > row:
                return ()
    ranges: list[tuple[int, int]] = []
    for unit in sorted(units):
        if ranges and ranges[-1][1] == unit:
            ranges[-1] = ranges[-1][0], unit + 1
        else:
            ranges.append((unit, unit + 1))
    return tuple(ranges)
