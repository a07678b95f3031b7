"""`Weight`: what an initializer knows of a tensor. Fans are given by the kind of layer, never guessed from a shape."""

from goodinit.weights.layouts import LAYOUTS
from goodinit.weights.weight import KINDS, Weight

__all__ = ["KINDS", "LAYOUTS", "Weight"]
