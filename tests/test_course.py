"""The course's experiment: published figures and the helper's mathematics."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import math
import re
import subprocess
import sys
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection

from course_published import (
    FOLDER,
    PUBLISHED_ACCURACY,
    PUBLISHED_COSTS,
    STARTS,
    TOLERANCE,
    costs_in,
    environment,
)
from goodinit import course
from goodinit.errors import GoodinitError

pytestmark = pytest.mark.usefixtures("without_windows")


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
