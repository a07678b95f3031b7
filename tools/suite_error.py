"""How often the suite's test tells starts apart that are the same: the suite's protocol on shuffled labels.

Every start is the first under another name, by other draws: a start that is called better or worse is an error.

    python tools/suite_error.py --runs 200
"""

import argparse
import time

from race_error import Further, shuffled

from goodinit.comparison.conduct import conducting
from goodinit.comparison.design import design
from goodinit.statistics import wilson
from goodinit.suite.run import NestedTuning, judged

BUDGETS = {1: (0.03,), 3: (0.01, 0.03, 0.3)}


def run(seed, rivals=3, seeds=10):
    """By tuning budget, whether any start was told from the first, and whether one was called better."""
    study = design(
        ["he_normal", *(Further(by=by) for by in range(1, rivals + 1))],
        tasks=[{"name": "shuffled", "like": "moons", "widths": [8], "steps": 40, "batch_size": 16}],
        data=shuffled(seed),
        learning_rate=sorted({rate for rates in BUDGETS.values() for rate in rates}),
        tuning_seeds=[1000, 1001],
        tuning_criterion="validation_loss",
        seeds=range(seeds),
    )
    policy = NestedTuning(study, BUDGETS)
    with conducting(study, path=None) as conductor:
        conductor.conduct(policy)
        results, _ = judged(conductor, policy, study.criterion)
    verdicts = {budget: [each.verdict for each in results if each.budget == budget] for budget in BUDGETS}
    return {budget: ({"better", "worse"} & set(said) != set(), "better" in said) for budget, said in verdicts.items()}


def main():
    """Run them and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    given = parser.parse_args()
    began, found = time.process_time(), [run(seed) for seed in range(given.runs)]
    for budget in BUDGETS:
        told, better = (sum(each[budget][at] for each in found) for at in (0, 1))
        print(f"{budget} rates: told apart in {told} of {given.runs}: {wilson(told, given.runs)}; ", end="")
        print(f"called better in {better}: {wilson(better, given.runs)}")
    print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
