"""What the sentences of the lab's presets say is what `compare` makes of their scenes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import goodinit
import goodinit.lab
from goodinit.lab.catalogue import catalogue

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is missing, which reads the page's presets here")
CLAIMS = {  # what the sentences of each say of its starts, as the page shows it
    "symmetry": {(0, "test"): "50%", (1, "test"): "88%", (2, "test"): "100%"},
    "small": {(0, "loss"): "0.6931", (1, "loss"): "0.6925", (2, "test"): "95%"},
    "large": {(0, "test"): "48%", (2, "test"): "96%"},
    "depth": {(0, "loss"): "0.003054", (1, "loss"): "0.6931", (2, "loss"): "0.6931"},
    "chaos": {(0, "loss"): "0.6931", (1, "test"): "99%", (2, "test"): "82%"},
    "dead": {(0, "loss"): "0.6931", (1, "test"): "95%"},
    "orthogonal": {},  # its sentence is about eight seeds
}


@pytest.fixture(scope="module")
def scenes() -> dict[str, dict[str, Any]]:
    file = Path(goodinit.lab.__file__).parent / "static" / "js" / "presets.js"
    code = (
        f"import {{ PRESETS, presetScene }} from {json.dumps(file.as_uri())};"
        f"const scenes = PRESETS.map((p) => [p.name, presetScene(p, {json.dumps(catalogue()['defaults'])})]);"
        "process.stdout.write(JSON.stringify(Object.fromEntries(scenes)));"
    )
    made = subprocess.run([str(NODE), "--input-type=module", "-e", code], capture_output=True, text=True, check=True)
    found: dict[str, dict[str, Any]] = json.loads(made.stdout)
    return found


def test_every_preset_but_the_classic_experiment_has_its_claims(scenes: dict[str, dict[str, Any]]) -> None:
    assert scenes.keys() - {"classic"} == CLAIMS.keys()


@pytest.mark.parametrize("name", CLAIMS)
def test_a_preset_comes_to_what_it_says(name: str, scenes: dict[str, dict[str, Any]]) -> None:
    scene = scenes[name]
    assert all(each["gain"] == 1 for each in scene["inits"])
    trials = goodinit.compare(
        [each["spec"] for each in scene["inits"]],
        data=scene["data"]["name"],
        widths=scene["hidden"],
        perturbations=0,
        seeds=[scene["seed"]],
        **{key: scene[key] for key in ("activation", "learning_rate", "optimizer", "steps", "stream")},
    ).trials
    shown = {"test": lambda trial: f"{trial.test_accuracy:.0%}", "loss": lambda trial: f"{trial.final_loss:.4g}"}
    assert {(start, figure): shown[figure](trials[start]) for start, figure in CLAIMS[name]} == CLAIMS[name]
    if name == "orthogonal":  # the last bits of its factors are LAPACK's, and differ between processors
        assert 0.95 <= trials[0].test_accuracy <= 1
        assert 0.80 <= trials[1].test_accuracy <= 0.92
