"""The course's experiment: published figures, the helper's mathematics, and notebooks that run as they stand."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from nbclient import NotebookClient

import goodinit
from goodinit import course
from goodinit.errors import GoodinitError

FOLDER = Path(__file__).parents[1] / "examples" / "course"
NOTEBOOK = FOLDER / "initialization.ipynb"
STARTS = ("zeros", "random", "he")

# The figures that public copies of the assignment's notebook show (deeplearning.ai, "Improving Deep Neural Networks",
# week 1). The copies of `he` differ in the last one or two digits; those of `random` from the third digit on, as this
# start amplifies rounding, while their accuracies are all the same.
PUBLISHED_COSTS = {
    "zeros": [math.log(2)] * 15,
    "random": [
        *[math.inf, 0.6247924745506072, 0.5980258056061102, 0.5637539062842213, 0.5501256393526495],
        *[0.5443826306793814, 0.5373895855049121, 0.47157999220550006, 0.39770475516243037, 0.3934560146692851],
        *[0.3920227137490125, 0.38913700035966736, 0.3861358766546214, 0.38497629552893475, 0.38276694641706693],
    ],
    "he": [
        *[0.8830537463419761, 0.6879825919728063, 0.6751286264523371, 0.6526117768893807, 0.6082958970572937],
        *[0.5304944491717495, 0.4138645817071795, 0.3117803464844441, 0.23696215330322562, 0.18597287209206836],
        *[0.15015556280371808, 0.12325079292273551, 0.09917746546525934, 0.08457055954024277, 0.07357895962677363],
    ],
}
TOLERANCE = {"zeros": {"rtol": 0, "atol": 1e-12}, "random": {"rtol": 0, "atol": 0.02}, "he": {"rtol": 1e-9, "atol": 0}}
PUBLISHED_ACCURACY = {"zeros": (0.5, 0.5), "random": (0.83, 0.86), "he": (0.9933333333333333, 0.96)}


@pytest.fixture(autouse=True)
def _figures_without_a_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    plt.switch_backend("agg")
    sets = course.load_dataset()
    plt.close("all")
    return sets


@pytest.fixture(scope="module")
def trained(data) -> dict[str, tuple[dict[str, Any], str]]:
    """For each start: the trained parameters, and what `model` and the two calls of `predict` printed."""
    train_X, train_Y, test_X, test_Y = data
    results = {}
    for start in STARTS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            parameters = course.model(train_X, train_Y, initialization=start)
            course.predict(train_X, train_Y, parameters)
            course.predict(test_X, test_Y, parameters)
        results[start] = parameters, printed.getvalue()
    plt.close("all")
    return results


def costs_in(text: str) -> tuple[list[int], list[float]]:
    found = re.findall(r"^Cost after iteration (\d+): (\S+)$", text, flags=re.MULTILINE)
    return [int(step) for step, _ in found], [float(cost) for _, cost in found]


def some_network(seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A batch and parameters without zeros, of another shape than the classic one."""
    random = np.random.default_rng(seed)
    widths = [3, 7, 4, 1]
    parameters = {}
    for k in (1, 2, 3):
        parameters[f"W{k}"] = random.standard_normal((widths[k], widths[k - 1]))
        parameters[f"b{k}"] = random.standard_normal((widths[k], 1))
    return random.standard_normal((3, 20)), random.integers(0, 2, (1, 20)), parameters


# --- published figures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", STARTS)
def test_costs_are_the_published_ones(trained, start):
    steps, costs = costs_in(trained[start][1])
    assert steps == list(range(0, 15000, 1000))
    np.testing.assert_allclose(costs, PUBLISHED_COSTS[start], **TOLERANCE[start])


@pytest.mark.parametrize("start", STARTS)
def test_accuracies_are_the_published_ones(trained, start):
    accuracies = re.findall(r"^Accuracy: (\S+)$", trained[start][1], flags=re.MULTILINE)
    assert tuple(map(float, accuracies)) == PUBLISHED_ACCURACY[start]


def test_first_loss_of_random_is_finite_from_the_logits(data):
    X, Y, _, _ = data
    a3, cache = course.forward_propagation(X, course.initialize_parameters_random([2, 10, 5, 1]))
    z3 = cache[8]
    assert course.compute_loss(a3, Y) == math.inf
    # 1773.5859549373833 is the published start's loss as mean(log(1 + exp(z3)) - Y z3), in classic figures
    assert np.mean(np.logaddexp(0, z3) - Y * z3) == pytest.approx(1773.5859549373833, rel=1e-12)


def test_example_weights_are_the_published_ones():
    random = course.initialize_parameters_random([3, 2, 1])
    he = course.initialize_parameters_he([2, 4, 1])
    with np.printoptions(precision=8, suppress=True):
        assert (
            str(random["W1"]) == "[[ 17.88628473   4.36509851   0.96497468]\n [-18.63492703  -2.77388203  -3.54758979]]"
        )
        assert str(random["W2"]) == "[[-0.82741481 -6.27000677]]"
        assert str(he["W1"]).splitlines() == [
            "[[ 1.78862847  0.43650985]",
            " [ 0.09649747 -1.8634927 ]",
            " [-0.2773882  -0.35475898]",
            " [-0.08274148 -0.62700068]]",
        ]
        assert str(he["W2"]) == "[[-0.03098412 -0.33744411 -0.92904268  0.62552248]]"
    # some public copies print W2 (4, 2) and b1 (1, 1), which could not train
    assert [he[name].shape for name in ("W1", "b1", "W2", "b2")] == [(4, 2), (4, 1), (1, 4), (1, 1)]


# --- the helper's mathematics ---------------------------------------------------------------------------------------


def test_gradients_agree_with_finite_differences():
    X, Y, parameters = some_network()
    _, cache = course.forward_propagation(X, parameters)
    gradients = course.backward_propagation(X, Y, cache)
    step = 1e-6
    for name, values in parameters.items():
        for index in np.ndindex(values.shape):
            losses = []
            for sign in (1, -1):
                shifted = {key: value.copy() for key, value in parameters.items()}
                shifted[name][index] += sign * step
                losses.append(course.compute_loss(course.forward_propagation(X, shifted)[0], Y))
            numeric = (losses[0] - losses[1]) / (2 * step)
            assert gradients["d" + name][index] == pytest.approx(numeric, rel=1e-5, abs=1e-8)


def test_gradients_agree_with_autograd():
    torch = pytest.importorskip("torch")
    X, Y, parameters = some_network(seed=1)
    a3, cache = course.forward_propagation(X, parameters)
    gradients = course.backward_propagation(X, Y, cache)

    leaves = {name: torch.tensor(value, requires_grad=True) for name, value in parameters.items()}
    between = {"a0": torch.tensor(X)}
    for k in (1, 2, 3):
        between[f"z{k}"] = leaves[f"W{k}"] @ between[f"a{k - 1}"] + leaves[f"b{k}"]
        between[f"a{k}"] = torch.sigmoid(between["z3"]) if k == 3 else torch.relu(between[f"z{k}"])
        between[f"z{k}"].retain_grad()
        between[f"a{k}"].retain_grad()
    loss = torch.nn.functional.binary_cross_entropy(between["a3"], torch.tensor(Y, dtype=torch.float64))
    loss.backward()

    assert course.compute_loss(a3, Y) == pytest.approx(loss.item(), rel=1e-12)
    for name, gradient in gradients.items():
        expected = (leaves | between)[name[1:]].grad.numpy()
        np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-14)


def test_cache_and_gradients_have_the_original_order_and_names():
    X, Y, parameters = some_network()
    a3, cache = course.forward_propagation(X, parameters)
    z1, a1, W1, b1, z2, a2, W2, b2, z3, last, W3, b3 = cache
    assert [W1 is parameters["W1"], b2 is parameters["b2"], W3 is parameters["W3"], last is a3] == [True] * 4
    np.testing.assert_array_equal(a1, course.relu(W1 @ X + b1))
    np.testing.assert_array_equal(a2, course.relu(z2))
    np.testing.assert_allclose(z3, W3 @ a2 + b3)
    assert z1.shape == (7, 20)
    assert W2.shape == (4, 7)
    assert b2.shape == (4, 1)
    expected = ["dz3", "dW3", "db3", "da2", "dz2", "dW2", "db2", "da1", "dz1", "dW1", "db1"]
    assert list(course.backward_propagation(X, Y, cache)) == expected


def test_signatures_are_the_original_ones():
    assert {name: list(inspect.signature(getattr(course, name)).parameters) for name in course.__all__} == {
        "backward_propagation": ["X", "Y", "cache"],
        "compute_loss": ["a3", "Y"],
        "forward_propagation": ["X", "parameters"],
        "initialize_parameters_he": ["layers_dims"],
        "initialize_parameters_random": ["layers_dims"],
        "initialize_parameters_zeros": ["layers_dims"],
        "load_dataset": [],
        "model": ["X", "Y", "learning_rate", "num_iterations", "print_cost", "initialization"],
        "plot_decision_boundary": ["model", "X", "y"],
        "predict": ["X", "y", "parameters"],
        "predict_dec": ["parameters", "X"],
        "relu": ["x"],
        "sigmoid": ["x"],
        "update_parameters": ["parameters", "grads", "learning_rate"],
    }


def test_loss_keeps_the_textbooks_infinity_and_ignores_zero_times_infinity():
    assert course.compute_loss(np.array([[0.0, 1.0]]), np.array([[0, 1]])) == 0
    assert course.compute_loss(np.array([[1.0, 0.5]]), np.array([[0, 1]])) == math.inf


def test_nonlinearities_take_numbers_too():
    assert course.sigmoid(0) == 0.5
    assert course.sigmoid(-1e4) == 0
    assert course.relu(-3) == 0
    assert course.relu(3.5) == 3.5


def test_update_changes_the_dict_and_not_its_arrays():
    W, b = np.ones((2, 2)), np.ones((2, 1))
    parameters = {"W1": W, "b1": b}
    result = course.update_parameters(parameters, {"dW1": np.full((2, 2), 2.0), "db1": np.zeros((2, 1))}, 0.25)
    assert result is parameters
    np.testing.assert_array_equal(parameters["W1"], 0.5)
    np.testing.assert_array_equal(W, 1)


def test_predictions_are_labels_and_decisions(data, trained, capsys):
    train_X, train_Y, _, _ = data
    labels = course.predict(train_X, train_Y, trained["he"][0])
    assert capsys.readouterr().out == "Accuracy: 0.9933333333333333\n"
    assert labels.shape == (1, 300)
    assert labels.dtype == int
    np.testing.assert_array_equal(course.predict_dec(trained["he"][0], train_X), labels == 1)


def test_model_runs_quietly_and_diverges_quietly(data, capsys):
    train_X, train_Y, _, _ = data
    course.model(train_X, train_Y, num_iterations=10, print_cost=False)
    assert capsys.readouterr().out == ""
    parameters = course.model(train_X, train_Y, learning_rate=1e200, num_iterations=20, print_cost=False)
    assert not np.isfinite(parameters["W1"]).all()


# --- data, randomness, figures --------------------------------------------------------------------------------------


def test_data_has_the_courses_shapes_and_numbers(data):
    import sklearn.datasets

    train_X, train_Y, test_X, test_Y = data
    assert [part.shape for part in data] == [(2, 300), (1, 300), (2, 100), (1, 100)]
    saved = np.random.get_state()  # noqa: NPY002 - the original seeds the global state
    try:
        for seed, X, Y in ((1, train_X, train_Y), (2, test_X, test_Y)):
            np.random.seed(seed)  # noqa: NPY002
            points, labels = sklearn.datasets.make_circles(n_samples=X.shape[1], noise=0.05)
            np.testing.assert_array_equal(X, points.T)
            np.testing.assert_array_equal(Y[0], labels)
    finally:
        np.random.set_state(saved)  # noqa: NPY002


def test_global_random_state_is_neither_read_nor_written():
    saved = np.random.get_state()  # noqa: NPY002
    results = []
    try:
        for seed in (0, 1):
            np.random.seed(seed)  # noqa: NPY002
            before = np.random.get_state()[1].tobytes()  # noqa: NPY002
            X, Y, _, _ = course.load_dataset()
            ends = [course.model(X, Y, num_iterations=5, print_cost=False, initialization=s)["W1"] for s in STARTS]
            assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
            results.append(np.concatenate([X, *ends], axis=None))
    finally:
        np.random.set_state(saved)  # noqa: NPY002
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("as_row", [True, False], ids=["y of shape (1, m)", "y of shape (m,)"])
@pytest.mark.parametrize("start", ["zeros", "he"])
def test_decision_boundary_draws_plane_and_points(data, trained, start, as_row):
    train_X, train_Y, _, _ = data
    plt.title("Model")
    axes = plt.gca()
    axes.set_xlim([-1.5, 1.5])
    course.plot_decision_boundary(
        lambda x: course.predict_dec(trained[start][0], x.T), train_X, train_Y if as_row else train_Y[0]
    )
    assert plt.gca() is axes
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("Model", "x1", "x2")
    assert axes.get_xlim() == (-1.5, 1.5)
    points = [part for part in axes.collections if isinstance(part, PathCollection)]
    assert [len(part.get_offsets()) for part in points] == [300]
    assert len(axes.collections) > len(points)
    plt.gcf().canvas.draw()


def test_figures_are_shown_where_there_is_a_window_and_only_there(data, monkeypatch):
    shown = []
    monkeypatch.setenv("DISPLAY", ":99")  # with a display, Matplotlib's own show would warn under agg
    monkeypatch.setattr(plt, "show", lambda: shown.append(True))
    course.model(*data[:2], num_iterations=1, print_cost=False)
    assert not shown
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    course.model(*data[:2], num_iterations=1, print_cost=False)
    assert shown == [True]


def test_cost_curve_is_labelled(data):
    course.model(*data[:2], num_iterations=2001, print_cost=False, initialization="random")
    axes = plt.gca()
    assert (axes.get_title(), axes.get_ylabel()) == ("Learning rate =0.01", "cost")
    assert axes.get_xlabel() == "iterations (per thousand)"
    assert len(axes.lines[0].get_ydata()) == 3
    plt.gcf().canvas.draw()  # with an infinite first cost


# --- errors, imports ------------------------------------------------------------------------------------------------


def test_unknown_start_names_the_three(data):
    with pytest.raises(GoodinitError, match=r"initialization='xavier': choose one of 'zeros', 'random' and 'he'"):
        course.model(*data[:2], initialization="xavier")


def test_turned_data_is_explained(data):
    X, Y = data[:2]
    with pytest.raises(GoodinitError, match=r"X of shape \(300, 2\) and Y of shape \(1, 300\): X must be"):
        course.model(X.T, Y)
    with pytest.raises(GoodinitError, match=r"Y\.reshape\(1, -1\)"):
        course.model(X, Y[0])


@pytest.mark.parametrize("layers_dims", [[2], [], [2, 0, 1], [2, 2.5, 1]])
@pytest.mark.parametrize("start", STARTS)
def test_impossible_layers_are_refused(start, layers_dims):
    with pytest.raises(GoodinitError, match="layers_dims="):
        getattr(course, f"initialize_parameters_{start}")(layers_dims)


def test_import_is_light():
    code = "import sys, goodinit.course; print([m for m in ('matplotlib', 'sklearn', 'torch') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert run.stdout.strip() == "[]"


def test_init_utils_passes_everything_on():
    spec = importlib.util.spec_from_file_location("init_utils", FOLDER / "init_utils.py")
    init_utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(init_utils)
    for name in course.__all__:
        assert getattr(init_utils, name) is getattr(course, name)
    assert init_utils.np is np
    assert init_utils.sklearn.datasets


# --- notebooks ------------------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    """The environment of another process that is to import the package under test."""
    home = str(Path(goodinit.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))}


def execute(notebook: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.delenv("MPLBACKEND", raising=False)
    resources = {"metadata": {"path": str(FOLDER)}}
    return NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()


def printed(cell: Any) -> str:
    return "".join(out["text"] for out in cell.get("outputs", []) if out["output_type"] == "stream")


NUMBER = re.compile(r"-?(?:\d+\.?\d*(?:e[+-]?\d+)?|\binf\b)")


def test_notebook_runs_and_its_stored_outputs_are_fresh(monkeypatch):
    stored = nbformat.read(NOTEBOOK, as_version=4)
    fresh = execute(nbformat.read(NOTEBOOK, as_version=4), monkeypatch)
    for old, new in zip(stored.cells, fresh.cells, strict=True):
        if old.cell_type != "code":
            continue
        kinds = [{out["output_type"] for out in cell.outputs} for cell in (old, new)]
        assert kinds[0] == kinds[1], f"cell {old.id} has outputs of other kinds: execute the notebook and store it"
        assert not [out for out in new.outputs if out.get("name") == "stderr"], f"cell {new.id} warns"
        texts = [NUMBER.sub("#", " ".join(printed(cell).split())) for cell in (old, new)]
        assert texts[0] == texts[1], f"cell {old.id} prints other words than are stored"
        # a cell that prints what became of the rounding-sensitive start carries the tag "varies"
        tolerance = 0.02 if "varies" in old.metadata.get("tags", []) else 1e-6
        was, now = ([float(number) for number in NUMBER.findall(printed(cell))] for cell in (old, new))
        np.testing.assert_allclose(now, was, rtol=1e-6, atol=tolerance, err_msg=f"cell {old.id} is stale")


def test_stored_notebook_shows_the_published_figures():
    cells = {cell.id: cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells}
    _, costs = costs_in(printed(cells["course"]))
    np.testing.assert_allclose(costs, PUBLISHED_COSTS["he"], rtol=1e-9)
    assert re.findall(r"Accuracy: (\S+)", printed(cells["course"])) == ["0.9933333333333333", "0.96"]

    table = [list(map(float, line.split())) for line in printed(cells["costs"]).splitlines()[1:16]]
    for column, start in enumerate(STARTS, start=1):
        tolerance = TOLERANCE[start] | {"atol": max(TOLERANCE[start]["atol"], 1e-6)}  # six decimals are printed
        np.testing.assert_allclose([row[column] for row in table], PUBLISHED_COSTS[start], **tolerance)
    assert "1773.5860 from z3" in printed(cells["outputs"])


def test_stored_notebook_is_clean():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "the notebook was not executed from top to bottom"
    text = "\n".join(cell.source + printed(cell) for cell in notebook.cells) + str(notebook.metadata)
    assert not re.search(r"(?:^|[\s\"'(])(?:/|[A-Z]:\\|~/)\w+", text), "the notebook has a path of somebody's machine"
    assert sum("image/png" in out.get("data", {}) for cell in notebook.cells for out in cell.get("outputs", [])) >= 6


def run_exercise(monkeypatch: pytest.MonkeyPatch, capsys: Any, answers: dict[str, str]) -> str:
    """What the exercise prints, few steps a training, where these functions are written in its cells."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names: dict[str, Any] = {}
    for cell in nbformat.read(FOLDER / "exercise.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        code = cell.source.replace("%matplotlib inline\n", "").replace("STEPS = 15000", "STEPS = 300")
        for name, answer in answers.items():
            code = re.sub(rf"def {name}\(.*?(?=\n\n\n)", lambda _, text=answer: text, code, flags=re.DOTALL)
        exec(code, names)
    return capsys.readouterr().out


def test_exercise_asks_and_is_solved_by_its_solutions(monkeypatch, capsys):
    asked = run_exercise(monkeypatch, capsys, {})
    assert re.findall(r"(\w+): not yet\. W1 is None", asked) == ["zeros", "random", "he"]
    assert "loss" not in asked
    spec = importlib.util.spec_from_file_location("solutions", FOLDER / "solutions.py")
    solutions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(solutions)
    names = [f"initialize_parameters_{start}" for start in STARTS]
    solved = run_exercise(monkeypatch, capsys, {name: inspect.getsource(getattr(solutions, name)) for name in names})
    assert re.findall(r"(\w+): all right", solved) == ["zeros", "random", "he"]
    first = [float(loss) for loss in re.findall(r"loss (\S+) at first", solved)]
    assert first[0] == pytest.approx(math.log(2), abs=1e-4)
    assert first[1] > 100 * first[2]


@pytest.mark.parametrize(
    ("scale", "told"),
    [
        ("1", "lacks the factor"),
        ("2 / layers_dims[k - 1]", "take the square root"),
        ("np.sqrt(1 / layers_dims[k - 1])", "a ReLU needs a 2"),
        ("np.sqrt(2 / layers_dims[k])", "number of inputs"),
    ],
)
def test_exercise_says_what_is_wrong_with_a_start(monkeypatch, capsys, scale, told):
    wrong = f"""def initialize_parameters_he(layers_dims):
    random = np.random.default_rng(3)
    return {{
        f"{{letter}}{{k}}": random.standard_normal((layers_dims[k], layers_dims[k - 1])) * ({scale})
        if letter == "W" else np.zeros((layers_dims[k], 1))
        for k in range(1, len(layers_dims)) for letter in "Wb"
    }}"""
    assert told in run_exercise(monkeypatch, capsys, {"initialize_parameters_he": wrong})


OLD_NOTEBOOK = [
    # the assignment's usual first cell
    """
import numpy as np
import matplotlib.pyplot as plt
import sklearn
import sklearn.datasets
from init_utils import sigmoid, relu, compute_loss, forward_propagation, backward_propagation
from init_utils import update_parameters, predict, load_dataset, plot_decision_boundary, predict_dec

%matplotlib inline
plt.rcParams['figure.figsize'] = (7.0, 4.0) # set default size of plots
plt.rcParams['image.interpolation'] = 'nearest'
plt.rcParams['image.cmap'] = 'gray'

# load image dataset: blue/red dots in circles
train_X, train_Y, test_X, test_Y = load_dataset()
""",
    # a learner's own start and loop
    """
def initialize_parameters_he(layers_dims):
    np.random.seed(3)
    parameters = {}
    L = len(layers_dims) - 1
    for l in range(1, L + 1):
        parameters['W' + str(l)] = np.random.randn(layers_dims[l], layers_dims[l-1]) * np.sqrt(2. / layers_dims[l-1])
        parameters['b' + str(l)] = np.zeros((layers_dims[l], 1))
    return parameters

def model(X, Y, learning_rate = 0.01, num_iterations = 15000, print_cost = True):
    costs = []
    parameters = initialize_parameters_he([X.shape[0], 10, 5, 1])
    for i in range(0, num_iterations):
        a3, cache = forward_propagation(X, parameters)
        cost = compute_loss(a3, Y)
        grads = backward_propagation(X, Y, cache)
        parameters = update_parameters(parameters, grads, learning_rate)
        if print_cost and i % 1000 == 0:
            print("Cost after iteration {}: {}".format(i, cost))
            costs.append(cost)
    plt.plot(costs)
    plt.show()
    return parameters
""",
    """
parameters = model(train_X, train_Y)
print ("On the train set:")
predictions_train = predict(train_X, train_Y, parameters)
print ("On the test set:")
predictions_test = predict(test_X, test_Y, parameters)
""",
    """
plt.title("Model with He initialization")
axes = plt.gca()
axes.set_xlim([-1.5,1.5])
axes.set_ylim([-1.5,1.5])
plot_decision_boundary(lambda x: predict_dec(parameters, x.T), train_X, train_Y)
""",
    # as other copies draw the points
    "plt.scatter(train_X[0, :], train_X[1, :], c=train_Y[0], s=40, cmap=plt.cm.Spectral);",
    "from init_utils import *\nsklearn.datasets.make_circles; h = sigmoid(np.zeros(2)); plt.close()",
]


def test_an_assignments_notebook_runs_as_it_stands(monkeypatch):
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in OLD_NOTEBOOK]
    run = execute(nbformat.v4.new_notebook(cells=cells), monkeypatch).cells
    _, costs = costs_in(printed(run[2]))
    np.testing.assert_allclose(costs, PUBLISHED_COSTS["he"], rtol=1e-9)
    assert re.findall(r"Accuracy: (\S+)", printed(run[2])) == ["0.9933333333333333", "0.96"]
    outputs = [out for cell in run for out in cell.outputs]
    assert not [out for out in outputs if out.get("name") == "stderr"]
    pictures = [sum("image/png" in out.get("data", {}) for out in cell.outputs) for cell in run]
    assert pictures == [1, 0, 1, 1, 1, 0]
