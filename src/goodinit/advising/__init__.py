"""What is right for this model: the initializations that its structure makes sound, in order, without training."""

from __future__ import annotations

from goodinit.advising.records import Advice, Advised
from goodinit.advising.run import advise

__all__ = ["Advice", "Advised", "advise"]
