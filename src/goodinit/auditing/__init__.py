"""Who filled every parameter of a model, with what, from which line, or that nobody did."""

from __future__ import annotations

from goodinit.auditing.records import ParameterAudit, Write
from goodinit.auditing.result import Audit, Difference
from goodinit.auditing.run import audit

__all__ = ["Audit", "Difference", "ParameterAudit", "Write", "audit"]
