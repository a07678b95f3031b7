"""goodinit: choose, check and compare the initial weights of neural networks.

All a network needs is a good start. `goodinit.compare()` runs the classic experiment; `goodinit.initializers` is the
catalogue, `goodinit.theory` says what each should do.
"""

from __future__ import annotations

from goodinit import activations, datasets, initializers, theory
from goodinit.comparison import Comparison, compare, open_study
from goodinit.errors import GoodinitError
from goodinit.weights import Weight

__all__ = [
    "Comparison",
    "GoodinitError",
    "Weight",
    "activations",
    "compare",
    "datasets",
    "initializers",
    "open_study",
    "theory",
]
