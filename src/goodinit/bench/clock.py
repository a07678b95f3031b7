"""The clock: contestants take turns, so that a busy moment of the machine meets them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from goodinit.bench.records import Timing

__all__ = ["calibrated", "interleaved", "processor_seconds"]


def processor_seconds() -> float:
    """The processor's seconds of this process, and of those that it has started and that have ended."""
    try:
        import resource
    except ImportError:  # on Windows, where `compare` starts none
        return time.process_time()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def interleaved(
    contestants: Mapping[str, Callable[[], object]], repeats: int, timer: Callable[[], float] | None = None
) -> dict[str, Timing]:
    """Time each contestant `repeats` times, in turns: A B C, A B C, ... None is the clock of the seconds that pass."""
    timer = timer or time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, work in contestants.items():
            begin = timer()
            work()
            seconds[name].append(timer() - begin)
    return {name: Timing(tuple(each)) for name, each in seconds.items()}


def calibrated(
    work: Callable[[int], object], target: float, most: int, timer: Callable[[], float] | None = None
) -> int:
    """How many steps, from 2 to `most`, take about `target` seconds; what is done once is not counted as a step.

    It is also the warm-up: whatever `work` compiles or allocates at its first call is done before the clock counts.
    """
    timer = timer or time.perf_counter
    work(1)
    steps = 2
    while True:
        begin = timer()
        work(steps)
        passed = timer() - begin
        if steps >= most or passed > target / 4:
            return max(2, min(most, int(steps * target / max(passed, 1e-9))))
        steps = min(most, max(2 * steps, int(steps * target / 2 / max(passed, 1e-9))))
