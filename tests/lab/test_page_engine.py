"""The page's own engine against the Python engine: the same starts, data, losses and pictures, scene by scene.

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

from goodinit import activations, initializers
from goodinit.initializers import Scaled
from goodinit.lab.catalogue import catalogue
from goodinit.lab.errors import LabError
from goodinit.lab.page import export_page
from goodinit.lab.scene import read_scene
from goodinit.lab.uploads import Uploads
from goodinit.networks import MLP
from goodinit.scenes import Film, affordable, moments
from goodinit.streams import as_stream
from goodinit.training import lanes

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is missing, which runs the page's engine here")
RELU = activations.get("relu")
HARNESS = Path(__file__).with_name("page_engine.mjs")

CSV = "width;height;kind\n" + "".join(f"{x}.5;{y};{'tall' if y > x else 'wide'}\n" for x in range(8) for y in range(8))
POINTS = [[x / 3, y / 4, (x + y) % 2 + 1] for x in range(5) for y in range(5)]
SCENES = {
    "momentum": {"data": {"name": "moons"}, "steps": 300, "optimizer": "momentum", "batch_size": 32, "seed": 5},
    "adam": {"activation": "sigmoid", "optimizer": "adam", "learning_rate": 0.02, "steps": 250, "stream": "keyed"},
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


NAMES = ["classic", "symmetry", "small", "large", "depth", "chaos", "dead", "orthogonal", *SCENES]


@pytest.mark.parametrize("name", NAMES)
def test_a_film_is_that_of_the_python_engine(
    name: str, films: dict[str, tuple], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOODINIT_ISA", "baseline")
    scene, made = films[name]
    uploads = Uploads()
    given = json.loads(json.dumps(scene))
    if given.get("data", {}).get("csv"):
        given["data"]["csv"] = uploads.add("file.csv", CSV.encode())[0]
    read = read_scene(given)
    study = read.study(uploads)
    film = Film(study.tasks[0], study.initializers, read.seed)
    network = film.task.mlp
    steps = moments(read.steps, affordable(network, film.data, len(study.initializers)))
    openings, frames = film.openings(), []
    trials = film.run(steps, lambda step, shown: frames.append(shown))

    assert "error" not in made, made
    told = made["opening"]
    assert told["steps"] == steps
    assert told["network"]["widths"] == list(network.widths)
    assert told["data"]["classes"] == list(film.data.classes)
    assert told["data"]["train"]["labels"] == film.data.y_train.tolist()
    if film.view.box is not None:
        near(told["data"]["train"]["points"], film.data.X_train.astype(np.float32), 1e-7)
        near(told["data"]["box"], film.view.box)
    for k, start in enumerate(made["starts"]):
        chaotic = str(study.initializers[k]).startswith("orthogonal")
        shown = [start["begin"]["frame"], *(each["frame"] for each in start["frames"])]
        if chaotic:
            shown = shown[:1]
            near(start["outcome"]["loss"], trials[k].final_loss, 1e-6)
        elif lanes.available():
            assert start["outcome"]["loss"] == (trials[k].final_loss if np.isfinite(trials[k].final_loss) else None)
            assert start["outcome"]["diverged_by"] == trials[k].diverged_by
        for ours, theirs in zip(shown, [each[k] for each in frames], strict=False):
            same_frame(ours, theirs, 1e-9 if chaotic else 1e-12)
        opened(start["begin"], openings[k], 1e-9 if chaotic else 1e-12)


def same_frame(ours: dict, theirs: object, rtol: float) -> None:
    for name in ("loss", "test_loss"):
        near(ours[name], getattr(theirs, name), rtol)
    for name in ("train_accuracy", "test_accuracy", "diverged"):
        assert ours[name] == getattr(theirs, name)
    assert ours["predicted"]["train"] == theirs.predicted_train.tolist()
    assert (ours["map"] is None) == (theirs.certainty is None)
    if ours["map"]:
        close_bytes(ours["map"]["p"], theirs.certainty)
        if theirs.regions is not None:
            assert np.mean(np.array(ours["map"]["class"]) != theirs.regions) < 0.002
    if ours["samples"]:
        assert ours["samples"]["class"] == theirs.sample_class.tolist()
        close_bytes(ours["samples"]["p"], theirs.sample_certainty)
    for mine, other in zip(ours["layers"], theirs.layers, strict=True):
        near(mine["forward"], other.forward, 10 * rtol)
        near(mine["backward"], other.backward, 1000 * rtol)
        assert (mine["units"] is None) == (other.responses is None)
        if mine["units"] is not None:
            close_bytes(mine["units"], other.responses.ravel())
            near(mine["scale"], other.scale, 1e-3, 1e-4 * float(other.scale.max()))  # of float32 sums
        for key, value in (
            ("W", other.weights),
            ("b", other.biases),
            ("dW", other.gradients),
            ("means", other.means),
            ("zeros", other.zeros),
        ):
            if value is not None:
                near(mine[key], value, 1e-5, 1e-6 * float(np.abs(value).max() or 1) + 1e-15)
        assert (mine["activations"] is None) == (other.activations is None)
        if mine["activations"]:
            assert [*map(float, mine["activations"]["range"])] == [*other.range]
            assert np.abs(np.array(mine["activations"]["counts"]) - other.activations).sum() <= 4
        moved = np.abs(np.array(mine["gradients"]["counts"]) - other.gradient_counts).sum()
        assert moved <= 4 or np.abs(other.gradients).max() < 1e-14, "rounding may stand for a gradient of 0"


def close_bytes(ours: object, theirs: np.ndarray) -> None:
    assert np.abs(np.array(ours, dtype=int) - theirs.astype(int)).max() <= 1


def opened(ours: dict, theirs: object, rtol: float) -> None:
    forward = [layer.preactivation_variance for layer in theirs.forecast]
    if forward[0] is None:
        assert ours["expected"]["forward"] is None
    else:
        near(ours["expected"]["forward"], forward)
        near(ours["expected"]["backward"], [layer.gradient_square for layer in theirs.forecast])
    assert [(found["code"], found["severity"]) for found in ours["findings"]] == [
        (found.code, found.severity) for found in theirs.findings
    ]
    for found, other in zip(ours["findings"], theirs.findings, strict=True):
        assert found["where"] == other.where
        assert found["values"].keys() == other.values.keys()
        for key in ("layers", "names", "case", "bias"):
            assert found["values"].get(key) == other.values.get(key)
    measured = ours["measure"]
    for name in ("loss", "chance_loss", "logit_rms"):
        near(measured[name], getattr(theirs.measure, name), rtol)
    assert measured["sure_share"] == theirs.measure.sure_share
    assert measured["sure_and_wrong_share"] == theirs.measure.sure_and_wrong_share
    assert list(measured["largest_gradients"]) == list(theirs.measure.largest_gradients)
    near([*measured["largest_gradients"].values()], [*theirs.measure.largest_gradients.values()], 1e-5, 1e-15)
    for mine, other in zip(measured["layers"], theirs.measure.layers, strict=True):
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
        read_scene(scene).study(Uploads())
    except LabError as error:
        return error.code, error.field
    return "none", None


def test_every_initializer_says_whether_the_page_draws_it() -> None:
    kinds = {kind["name"]: kind["law"] for kind in catalogue()["initializers"]}
    assert Scaled.name not in kinds  # the gain of a start is that
    assert sum(law is not None for law in kinds.values()) >= 20
