"""The probe of a network of goodinit's own, in NumPy; second derivatives are differences of exact gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.methods.assignment import Assignment
from goodinit.methods.probe import CallOutput, Finish, Gains, GainSlopes, Measurement, Probing, Rescale, Sweep
from goodinit.networks import MLP, Parameters
from goodinit.streams import KeyedStream, Stream
from goodinit.training.reference import backward, forward, loss

__all__ = ["NetworkProbe", "network_probing"]

Floats = NDArray[np.float64]
_MOST_ASKED: Final = 10
_STEP: Final = 1e-4  # of a gain, relative: the error of a central difference is its square


def network_probing(network: MLP, stream: Callable[[], Stream], seed: int, X: Floats, Y: Floats | None) -> Probing:
    """What makes the probe of a network on X, (inputs, examples), and Y, (outputs, examples); None for no targets.

    `stream` makes the stream that the weights are drawn from, from its beginning each time.
    """
    return lambda finish: NetworkProbe(network, stream, seed, X, Y, finish)


class NetworkProbe:
    """A network filled and run as a method asks; see `goodinit.methods.Probe`, which this is."""

    def __init__(
        self, network: MLP, stream: Callable[[], Stream], seed: int, X: Floats, Y: Floats | None, finish: Finish
    ) -> None:
        self._network, self._stream, self._seed = network, stream, seed
        self._X, self._Y, self._finish = X, Y, finish
        self._said: tuple[Assignment, ...] | None = None
        self._base: Parameters = {}
        self.measured: list[Measurement] = []
        self.notes: list[str] = []

    @property
    def has_loss(self) -> bool:
        """Whether there are targets."""
        return self._Y is not None

    def free(self, said: tuple[Assignment, ...]) -> frozenset[str]:
        """All parameters: a network has no rules."""
        return frozenset(each.name for each in said if each.initializer is not None)

    def _filled(self, said: tuple[Assignment, ...], gains: Gains | None = None) -> Parameters:
        if self._said != said:
            self._base = self._network.draw(self._finish(said), self._stream())
            self._said = said
        return {name: value * (gains or {}).get(name, 1.0) for name, value in self._base.items()}

    def outputs(self, said: tuple[Assignment, ...]) -> tuple[CallOutput, ...]:
        """One run: the output of every layer."""
        with np.errstate(all="ignore"):
            return tuple(_measured(z) for z in forward(self._network, self._filled(said), self._X)[0])

    def sweep(self, said: tuple[Assignment, ...], sweep: Sweep, *, jacobians: bool = False) -> tuple[CallOutput, ...]:
        """One run in which each layer's weight is rescaled before its output goes on."""
        network, values = self._network, self._filled(said)
        trace = network.structure.trace
        assert trace is not None
        found: list[CallOutput] = []
        signal, slope = self._X, np.ones_like(self._X)
        with np.errstate(all="ignore"):
            for layer, call in enumerate(trace.calls, 1):
                W, b = values[f"W{layer}"], values[f"b{layer}"]
                for _ in range(_MOST_ASKED):
                    Z = W @ signal + b
                    output = _measured(Z)
                    if jacobians:
                        squares = (W**2 @ slope**2).mean()
                        output = replace(output, jacobian=float(squares) or None)
                    change = sweep(call, output)
                    if change is None:
                        break
                    W, b = _rescaled(W, b, change)
                found.append(output)
                signal, slope = network.activation.value(Z), network.activation.derivative(Z)
        return tuple(found)

    def sum_inputs(self, said: tuple[Assignment, ...]) -> Mapping[int, float]:
        """None: a network has no residual branches."""
        return {}

    def lengths(self, said: tuple[Assignment, ...]) -> Mapping[str, float]:
        """The Euclidean norm of each parameter."""
        return {name: float(np.linalg.norm(value)) for name, value in self._filled(said).items()}

    def backward(self, said: tuple[Assignment, ...]) -> Mapping[str, float]:
        """The norm of each weight's gradient over that of the weight, where outputs' gradients are standard normal."""
        values = self._filled(said)
        Z, A = forward(self._network, values, self._X)
        top = KeyedStream(self._seed).normal("probe/backward", 0, Z[-1].size).reshape(Z[-1].shape)
        sizes: dict[str, float] = {}
        for layer in range(self._network.depth, 0, -1):
            W = values[f"W{layer}"]
            sizes[f"W{layer}"] = float(np.linalg.norm(top @ A[layer - 1].T)) / (float(np.linalg.norm(W)) or 1.0)
            if layer > 1:
                top = (W.T @ top) * self._network.activation.derivative(Z[layer - 2])
        return sizes

    # --- the loss ---

    def _gradient(self, values: Parameters, X: Floats, Y: Floats) -> Parameters:
        with np.errstate(all="ignore"):
            return backward(self._network, values, *forward(self._network, values, X), Y)

    def _part(self, start: float, stop: float) -> tuple[Floats, Floats]:
        assert self._Y is not None
        count = self._X.shape[1]
        low, high = round(count * start), round(count * stop)
        some = slice(low, high) if high > low else slice(None)
        return self._X[:, some], self._Y[:, some]

    def _cuts(self, parts: int) -> list[tuple[Floats, Floats]]:
        return [self._part(at / parts, (at + 1) / parts) for at in range(parts)]

    def gradients(self, said: tuple[Assignment, ...]) -> Mapping[str, Floats]:
        """The gradient of the loss by each parameter."""
        return self._gradient(self._filled(said), *self._part(0, 1))

    def _slopes(self, said: tuple[Assignment, ...], gains: Gains, value: Callable[[Parameters], float]) -> GainSlopes:
        """A quantity and its derivatives by the gains of all weights that are not zero."""
        slopes: dict[str, float] = {}
        base = self._filled(said, gains)
        for name in [name for name, array in base.items() if array.any()]:
            gain = gains.get(name, 1.0)
            high, low = (value({**base, name: base[name] * (1 + step)}) for step in (_STEP, -_STEP))
            slopes[name] = (high - low) / (2 * _STEP * gain)
        return GainSlopes(value(base), slopes)

    def quotient(
        self, said: tuple[Assignment, ...], gains: Gains, *, noise: str | None = None, epsilon: float = 1e-5
    ) -> GainSlopes:
        """The gradient quotient."""
        X, Y = self._part(0, 1)
        if noise is not None:
            X = KeyedStream(self._seed).normal(f"{noise}/1", 0, X.size).reshape(X.T.shape).T

        def value(values: Parameters) -> float:
            g = self._gradient(values, X, Y)
            size = float(np.sqrt(sum((each**2).sum() for each in g.values()))) or 1.0
            step = _STEP / size
            ahead, behind = (
                self._gradient({name: array + way * step * g[name] for name, array in values.items()}, X, Y)
                for way in (1, -1)
            )
            total = 0.0
            for name, each in g.items():
                product = (ahead[name] - behind[name]) / (2 * step)
                total += float(np.abs((each - product) / (each + np.where(each >= 0, epsilon, -epsilon)) - 1).sum())
            return total / sum(each.size for each in g.values())

        return self._slopes(said, gains, value)

    def norm(
        self, said: tuple[Assignment, ...], gains: Gains, *, order: int, parts: int | None = None, slopes: bool = True
    ) -> GainSlopes:
        """The norm of the loss's gradient over two thirds of the examples, or the mean of those over parts of them."""
        cuts = [self._part(0, 2 / 3)] if parts is None else self._cuts(parts)

        def value(values: Parameters) -> float:
            norms = [np.linalg.norm(_flat(self._gradient(values, X, Y)), order) for X, Y in cuts]
            return float(np.mean(norms))

        return self._slopes(said, gains, value) if slopes else GainSlopes(value(self._filled(said, gains)), {})

    def after_step(self, said: tuple[Assignment, ...], gains: Gains, *, rate: float, order: int) -> GainSlopes:
        """The loss of the last two thirds of the examples after a step on the first two."""
        values = self._filled(said, gains)
        g = self._gradient(values, *self._part(0, 2 / 3))
        length = float(np.linalg.norm(_flat(g))) or 1.0
        moved = {
            name: each - rate * (np.sign(g[name]) if order == 1 else g[name] / length) for name, each in values.items()
        }
        X, Y = self._part(1 / 3, 1)
        after = self._gradient(moved, X, Y)
        with np.errstate(all="ignore"):
            total = float(loss(self._network, forward(self._network, moved, X)[0][-1], Y))
        slopes = {name: float((after[name] * each).sum()) / gains.get(name, 1.0) for name, each in values.items()}
        return GainSlopes(total, slopes)

    def cosine(self, said: tuple[Assignment, ...], gains: Gains, *, parts: int) -> GainSlopes:
        """The mean cosine between the gradients of every two parts of the examples."""
        cuts = self._cuts(parts)

        def value(values: Parameters) -> float:
            rows = np.array([_flat(self._gradient(values, X, Y)) for X, Y in cuts])
            units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(float).tiny)
            return float(((units @ units.T).sum() - parts) / (parts * (parts - 1)))

        return self._slopes(said, gains, value)

    def record(self, *measurements: Measurement) -> None:
        """Keep what was measured."""
        self.measured += measurements

    def note(self, text: str) -> None:
        """Keep a sentence."""
        self.notes.append(text)


def _measured(Z: Floats) -> CallOutput:
    """The output of a layer, (units, examples)."""
    total = float(Z.var())
    between = float(Z.var(1).mean()) / total if Z.shape[1] > 1 and total > 0 else None
    return CallOutput(float(Z.mean()), total**0.5, between, Z.mean(1), Z.std(1))


def _rescaled(W: Floats, b: Floats, change: Rescale) -> tuple[Floats, Floats]:
    gain: Any = np.reshape(change.gain, (-1, 1))
    return W * gain, b if change.shift is None else b + change.shift[:, None]


def _flat(gradient: Parameters) -> Floats:
    return np.concatenate([each.ravel() for each in gradient.values()])
