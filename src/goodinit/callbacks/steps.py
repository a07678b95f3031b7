"""What a callback logs of one step: numbers by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from goodinit.checkup.model_watch import Watch
from goodinit.findings import Finding

__all__ = ["logged"]

_RANK: Final = {"info": 1.0, "warning": 2.0, "severe": 3.0}


def logged(watch: Watch, new: Sequence[Finding]) -> dict[str, float]:
    """The latest step's ratios, and for each new finding its severity: 1 a remark, 2 a warning, 3 severe."""
    step = watch.steps[-1]
    ratios = {"gradient_to_weight": step.gradient_to_weight, "update_to_weight": step.update_to_weight}
    found = {f"goodinit/{name}": value for name, value in ratios.items() if value is not None}
    return found | {f"goodinit/{each.code}": _RANK[each.severity] for each in new}
