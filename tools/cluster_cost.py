"""What a cluster costs beside training: wall time and memory of the same study with and without Ray.

    python tools/cluster_cost.py overhead --trials 10000 --repeat 3     # pairs of runs, in turns
    python tools/cluster_cost.py memory --trials 1000 10000 100000      # the driver's memory; few steps
    python tools/cluster_cost.py store --trials 100000                  # bytes a trial and inserts a second

`overhead` trains classic networks ([2, 10, 5, 1], 15,000 steps unless told) in processes of their own, one after the
other: without Ray, and through a cluster of this machine alone. Ray's start and end are timed by a study of nothing but
one step, and taken off; the ratio of what is left is printed for each pair, with the median.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONE_RUN = """
import json, resource, sys, time
import goodinit
from goodinit.comparison import run
began = time.perf_counter()
trials, steps, cluster, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None, sys.argv[4]
study = goodinit.comparison.design("he_normal", seeds=f"0-{trials - 1}", steps=steps, stream="keyed")
peaks, first = [], [0.0]

def told(what, trained, total):
    first[0] = first[0] or time.perf_counter() - began
    peaks.append((trained, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))

found = run.run_study(study, path=path, cluster=cluster, progress=told)
seconds = time.perf_counter() - began
print(json.dumps({
    "seconds": seconds,
    "trials": len(found.trials),
    "failed": sum(trial.failure is not None for trial in found.trials),
    "first_mib": peaks[min(5, len(peaks) - 1)][1],
    "training_mib": peaks[-1][1],
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def main() -> None:
    """Measure what the first argument says, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["overhead", "memory", "store"])
    parser.add_argument("--trials", type=int, nargs="+", default=[10_000])
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    if given.what == "overhead":
        overhead(given.trials[0], given.steps or 15_000, given.repeat)
    elif given.what == "memory":
        for trials in given.trials:
            found = one_run(trials, given.steps or 20, "local")
            print(f"{trials:>9,} trials: " + json.dumps({k: round(v, 1) for k, v in found.items()}), flush=True)
    else:
        store(given.trials[0])


def one_run(trials: int, steps: int, cluster: str) -> dict[str, float]:
    """A study in a process and a folder of its own; what it measured of itself."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-c", ONE_RUN, str(trials), str(steps), cluster, str(Path(folder) / "s.db")]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found["failed"] or found["trials"] != trials:
        raise SystemExit(f"{found['failed']} of {found['trials']} trials failed; nothing was measured")
    return found


def overhead(trials: int, steps: int, repeat: int) -> None:
    """The wall time through Ray over that without, beyond Ray's start."""
    ratios = []
    for number in range(repeat):
        start = one_run(1, 1, "local")["seconds"] - one_run(1, 1, "")["seconds"]
        pair = {name: one_run(trials, steps, name)["seconds"] for name in (["", "local"], ["local", ""])[number % 2]}
        ratios.append((pair["local"] - start) / pair[""])
        print(
            f"{trials:,} trials of {steps:,} steps: {pair['']:.1f} s without Ray, {pair['local']:.1f} s with, of which "
            f"{start:.1f} s are its start and end: {ratios[-1]:.3f}",
            flush=True,
        )
    print(f"median ratio of {repeat}: {statistics.median(ratios):.3f}")


def store(trials: int) -> None:
    """How large a study's file is, and how fast the driver fills and reads it, from copies of trained trials."""
    from dataclasses import replace

    from goodinit.comparison.batches import batched
    from goodinit.comparison.design import design
    from goodinit.comparison.executor import LocalExecutor
    from goodinit.comparison.store import Store

    study = design("he_normal", seeds="0-79", steps=15_000, stream="keyed")
    ((_, trained),) = LocalExecutor().run(batched(study, study.jobs({})))
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "s.db") as database:
        for task in study.tasks:
            database.register(task.name, task.identity, task.to_dict())
        began = time.perf_counter()
        for at in range(0, trials, len(trained)):
            copies = [replace(trial, seed=at + number) for number, trial in enumerate(trained)]
            database.add((f"{trial.seed:032x}", trial, False) for trial in copies)
        added = time.perf_counter() - began
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        began = time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        held = database.trials()
        read = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"{len(held):,} trials: {size / len(held):,.0f} bytes each, {len(held) / added:,.0f} stored a second, "
        f"{len(held) / read:,.0f} read a second into {memory * 1024 / len(held):,.0f} bytes of memory each"
    )


if __name__ == "__main__":
    main()
