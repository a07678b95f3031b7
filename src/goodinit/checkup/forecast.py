"""What an initializer does to a fully connected network, layer by layer, by calculation before any data is seen."""

from __future__ import annotations

import math

from goodinit.methods import Start
from goodinit.networks import MLP, check_size
from goodinit.results import LayerForecast
from goodinit.streams import Stream, as_stream
from goodinit.theory.maps import derivative_moment, second_moment

__all__ = ["forecast"]


def forecast(
    init: str | Start, network: MLP, stream: int | Stream = 0, input_square: float = 1.0
) -> tuple[LayerForecast, ...]:
    """The layers of the network under that initialization, the weights drawn from the stream, for such inputs.

    `input_square` is the mean square of the inputs. Raises GoodinitError for a network of too many weights to draw.

    >>> from goodinit import activations, initializers
    >>> network = MLP((100, 100, 10), activations.get("relu"), "cross_entropy")
    >>> [round(layer.preactivation_variance, 6) for layer in forecast(initializers.get("he_normal"), network)]
    [2.0, 2.0]

    Source: He et al. 2015, eqs. 5-14; Poole et al. 2016, eq. 3.
    """
    check_size(network)
    source, weights = as_stream(stream), network.weights
    drawn = network.parameters(init, source)
    by_name = {each.name: each.initializer for each in network.assignments(init) if each.initializer is not None}
    chosen = [(weight, by_name[weight.name]) for weight in weights]
    variances = [initializer.expected_variance(weight) for weight, initializer in chosen]
    shifts = [network.structure[f"b{layer}"] for layer in range(1, network.depth + 1)]
    biases = [by_name[each.name].expected_variance(each.target) for each in shifts]
    centred = all(initializer.expected_mean(weight) == 0 for weight, initializer in chosen)
    signals = _signals(network, variances, biases, input_square) if centred else [(None, None, None)] * len(weights)
    return tuple(
        LayerForecast(
            name=weight.name,
            shape=weight.shape,
            expected_std=math.sqrt(variance),
            realised_std=float(drawn[weight.name].std()),
            preactivation_variance=forward,
            activation_square=square,
            gradient_square=backward,
            caution=initializer.caution(weight),
        )
        for (weight, initializer), variance, (forward, square, backward) in zip(chosen, variances, signals, strict=True)
    )


def _signals(
    network: MLP, variances: list[float], biases: list[float], square: float
) -> list[tuple[float | None, float | None, float | None]]:
    forward: list[float] = []
    squares: list[float] = []
    for weight, variance, bias_variance in zip(network.weights, variances, biases, strict=True):
        forward.append(weight.fan_in * variance * square + bias_variance)
        square = second_moment(network.activation, forward[-1])
        squares.append(square)
    gradients = [1.0]
    for layer in range(len(variances) - 1, 0, -1):
        slope = derivative_moment(network.activation, forward[layer - 1])
        gradients.insert(0, gradients[0] * network.weights[layer].fan_out * variances[layer] * slope)
    return list(zip(forward, [*squares[:-1], None], gradients, strict=True))
