"""Pages of the Python reference: which names, in which order. Their text is the docstrings'."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Final

import goodinit

__all__ = ["modules", "public_names", "reference_pages"]

_MORE: Final = (
    "course",
    "findings",
    "lab",
    "networks",
    "pytorch",
    "recipes",
    "results",
    "statistics",
    "streams",
    "structure",
    "training",
    "weights",
)
"""Modules that a person imports, beside those that `goodinit` names."""


def modules() -> list[str]:
    """The modules of the reference, `goodinit` first."""
    named = {name for name in goodinit.__all__ if inspect.ismodule(getattr(goodinit, name))}
    return ["goodinit", *sorted(f"goodinit.{name}" for name in named | set(_MORE))]


def public_names(module: str) -> list[str]:
    """The functions and then the classes that a module offers; constants and names of types are left out."""
    found = import_module(module)
    offered = {name: getattr(found, name) for name in found.__all__}
    functions = [name for name, each in offered.items() if inspect.isfunction(each)]
    classes = [name for name, each in offered.items() if inspect.isclass(each)]
    return [*sorted(functions), *sorted(classes)]


def reference_pages() -> dict[str, str]:
    """Every page of the reference, by its place in the site's sources."""
    pages = {f"api/{module}.md": _page(module) for module in modules()}
    rows = "\n".join(f"| [`{module}`]({module}.md) | {_first(module)} |" for module in modules())
    index = f"# The Python reference\n\nMade from the docstrings.\n\n| module | what it is |\n| --- | --- |\n{rows}\n"
    return pages | {"api/index.md": index}


def _first(module: str) -> str:
    return (import_module(module).__doc__ or "").partition("\n")[0]


def _page(module: str) -> str:
    entries = [f"::: {module}.{name}" for name in public_names(module)]
    return "\n\n".join([f"# {module}", _first(module), *entries, ""])
