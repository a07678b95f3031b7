"""Findings in the lab: the page renders them as goodinit does, from the texts that the catalogue hands it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from goodinit.findings import LANGUAGES, Finding, codes, texts
from goodinit.findings.texts import _HOLE
from goodinit.lab.catalogue import catalogue

NODE = shutil.which("node")
MODULE = Path(__file__).parents[2] / "src/goodinit/lab/static/js/finding-text.js"
NUMBERS = [0.125, 1.125, 12.5, 0.005, 1e-7, 3.14159e-5, 99.95, 1773.5860, 123456.789, 1e9, 2**40, 0.0, -2.5, 7, 1e300]
SCRIPT = """
const { sentence } = await import(process.argv[1]);
let given = "";
for await (const part of process.stdin) given += part;
const { findings, texts } = JSON.parse(given);
console.log(JSON.stringify(findings.map((each) => Object.values(texts).map((one) => sentence(each, one)))));
"""


def filled(code: str, numbers: list[float]) -> list[Finding]:
    """A finding for each text of a code, whatever its values are."""
    entry = texts("en")[code]
    draw = iter(numbers * 9)
    made = []
    for name, text in entry.items():
        base, _, case = name.partition(".")
        if base != "text":
            continue
        values: dict[str, object] = {"case": case or None}
        for hole, kind in _HOLE.findall(text):
            if kind in ("each", "comma"):
                cases = [part.partition(".")[2] or None for part in entry if part.partition(".")[0] == hole]
                part = {inner: next(draw) for inner, _ in _HOLE.findall(entry[hole])}
                values[hole] = [{"case": one, **part, "layer": n} for n in range(3) for one in cases]
            else:
                number = next(draw)
                names = [f"blocks.{n}" for n in range(len(code) % 7 + 1)]
                values[hole] = names if kind == "list" else int(abs(number) % 1e9) if kind == "," else number
        made.append(Finding(code, "warning", "blocks.0.fc", values, next(draw), next(draw), ""))
        made.append(Finding(code, "warning", None, {**values, "rms": None, "wrong": None, "loss": "inf"}, 0.5, 0.25))
    return made


@pytest.mark.skipif(NODE is None, reason="Node.js is missing, which runs the page's module here")
def test_the_page_renders_every_finding_as_goodinit_does() -> None:
    assert NODE
    drawn = [*NUMBERS, *np.random.default_rng(0).lognormal(0, 5, 200).tolist()]
    made = [finding for shift, code in enumerate(codes()) for finding in filled(code, drawn[shift:])]
    handed = {"findings": [each.to_dict() for each in made], "texts": catalogue()["findings"]["texts"]}
    told = json.dumps(handed, allow_nan=False)
    command = [NODE, "--input-type=module", "-e", SCRIPT, MODULE.as_uri()]
    done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert len(shown) == len(made) > 2 * len(codes())
    for finding, sentences in zip(made, shown, strict=True):
        assert sentences == [finding.text(language) for language in LANGUAGES]
