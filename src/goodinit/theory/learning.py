"""How long a linear network takes to learn, from the size of its start."""

from __future__ import annotations

import math

from goodinit.arguments import check_number
from goodinit.errors import GoodinitError

__all__ = ["learning_time"]


def learning_time(strength: float, *, start: float, end: float | None = None, tau: float = 1.0) -> float:
    """The time in which a two-layer linear network learns one mode: t = (tau / 2s) ln[u_f (s - u_0) / (u_0 (s - u_f))].

    `strength` s is the singular value of the input-output correlation, `start` u_0 and `end` u_f the mode's strength in
    the network at the start and the end, by default s / 2, half-time; all in the same unit. `tau` is the unit of time:
    1 / learning rate in steps of full-batch gradient descent. A start ten times smaller costs tau ln(10) / 2s more.

    Raises GoodinitError for a number that is not finite and above 0, or a start or end of at least s. An end below the
    start gives a negative time: the mode was there before.

    >>> round(learning_time(4.0, start=1e-3), 3), round(learning_time(1.0, start=1e-3), 3)
    (1.037, 3.453)

    Source: Saxe, McClelland & Ganguli 2014, Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks, the time to travel from u_0 to u_f.
    """
    s = check_number("strength", strength, low=0, above=True)
    first = check_number("start", start, low=0, above=True)
    last = s / 2 if end is None else check_number("end", end, low=0, above=True)
    tau = check_number("tau", tau, low=0, above=True)
    for name, value in (("start", first), ("end", last)):
        if value >= s:
            raise GoodinitError(f"{name}={value:g}, strength={s:g}: {name} must be below the strength")
    return tau / (2 * s) * (math.log(last) - math.log(first) + math.log(s - first) - math.log(s - last))
