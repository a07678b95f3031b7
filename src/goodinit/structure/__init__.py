"""What a network or a model is, free of any framework: its parameters with their roles, its layer calls, its streams.

PyTorch's reader makes the structure of a model, and an `MLP` makes its own. Parameters are addressed by name in both.
"""

from __future__ import annotations

from goodinit.structure.branches import Branch, ResidualStream
from goodinit.structure.calls import LayerCall, MadeWeight, ResidualSum, Trace
from goodinit.structure.forms import INPUT, UNKNOWN, SignalForm
from goodinit.structure.parameters import Parameter
from goodinit.structure.roles import MULTIPLYING, ROLES, Meaning, Role
from goodinit.structure.whole import Structure

__all__ = [
    "INPUT",
    "MULTIPLYING",
    "ROLES",
    "UNKNOWN",
    "Branch",
    "LayerCall",
    "MadeWeight",
    "Meaning",
    "Parameter",
    "ResidualStream",
    "ResidualSum",
    "Role",
    "SignalForm",
    "Structure",
    "Trace",
]
