"""The models of examples/transfer, as the tests use them."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "transfer" / "models.py"


@pytest.fixture(scope="session")
def models():
    spec = importlib.util.spec_from_file_location("transfer_models", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]
