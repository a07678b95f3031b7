"""The cheap part of examples/depth: two correlation depth scales train, and fourteen do not."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "depth" / "trainable_depth.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("trainable_depth", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_depth_is_measured_in_correlation_depth_scales(script):
    shallow, deep = script.measure(0.5, (2, 14), learning_rates=[1e-2], seeds="0")
    assert (shallow.depth, deep.depth) == (2, 17)  # xi_c is 1.19
    assert shallow.accuracies[0] > 0.9
    assert deep.accuracies[0] < 0.5
    assert str(shallow).startswith("| 0.5 | 1.2 | 2 | 1.7 | 0.01 | 0.9")
