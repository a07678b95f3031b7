"""Findings as data: the record, its sentence in each language, and the numbers that make a warning or a severe one."""

from goodinit.findings.limits import LIMITS, ZERO_GRADIENT, Limit
from goodinit.findings.record import Finding, RemedyEffect, Severity
from goodinit.findings.texts import LANGUAGES, codes, rendered, texts

__all__ = [
    "LANGUAGES",
    "LIMITS",
    "ZERO_GRADIENT",
    "Finding",
    "Limit",
    "RemedyEffect",
    "Severity",
    "codes",
    "rendered",
    "texts",
]
