"""The page of an audit: findings first, then the model as a tree, folded by repeated blocks, which can be searched."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from goodinit.auditing.records import ParameterAudit
from goodinit.auditing.table import folded, verdict
from goodinit.findings import Finding
from goodinit.report.folder import write_new
from goodinit.report.judged import finding_facts
from goodinit.report.page import template_environment
from goodinit.report.page_parts import environment

__all__ = ["write_page"]

_LIBRARIES: Final = ("torch", "transformers", "timm", "diffusers", "torchvision")
_MOST: Final = 200  # findings that are told one by one

SEARCH: Final = """
const box = document.getElementById("search"), rows = [...document.querySelectorAll(".leaf")];
const branches = [...document.querySelectorAll(".tree details")], count = document.getElementById("count");
const open = branches.map(each => each.open);
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    row.hidden = !words.every(word => row.dataset.text.includes(word));
    shown += !row.hidden;
  }
  branches.forEach((each, place) => {
    each.hidden = !each.querySelector(".leaf:not([hidden])");
    each.open = words.length ? !each.hidden : open[place];
  });
  count.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
});
"""


def write_page(
    model: str,
    parameters: Sequence[ParameterAudit],
    findings: Sequence[Finding],
    note: str,
    path: str | os.PathLike[str],
    overwrite: bool = False,
) -> Path:
    """Write the page at `path`, whole or not at all.

    Raises GoodinitError where it exists and `overwrite` is not set, or cannot be written.
    """
    from markupsafe import Markup

    wrong = {str(each.where) for each in findings}
    text = (
        template_environment()
        .get_template("audit.html")
        .render(
            title=f"The audit of {model}",
            kicker="audit",
            answer=verdict(parameters),
            sound=not any(each.severity == "severe" for each in findings),
            findings=[finding_facts(each) for each in findings[:_MOST]],
            more_findings=max(0, len(findings) - _MOST),
            named=True,
            facts=[*_facts(parameters), *([("note", note)] if note else [])],
            tree=_tree(parameters, wrong),
            rows=len(folded(parameters)),
            script=Markup(SEARCH),  # safe: our own
            script_hash=base64.b64encode(hashlib.sha256(SEARCH.encode()).digest()).decode(),
            environment=[*environment(datetime.now(UTC)), *_libraries()],
        )
    )
    return write_new(path, text.encode("utf-8", "replace"), overwrite, "audit.html")


def _libraries() -> list[tuple[str, str]]:
    """The versions of those that build models, where they were imported."""
    found = [(name, sys.modules[name]) for name in _LIBRARIES if name in sys.modules]
    return [(name, str(getattr(module, "__version__", "unknown"))) for name, module in found]


def _facts(parameters: Sequence[ParameterAudit]) -> list[tuple[str, str]]:
    sizes, counts = Counter[bool](), Counter[bool]()
    for each in parameters:
        sizes[each.kind == "parameter"] += each.size
        counts[each.kind == "parameter"] += 1
    verdicts = dict.fromkeys(each.verdict for each in parameters)
    return [
        ("parameters", f"{counts[True]:,} tensors, {sizes[True]:,} elements"),
        ("buffers", f"{counts[False]:,} tensors, {sizes[False]:,} elements"),
        *((each, f"{sum(p.verdict == each for p in parameters):,}") for each in verdicts),
    ]


def _tree(parameters: Sequence[ParameterAudit], wrong: set[str]) -> dict[str, Any]:
    """Branches by the parts of the names, with the rows of each; a branch opens where something in it is wrong."""
    root: dict[str, Any] = {"branches": {}, "rows": [], "wrong": False, "count": 0}
    for name, group in folded(parameters):
        *path, last = name.split(".")
        bad = any(each.incomplete or each.name in wrong for each in group)
        node = root
        for part in path:
            node["wrong"] |= bad
            node["count"] += len(group)
            node = node["branches"].setdefault(part, {"branches": {}, "rows": [], "wrong": False, "count": 0})
        node["wrong"] |= bad
        node["count"] += len(group)
        node["rows"].append(_row(last, name, group, bad))
    return root


def _row(last: str, name: str, group: Sequence[ParameterAudit], bad: bool) -> dict[str, Any]:
    first = group[0]
    shape = " x ".join(map(str, first.shape)) or "scalar"
    writes = [str(each) for each in first.writes]
    found = [name, *(each.name for each in group), shape, first.kind, first.verdict, first.shown_law, *writes]
    return {
        "name": last,
        "count": len(group),
        "shape": shape,
        "kind": first.kind,
        "verdict": first.verdict + (" (NaN seen)" if first.confirmed else ""),
        "law": first.shown_law,
        "expected": first.expected,
        "writes": writes,
        "lost": [str(each) for each in first.lost],
        "tied": ", ".join(first.tied),
        "wrong": bad,
        "text": " ".join([*found, *first.tied]).lower(),
    }
