"""Races: what they find, that a stop loses nothing, what they say, and what they cost."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import rankdata
from typer.testing import CliRunner

import goodinit
from goodinit.cli import app
from goodinit.initializers import Normal
from goodinit.recommending.plan import RacePlan, make_plan, read_budget
from goodinit.recommending.ranking import duels_lost, smoothed_losses

DEEP = {"like": "moons", "widths": [12] * 5, "activation": "tanh", "optimizer": "momentum", "steps": 60}
QUICK = {"budget": 80, "learning_rates": [0.03, 0.1]}


def race(**changes):
    options = {"candidates": ["glorot_normal", "zeros"], "baseline": "normal(std=0.05)", **QUICK, **changes}
    return goodinit.recommend(DEEP, **options)


@pytest.fixture(scope="module")
def found():
    return race()


def test_a_start_that_is_better_is_found_with_its_evidence(found):
    """Weights of 0.05 in five tanh layers of 12: signals shrink by 12^0.5 * 0.05 a layer, and nothing is learned."""
    assert (found.verdict, found.initialization) == ("better", "glorot_normal")
    winner = found.finals[1]
    assert winner.wins == len(found.seeds)
    assert winner.adjusted >= 20
    assert winner.share > 0.5
    assert found.complete
    assert not found.stopped
    assert "glorot_normal" in found.code
    assert f"{found.learning_rate:g}" in found.code


def test_what_is_left_goes_to_the_rates_of_the_start_that_is_recommended(found):
    """All are trained on the finals' seeds, of those left the one that loses least is taken, and the budget holds."""
    assert len(found.rates) > 1
    assert found.finals[1].learning_rate in [each.learning_rate for each in found.rates]
    assert min(len(each.values) for each in found.rates) >= len(found.seeds)
    most = max(len(each.values) for each in found.rates)
    left = [each for each in found.rates if len(each.values) == most]
    ranks = rankdata([each.values for each in left], axis=0).mean(axis=1)
    best = left[int(np.argmin(ranks))]
    assert found.learning_rate == best.learning_rate
    assert best.median == np.median(best.values)
    assert best.lost == pytest.approx((ranks.min() - 1) / (len(left) - 1) if len(left) > 1 else 0.0)
    assert found.trainings <= QUICK["budget"] + 1
    taken = f"{found.learning_rate:g} is ahead most often on" in found.answer
    assert taken == (found.learning_rate != found.finals[1].learning_rate)
    assert f"rates: of glorot_normal on {most} fresh seeds" in str(found)


def test_the_rates_of_a_baseline_that_is_kept_get_more_seeds_than_the_finals():
    """Rates of which neither wins clearly; where one does, nothing more is asked."""
    options = {"candidates": [Further(std=0.4)], "baseline": "normal(std=0.4)"}
    few = race(budget=60, learning_rates=[0.3, 0.4], **options)
    more = race(budget=120, learning_rates=[0.3, 0.4], seeds=12, **options)
    clear = race(budget=120, learning_rates=[0.03, 0.1], seeds=12, **options)
    assert {len(each.values) for each in clear.rates} == {12}
    assert clear.trainings < 80
    assert more.verdict == "keep"
    most = max(len(each.values) for each in more.rates)
    assert 12 < most <= 48
    assert max(len(each.values) for each in few.rates) < most
    best = min((each for each in more.rates if len(each.values) == most), key=lambda each: each.lost)
    assert (more.learning_rate, more.initialization) == (best.learning_rate, "normal(std=0.4)")


def test_a_start_with_a_severe_finding_is_not_raced_and_the_finding_is_the_reason(found):
    (dropped,) = found.dropped
    assert (dropped.initialization, dropped.code) == ("zeros", "identical-units")
    assert "same weights" in dropped.reason
    assert all(each.initialization != "zeros" for rung in found.rungs for each in rung.standings)


def test_the_finals_are_on_seeds_that_the_rungs_have_not_seen(found):
    assert not set(found.seeds) & {seed for rung in found.rungs for seed in rung.seeds}


@dataclass(frozen=True)
class Further(Normal):
    """The same distribution by other draws: which of the two is better is a coin."""

    name = "further"

    def law(self, weight):
        return None

    def elements(self, weight, stream, start, stop):
        return super().elements(weight, stream, start + 10_000, stop + 10_000)


def test_the_same_start_under_two_names_is_kept_apart_from_better():
    found = race(candidates=[Further(std=0.4)], baseline="normal(std=0.4)", budget=60)
    assert found.verdict == "keep"
    assert "normal(std=0.4)" in found.answer
    assert "separable" in found.answer
    assert found.finals[1].wins > 0
    assert found.finals[1].losses > 0


class Stop:
    """Ctrl-C at the n-th time that progress is told, of what is named if it is."""

    def __init__(self, after, of=""):
        self.left, self.of = after, of

    def __call__(self, what, trained, total):
        self.left -= self.of in what
        if self.left < 0:
            raise KeyboardInterrupt


def test_a_race_that_is_stopped_again_and_again_is_the_uninterrupted_one(found, tmp_path):
    path, stops = tmp_path / "race.db", 0
    for after in (0, 3, 6, 9, 12, 16, 20, 24, 30, 36):
        part = race(study=path, progress=Stop(after))
        stops += part.stopped
        assert part.complete != part.stopped
    whole = race(study=path)
    assert stops >= 5
    assert whole.to_dict() == {**found.to_dict()}


def test_of_finals_that_are_cut_short_the_rate_is_the_one_that_loses_the_fewest_duels():
    """As of whole ones: medians of few seeds would put another first as often as not."""
    options = {"candidates": [Further(std=0.4)], "baseline": "normal(std=0.4)", "learning_rates": [0.3, 0.35, 0.4]}
    parts = [race(budget=150, progress=Stop(after, "finals"), **options) for after in (500, 800, 1100)]
    assert 6 <= len(parts[0].seeds) < len(parts[-1].seeds)
    for part in parts:
        assert part.stopped
        own = [each for each in part.finals if each.share is None]
        lost = duels_lost([each.values for each in own])
        assert part.learning_rate == own[int(np.argmin(lost))].learning_rate
        assert {each.learning_rate for each in part.rates} == {each.learning_rate for each in own}


def test_a_race_that_is_stopped_at_once_says_that_nothing_can_be_told(tmp_path):
    part = race(study=tmp_path / "race.db", progress=Stop(0))
    assert part.stopped
    assert part.verdict == "keep"
    assert "nothing can be told" in part.answer
    part.figure(tmp_path / "empty.svg")


def test_a_larger_budget_goes_on_with_the_same_finals(tmp_path):
    first = race(study=tmp_path / "race.db", candidates=[Further(std=0.4)], baseline="normal(std=0.4)", budget=50)
    more = race(study=tmp_path / "race.db", candidates=[Further(std=0.4)], baseline="normal(std=0.4)", budget=70)
    assert [(each.initialization, each.learning_rate) for each in more.finals] == [
        (each.initialization, each.learning_rate) for each in first.finals
    ]
    assert len(more.seeds) > len(first.seeds)
    assert more.finals[1].evidence[: len(first.seeds)] == first.finals[1].evidence
    assert more.rungs == first.rungs


def test_a_model_with_data_as_arrays_gets_code_to_paste(tmp_path):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6))
    y = (X[:, 0] + X[:, 1] > 0).astype(int)

    def make():
        layers = [torch.nn.Linear(6, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)]
        for layer in layers:
            torch.nn.init.normal_(layer.weight, std=1e-4)  # gradients of 1e-12, below Adam's epsilon
        return torch.nn.Sequential(*layers)

    options = {"candidates": ["glorot_normal"], "learning_rates": [3e-3, 1e-2], "steps": 25, "budget": 40}
    found = goodinit.recommend(make, (X, y), **options)
    assert found.baseline == "default"
    assert found.verdict == "better"
    space = {"goodinit": goodinit, "torch": torch, "model": make(), "batch": torch.zeros(1, 6)}
    exec(found.code, space)  # what is said to be pasted runs
    assert space["optimizer"].param_groups[0]["lr"] == pytest.approx(found.learning_rate)


def test_the_page_and_the_figure(found, tmp_path):
    page = found.report(tmp_path / "race.html").read_text()
    assert "<svg" in page
    assert "identical-units" in page
    assert found.answer in page
    assert "http:" not in page.replace("http://www.w3.org", "")
    for kind in ("png", "svg", "pdf"):
        assert found.figure(tmp_path / f"race.{kind}").stat().st_size > 5000
    with pytest.raises(goodinit.GoodinitError, match="exists"):
        found.report(tmp_path / "race.html")
    with pytest.raises(goodinit.GoodinitError, match="svg, pdf, png"):
        found.figure(tmp_path / "race.txt")
    assert json.loads(found.to_json())["verdict"] == "better"
    assert "better" in str(found)


def test_the_command(tmp_path):
    arguments = ["recommend", "moons", "--steps", "60", "--budget", "60", "--candidate", "normal(std=0.001)"]
    arguments += ["--learning-rate", "0.1", "--learning-rate", "0.03", "--json", "--report", str(tmp_path / "r.html")]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    facts = json.loads(done.stdout)
    assert done.exit_code == 0
    assert facts["baseline"] == "he_normal"
    assert (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": "soon"}, "budget 'soon'.*2min"),
        ({"budget": 3}, "too small to race 2 starts.*give \\d+"),
        ({"criterion": "luck"}, "criterion 'luck'"),
        ({"candidates": []}, "nothing to race"),
        ({"candidates": ["he_norml"]}, "he_normal"),
        ({"learning_rates": []}, "learning rates"),
        ({"seeds": 2}, "seeds=2"),
    ],
)
def test_wrong_input_is_told_before_anything_is_trained(changes, message):
    with pytest.raises(goodinit.GoodinitError, match=message):
        race(candidates=changes.pop("candidates", ["he_normal"]), **changes)


def test_a_budget_that_is_refused_leaves_no_study(tmp_path):
    with pytest.raises(goodinit.GoodinitError, match="too small"):
        race(candidates=["he_normal"], budget=3, study=tmp_path / "race.db")
    assert list(tmp_path.iterdir()) == []


def test_budgets_are_times_or_numbers():
    assert read_budget("1.5h") == (5400.0, None)
    assert read_budget("250") == (None, 250)
    for wrong in ("", "2 weeks", "0s", -1, 0, True, math.nan, 2.5):
        with pytest.raises(goodinit.GoodinitError, match="budget"):
            read_budget(wrong)


@pytest.mark.parametrize("starts", [2, 5, 12])
@pytest.mark.parametrize("budget", [150, 500, 3000])
def test_a_plan_leaves_half_of_the_budget_to_the_finals(starts, budget):
    plan = make_plan(starts, (1e-3, 3e-3, 1e-2, 3e-2, 0.1), 900, budget, lambda steps: steps / 900)
    arms, spent = starts * len(plan.rates), 0.0
    for rung in plan.rungs:
        spent += arms * rung.seeds * rung.steps / 900
        arms = min(arms, rung.keep + 2)
    if plan.finer:  # at most two rates beside each finalist's, and two between
        spent += 4 * (plan.finalists + 1) * plan.rungs[-1].seeds
    assert spent <= budget / 2
    assert (budget - spent) / (plan.finalists + 1) >= 6
    assert RacePlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_a_plan_takes_every_start_where_it_has_all_their_rates_too():
    """A budget that is too small for all takes the first of them, and says how many."""
    rates, costs = (1e-3, 1e-2, 0.1), {"steps": 300, "cost": lambda steps: steps / 300}
    small, large = (make_plan(12, rates, budget=budget, fewer=9, **costs) for budget in (300, 3000))
    assert small.starts == 9
    assert RacePlan.from_dict(json.loads(json.dumps(small.to_dict()))) == small
    assert (large.starts, large.rates) == (None, rates)
    assert large.finalists > small.finalists
    assert large.rungs[-1].seeds > small.rungs[-1].seeds


def test_a_race_that_had_all_its_seeds_says_how_many_would_do(tmp_path):
    options = {"candidates": ["he_normal"], "baseline": "glorot_normal", "learning_rates": [0.1], "budget": 120}
    found = race(seeds=8, study=tmp_path / "race.db", **options)
    winner = found.finals[1]
    assert (winner.wins, winner.better, len(found.seeds)) == (5, False, 8)
    assert found.further.endswith(f"The same call with the same study and seeds={8 + winner.more} goes on there.")
    more = race(seeds=8 + winner.more, study=tmp_path / "race.db", **options)
    assert more.finals[1].values[:8] == winner.values
    assert len(more.seeds) == 8 + winner.more


def test_of_two_starts_that_are_better_the_answer_says_which_loses_fewer_duels():
    found = race(candidates=["lecun_normal", "glorot_normal"], budget=120, learning_rates=[0.1])
    assert [each.better for each in found.finals] == [False, True, True]
    medians = {each.initialization: each.median for each in found.rates}
    assert medians["lecun_normal"] < medians["glorot_normal"]
    assert found.initialization == "lecun_normal"
    numbers = f"at medians of {medians['lecun_normal']:.4g} against {medians['glorot_normal']:.4g} of glorot_normal"
    said = f"glorot_normal is better than normal(std=0.05) too; on 16 seeds lecun_normal is ahead most often, {numbers}"
    assert said in found.answer


def test_duels_are_of_the_same_seed():
    """Medians would put the second first: its seeds were the easy ones of a split."""
    assert duels_lost([[1.0, 10.0, 100.0], [2.0, 20.0, np.nan]]).tolist() == [0.0, 1.0]
    assert duels_lost([[np.inf], [np.inf], [1.0]]).tolist() == [0.75, 0.75, 0.0]
    assert duels_lost([[np.nan], [1.0]]).tolist() == [1.0, 0.0]


def test_the_rates_beside_speak_for_a_rate():
    """The loss is lowest at 0.01, and a noise of two steps between rates hides that from two seeds."""
    rng, rates = np.random.default_rng(0), [float(rate) for rate in np.logspace(-4, -1, 13)]
    smooth, plain = [], []
    for _ in range(200):
        values = np.abs(np.log10(rates) + 2)[:, None] + rng.normal(size=(13, 2)) * 0.5
        smooth.append(abs(math.log10(rates[int(np.argmin(smoothed_losses(values, rates, ["a"] * 13)))]) + 2))
        plain.append(abs(math.log10(rates[int(np.argmin(np.median(values, axis=1)))]) + 2))
    assert np.mean(smooth) < 0.8 * np.mean(plain)


def test_a_stored_race_gives_its_finals_what_its_rungs_left(tmp_path):
    """Fewer neighbouring rates are missing than the plan has room for, and the seeds of the finals are more by that."""
    budget = 60
    found = race(study=tmp_path / "race.db", candidates=[Further(std=0.4)], baseline="normal(std=0.4)", budget=budget)
    again = race(study=tmp_path / "race.db", candidates=[Further(std=0.4)], baseline="normal(std=0.4)", budget=budget)
    assert again.to_dict() == found.to_dict()
    assert budget - len(found.finals) < found.trainings <= budget


def test_the_room_is_imported_when_it_is_used():
    code = "import goodinit, sys; goodinit.recommend; print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2
