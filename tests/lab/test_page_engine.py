"""The page's own engine against goodinit's: the same starts, data, losses and findings, and pictures as defined.

Losses agree to the bit with the compiled engine's baseline, which like WebAssembly has no fused multiply-add; what is
averaged by NumPy's linear algebra agrees to 1e-12, pictures of 8 bits to one step. An orthogonal start's last bits are
the linear algebra library's, so that its training is compared at the start alone.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from frames import Told, frame

import goodinit
from goodinit import activations, checkup, initializers
from goodinit.comparison.starts import start_of
from goodinit.datasets import CsvText
from goodinit.errors import GoodinitError
from goodinit.initializers import Scaled
from goodinit.lab.catalogue import catalogue
from goodinit.lab.errors import LabError
from goodinit.lab.page import export_page
from goodinit.lab.scene import read_scene
from goodinit.networks import MLP, stack
from goodinit.streams import KeyedStream, as_stream
from goodinit.training import batches, lanes, train

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is missing, which runs the page's engine here")
RELU = activations.get("relu")
HARNESS = Path(__file__).with_name("page_engine.mjs")

CSV = "width;height;kind\n" + "".join(f"{x}.5;{y};{'tall' if y > x else 'wide'}\n" for x in range(8) for y in range(8))
POINTS = [[x / 3, y / 4, (x + y) % 2 + 1] for x in range(5) for y in range(5)]
SCENES = {
    "momentum": {"data": {"name": "moons"}, "steps": 300, "optimizer": "momentum", "batch_size": 32, "seed": 5},
    "adam": {"activation": "sigmoid", "optimizer": "adam", "learning_rate": 0.02, "steps": 250, "stream": "keyed"},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.02, "steps": 100, "batch_size": 32, "inits": ["he_normal"]},
    "spirals": {
        "data": {"name": "spirals"},
        "activation": "gelu",
        "hidden": [8],
        "steps": 100,
        "inits": ["he_uniform"],
    },
    "xor": {
        "data": {"name": "xor", "noise": 0.1},
        "activation": "leaky_relu(slope=0.2)",
        "steps": 100,
        "inits": ["glorot_uniform"],
    },
    "blobs": {"data": {"name": "blobs", "points": 50}, "activation": "mish", "steps": 100, "inits": ["lecun_normal"]},
    "squares": {
        "data": {"name": "blobs"},
        "loss": "squared_error",
        "activation": "softplus",
        "steps": 60,
        "inits": ["he_normal"],
    },
    "square": {
        "loss": "squared_error",
        "activation": "elu",
        "steps": 60,
        "inits": ["he_normal"],
        "seed": 4_000_000_000,
    },
    "digits": {"data": {"name": "digits"}, "hidden": [16], "steps": 40, "batch_size": 64, "inits": ["he_normal"]},
    "points": {"data": {"name": "own", "own": POINTS}, "activation": "silu", "steps": 50, "inits": ["lecun_uniform"]},
    "file": {"data": {"name": "csv", "csv": "file.csv"}, "activation": "selu", "steps": 50, "inits": ["he_normal"]},
    "linear": {"hidden": [], "steps": 50, "inits": ["normal(std=0.1)"]},
    "sines": {"activation": "sine(frequency=2)", "steps": 50, "inits": ["siren", "uniform(low=-1, high=2)"]},
    "gain": {"activation": "softsign", "steps": 50, "inits": [{"spec": "glorot_normal", "gain": 3.0}]},
    "diverges": {"learning_rate": 1000, "steps": 2000, "activation": "linear", "inits": ["normal(std=100)"]},
    "depth": {
        "activation": "tanh",
        "hidden": [8] * 12,
        "steps": 6,
        "stream": "keyed",
        "inits": ["orthogonal", "lecun_normal"],
    },
}
STARTS = [
    *(kind["name"] for kind in catalogue()["initializers"] if kind["name"] != "delta_orthogonal"),
    "he_normal(activation=tanh, mode=fan_out)",
    'he_uniform(activation="leaky_relu(slope=0.3)", mode=fan_geo_avg)',
    "variance_scaling(scale=0.7, mode=fan_avg, distribution=truncated_normal, bias_variance=0.2)",
    "uniform(low=1.5, high=3)",
    "truncated_normal(std=0.2, low=1, high=2.5)",
    "truncated_normal(std=0.5, mean=0.1, corrected=true)",
    "truncated_normal(std=0.6, mean=0.2, low=-0.5, high=1, bounds=absolute)",
    "random_walk(activation=linear)",
    "edge_of_chaos(activation=selu, distribution=uniform)",
    "siren(first=true)",
    "orthogonal(gain=1.7)",
    "identity(gain=2)",
    "sparse(sparsity=0.4, std=2)",
    "sparse(sparsity=0.5, counts=nonzeros, per=input)",
    "xavier_normal(gain=2)",
    "constant(value=-3)",
]


def page(folder: Path, asked: object) -> list:
    told = subprocess.run(
        [str(NODE), str(HARNESS), str(folder)], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    export_page(folder)
    return folder


@pytest.fixture(scope="module")
def presets(folder: Path) -> dict[str, dict]:
    """The page's presets, the deep ones shortened."""
    code = (
        f"import {{ PRESETS, presetScene }} from {json.dumps((folder / 'static/js/presets.js').as_uri())};"
        f"const scenes = PRESETS.map((p) => [p.name, presetScene(p, {json.dumps(catalogue()['defaults'])})]);"
        "process.stdout.write(JSON.stringify(Object.fromEntries(scenes)));"
    )
    made = subprocess.run([str(NODE), "--input-type=module", "-e", code], capture_output=True, text=True, check=True)
    scenes = json.loads(made.stdout)
    for scene in scenes.values():
        scene["seeds"] = 1
        if scene["steps"] < 15_000:  # the classic experiment is trained whole
            scene["steps"] = 4 if len(scene["hidden"]) > 10 else 300
    return scenes


@pytest.fixture(scope="module")
def films(folder: Path, presets: dict[str, dict]) -> dict[str, tuple]:
    """Each scene with what the page's engine made of it."""
    scenes = {**presets, **SCENES}
    answers = page(folder, {"scenes": [*scenes.values()], "files": {"file.csv": CSV}})
    return {name: (scene, answer) for (name, scene), answer in zip(scenes.items(), answers, strict=True)}


def numbers(values: object) -> np.ndarray:
    return np.array(
        [np.nan if each is None else each for each in np.ravel(np.array(values, dtype=object))], dtype=float
    )


def near(ours: object, theirs: object, rtol: float = 1e-12, atol: float = 0.0) -> None:
    expected = np.ravel(np.asarray(theirs, dtype=float))
    np.testing.assert_allclose(numbers(ours), np.where(np.isfinite(expected), expected, np.nan), rtol, atol)


@pytest.fixture
def baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled engine's baseline, where the kernels are not for this machine alone."""
    monkeypatch.setenv("GOODINIT_ISA", "baseline")
    if lanes.available() and lanes.native().isa() != "baseline":
        pytest.skip("the kernels are compiled without the baseline")


NAMES = ["classic", "symmetry", "small", "large", "depth", "chaos", "dead", "orthogonal", *SCENES]


@pytest.mark.parametrize("name", NAMES)
def test_a_film_is_that_of_goodinits_own_training(name: str, films: dict[str, tuple], baseline: None) -> None:
    scene, made = films[name]
    assert "error" not in made, made
    file = CsvText("file.csv", CSV) if scene.get("data", {}).get("csv") else None
    read = read_scene(scene)
    study = read.study(file)
    task, seed = study.tasks[0], read.seed
    data, network, opening = task.source.dataset(seed), task.mlp, made["opening"]
    steps = opening["steps"]
    assert (steps[0], steps[-1], len(steps)) == (0, read.steps, min(read.steps + 1, len(steps)))
    assert 24 <= len(steps) <= 80 or len(steps) == read.steps + 1
    assert (np.diff(steps) > 0).all()
    assert opening["network"]["widths"] == list(network.widths)
    assert opening["data"]["classes"] == list(data.classes)
    assert opening["data"]["train"]["labels"] == data.y_train.tolist()
    if len(data.features) == 2:
        near(opening["data"]["train"]["points"], data.X_train.astype(np.float32), 1e-7)
        points = np.vstack([data.X_train, data.X_test])
        low, high = points.min(axis=0), points.max(axis=0)
        near(opening["data"]["box"], np.stack([low - 0.1 * (high - low), high + 0.1 * (high - low)]).T, 1e-12, 1e-12)

    starts = [start_of(task, each, seed) for each in study.initializers]
    X, Y, seen = np.ascontiguousarray(data.X_train.T), data.targets, {}
    order = batches(Y.shape[1], task.schedule, KeyedStream(seed))
    end = train(network, stack(starts), X, Y, task.schedule, order, snapshots=steps, watch=seen.__setitem__)
    told = Told.of(opening)
    for k, start in enumerate(made["starts"]):
        chaotic = str(study.initializers[k]).startswith("orthogonal")
        rtol = 1e-9 if chaotic else 1e-12
        shown = {0: start["begin"]["frame"], **{each["step"]: each["frame"] for each in start["frames"]}}
        assert list(shown) == steps
        if chaotic:
            near(start["outcome"]["loss"], end.final_loss[k], 1e-6)
        elif lanes.available():
            assert start["outcome"]["loss"] == (end.final_loss[k] if np.isfinite(end.final_loss[k]) else None)
            assert start["outcome"]["diverged_by"] == end.diverged_by[k]
        for step in [0] if chaotic else steps[:: max(1, len(steps) // 12)] + steps[-1:]:
            own = {name: values[k : k + 1] for name, values in seen[step].items()}
            same_frame(shown[step], frame(network, data, own, told, opening["data"]["image"] is not None), rtol)
        measured = checkup.measure(network, starts[k], X, Y)
        begun(start["begin"], measured, checkup.findings(measured), rtol)
        forecast_is(start["begin"]["expected"], study.initializers[k], network, as_stream(seed, task.stream), X)


def forecast_is(ours: dict, initializer: object, network: MLP, stream: object, X: np.ndarray) -> None:
    try:
        theirs = checkup.forecast(initializer, network, stream, float((X**2).mean()))
    except GoodinitError:
        return
    if theirs[0].preactivation_variance is None:
        assert ours["forward"] is None
    else:
        near(ours["forward"], [layer.preactivation_variance for layer in theirs])
        near(ours["backward"], [layer.gradient_square for layer in theirs])


def same_frame(ours: dict, theirs: dict, rtol: float) -> None:
    for name in ("loss", "test_loss"):
        near(ours[name], theirs[name], rtol)
    for name in ("train_accuracy", "test_accuracy", "diverged"):
        assert ours[name] == theirs[name]
    assert ours["predicted"]["train"] == theirs["predicted"]
    assert (ours["map"] is None) == (theirs["map"] is None)
    if ours["map"]:
        close_bytes(ours["map"]["p"], theirs["map"]["p"])
        if theirs["map"]["class"] is not None:
            assert np.mean(np.array(ours["map"]["class"]) != theirs["map"]["class"]) < 0.002
    assert (ours["samples"] is None) == (theirs["samples"] is None)
    if ours["samples"]:
        assert ours["samples"]["class"] == theirs["samples"]["class"]
        close_bytes(ours["samples"]["p"], theirs["samples"]["p"])
    for mine, other in zip(ours["layers"], theirs["layers"], strict=True):
        near(mine["forward"], other["forward"], 10 * rtol)
        near(mine["backward"], other["backward"], 1000 * rtol)
        assert (mine["units"] is None) == (other["units"] is None)
        if mine["units"] is not None:
            close_bytes(mine["units"], other["units"])
            near(mine["scale"], other["scale"], 1e-3, 1e-4 * float(other["scale"].max()))  # of float32 sums
        for key in ("W", "b", "dW", "means", "zeros"):
            assert (mine[key] is None) == (other[key] is None)
            if other[key] is not None:
                near(mine[key], other[key], 1e-5, 1e-6 * float(np.abs(other[key]).max() or 1) + 1e-15)
        assert (mine["activations"] is None) == (other["activations"] is None)
        if mine["activations"]:
            assert [*map(float, mine["activations"]["range"])] == other["activations"]["range"]
            assert np.abs(np.array(mine["activations"]["counts"]) - other["activations"]["counts"]).sum() <= 4
        moved = np.abs(np.array(mine["gradients"]["counts"]) - other["gradients"]["counts"]).sum()
        small = other["dW"] is None or np.abs(other["dW"]).max() < 1e-14
        assert moved <= 4 or small, "rounding may stand for a gradient of 0"


def close_bytes(ours: object, theirs: object) -> None:
    assert np.abs(np.array(ours, dtype=int) - np.asarray(theirs, dtype=int)).max() <= 1


def begun(ours: dict, measure: object, findings: tuple, rtol: float) -> None:
    assert [(found["code"], found["severity"]) for found in ours["findings"]] == [
        (found.code, found.severity) for found in findings
    ]
    for found, other in zip(ours["findings"], findings, strict=True):
        assert found["where"] == other.where
        assert found["values"].keys() == other.values.keys()
        for key in ("layers", "names", "case", "bias"):
            assert found["values"].get(key) == other.values.get(key)
    measured = ours["measure"]
    for name in ("loss", "chance_loss", "logit_rms"):
        near(measured[name], getattr(measure, name), rtol)
    assert measured["sure_share"] == measure.sure_share
    assert measured["sure_and_wrong_share"] == measure.sure_and_wrong_share
    assert list(measured["largest_gradients"]) == list(measure.largest_gradients)
    near([*measured["largest_gradients"].values()], [*measure.largest_gradients.values()], 1e-5, 1e-15)
    for mine, other in zip(measured["layers"], measure.layers, strict=True):
        assert [
            mine[name] for name in ("units", "distinct", "dead_share", "saturated_share", "usual_saturated_share")
        ] == [
            other.units,
            other.distinct,
            other.dead_share,
            other.saturated_share,
            other.usual_saturated_share,
        ]
        near(mine["activation_rms"], other.activation_rms, rtol)


@pytest.mark.parametrize("stream", ["keyed", "randomstate"])
def test_the_pages_starts_are_the_catalogues(stream: str, folder: Path) -> None:
    scenes = [
        {"inits": [text], "stream": stream, "hidden": [8, 8, 5], "seed": 11, "data": {"name": "blobs"}}
        for text in STARTS
    ]
    made = page(folder, {"scenes": scenes, "startsOnly": True})
    drawn = 0
    for text, answer in zip(STARTS, made, strict=True):
        if "error" in answer:
            assert answer["error"]["code"] == "needs-server", text
            continue
        drawn += 1
        network = MLP((2, 8, 8, 5, 3), RELU, "cross_entropy")
        start = network.parameters(initializers.get(text), as_stream(11, stream))
        flat = np.concatenate([start[f"{letter}{layer}"].ravel() for layer in range(1, 5) for letter in "Wb"])
        ours = numbers(answer["starts"][0]["parameters"]["parameters"])
        if text.startswith("orthogonal"):
            np.testing.assert_allclose(ours, flat, atol=1e-14)
        else:
            np.testing.assert_array_equal(ours, flat, err_msg=text)
        kind = initializers.get(text)
        near(
            answer["starts"][0]["parameters"]["variances"],
            [kind.expected_variance(w) for w in network.weights],
            1e-12,
            1e-15,
        )
        near(answer["starts"][0]["parameters"]["means"], [kind.expected_mean(w) for w in network.weights], 1e-12, 1e-15)
    assert drawn >= 20


def test_bands_are_quantiles_of_the_seeds(folder: Path, baseline: None) -> None:
    scene = {
        "inits": ["he_normal", "normal(std=10)"],
        "steps": 200,
        "learning_rate": 0.1,
        "stream": "keyed",
        "seeds": 9,
    }
    (answer,) = page(folder, {"scenes": [scene]})
    options = {"steps": 200, "learning_rate": 0.1, "stream": "keyed", "perturbations": 0}
    compared = goodinit.compare(["he_normal", "normal(std=10)"], seeds=range(3, 12), **options)
    for start, name in zip(answer["starts"], ("he_normal", "normal(std=10)"), strict=True):
        trials = [trial for trial in compared.trials if trial.initialization == name]
        for quantity, values in (
            ("loss", [trial.final_loss for trial in trials]),
            ("test_accuracy", [trial.test_accuracy for trial in trials]),
            ("train_accuracy", [trial.train_accuracy for trial in trials]),
        ):
            band, ordered = start["bands"][quantity], sorted(values)
            near([band[place][-1] for place in ("low", "middle", "high")], [ordered[0], ordered[4], ordered[8]], 1e-9)


def test_a_start_that_leaves_inputs_out_is_refused_or_square(folder: Path) -> None:
    scenes = [{"inits": ["delta_orthogonal"], "hidden": hidden, "data": {"name": "blobs"}} for hidden in ([3], [5, 3])]
    square, narrow = page(folder, {"scenes": scenes, "startsOnly": True})
    assert narrow["error"]["code"] == "refused"
    start = MLP((2, 3, 3), RELU, "cross_entropy").parameters(
        initializers.get("delta_orthogonal"), as_stream(3, "randomstate")
    )
    np.testing.assert_allclose(square["starts"][0]["parameters"]["parameters"][:6], start["W1"].ravel(), atol=1e-14)


WRONG = [
    {"steps": 0},
    {"steps": "ten"},
    {"steps": 1.5},
    {"hidden": [0]},
    {"hidden": [200]},
    {"hidden": 3},
    {"nonsense": 1},
    {"seed": -1},
    {"data": {"name": "nowhere"}},
    {"data": {"name": "digits", "noise": 0.1}},
    {"data": {"name": "moons", "noise": 2}},
    {"inits": []},
    {"inits": ["he_normal", "he_normal"]},
    {"inits": ["nobody"]},
    {"inits": ["normal(std=-1)"]},
    {"inits": ["normal(size=1)"]},
    {"inits": ["normal(std=1"]},
    {"activation": "nothing"},
    {"activation": "relu(slope=2)"},
    {"learning_rate": 0},
    {"optimizer": "sgd"},
    {"loss": "squared_error", "data": {"name": "own", "own": POINTS}},
    {"data": {"name": "own", "own": [[0, 0, 0]] * 5}},
    {"steps": 100_000, "hidden": [128, 128], "seeds": 50},
    {"inits": [{"spec": "zeros", "gain": 0}]},
    {"stream": "other"},
    {"batch_size": 0},
    {"data": {"name": "own", "own": [[0, 0, 0], [1, 1, "a"], [1, 0, 1], [0, 1, 1]]}},
    {"data": {"name": "csv", "csv": "gone"}},
    {"inits": ["uniform(low=2, high=1)"]},
    {"inits": ["edge_of_chaos(activation=gelu)"]},
    {"data": []},
    {"seeds": 1000},
]


def test_what_the_server_refuses_the_page_refuses_with_the_same_code_and_field(folder: Path) -> None:
    for scene, answer in zip(WRONG, page(folder, {"scenes": WRONG, "startsOnly": True}), strict=True):
        told = answer["error"]
        assert (told["code"], told["field"]) == refusal(scene), (scene, told)
        assert told["message"]


def refusal(scene: dict) -> tuple[str, str | None]:
    """How the server refuses it."""
    try:
        read_scene(scene).study()
    except LabError as error:
        return error.code, error.field
    return "none", None


def test_every_initializer_says_whether_the_page_draws_it() -> None:
    kinds = {kind["name"]: kind["law"] for kind in catalogue()["initializers"]}
    assert Scaled.name not in kinds  # the gain of a start is that
    assert sum(law is not None for law in kinds.values()) >= 20
