import pytest

import goodinit


@pytest.fixture(scope="session")
def classic() -> goodinit.Comparison:
    """The classic experiment with its own seed, run once for all tests that read it."""
    return goodinit.compare(seed=3)
