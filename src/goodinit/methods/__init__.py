"""Methods: published rules for a whole network, one or one family a file, and the seam that every start goes through.

`prepare(structure, probe)` says of each parameter what fills it and how fast it is to move. An initializer on every
weight is the simplest method, and a model's own start is one too. A new method is a file of this folder, whose class
has the decorator `register`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from goodinit.methods.assignment import Assignment, Multipliers
from goodinit.methods.base import Method, Need
from goodinit.methods.complete import Ruled, RuleInit, Unknown, assign
from goodinit.methods.every import DEFAULTS, EveryWeight
from goodinit.methods.probe import CallOutput, Finish, GainSlopes, Measurement, Probe, Probing, Rescale
from goodinit.methods.registry import Start, as_method, catalogue, get, names, register, unregister

__all__ = [
    "DEFAULTS",
    "Assignment",
    "CallOutput",
    "EveryWeight",
    "Finish",
    "GainSlopes",
    "Measurement",
    "Method",
    "Multipliers",
    "Need",
    "Probe",
    "Probing",
    "Rescale",
    "RuleInit",
    "Ruled",
    "Start",
    "Unknown",
    "as_method",
    "assign",
    "catalogue",
    "get",
    "names",
    "register",
    "unregister",
]

for _module in iter_modules(__path__):  # every file registers its own
    import_module(f"{__name__}.{_module.name}")
