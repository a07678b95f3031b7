"""Films and bands: their numbers against the comparison, PyTorch's gradients, and plain counting."""

import math

import numpy as np
import pytest

import goodinit
from goodinit import activations
from goodinit.comparison import design
from goodinit.networks import MLP, stack
from goodinit.scenes import UNIT, Film, affordable, bands, moments
from goodinit.scenes.pictures import Camera
from goodinit.scenes.view import view

torch = pytest.importorskip("torch")


def film_of(init, seed=3, **options):
    study = design(init, seeds=[seed], **options)
    return Film(study.tasks[0], study.initializers, seed)


def filmed(film, steps):
    seen = {}
    trials = film.run(steps, seen.__setitem__)
    return trials, seen


def test_the_classic_film_is_the_classic_experiment(classic):
    film = film_of(["zeros", "normal(std=10)", "he_normal"])
    trials, seen = filmed(film, [0, 1000, 7000, 15000])
    shown = [(frame.train_accuracy, frame.test_accuracy) for frame in seen[15000]]
    assert shown == [(0.5, 0.5), (0.83, 0.86), (pytest.approx(0.9933, abs=5e-5), 0.96)]
    for at, (trial, expected) in enumerate(zip(trials, classic.trials, strict=True)):
        assert trial.final_loss == expected.final_loss  # the same bits
        assert trial.why == expected.why
        curve = dict(zip(expected.loss_steps, expected.loss_values, strict=True))
        for step in (0, 1000, 7000):
            assert seen[step][at].loss == pytest.approx(curve[step], rel=1e-12)
        assert seen[15000][at].loss == pytest.approx(expected.final_loss, rel=1e-12)
        for name, value in trial.parameters.items():
            np.testing.assert_array_equal(value, expected.parameters[name])


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("data", ["moons(noise=0.3)", "blobs", "digits"])
def test_a_frame_shows_what_pytorch_computes(data, loss):
    film = film_of("he_normal", data=data, loss=loss, widths=[7, 6], activation="tanh", steps=10)
    start, network, examples = film.starts[0], film.task.network, film.data
    frame = film.openings()[0].frame
    X = torch.tensor(examples.X_train)
    p = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    hidden = [X]
    logits = []
    for layer in (1, 2, 3):
        logits.append(hidden[-1] @ p[f"W{layer}"].T + p[f"b{layer}"].T)
        logits[-1].retain_grad()
        hidden.append(torch.tanh(logits[-1]))
    out = logits[-1]
    labels = torch.tensor(examples.y_train)
    targets = torch.tensor(examples.targets.T)
    if loss == "squared_error":
        value = torch.nn.functional.mse_loss(out, targets)
    elif out.shape[1] == 1:
        value = torch.nn.functional.binary_cross_entropy_with_logits(out, targets)
    else:
        value = torch.nn.functional.cross_entropy(out, labels)
    value.backward()
    assert frame.loss == pytest.approx(value.item(), rel=1e-12)
    squares = [(z.grad**2).mean().item() for z in logits]
    for layer, picture in enumerate(frame.layers, 1):
        units, before = (min(network.widths[i], 12) for i in (layer, layer - 1))
        gradient = p[f"W{layer}"].grad.numpy()
        np.testing.assert_allclose(picture.gradients, gradient[:units, :before], rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(picture.weights, start[f"W{layer}"][:units, :before], rtol=1e-6)
        assert picture.forward == pytest.approx((logits[layer - 1] ** 2).mean().item(), rel=1e-12)
        assert picture.backward == pytest.approx(squares[layer - 1] / squares[-1], rel=1e-9)
        shown = (hidden[layer] if layer < 3 else out).detach().numpy()
        low, high = picture.range
        edges = np.linspace(low, high, 33)
        np.testing.assert_array_equal(picture.activations, np.histogram(shown, edges)[0])
        assert math.log2(high).is_integer()
        sizes = np.abs(gradient[gradient != 0])
        counted = np.histogram(np.log10(sizes), np.linspace(-16, 4, 41))[0]
        np.testing.assert_array_equal(picture.gradient_counts, counted)
        assert picture.zero_gradients == (gradient == 0).sum()
    predicted = (out[:, 0] > (0.5 if loss == "squared_error" else 0)) if out.shape[1] == 1 else out.argmax(dim=1)
    np.testing.assert_array_equal(frame.predicted_train, predicted.numpy().astype(int))
    assert frame.train_accuracy == (predicted == labels).double().mean().item()


@pytest.mark.parametrize("data", ["circles", "blobs"])
def test_the_map_and_the_thumbnails_are_values_at_pixel_centres(data):
    film = film_of("glorot_normal", data=data, widths=[5], steps=10)
    frame, start = film.openings()[0].frame, film.starts[0]
    x0, x1, y0, y1 = film.view.box
    points = np.vstack([film.data.X_train, film.data.X_test])
    assert (x0 < points[:, 0]).all()
    assert (points[:, 1] < y1).all()

    def hidden(x, y):
        return np.maximum(start["W1"] @ np.array([[x], [y]]) + start["b1"], 0)

    size = film.view.size
    certainty = frame.certainty.reshape(size, size)
    for row, column in ((0, 0), (3, 40), (47, 5), (20, 20)):
        x, y = x0 + (x1 - x0) * (column + 0.5) / size, y1 - (y1 - y0) * (row + 0.5) / size
        z = (start["W2"] @ hidden(x, y) + start["b2"])[:, 0]
        p = np.array([1 / (1 + math.exp(-z[0]))]) if len(z) == 1 else np.exp(z) / np.exp(z).sum()
        assert certainty[row, column] / 256 <= p.max() + 1e-6
        assert (certainty[row, column] + 1) / 256 >= p.max() - 1e-6
        if len(z) > 1:
            assert frame.regions.reshape(size, size)[row, column] == p.argmax()
        else:
            assert (certainty[row, column] >= 128) == (z[0] > 0)
    thumbnail, largest = frame.layers[0].responses.reshape(5, UNIT, UNIT), frame.layers[0].scale
    x, y = x0 + (x1 - x0) * 2.5 / UNIT, y1 - (y1 - y0) * 9.5 / UNIT
    shown = (thumbnail[:, 9, 2] / 127.5 - 1) * largest
    np.testing.assert_allclose(shown, hidden(x, y)[:, 0], atol=float(largest.max()) / 127)


def test_half_is_not_above_half():
    frame = film_of("zeros", steps=10).openings()[0].frame
    assert set(frame.certainty) == {127}  # a probability of one half, which is class 0
    assert set(frame.predicted_train) == {0}
    assert frame.layers[0].zero_gradients == 20
    assert frame.layers[0].range == (0.0, 1.0)


def test_images_show_the_first_layers_weights():
    film = film_of("he_normal", data="digits", widths=[20, 5], steps=10)
    frame = film.openings()[0].frame
    assert frame.certainty is None
    assert frame.layers[0].responses.shape == (12, 64)
    shown = (frame.layers[0].responses / 127.5 - 1) * frame.layers[0].scale[:, None]
    np.testing.assert_allclose(shown, film.starts[0]["W1"][:12], atol=float(frame.layers[0].scale.max()) / 200)
    assert frame.layers[1].responses is None
    assert len(frame.sample_class) == len(film.view.samples) == 40


def test_theory_beside_the_average_of_many_starts():
    network = MLP((2, 30, 30, 1), activations.get("tanh"), "binary_cross_entropy")
    forecasts, found = None, []
    for seed in range(60):
        film = film_of("glorot_normal", seed, widths=[30, 30], activation="tanh", stream="keyed", steps=10)
        opening = film.openings()[0]
        forecasts = [layer.preactivation_variance for layer in opening.forecast]
        found.append([layer.forward for layer in opening.frame.layers])
    assert film.task.network.widths == network.widths
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert abs(mean[0] - forecasts[0]) < 4 * error[0]  # exact for the first layer
    np.testing.assert_allclose(mean, forecasts, rtol=0.25)  # for one wide network on one input in the others


def test_a_network_that_diverged_has_frames():
    film = film_of(["he_normal", "zeros"], loss="squared_error", activation="linear", learning_rate=1e3, steps=400)
    trials, seen = filmed(film, [0, 400])
    last = seen[400][0]
    assert last.diverged
    assert trials[0].diverged
    assert last.certainty is None
    assert last.layers[0].responses is None
    assert last.layers[0].activations is None
    assert not math.isfinite(last.loss)
    assert math.isfinite(seen[0][0].loss)


def test_what_show_raises_stops_the_film():
    film = film_of("he_normal")

    def show(step, frames):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        film.run([0, 15000], show)


def test_a_deep_network_is_drawn_by_its_ends():
    film = film_of("he_normal", widths=[20] * 30, steps=10)
    assert list(film.view.drawn) == [0, 1, 2, 3, 4, 27, 28, 29, 30, 31]
    frame = film.openings()[0].frame
    assert len(frame.layers) == 31
    assert frame.layers[4].weights is None  # layer 5 is not drawn
    assert frame.layers[26].weights is None  # layer 27 is, and the one before is not
    assert frame.layers[26].responses is not None
    assert frame.layers[27].weights.shape == (12, 12)
    assert affordable(film.task.network, film.data, 4) < 80
    assert affordable(film_of("zeros").task.network, film.data, 4) == 80


def test_an_ensemble_in_parts_has_the_frames_of_the_whole(monkeypatch):
    film = film_of(["he_normal", "zeros", "normal"], steps=10)
    whole = film.camera.frames(stack(film.starts))
    monkeypatch.setattr("goodinit.scenes.pictures.TOGETHER", 1)
    parts = Camera(film.task.network, film.data, view(film.task.network, film.data)).frames(stack(film.starts))
    for a, b in zip(whole, parts, strict=True):
        assert a.loss == b.loss
        np.testing.assert_array_equal(a.certainty, b.certainty)


@pytest.mark.parametrize("steps", [1, 2, 5, 79, 80, 81, 100, 15000, 100_000])
def test_moments_rise_from_the_start_to_the_end(steps):
    chosen = moments(steps, 80)
    assert (chosen[0], chosen[-1]) == (0, steps)
    assert len(chosen) == min(80, steps + 1)
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize("data", ["circles", "moons"])
def test_bands_are_quantiles_of_the_seeds(data):
    options = {"data": data, "steps": 300, "learning_rate": 0.1, "stream": "keyed"}
    study = design(["he_normal", "normal(std=10)"], seeds=range(9), **options)
    told = list(bands(study, [0, 100, 300]))
    assert [done for done, _ in told] == ([8, 9] if data == "circles" else list(range(1, 10)))
    compared = goodinit.compare(["he_normal", "normal(std=10)"], seeds=range(9), perturbations=0, **options)
    for at, found in enumerate(told[-1][1]):
        trials = [t for t in compared.trials if t.initialization == ("he_normal", "normal(std=10)")[at]]
        for quantity, values in (
            ("loss", [t.final_loss for t in trials]),
            ("test_accuracy", [t.test_accuracy for t in trials]),
            ("train_accuracy", [t.train_accuracy for t in trials]),
        ):
            band, ordered = found[quantity], sorted(values)
            shown = [band.low[-1], band.middle[-1], band.high[-1]]
            assert shown == pytest.approx([ordered[0], ordered[4], ordered[8]], rel=1e-12)
        assert found["loss"].middle[0] == pytest.approx(sorted(t.loss_values[0] for t in trials)[4], rel=1e-12)
