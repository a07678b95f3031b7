"""Scenes: several starts of one network filmed while they train, for a page that shows them side by side."""

from __future__ import annotations

from goodinit.scenes.bands import QUANTITIES, Band, bands
from goodinit.scenes.film import Film, Opening
from goodinit.scenes.pictures import ACTIVATION_BINS, GRADIENT_BINS, Frame, LayerPicture
from goodinit.scenes.view import FRAMES, UNIT, View, affordable, moments

__all__ = [
    "ACTIVATION_BINS",
    "FRAMES",
    "GRADIENT_BINS",
    "QUANTITIES",
    "UNIT",
    "Band",
    "Film",
    "Frame",
    "LayerPicture",
    "Opening",
    "View",
    "affordable",
    "bands",
    "moments",
]
