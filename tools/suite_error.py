"""How often the suite's test tells starts apart that are the same: the suite's protocol on shuffled labels.

Every start is the first under another name, by other draws: a start that is called better or worse is an error.
Beside it what each start at its own rate alone would have said. `--rule` leaves the training out and draws losses, for
many more runs: every start has the same loss at a rate but for noise, and its rate is chosen by noise.

    python tools/suite_error.py --runs 300
    python tools/suite_error.py --rule --runs 3000
"""

import argparse
import time

import numpy as np
from race_error import Further, shuffled

from goodinit.comparison.conduct import conducting
from goodinit.comparison.design import design
from goodinit.statistics import holm, wilcoxon, wilson
from goodinit.suite.judging import ERROR, judge
from goodinit.suite.run import NestedTuning, judged

BUDGETS = {
    1: (0.03,),
    3: (0.01, 0.03, 0.3),
    10: (0.001, 0.003, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2, 0.3, 1.0),
}


def run(seed, rivals=3, seeds=10):
    """By tuning budget: whether any start was told from the first, was called better, differed at its own rate."""
    study = design(
        ["he_normal", *(Further(by=by) for by in range(1, rivals + 1))],
        tasks=[{"name": "shuffled", "like": "moons", "widths": [8], "steps": 40, "batch_size": 16}],
        data=shuffled(seed),
        learning_rate=sorted({rate for rates in BUDGETS.values() for rate in rates}),
        tuning_seeds=[10**6 + 2 * seed, 10**6 + 2 * seed + 1],
        tuning_criterion="validation_loss",
        seeds=range(seeds * seed, seeds * (seed + 1)),  # other draws in every run, so that the runs are independent
    )
    policy = NestedTuning(study, BUDGETS)
    with conducting(study, path=None) as conductor:
        conductor.conduct(policy)
        results, _ = judged(conductor, policy)
    found = {}
    for budget in BUDGETS:
        base, *others = (each for each in results if each.budget == budget)
        found[budget] = _counted([each.verdict for each in others], [each.losses for each in others], base.losses)
    return found


def rule(seed, rates, effect, rivals, seeds):
    """The same of drawn losses: `effect` is how far the losses of two neighbouring rates lie apart, in their noise."""
    rng = np.random.default_rng(seed)
    level = effect * np.abs(np.arange(rates) - rates // 2)
    tuning = np.median(level + rng.normal(size=(rivals + 1, 2, rates)), axis=1).argmin(axis=1)
    losses = level + rng.normal(size=(rivals + 1, seeds, rates))
    chosen = {f"start {number}": float(at) for number, at in enumerate(tuning)}

    def of(start, rate):
        return losses[int(start.split()[1]), :, int(rate)].tolist()

    said = judge(chosen, of)
    base, *others = (of(start, rate) for start, rate in chosen.items())
    return _counted([each.verdict for each in said.values()], others, base)


def _counted(verdicts, losses, base):
    apart = holm([wilcoxon(np.subtract(each, base)) for each in losses]).min() <= ERROR
    return np.array([{"better", "worse"} & set(verdicts) != set(), "better" in verdicts, apart])


def _print(what, counts, runs):
    named = zip(("told apart", "called better", "told apart at their own rates alone"), counts, strict=True)
    print(f"{what}: " + "; ".join(f"{name} in {int(n)} of {runs}, {wilson(int(n), runs)}" for name, n in named))


def main():
    """Run them and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="the first run's seed, to share the runs out")
    parser.add_argument("--rule", action="store_true")
    given = parser.parse_args()
    began = time.process_time()
    if given.rule:
        for rates, effect, rivals, seeds in ((3, 0.5, 4, 10), (10, 0.25, 4, 10), (10, 0.25, 14, 10), (7, 0.5, 1, 20)):
            counts = sum(rule(seed, rates, effect, rivals, seeds) for seed in range(given.runs))
            _print(f"{rates} rates, {rivals} against the first, {seeds} seeds", counts, given.runs)
    else:
        found = [run(seed) for seed in range(given.first, given.first + given.runs)]
        for budget in BUDGETS:
            _print(f"{budget} rates", sum(each[budget] for each in found), given.runs)
    print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
