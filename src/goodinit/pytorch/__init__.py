"""PyTorch models: their parameters as weights, and everything that is done with those. Importable only with torch."""

from __future__ import annotations

from goodinit.errors import GoodinitError

try:
    import torch as _torch  # noqa: F401  # every file of this room uses it; its absence is told here, once
except ImportError as error:
    raise GoodinitError("PyTorch is not installed, and a model needs it: pip install 'goodinit[torch]'") from error

from goodinit.pytorch.layers import ROLES, Meaning, Role, register_rule
from goodinit.pytorch.read import ModelWeight, read_model

__all__ = ["ROLES", "Meaning", "ModelWeight", "Role", "read_model", "register_rule"]
