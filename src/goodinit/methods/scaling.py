"""An assignment whose initializer is multiplied by a number."""

from __future__ import annotations

from dataclasses import replace

from goodinit.initializers import Scaled
from goodinit.initializers.base import same_everywhere
from goodinit.methods.assignment import Assignment

__all__ = ["scaled"]


def scaled(said: Assignment, gain: float, because: str) -> Assignment:
    """The same with the initializer's weights times `gain`; as it is for a gain of 1 and where it keeps."""
    own = said.initializer
    if own is None or gain == 1:
        return said
    if isinstance(own, Scaled):
        return replace(said, initializer=Scaled(own.inner, same_everywhere(own.gain * gain)), because=because)
    return replace(said, initializer=Scaled(own, same_everywhere(gain)), because=because)
