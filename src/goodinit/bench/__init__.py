"""`goodinit bench`: this package beside what a person would use instead, in one process and one run."""

from __future__ import annotations

from goodinit.bench.conduct import FULL, QUICK, USUAL, Sizes, bench
from goodinit.bench.folder import BenchFolder, to_json
from goodinit.bench.records import Bench, Contest, Entry, GridCell, Growth, Timing
from goodinit.bench.tables import markdown

__all__ = [
    "FULL",
    "QUICK",
    "USUAL",
    "Bench",
    "BenchFolder",
    "Contest",
    "Entry",
    "GridCell",
    "Growth",
    "Sizes",
    "Timing",
    "bench",
    "markdown",
    "to_json",
]
