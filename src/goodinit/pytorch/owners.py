"""Whose a parameter is: its name, and the module that uses it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils import parametrize

__all__ = ["Owners"]


class Owners:
    """The names of a model's parameters by identity, as `named_parameters` gives them.

    A parameter that several modules share has its first name; `module` gives the one of its modules that fits the kind
    of layer it was used as.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self._parameters = {id(parameter): parameter for parameter in model.parameters()}
        self._names: dict[int, list[str]] = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            self._names.setdefault(id(parameter), []).append(name)
        self._all = {names[0]: names for names in self._names.values()}
        self._modules: dict[tuple[str, str], str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every parameter once."""
        return tuple(self._all)

    def of(self, tensor: Tensor) -> tuple[str, ...]:
        """The name of the parameter that this tensor is; none for another tensor."""
        names = self._names.get(id(tensor))
        if names is not None and self._parameters[id(tensor)] is tensor:
            return (names[0],)
        return ()

    def module(self, name: str, kind: str) -> str:
        """The path of the module that owns the parameter and is of that kind of layer; the first of several."""
        found = self._modules.get((name, kind))
        if found is None:
            paths = [self._path(each) for each in self._all.get(name, [name])]
            fitting = [path for path in paths if kind in type(self._model.get_submodule(path)).__name__.lower()]
            found = self._modules[name, kind] = (fitting or paths)[0]
        return found

    def _path(self, name: str) -> str:
        path = name.rpartition(".")[0]
        if path and isinstance(self._model.get_submodule(path), parametrize.ParametrizationList):
            path = path.rpartition(".parametrizations.")[0] if ".parametrizations." in path else ""
        return path
