"""How often a race calls a start better that is not: races between a start and others of the same distribution.

Labels are shuffled, and every candidate is the baseline under another name, by other draws: whatever is called better
is an error. `--rule` leaves the training out and walks the rule alone, for many more races.

    python tools/race_error.py --races 200
    python tools/race_error.py --rule --races 20000
"""

import argparse
import time
from dataclasses import dataclass, replace

import numpy as np

import goodinit
from goodinit.datasets import Source
from goodinit.initializers import HeNormal
from goodinit.statistics import SignedRankEvidence, adjust_evidence, wilson

RIVALS = 3


@dataclass(frozen=True)
class Further(HeNormal):
    """He's start by other draws."""

    name = "further_he_normal"

    by: int = 1

    def law(self, weight):
        """None: `elements` draws."""
        return

    def elements(self, weight, stream, start, stop):
        """Those of further places of the weight's stream."""
        step = 100_000 * self.by
        return super().elements(weight, stream, start + step, stop + step)


def shuffled(seed):
    """Moons whose labels say nothing of the points."""
    data = Source("moons(points=60)").dataset(seed)
    order = np.random.default_rng(seed).permutation(len(data.y_train))
    other = np.random.default_rng(seed + 1).permutation(len(data.y_test))
    return replace(data, name="shuffled", y_train=data.y_train[order], y_test=data.y_test[other])


def race(seed):
    """Whether the race was wrong, the seeds of its finals, and how many came to them; no two races share a draw."""
    base, *rivals = (Further(by=(RIVALS + 1) * seed + number) for number in range(RIVALS + 1))
    found = goodinit.recommend(
        {"like": "moons", "widths": [8], "steps": 40, "batch_size": 16},
        shuffled(seed),
        candidates=rivals,
        baseline=base,
        learning_rates=[0.03, 0.3],
        budget=260,
        seeds=40,
    )
    return found.verdict == "better", len(found.seeds), len(found.finals)


def rule(races, seeds, rivals, seed=0):
    """How many races of equal starts ever reach 20 after correction, looked at after every seed."""
    rng, false = np.random.default_rng(seed), 0
    for _ in range(races):
        leads = rng.normal(size=seeds) - rng.normal(size=(rivals, seeds))  # all against the same run of the baseline
        found = [SignedRankEvidence() for _ in range(rivals)]
        for at in range(seeds):
            for each, lead in zip(found, leads[:, at], strict=True):
                each.add(lead)
            if adjust_evidence([each.value for each in found]).max() >= 20:
                false += 1
                break
    return false


def main():
    """Run the races, or the rule alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--races", type=int, default=200)
    parser.add_argument("--rule", action="store_true")
    parser.add_argument("--first", type=int, default=0, help="the first race's seed, to share the races out")
    given = parser.parse_args()
    if given.rule:
        for rivals in (1, 3, 5):
            false = rule(given.races, 100, rivals)
            print(f"rule, {rivals} rivals, 100 seeds: {false} of {given.races}: {wilson(false, given.races)}")
        return
    began, false, counts = time.time(), 0, []
    for seed in range(given.first, given.first + given.races):
        better, seeds, finals = race(seed)
        false += better
        counts.append((seeds, finals))
        print(f"race {seed}: {'WRONG' if better else 'kept'}, {seeds} seeds, {finals} in the finals", flush=True)
    seeds, finals = np.mean(counts, axis=0)
    print(f"{false} of {given.races} races called a start better that is not: {wilson(false, given.races)}")
    print(f"{seeds:.1f} seeds, {finals:.1f} in the finals on average; {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
