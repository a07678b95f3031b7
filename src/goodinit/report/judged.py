"""A finding as the pages of a checkup, an audit and a transfer show it: what their frame, `judged.html`, reads."""

from __future__ import annotations

from typing import Any

from goodinit.findings import Finding
from goodinit.report.checkup_rows import number

__all__ = ["finding_facts"]


def finding_facts(finding: Finding) -> dict[str, Any]:
    """The facts of a finding, in English."""
    return {
        "severity": finding.severity,
        "code": finding.code,
        "where": finding.where or "the whole model",
        "message": finding.message,
        "measured": number(finding.measured),
        "expected": number(finding.expected),
        "remedy": finding.remedy,
        "change": finding.change(),
        "effect": "" if finding.effect is None else finding.effect.text("en"),
    }
