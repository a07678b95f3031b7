"""Initializers that crash or hang in place of filling weights: nodes import this file, which needs no other."""

import signal
import time
from dataclasses import dataclass

from goodinit.initializers import HeNormal


def planted(name, what):
    """An initializer, sent by value as it is defined here, that does something instead of filling weights."""

    @dataclass(frozen=True)
    class Planted(HeNormal):
        def law(self, weight):
            return None

        def elements(self, weight, stream, start, stop):
            what()
            return HeNormal().elements(weight, stream, start, stop)

    Planted.name = name
    return Planted()


def hang():
    while True:
        time.sleep(0.01)


def deaf_hang():
    """No alarm is heard, as where native code does not return to Python."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(3600)
