"""Rules over the numbers of a model's start: each reads them and gives findings, or none."""

from __future__ import annotations
