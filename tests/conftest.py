import signal

import pytest

import goodinit

# Tests that run in a shell's background inherit an ignored SIGINT, and so would the commands that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def classic() -> goodinit.Comparison:
    """The classic experiment with its own seed, run once for all tests that read it."""
    return goodinit.compare(seed=3)
