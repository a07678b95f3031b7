"""PyTorch models: their parameters as weights, and everything that is done with those. Importable only with torch."""

from __future__ import annotations

from goodinit.errors import GoodinitError
from goodinit.methods import DEFAULTS

try:
    import torch as _torch  # noqa: F401  # every file of this room uses it; its absence is told here, once
except ImportError as error:
    raise GoodinitError("PyTorch is not installed, and a model needs it: pip install 'goodinit[torch]'") from error

from goodinit.pytorch.drawing import draw
from goodinit.pytorch.editing import Edit, edit
from goodinit.pytorch.filling import initialize
from goodinit.pytorch.layers import register_rule
from goodinit.pytorch.plan import Rules
from goodinit.pytorch.read import ModelWeight, read_model
from goodinit.pytorch.record import Filled, Initialization
from goodinit.pytorch.structure import read_structure
from goodinit.structure import ROLES, Meaning, Role

__all__ = [
    "DEFAULTS",
    "ROLES",
    "Edit",
    "Filled",
    "Initialization",
    "Meaning",
    "ModelWeight",
    "Role",
    "Rules",
    "draw",
    "edit",
    "initialize",
    "read_model",
    "read_structure",
    "register_rule",
]
