"""Solutions of exercise.ipynb. Try it first."""

import numpy as np


def initialize_parameters_zeros(layers_dims):
    """All weights and biases 0."""
    parameters = {}
    for k in range(1, len(layers_dims)):
        parameters[f"W{k}"] = np.zeros((layers_dims[k], layers_dims[k - 1]))
        parameters[f"b{k}"] = np.zeros((layers_dims[k], 1))
    return parameters


def initialize_parameters_random(layers_dims):
    """Weights ten times a standard normal number, biases 0."""
    random = np.random.default_rng(3)
    parameters = {}
    for k in range(1, len(layers_dims)):
        parameters[f"W{k}"] = random.standard_normal((layers_dims[k], layers_dims[k - 1])) * 10
        parameters[f"b{k}"] = np.zeros((layers_dims[k], 1))
    return parameters


def initialize_parameters_he(layers_dims):
    """Weights of variance 2 / fan-in, biases 0."""
    random = np.random.default_rng(3)
    parameters = {}
    for k in range(1, len(layers_dims)):
        fan_in = layers_dims[k - 1]
        parameters[f"W{k}"] = random.standard_normal((layers_dims[k], fan_in)) * np.sqrt(2 / fan_in)
        parameters[f"b{k}"] = np.zeros((layers_dims[k], 1))
    return parameters
