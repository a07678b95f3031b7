"""`watch` in the training loops of other libraries: their callbacks, imported with them when they are used.

`LightningWatch` needs `goodinit[lightning]`, `TransformersWatch` `goodinit[transformers]`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from goodinit.errors import GoodinitError

if TYPE_CHECKING:
    from goodinit.callbacks.of_lightning import LightningWatch
    from goodinit.callbacks.of_transformers import TransformersWatch

__all__ = ["LightningWatch", "TransformersWatch"]

_EXTRAS: Final = {"LightningWatch": "lightning", "TransformersWatch": "transformers"}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The callback of that name; raises GoodinitError where its library is not installed, with the extra."""
        if name not in _EXTRAS:
            raise AttributeError(f"module 'goodinit.callbacks' has no attribute {name!r}")
        extra = _EXTRAS[name]
        try:
            return getattr(import_module(f"goodinit.callbacks.of_{extra}"), name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in (extra, "torch"):
                raise
            raise GoodinitError(f"{name} needs {error.name}: pip install 'goodinit[{extra}]'") from error
