"""The helper functions and the three starts of the "Initialization" assignment, under its own names.

The assignment is from week 1 of "Improving Deep Neural Networks" (Andrew Ng, deeplearning.ai): a small network
learns two circles of points from three different starts. Its notebook imports a helper module `init_utils`; this
module offers the same functions, with the same arguments, results and printed lines, for today's NumPy and
Matplotlib. Read from top to bottom it is the whole of deep learning at its smallest: forward, loss, backward, step.

Shapes are the course's. `X` is (features, examples) and `Y` is (1, examples), 0 for red and 1 for blue.
`parameters` is a dict with a weight matrix `W1` of shape (units, inputs) and a bias `b1` of shape (units, 1) for
layer 1, `W2` and `b2` for layer 2, and so on.

Two things differ from the original, on purpose. Nothing here reads or writes NumPy's global random state: data and
weights come from a `RandomState` of their own, with the same numbers. And the warnings that the textbook's formula
for the loss makes at a saturated output are silent; its `inf` is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from goodinit.errors import GoodinitError, shown

__all__ = [
    "backward_propagation",
    "compute_loss",
    "forward_propagation",
    "initialize_parameters_he",
    "initialize_parameters_random",
    "initialize_parameters_zeros",
    "load_dataset",
    "model",
    "plot_decision_boundary",
    "predict",
    "predict_dec",
    "relu",
    "sigmoid",
    "update_parameters",
]

Array = NDArray[Any]
Parameters = dict[str, NDArray[np.float64]]
Cache = tuple[Array, ...]  # z1, a1, W1, b1, z2, a2, W2, b2, z3, a3, W3, b3

_SEED: Final = 3  # of the weights, as in the assignment
_NO_WINDOW: Final = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")  # Matplotlib backends that draw to files


# --- One layer's nonlinearity ---------------------------------------------------------------------------------------


@np.errstate(over="ignore")  # exp(-x) of a very negative x is inf, and 1 / inf is the right 0
def sigmoid(x: Array | float) -> Array:
    """The sigmoid 1 / (1 + exp(-x)) of a number or of each element of an array, of the same shape.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    s: Array = 1 / (1 + np.exp(-x))
    return s


def relu(x: Array | float) -> Array:
    """The rectified linear unit max(0, x) of a number or of each element of an array, of the same shape.

    >>> relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """
    return np.maximum(0, x)


# --- Three starts ---------------------------------------------------------------------------------------------------


def initialize_parameters_zeros(layers_dims: Sequence[int]) -> Parameters:
    """Every weight and every bias 0: the units of a layer are identical, and gradient descent keeps them so.

    `layers_dims` lists the units of every layer, the input first: [2, 10, 5, 1] makes W1 (10, 2) to W3 (1, 5).

    >>> initialize_parameters_zeros([2, 1])
    {'W1': array([[0., 0.]]), 'b1': array([[0.]])}

    Raises GoodinitError unless `layers_dims` has at least two integers of at least 1.
    """
    _check_layers(layers_dims)
    parameters = {}
    for layer in range(1, len(layers_dims)):
        parameters[f"W{layer}"] = np.zeros((layers_dims[layer], layers_dims[layer - 1]))
        parameters[f"b{layer}"] = np.zeros((layers_dims[layer], 1))
    return parameters


def initialize_parameters_random(layers_dims: Sequence[int]) -> Parameters:
    """Weights 10 times a standard normal, biases 0: far too large, so that the outputs begin saturated.

    `layers_dims` lists the units of every layer, the input first. The weights are drawn layer by layer from
    `numpy.random.RandomState(3)`, so that two calls give the same numbers, which are the published ones.

    >>> initialize_parameters_random([3, 2, 1])["W1"]
    array([[ 17.88628473,   4.36509851,   0.96497468],
           [-18.63492703,  -2.77388203,  -3.54758979]])

    Raises GoodinitError unless `layers_dims` has at least two integers of at least 1.
    """
    _check_layers(layers_dims)
    random = np.random.RandomState(_SEED)
    parameters = {}
    for layer in range(1, len(layers_dims)):
        parameters[f"W{layer}"] = random.randn(layers_dims[layer], layers_dims[layer - 1]) * 10
        parameters[f"b{layer}"] = np.zeros((layers_dims[layer], 1))
    return parameters


def initialize_parameters_he(layers_dims: Sequence[int]) -> Parameters:
    """Weights normal with variance 2 / (units of the layer before), biases 0: a ReLU layer keeps its input's size.

    `layers_dims` lists the units of every layer, the input first. The weights are drawn layer by layer from
    `numpy.random.RandomState(3)`, so that two calls give the same numbers, which are the published ones.

    >>> initialize_parameters_he([2, 4, 1])["W2"]
    array([[-0.03098412, -0.33744411, -0.92904268,  0.62552248]])

    Raises GoodinitError unless `layers_dims` has at least two integers of at least 1.

    Source: He, Zhang, Ren & Sun 2015, "Delving Deep into Rectifiers", eq. 10.
    """
    _check_layers(layers_dims)
    random = np.random.RandomState(_SEED)
    parameters = {}
    for layer in range(1, len(layers_dims)):
        units, fan_in = layers_dims[layer], layers_dims[layer - 1]
        parameters[f"W{layer}"] = random.randn(units, fan_in) * np.sqrt(2 / fan_in)
        parameters[f"b{layer}"] = np.zeros((units, 1))
    return parameters


# --- Forward, loss, backward, step ----------------------------------------------------------------------------------


def forward_propagation(X: Array, parameters: Parameters) -> tuple[Array, Cache]:
    """The output of the three-layer network: linear, ReLU, linear, ReLU, linear, sigmoid.

    Returns the probabilities `a3`, of shape (1, examples), and the `cache` that `backward_propagation` needs: the
    tuple (z1, a1, W1, b1, z2, a2, W2, b2, z3, a3, W3, b3), where z is before a layer's nonlinearity and a after it.

    >>> a3, cache = forward_propagation(np.ones((2, 4)), initialize_parameters_zeros([2, 10, 5, 1]))
    >>> a3
    array([[0.5, 0.5, 0.5, 0.5]])
    """
    W1, b1 = parameters["W1"], parameters["b1"]
    W2, b2 = parameters["W2"], parameters["b2"]
    W3, b3 = parameters["W3"], parameters["b3"]

    z1 = np.dot(W1, X) + b1
    a1 = relu(z1)
    z2 = np.dot(W2, a1) + b2
    a2 = relu(z2)
    z3 = np.dot(W3, a2) + b3
    a3 = sigmoid(z3)

    return a3, (z1, a1, W1, b1, z2, a2, W2, b2, z3, a3, W3, b3)


@np.errstate(divide="ignore", invalid="ignore")  # log(0) and 0 * inf, which the formula makes and nansum swallows
def compute_loss(a3: Array, Y: Array) -> float:
    """The mean cross-entropy -[Y log(a3) + (1 - Y) log(1 - a3)] of probabilities `a3` and labels `Y`, (1, examples).

    This is the textbook's formula, kept as the course has it. Where an output is saturated on the wrong side
    (a3 = 0 for Y = 1) it is `inf`, although the loss computed from z3 would be finite; where one is saturated on
    the right side its 0 * inf counts as 0. So does an output that is not a number: training that diverged to
    nan prints a loss of 0.

    >>> print(compute_loss(np.array([[0.5, 0.5]]), np.array([[0, 1]])))
    0.6931471805599453
    >>> print(compute_loss(np.array([[0.0, 0.5]]), np.array([[1, 1]])))
    inf
    """
    m = Y.shape[1]
    logprobs = np.multiply(-np.log(a3), Y) + np.multiply(-np.log(1 - a3), 1 - Y)
    loss: float = 1.0 / m * np.nansum(logprobs)
    return loss


def backward_propagation(X: Array, Y: Array, cache: Cache) -> dict[str, Array]:
    """The gradients of the loss, by the chain rule from the last layer to the first.

    `cache` is what `forward_propagation` returned for the same `X`. Returns a dict with, for every layer, the
    gradient by the layer's z, weight and bias (`dz3`, `dW3`, `db3`, ...) and by the activations that enter the
    next one (`da2`, `da1`), each of the shape of what it is the gradient by.

    >>> X, Y = np.ones((2, 4)), np.array([[0, 1, 1, 1]])
    >>> a3, cache = forward_propagation(X, initialize_parameters_zeros([2, 10, 5, 1]))
    >>> gradients = backward_propagation(X, Y, cache)
    >>> [name for name in gradients if gradients[name].any()]
    ['dz3', 'db3']
    """
    m = X.shape[1]
    (_, a1, _, _, _, a2, W2, _, _, a3, W3, _) = cache

    dz3 = 1.0 / m * (a3 - Y)  # sigmoid and cross-entropy together: the difference of output and label
    dW3 = np.dot(dz3, a2.T)
    db3 = np.sum(dz3, axis=1, keepdims=True)

    da2 = np.dot(W3.T, dz3)
    dz2 = np.multiply(da2, a2 > 0)  # a ReLU passes the gradient on where it was active
    dW2 = np.dot(dz2, a1.T)
    db2 = np.sum(dz2, axis=1, keepdims=True)

    da1 = np.dot(W2.T, dz2)
    dz1 = np.multiply(da1, a1 > 0)
    dW1 = np.dot(dz1, X.T)
    db1 = np.sum(dz1, axis=1, keepdims=True)

    last = {"dz3": dz3, "dW3": dW3, "db3": db3}
    middle = {"da2": da2, "dz2": dz2, "dW2": dW2, "db2": db2}
    first = {"da1": da1, "dz1": dz1, "dW1": dW1, "db1": db1}
    return last | middle | first


def update_parameters(parameters: Parameters, grads: dict[str, Array], learning_rate: float) -> Parameters:
    """One step of gradient descent: every W and b less `learning_rate` times its gradient.

    The dict is changed in place and returned, as in the course; the arrays that it held are left as they were.

    >>> update_parameters({"W1": np.ones((1, 1)), "b1": np.ones((1, 1))}, {"dW1": 2.0, "db1": 0.0}, 0.25)
    {'W1': array([[0.5]]), 'b1': array([[1.]])}
    """
    L = len(parameters) // 2  # number of layers
    for k in range(1, L + 1):
        parameters[f"W{k}"] = parameters[f"W{k}"] - learning_rate * grads[f"dW{k}"]
        parameters[f"b{k}"] = parameters[f"b{k}"] - learning_rate * grads[f"db{k}"]
    return parameters


def model(
    X: Array,
    Y: Array,
    learning_rate: float = 0.01,
    num_iterations: int = 15000,
    print_cost: bool = True,
    initialization: str = "he",
) -> Parameters:
    """Train the network [features, 10, 5, 1] by full-batch gradient descent, and plot the cost.

    Arguments:
        X: the data, of shape (features, examples).
        Y: the labels, 0 or 1, of shape (1, examples).
        learning_rate: the step of gradient descent.
        num_iterations: how many steps.
        print_cost: whether to print the cost at iteration 0, 1000, 2000, ...
        initialization: the start: "zeros", "random" (ten times too large) or "he".

    Returns the trained parameters, `W1`, `b1`, ..., `W3`, `b3`.

    Raises GoodinitError for another `initialization`, or if `X` and `Y` do not have these shapes.

    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("agg")  # draw without a window
    >>> X, Y = np.array([[0.0, 1.0]]), np.array([[0, 1]])
    >>> parameters = model(X, Y, num_iterations=1001, initialization="zeros")
    Cost after iteration 0: 0.6931471805599453
    Cost after iteration 1000: 0.6931471805599453

    Source: Andrew Ng, deeplearning.ai, "Improving Deep Neural Networks", week 1, assignment "Initialization".
    """
    if np.ndim(X) != 2 or np.shape(Y) != (1, np.shape(X)[1]):
        raise GoodinitError(
            f"X of shape {np.shape(X)} and Y of shape {np.shape(Y)}: X must be (features, examples) and Y "
            "(1, examples); turn the data with X.T and Y.reshape(1, -1)"
        )
    layers_dims = [X.shape[0], 10, 5, 1]
    if initialization == "zeros":
        parameters = initialize_parameters_zeros(layers_dims)
    elif initialization == "random":
        parameters = initialize_parameters_random(layers_dims)
    elif initialization == "he":
        parameters = initialize_parameters_he(layers_dims)
    else:
        raise GoodinitError(f"initialization={shown(initialization)}: choose one of 'zeros', 'random' and 'he'")

    costs = []
    with np.errstate(over="ignore", invalid="ignore"):  # a learning rate that diverges ends in nan, not in warnings
        for i in range(num_iterations):
            a3, cache = forward_propagation(X, parameters)
            cost = compute_loss(a3, Y)
            grads = backward_propagation(X, Y, cache)
            parameters = update_parameters(parameters, grads, learning_rate)
            if i % 1000 == 0:
                costs.append(cost)
                if print_cost:
                    print(f"Cost after iteration {i}: {cost}")

    import matplotlib.pyplot as plt

    plt.plot(costs)
    plt.ylabel("cost")
    plt.xlabel("iterations (per thousand)")  # the course says "per hundreds", of the same points
    plt.title("Learning rate =" + str(learning_rate))
    _show()
    return parameters


# --- What the network says ------------------------------------------------------------------------------------------


def predict(X: Array, y: Array, parameters: Parameters) -> NDArray[np.int_]:
    """The predicted labels of `X`, 1 where the probability is above one half, of shape (1, examples).

    Prints the accuracy, the share of predictions that equal the true labels `y`, of shape (1, examples).

    >>> predict(np.ones((2, 4)), np.array([[0, 0, 0, 1]]), initialize_parameters_zeros([2, 10, 5, 1]))
    Accuracy: 0.75
    array([[0, 0, 0, 0]])
    """
    a3, _ = forward_propagation(X, parameters)
    p = (a3 > 0.5).astype(int)
    print("Accuracy: " + str(np.mean(p[0, :] == y[0, :])))
    return p


def predict_dec(parameters: Parameters, X: Array) -> NDArray[np.bool_]:
    """The decision for each example of `X`, (features, examples): True for blue, False for red, (1, examples).

    Mind the order of the arguments, which is the other way round in `predict`.

    >>> predict_dec(initialize_parameters_zeros([2, 10, 5, 1]), np.ones((2, 3)))
    array([[False, False, False]])
    """
    a3, _ = forward_propagation(X, parameters)
    return np.asarray(a3 > 0.5)


def plot_decision_boundary(model: Callable[[Array], Array], X: Array, y: Array) -> None:
    """Draw what `model` decides over the plane into the current axes, with the points on top, and show it.

    Arguments:
        model: takes points as rows, of shape (points, 2), and returns one value for each:
            `lambda x: predict_dec(parameters, x.T)`.
        X: the points to draw, of shape (2, examples).
        y: their labels, of shape (1, examples) or (examples,).
    """
    import matplotlib.pyplot as plt

    x_min, x_max = X[0, :].min() - 1, X[0, :].max() + 1
    y_min, y_max = X[1, :].min() - 1, X[1, :].max() + 1
    h = 0.01  # distance of neighbouring points of the grid
    xx, yy = np.meshgrid(np.arange(x_min, x_max, h), np.arange(y_min, y_max, h))
    Z = model(np.c_[xx.ravel(), yy.ravel()])
    Z = np.asarray(Z).reshape(xx.shape)
    plt.contourf(xx, yy, Z, cmap="Spectral")
    plt.ylabel("x2")
    plt.xlabel("x1")
    plt.scatter(X[0, :], X[1, :], c=np.ravel(y), cmap="Spectral")
    _show()


def load_dataset() -> tuple[Array, Array, Array, Array]:
    """Two circles of noisy points, red outside and blue inside; the training points are drawn as a scatter plot.

    Returns train_X (2, 300), train_Y (1, 300), test_X (2, 100) and test_Y (1, 100): scikit-learn's `make_circles`
    with noise 0.05, from seed 1 for training and seed 2 for testing. The plot goes to the current axes; it appears
    at the end of a notebook's cell, or with `plt.show()`.
    """
    import matplotlib.pyplot as plt
    from sklearn.datasets import make_circles

    train_X, train_Y = make_circles(n_samples=300, noise=0.05, random_state=1)
    test_X, test_Y = make_circles(n_samples=100, noise=0.05, random_state=2)
    plt.scatter(train_X[:, 0], train_X[:, 1], c=train_Y, s=40, cmap="Spectral")
    return train_X.T, train_Y.reshape(1, -1), test_X.T, test_Y.reshape(1, -1)


# --- Behind the scenes ----------------------------------------------------------------------------------------------


def _check_layers(layers_dims: Sequence[int]) -> None:
    """Refuse layer sizes that cannot make a network."""
    sizes = list(layers_dims)
    if len(sizes) < 2 or not all(isinstance(size, int | np.integer) and size >= 1 for size in sizes):
        raise GoodinitError(
            f"layers_dims={shown(layers_dims)}: list the units of every layer, the input first, each an integer of at "
            "least 1, as in [2, 10, 5, 1]"
        )


def _show() -> None:
    """Show the figure, where there is a window or a notebook to show it in; a file backend would only warn."""
    import matplotlib.pyplot as plt

    if plt.get_backend().lower() not in _NO_WINDOW:
        plt.show()
