"""The classic experiment agrees with its published figures."""

import json
import math

import numpy as np
import pytest

import goodinit
from figures import ACCURACY, HE_2_4_1, HE_LOSS, RANDOM_3_2_1, RANDOM_LOSS
from goodinit import activations, initializers
from goodinit.networks import MLP
from goodinit.streams import RandomStateStream


def by_name(classic):
    return {trial.initialization: trial for trial in classic.trials}


def test_the_three_starts_are_recorded_every_thousand_steps(classic):
    assert list(by_name(classic)) == ["zeros", "normal(std=10)", "he_normal"]
    for trial in classic.trials:
        assert trial.loss_steps == tuple(range(0, 15_000, 1000))
        assert (trial.seed, trial.learning_rate, trial.steps, trial.diverged) == (3, 0.01, 15_000, False)


def test_he_agrees_with_the_published_losses(classic):
    np.testing.assert_allclose(by_name(classic)["he_normal"].loss_values, HE_LOSS, rtol=1e-9)


def test_zeros_stay_at_ln_2(classic):
    trial = by_name(classic)["zeros"]
    np.testing.assert_allclose([*trial.loss_values, trial.final_loss], math.log(2), rtol=0, atol=1e-12)


def test_random_agrees_within_its_own_sensitivity(classic):
    trial = by_name(classic)["normal(std=10)"]
    assert trial.loss_values[0] == pytest.approx(RANDOM_LOSS[0], rel=1e-12)
    np.testing.assert_allclose(trial.loss_values[1:], RANDOM_LOSS[1:], rtol=0, atol=0.02)


def test_accuracies_are_exact(classic):
    found = {name: (t.train_accuracy, t.test_accuracy) for name, t in by_name(classic).items()}
    assert found == ACCURACY


def test_sensitivity_is_measured(classic):
    spread = {name: t.sensitivity.largest for name, t in by_name(classic).items()}
    assert spread["zeros"] == 0
    assert 1e-4 < spread["normal(std=10)"] < 0.05
    assert spread["he_normal"] < 1e-9
    assert [f.code for f in by_name(classic)["normal(std=10)"].findings] == [
        "output-saturated",
        "loss-above-chance",
        "sensitive-to-rounding",
    ]


def test_why_is_said_from_what_was_measured(classic):
    why = {name: trial.why for name, trial in by_name(classic).items()}
    assert "15 hidden units are identical" in why["zeros"]
    assert "only the last bias b3 can move" in why["zeros"]
    assert "stays at 0.693147 = ln 2" in why["zeros"]
    assert "100% of the outputs are saturated" in why["normal(std=10)"]
    assert "first loss is 1773.6" in why["normal(std=10)"]
    assert "every weight has a gradient" in why["he_normal"]


@pytest.mark.parametrize(
    ("widths", "init", "published"), [((3, 2, 1), "normal(std=10)", RANDOM_3_2_1), ((2, 4, 1), "he_normal", HE_2_4_1)]
)
def test_published_example_weights(widths, init, published):
    network = MLP(widths, activations.get("relu"), "binary_cross_entropy")
    drawn = network.parameters(initializers.get(init), RandomStateStream(3))
    for name, values in published.items():
        assert np.round(drawn[name], 8).tolist() == values
    assert [drawn[f"b{layer}"].shape for layer in (1, 2)] == [(widths[1], 1), (1, 1)]
    assert not any(drawn[f"b{layer}"].any() for layer in (1, 2))


def test_over_seeds_0_to_19_he_wins_every_one(tmp_path):
    """Figures of the same experiment over the seeds, by an independent run of the course's loop."""
    found = goodinit.compare(seeds="0-19", perturbations=0)
    ranking = found.ranking()
    assert ranking.names == ("he_normal", "normal(std=10)", "zeros")
    pair = ranking.pair("he_normal", "normal(std=10)")
    assert (pair.wins, pair.ties, pair.losses) == (20, 0, 0)
    assert pair.sizes.improvement_unpaired.value == pytest.approx(0.953, abs=0.01)
    assert [ranking[name].summary.iqm.value for name in ranking.names] == pytest.approx([0.951, 0.696, 0.5], abs=0.005)
    accuracy = {
        name: sorted(t.test_accuracy for t in found.trials if t.initialization == name) for name in ranking.names
    }
    assert accuracy["he_normal"][0] == 0.66
    assert accuracy["he_normal"][-1] == 0.97
    assert np.median(accuracy["he_normal"]) == 0.95
    assert [accuracy["normal(std=10)"][0], accuracy["normal(std=10)"][-1]] == pytest.approx([0.56, 0.87], abs=0.011)
    assert np.median(accuracy["normal(std=10)"]) == pytest.approx(0.685, abs=0.011)


def test_json_holds_the_result(classic):
    result = json.loads(classic.to_json())
    assert set(result) == {"task", "tasks", "trials", "tuning", "summary"}
    assert result["task"]["name"] == "classic"
    assert result["trials"][2]["loss"]["value"] == list(by_name(classic)["he_normal"].loss_values)
    assert set(result["trials"][0]) >= {
        "initialization", "seed", "learning_rate", "steps", "loss", "final_loss",
        "train_accuracy", "test_accuracy", "diverged", "findings",
    }  # fmt: skip
