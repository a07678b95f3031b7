"""Whether a learning rate carries over as a model grows: a coordinate check, its verdict and cause, and the proof."""

from __future__ import annotations

from goodinit.transferring.outcome import Transfer
from goodinit.transferring.run import transfer

__all__ = ["Transfer", "transfer"]
