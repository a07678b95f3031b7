"""Where in somebody's code a fault lies: the line that calls a function, or the module that does."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch
from torch import Tensor

from goodinit.checkup.model_signals import size, spread
from goodinit.findings import Finding
from goodinit.pytorch.calling import tensors_in
from goodinit.pytorch.functions import ACTIVATIONS, LOSSES, Function, argument, role
from goodinit.pytorch.trace import Observer, Value
from goodinit.wording import shorten

__all__ = ["FaultPlaces", "place_of"]

_PLACES: Final[Mapping[str, str]] = {
    "probabilities-as-scores": "activation",
    "activation-before-loss": "activation",
    "scores-not-logarithms": "loss",
    "targets-stretched": "loss",
    "dropout-too-large": "dropout",
    "no-gradient": "cut",
    "attention-not-scaled": "scores",
    "attention-wrong-axis": "scores",
    "exploding-signal/between": "grown",
    "collapsed/between": "alike",
}
"""By a finding's code, and case, what is looked for: the last activation before the loss, an attention's first softmax,
the function without weights that makes signals grow most, or examples most alike, ...."""
_GROWN: Final = 2.0  # times in rms
_ALIKE: Final = 0.1  # of the spread

_OURS: Final = str(Path(__file__).parents[1])
_TORCHS: Final = str(Path(torch.__file__).parent)


def place_of(finding: Finding) -> str | None:
    """What is looked for in the code that a finding is about."""
    return _PLACES.get(finding.code) or _PLACES.get(f"{finding.code}/{finding.values.get('case')}")


class FaultPlaces(Observer):
    """Remembers where the functions were called that a finding may be about; what is measured, where it is `wanted`."""

    def __init__(self, model: torch.nn.Module, wanted: Container[str], known: Callable[[Tensor], Value]) -> None:
        self.found: dict[str, str | None] = {}
        self._wanted, self._known = wanted, known
        self._grown, self._alike = _GROWN, _ALIKE
        self._names = {id(module): name for name, module in model.named_modules() if name}
        self._dropout = 0.0

    def done(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Note the place, where the function is one that is looked for."""
        if function in LOSSES:
            self.found["loss"] = self._place()
        elif "loss" in self.found:
            return
        elif role(function) == "softmax" or function in ACTIVATIONS:
            place = self.found["activation"] = self._place()
            if role(function) == "softmax" and isinstance(result, Tensor) and result.dim() > 2:
                self.found.setdefault("scores", place)
        elif role(function) == "attend":
            self.found.setdefault("scores", self._place())
        elif role(function) == "dropout":
            share = float(argument(args, kwargs, 1, "p", 0.5))
            if share > self._dropout:
                self._dropout, self.found["dropout"] = share, self._place()
        if "grown" in self._wanted or "alike" in self._wanted:
            self._compared(function, args, kwargs, result)
        if "cut" not in self.found and isinstance(result, Tensor) and not result.requires_grad:
            given = [tensor for tensor in tensors_in((args, kwargs)) if tensor.requires_grad]
            if given and (result.dtype.is_floating_point or role(function) is None) and result.numel():
                self.found["cut"] = self._place()

    def _compared(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """See what a function without weights makes of the size of signals, and of how examples differ."""
        given = tensors_in((args, kwargs))
        known = [(tensor, self._known(tensor)) for tensor in given if tensor.dtype.is_floating_point]
        signals = [tensor for tensor, value in known if value.signal and value.varied and tensor.numel()]
        owned = any(value.names for _, value in known if not value.signal)
        if owned or not signals or not isinstance(result, Tensor) or not result.dtype.is_floating_point:
            return
        if not result.numel() or result.dim() < 2:
            return
        with torch.no_grad():
            before = max(float(size(tensor)) for tensor in signals)
            grown = float(size(result)) / before if before > 0 else 0.0
            if grown > self._grown:
                self._grown, self.found["grown"] = grown, self._place()
            if function in ACTIVATIONS or role(function) == "norm":
                return
            spreads = [found for tensor in (*signals, result) if (found := _spread(tensor)) is not None]
            if len(spreads) > len(signals) and max(spreads[:-1]) > 0:
                alike = spreads[-1] / max(spreads[:-1])
                if alike < self._alike:
                    self._alike, self.found["alike"] = alike, self._place()

    def _place(self) -> str | None:
        """`file.py:12: the line`, where it is a person's, or the module of the model that made the call."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename.startswith(_OURS):
            frame = frame.f_back
        module: str | None = None
        while frame is not None and not frame.f_code.co_filename.startswith(_OURS):
            file = frame.f_code.co_filename
            if not file.startswith(_TORCHS):
                line = linecache.getline(file, frame.f_lineno).strip()
                place = f"{Path(file).name}:{frame.f_lineno}"
                return f"{place}: {shorten(line, 80)}" if line else place
            owner = frame.f_locals.get("self")
            if module is None and id(owner) in self._names:
                module = f"model.{self._names[id(owner)]}, a {type(owner).__name__}"
            frame = frame.f_back
        return module


def _spread(tensor: Tensor) -> float | None:
    numbers: dict[str, Tensor] = {}
    spread(tensor.detach(), None, numbers)
    return float(numbers["spread"]) if "spread" in numbers else None
