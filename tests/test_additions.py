"""An activation and an engine, added to a copy of the source as CONTRIBUTING says, are met wherever a person meets one.

What the other additions need is tested beside what they are: an option, a finding, a method, a statistic of the
ranking, a figure of the lab.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import goodinit

ACTIVATION = """def _bent() -> Activation:
    return Activation("bent", lambda z: z + np.tanh(z), lambda z: 2 - np.tanh(z) ** 2, None)


_TABLE: dict"""
ENGINE = '''class Patient(Reference):
    """The reference under another name."""

    name = "patient"


_EXACT: Final'''
# An editable install would come before the copy.
APART = """import sys
sys.meta_path[:] = [each for each in sys.meta_path if "editable" not in type(each).__module__]
"""
SCRIPT = f"""{APART}
import contextlib, io, json
import goodinit
from goodinit import activations, options
from goodinit.cli import app
from goodinit.lab.catalogue import catalogue
from goodinit.training import ENGINES, choose
from goodinit.networks import MLP
assert goodinit.__file__.startswith(sys.argv[1]), goodinit.__file__
network = MLP((2, 4, 1), activations.get("bent"), "binary_cross_entropy")
run = dict(activation="bent", steps=30, seeds=[0], perturbations=0)
found = goodinit.compare("he_normal", engine="patient", **run)
line = "compare --activation bent --engine patient --steps 30 --init he_normal --perturbations 0 --seeds 0 --json"

def told(line):
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.suppress(SystemExit):
        app(line.split())
    return output.getvalue()

print(json.dumps({{
    "auto": choose(network),
    "engines": ENGINES,
    "choices": options.OPTIONS["engine"].choices,
    "origin": found.trials[0].origin.engine,
    "loss": [found.trials[0].final_loss, goodinit.compare("he_normal", engine="reference", **run).trials[0].final_loss],
    "task": found.to_dict()["task"]["activation"],
    "gain": goodinit.theory.gain("bent"),
    "lab": [each["name"] for each in catalogue()["activations"]],
    "command": json.loads(told(line)),
    "help": told("compare --help"),
    "show": told("show bent"),
}}))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package with one activation and one engine more."""
    folder = tmp_path_factory.mktemp("added")
    source = folder / "goodinit"
    shutil.copytree(Path(goodinit.__file__).parent, source, ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in (
        ("activations.py", "_TABLE: dict", ACTIVATION),
        ("activations.py", '    "sine": _sine,\n', '    "sine": _sine,\n    "bent": _bent,\n'),
        ("training/engines.py", "_EXACT: Final", ENGINE),
        ("training/engines.py", "(_EXACT, Lanes(), Torch())", "(_EXACT, Lanes(), Torch(), Patient())"),
        ("options/conducted.py", '"torch": "PyTorch"}', '"torch": "PyTorch", "patient": "NumPy"}'),
    ):
        text = (source / name).read_text("utf-8")
        assert text.count(old) == 1, (name, old)
        (source / name).write_text(text.replace(old, new), "utf-8")
    return folder


def test_an_activation_and_an_engine_are_added_by_their_record_and_their_class(copy):
    line = [sys.executable, "-c", SCRIPT, str(copy)]
    done = subprocess.run(line, cwd=copy, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["auto"] in ("reference", "patient"), "the compiled code lacks it, so that another engine serves"
    assert "patient" in found["engines"]
    assert found["choices"] == found["engines"]
    assert found["origin"] == "patient"
    assert found["loss"][0] == found["loss"][1]
    assert found["task"] == "bent"
    assert found["gain"] == pytest.approx(goodinit.theory.gain(lambda z: z + np.tanh(z)), rel=1e-9)
    assert found["command"]["trials"][0]["final_loss"] == found["loss"][0]
    assert "patient" in found["help"]
    assert "bent" in found["show"]
    assert "bent" in found["lab"]
