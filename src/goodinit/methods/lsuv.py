"""Layer-sequential unit variance: every layer's output scaled to variance 1 on a batch, in execution order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from goodinit.initializers import Initializer
from goodinit.methods.assignment import Assignment
from goodinit.methods.measuring import MeasuringMethod, gained, listed, weight_calls
from goodinit.methods.probe import CallOutput, Measurement, Probe, Rescale
from goodinit.methods.registry import register
from goodinit.structure import LayerCall, Structure

__all__ = ["LSUV"]

_COLLAPSED: Final = 0.01  # of the variance between examples: less is as good as one output for all of them
_PASSES: Final = 3  # runs for each layer call, at most
_MOST_PASSES: Final = 40


@register
@dataclass(frozen=True)
class LSUV(MeasuringMethod):
    """Orthonormal weights, each divided by the standard deviation of its layer's output on a batch.

    Layers are seen in the order in which the model runs them, so that each gets inputs that are scaled already: one
    run scales all of them, another measures what came of it. A weight that several calls share has one scale, with
    which the mean of their outputs' variances is 1. A layer whose variance is within `tolerance` of 1 is left as it is.
    Projections that one function computes together, as those of `nn.MultiheadAttention`, are scaled as one. Look-ups
    and weights inside recurrent layers stay as they are.

    Unit variance says nothing of what the variance is between: a deep network may give the same output for every
    example. The share of it that lies between examples is measured too, and a small one is noted.

    >>> import torch, goodinit
    >>> model = torch.nn.Sequential(torch.nn.Linear(20, 50), torch.nn.Tanh(), torch.nn.Linear(50, 10))
    >>> done = goodinit.initialize(model, "lsuv", seed=0, inputs=torch.ones(8, 20) * torch.arange(8.)[:, None])
    >>> [(each.where, each.quantity, round(each.after, 4)) for each in done.measured]
    [('0.weight', 'variance', 1.0), ('2.weight', 'variance', 1.0)]

    Raises GoodinitError for a tolerance that is not a positive number, and where no batch is given.
    """

    name = "lsuv"
    summary = "orthonormal weights, each scaled so that its layer's output has variance 1 on a batch"
    formula = "w = of / std(output), layer by layer in execution order, until |var - 1| <= tolerance"
    reference = "Mishkin & Matas 2016 (All you need is a good init)"
    needs = ("run", "inputs")
    elsewhere = MappingProxyType({"LSUV-pytorch": "needed_std=1, std_tol=0.1: |std - 1|; Linear and Conv2d only"})

    of: str | Initializer = "orthogonal"
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_number("tolerance", 0, above=True)

    def prepare(self, structure: Structure, probe: Probe | None = None) -> tuple[Assignment, ...]:
        """The weights, scaled by what was measured."""
        said, probe = self.before(structure), self.probed(probe)
        calls = weight_calls(structure, probe.free(said))
        first = probe.outputs(said)
        gains = dict.fromkeys(calls, 1.0)
        factors = dict.fromkeys(calls, 1.0)  # of shared weights, from one run to the next
        places = {call.index: each for each, own in calls.items() for call in own}
        shared = {name for name, own in calls.items() if len(own) > 1}
        asked: dict[int, int] = {}

        def sweep(call: LayerCall, output: CallOutput) -> Rescale | None:
            name = places.get(call.index)
            if name is None or call.number:
                return None
            asked[call.index] = asked.get(call.index, 0) + 1
            if name in shared:
                if asked[call.index] > 1 or factors[name] == 1:
                    return None
                return Rescale(factors[name])
            if not self._off(output.std**2):
                return None
            gains[name] /= output.std
            return Rescale(1 / output.std)

        outputs = probe.sweep(said, sweep)
        steps = {name: _Search(len(own)) for name, own in calls.items() if name in shared}
        limit = min(_PASSES * max(len(first), 1) - 3, _MOST_PASSES)
        for _ in range(limit):
            moved = False
            for each, search in steps.items():
                variance = _pooled(calls[each], outputs)
                if self._off(variance):
                    factors[each] = search.next(factors[each], variance)
                    moved = True
            if not moved:
                break
            gains = dict.fromkeys(calls, 1.0)
            asked.clear()
            outputs = probe.sweep(said, sweep)
        gains |= {each: factors[each] for each in shared}
        made = gained(said, gains)
        self._report(probe, calls, first, probe.outputs(made))
        return made

    def _off(self, variance: float) -> bool:
        """Whether a variance is to be changed, and can be."""
        return math.isfinite(variance) and variance > 0 and abs(variance - 1) > self.tolerance

    def _report(
        self,
        probe: Probe,
        calls: dict[str, list[LayerCall]],
        before: tuple[CallOutput, ...],
        after: tuple[CallOutput, ...],
    ) -> None:
        collapsed: list[str] = []
        missed: list[str] = []
        for name, own in calls.items():
            values = _pooled(own, before), _pooled(own, after)
            reached = abs(values[1] - 1) <= self.tolerance
            probe.record(Measurement(name, "variance", *values, aim=1.0, reached=reached))
            missed += [f"{name} ({values[1]:.3g})"] * (not reached)
            shares = [share for call in own if (share := after[call.index].between) is not None]
            collapsed += [name] * bool(shares and max(shares) < _COLLAPSED and values[1] > 0)
        if missed:
            probe.note(f"variance 1 was not reached at {listed(missed)}")
        if collapsed:
            probe.note(
                f"variance hides collapse: at {listed(collapsed)} less than {_COLLAPSED:.0%} of the variance lies "
                "between examples, so that all of them have nearly the same output, which no scale can part"
            )


def _pooled(calls: list[LayerCall], outputs: tuple[CallOutput, ...]) -> float:
    """The mean of the variances of some calls' outputs."""
    return sum(outputs[call.index].std ** 2 for call in calls) / len(calls)


class _Search:
    """The scale of a shared weight, by the secant of log variance over log scale."""

    def __init__(self, calls: int) -> None:
        self._slope = calls + 1.0  # the mean of 2, 4, ..., where each call takes the output of the one before
        self._most = 2.0 * calls
        self._last: tuple[float, float] | None = None

    def next(self, factor: float, variance: float) -> float:
        """The scale to try after one of which that variance came."""
        at, value = math.log(factor), math.log(variance)
        if self._last is not None and at != self._last[0]:
            slope = (value - self._last[1]) / (at - self._last[0])
            self._slope = min(max(slope, 0.3), self._most)
        self._last = at, value
        return math.exp(at - value / self._slope)
