"""The critical weight variances of activations without biases, which take a while to compute; None: none.

Made by tools/derive_critical.py; not to be edited. An activation that is missing is computed.
"""

__all__ = ["CRITICAL"]

CRITICAL: dict[str, float | None] = {
    "linear": 1.0,
    "relu": 2.0,
    "relu6": 2.0,
    "leaky_relu": 1.99980002,
    "elu": 1.0,
    "selu": 0.476771017883,
    "gelu": None,
    "silu": None,
    "mish": None,
    "softplus": None,
    "sigmoid": 103.007553856,
    "tanh": 1.0,
    "erf": 0.785398163397,
    "hard_tanh": 1.0,
    "softsign": 1.0,
    "sine": 1.0,
}
