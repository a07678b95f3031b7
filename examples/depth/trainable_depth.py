"""How deep does a start let a network be? Depth against the correlation depth scale, measured by training.

Mean-field theory gives, for an activation, a weight variance and a bias variance, the number of layers xi_c in which
the network forgets how alike two inputs are (`goodinit.theory.mean_field(...).xi_c`). Schoenholz, Gilmer, Ganguli &
Sohl-Dickstein 2017 (Deep Information Propagation, Fig. 5) found that depths up to about 6 xi_c can be trained. This
trains tanh networks of width 128 with bias variance 0.05 on the digits for 200 steps, at several multiples of xi_c:

    python examples/depth/trainable_depth.py --study depth.db

Some minutes on one core; stopped, the same command goes on. Each depth takes the best of three learning rates, the one
with the lowest median training loss over the seeds, since the paper too asks what can be trained at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import goodinit

BIAS_VARIANCE = 0.05
WEIGHT_VARIANCES = (1.0, 1.4, 4.0)  # two in the ordered phase, one in the chaotic; critical is 1.761
MULTIPLES = (1, 3, 6, 10)
LEARNING_RATES = (1e-3, 3e-3, 1e-2)


@dataclass(frozen=True)
class Row:
    """One depth: its multiple of xi_c, the learning rate that did best, and the train accuracies of the seeds."""

    weight_variance: float
    xi_c: float
    depth: int
    learning_rate: float
    accuracies: tuple[float, ...]

    def __str__(self) -> str:
        told = ", ".join(f"{each:.3f}" for each in sorted(self.accuracies))
        parts = (
            f"{self.weight_variance:g}",
            f"{self.xi_c:.1f}",
            f"{self.depth}",
            f"{self.depth / self.xi_c:.1f}",
            f"{self.learning_rate:g}",
            f"{median(self.accuracies):.3f}",
            told,
        )
        return f"| {' | '.join(parts)} |"


def measure(
    weight_variance: float,
    multiples: Sequence[float] = MULTIPLES,
    *,
    learning_rates: Sequence[float] = LEARNING_RATES,
    seeds: str = "0-2",
    steps: int = 200,
    study: str | None = None,
) -> list[Row]:
    """Train networks of so many times xi_c hidden layers from one weight variance, a row a depth."""
    xi_c = goodinit.theory.mean_field("tanh", weight_variance=weight_variance, bias_variance=BIAS_VARIANCE).xi_c
    depths = {f"variance {weight_variance:g}, {round(multiple * xi_c)} layers": multiple for multiple in multiples}
    found = goodinit.compare(
        f"variance_scaling(scale={weight_variance}, bias_variance={BIAS_VARIANCE})",
        tasks=[
            {"name": name, "like": "deep-tanh", "widths": [128] * round(multiple * xi_c), "steps": steps}
            for name, multiple in depths.items()
        ],
        learning_rate=list(learning_rates),
        seeds=seeds,
        dtype="float32",
        perturbations=0,
        study=study,
    )
    rows = []
    for name, multiple in depths.items():
        trials = [trial for trial in found.trials if trial.task == name]
        losses = {
            rate: median(float("inf") if t.diverged else t.final_loss for t in trials if t.learning_rate == rate)
            for rate in learning_rates
        }
        best = min(losses, key=lambda rate: (losses[rate], rate))
        scores = tuple(t.train_score for t in trials if t.learning_rate == best)
        rows.append(Row(weight_variance, xi_c, round(multiple * xi_c), best, scores))
    return rows


def main() -> None:
    """Print the table of docs/theory.md."""
    parser = argparse.ArgumentParser(description="Train tanh networks at multiples of the correlation depth scale.")
    parser.add_argument("--study", help="a file that keeps every trial; the same command goes on from it")
    parser.add_argument("--steps", type=int, default=200)
    chosen = parser.parse_args()
    headings = (
        "weight variance",
        "xi_c",
        "hidden layers",
        "depth / xi_c",
        "learning rate",
        "median",
        "train accuracies",
    )
    print(f"| {' | '.join(headings)} |\n|{' --- |' * len(headings)}")
    for weight_variance in WEIGHT_VARIANCES:
        for row in measure(weight_variance, study=chosen.study, steps=chosen.steps):
            print(row, flush=True)


if __name__ == "__main__":
    main()
