"""What the lab takes at most, so that no request can make it work or hold more than that."""

from __future__ import annotations

from typing import Any, Final

from goodinit.training import lanes

__all__ = ["LIMITS", "most_work"]

LIMITS: Final[dict[str, Any]] = {
    "inits": 4,
    "gain": (0.01, 100.0),
    "hidden_layers": 64,
    "width": 128,
    "weights": 100_000,
    "learning_rate": (1e-10, 1e4),
    "steps": 100_000,
    "seed": (0, 2**32 - 1),  # what both streams take
    "seeds": 100,
    "points": (20, 1000),
    "own_points": 2000,
    "own_classes": 8,
    "own_coordinate": 1000.0,
    "csv_bytes": 1 << 20,
    "csv_files": 16,  # that a page keeps
    "csv_features": 100,
    "csv_rows": 5000,
    "values": 4_000_000,  # units x examples of a network, what a frame computes at once
    "together": 16,  # networks that are trained in one message
    "moments": 200,  # at which one message may ask for their parameters
    "train_bytes": 1 << 23,
    "file_bytes": 1 << 22,  # of a scene with the file that it names
    "work": 2e12,  # multiplications and additions, some tens of seconds on two cores
    "slow_work": 1e11,  # the same where the compiled engine is not built
    "page_work": 2e11,  # the same in the page alone
    "json_bytes": 1 << 18,
    "json_depth": 8,
}


def most_work() -> float:
    """The operations that this machine's engine takes."""
    most: float = LIMITS["work" if lanes.available() else "slow_work"]
    return most
