"""The suite: a public benchmark of initializations. Its tasks are data, registered before they are run."""

from __future__ import annotations

from goodinit.suite.claims import ClaimResult, judge_claims
from goodinit.suite.records import SuiteResult, SuiteTask, joined, read_result
from goodinit.suite.registered import Registered, SuiteProtocol, registered
from goodinit.suite.run import run_suite
from goodinit.suite.table import suite_table

__all__ = [
    "ClaimResult",
    "Registered",
    "SuiteProtocol",
    "SuiteResult",
    "SuiteTask",
    "joined",
    "judge_claims",
    "read_result",
    "registered",
    "run_suite",
    "suite_table",
]
