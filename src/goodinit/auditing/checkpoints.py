"""What came from a checkpoint where a library's loader writes unseen, as transformers' does in threads."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Loaded", "loaded"]


@dataclass(frozen=True)
class Loaded:
    """The checkpoint that a tensor's model was loaded from, and whether it holds the tensor."""

    path: str
    holds: bool


def loaded(model: torch.nn.Module) -> dict[int, Loaded]:
    """By the id of each parameter and kept buffer of models that `from_pretrained` of transformers loaded.

    It marks what a checkpoint brought, to leave it out when it fills the rest.
    """
    if "transformers" not in sys.modules:
        return {}
    found: dict[int, Loaded] = {}
    paths = {id(model): ""}
    for module in model.modules():  # an outer one before what it holds
        own = getattr(module, "name_or_path", "") if _of_transformers(module) else ""
        path = str(own) if own else paths[id(module)]
        paths.update({id(child): path for child in module.children()})
        if path:
            kept = [b for name, b in module._buffers.items() if name not in module._non_persistent_buffers_set]
            for tensor in [*module._parameters.values(), *kept]:
                if tensor is not None and not (id(tensor) in found and found[id(tensor)].holds):
                    found[id(tensor)] = Loaded(path, bool(getattr(tensor, "_is_hf_initialized", False)))
    holding = {each.path for each in found.values() if each.holds}
    return {key: each for key, each in found.items() if each.path in holding}  # others have a configuration from there


def _of_transformers(module: Any) -> bool:
    return any(each.__module__.startswith("transformers.") for each in type(module).__mro__)
