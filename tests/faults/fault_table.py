"""Checks every planted fault and every healthy model, trains before and after the remedy, and writes docs/faults.md.

    OMP_NUM_THREADS=1 python tests/faults/fault_table.py [--write] [--kept FOLDER] [--part 0/1]

A fault is right where the first of what is found names its cause, its remedy was tried and made it less severe (or the
line of code is shown), and training with it ends no worse. A fault of code is trained after the line was mended: as
the healthy model.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fault_kinds import FAULTS, Fault
from fault_models import HEALTHY, Case

import goodinit
from goodinit.findings import Finding

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
NOTE = """\
What is not right: branches that are not scaled are found, and the remedy removes what was found, but ten blocks on 32
examples train faster with large branches than with small ones.
"""
WORSE = 1.05  # times, and 0.05: how much worse a training may end by chance


@dataclass
class Row:
    fault: Fault
    found: Finding | None
    first: str
    before: float
    after: float

    @property
    def right(self) -> bool:
        if self.found is None or self.first not in self.fault.codes:
            return False
        mended = bool(self.found.change()) or (self.found.effect is not None and bool(self.found.remedy))
        other = "loss = " in self.found.remedy  # two losses of which nothing says which is the lower
        worse = math.isfinite(self.before) and not other and not self.after <= WORSE * self.before + 0.05
        return mended and not worse


def check(case: Case) -> tuple[Finding, ...]:
    torch.manual_seed(1)
    options: dict[str, Any] = case.options
    return goodinit.check(case.model, case.inputs, case.targets, loss=case.loss, **options).findings


def trained(case: Case, steps: int) -> float:
    """The mean loss of the last tenth of the steps; inf where it is not finite."""
    torch.manual_seed(2)
    rate = case.options.get("learning_rate", 3e-3)
    weights = [each for each in case.model.parameters() if each.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=rate) if weights else None
    losses = []
    for _ in range(steps):
        out = case.model(case.inputs)
        loss = case.loss(out) if case.targets is None else case.loss(out, case.targets)
        losses.append(float(loss.detach()))
        if optimizer is not None and loss.requires_grad:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    tail = losses[-max(1, steps // 10) :]
    mean = sum(tail) / len(tail)
    return mean if math.isfinite(mean) else math.inf


def mended(fault: Fault, found: Finding) -> Case:
    """The model after the remedy; where the fault is in the code, the healthy model."""
    if not found.remedy:
        torch.manual_seed(0)
        return HEALTHY[fault.base]()
    case = fault.case()
    space = {"model": case.model, "inputs": case.inputs, "targets": case.targets, "loss": case.loss}
    space |= {"torch": torch, "goodinit": goodinit, "learning_rate": case.options.get("learning_rate")}
    exec(found.remedy, space)
    options = {**case.options, "learning_rate": space["learning_rate"]} if case.options else {}
    return Case(space["model"], space["inputs"], space["targets"], space["loss"], options)


def judged(fault: Fault, steps: int, known: dict[str, list[float]] | None = None) -> Row:
    """What is found of a fault, and the losses of training, unless they are known."""
    case = fault.case()
    findings = [each for each in check(copy.deepcopy(case)) if each.severity != "info"]
    found = next((each for each in findings if each.code in fault.codes), None)
    first = findings[0].code if findings else ""
    losses = (known or {}).get(f"{fault.base}: {fault.name}")
    if losses is None:
        before = trained(case, steps) if steps else math.nan
        after = trained(mended(fault, found), steps) if found is not None and steps else math.nan
        losses = [before, after]
    return Row(fault, found, first, losses[0], losses[1])


def twins() -> dict[str, list[Finding]]:
    """What is found in the healthy models, but for remarks."""
    wrong = {}
    for name, make in HEALTHY.items():
        torch.manual_seed(0)
        wrong[name] = [each for each in check(make()) if each.severity != "info"]
    return wrong


def page(rows: list[Row], healthy: dict[str, list[Finding]], steps: int) -> str:
    right = sum(row.right for row in rows)
    wrong = sum(map(len, healthy.values()))
    lines = [
        "# Planted faults",
        "",
        f"Mistakes that people make, {len(rows)} of them in {len(healthy)} kinds of models, each beside the healthy",
        "model that it was planted into: whether `goodinit.check` names the cause first, what the remedy that it shows",
        "did, and the loss after",
        f"{steps} steps of Adam without and with it (a fault of code: after the line that it shows was mended).",
        "`python tests/faults/fault_table.py --write` writes this page.",
        "",
        f"**{right} of {len(rows)} right; {wrong} false findings in the {len(healthy)} healthy models.**",
        "",
        NOTE,
        "| model | fault | named first | severity | remedy | loss before | after | right |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        found = row.found
        named = row.first or "nothing"
        did = (
            ""
            if found is None
            else found.effect.text("en")
            if found.effect and found.remedy
            else found.change() or "none"
        )
        did = did.replace("|", "\\|")
        numbers = [
            "diverged" if math.isinf(each) else "" if math.isnan(each) else f"{each:.3g}"
            for each in (row.before, row.after)
        ]
        severity = found.severity if found else ""
        cells = (
            row.fault.base,
            row.fault.name,
            f"`{named}`",
            severity,
            did,
            *numbers,
            "yes" if row.right else "**no**",
        )
        lines.append(f"| {' | '.join(cells)} |")
    for name, each in healthy.items():
        lines += [f"\nFalse in {name}: {finding.code}: {finding.message}." for finding in each]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="write docs/faults.md")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--kept", type=Path, help="a folder in which the losses of trainings are kept, to go on from")
    parser.add_argument("--part", default="0/1", help="the faults to train here, such as 1/3, without the page")
    given = parser.parse_args()
    torch.set_num_threads(1)
    place, parts = map(int, given.part.split("/"))
    known: dict[str, list[float]] = {}
    for file in given.kept.glob("*.json") if given.kept else ():
        known |= json.loads(file.read_text())
    rows, own = [], dict[str, list[float]]()
    for fault in FAULTS[place::parts]:
        row = judged(fault, given.steps, known)
        rows.append(row)
        own[f"{fault.base}: {fault.name}"] = [row.before, row.after]
        if given.kept:
            (given.kept / f"{place}-{parts}.json").write_text(json.dumps(own))
        said = f"{fault.base}: {fault.name}: {row.first} {row.before:.3g} {row.after:.3g}"
        sys.stderr.write(f"{'' if row.right else 'NO '}{said}\n")
    if parts > 1:
        return
    text = page(rows, twins(), given.steps)
    if given.write:
        PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write("\n".join(line for line in text.splitlines() if line.startswith(("**", "False"))) + "\n")


if __name__ == "__main__":
    main()
