"""A start that the page does not draw by itself: any initializer of the catalogue, for one network."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from goodinit import initializers
from goodinit.errors import GoodinitError
from goodinit.initializers import Scaled
from goodinit.lab import fields
from goodinit.lab.errors import LabError
from goodinit.lab.limits import LIMITS
from goodinit.lab.message import flat, read_network
from goodinit.lab.scene import STREAMS
from goodinit.networks import stack
from goodinit.streams import as_stream

__all__ = ["drawn_start"]


def drawn_start(body: dict[str, Any]) -> dict[str, Any]:
    """The start that a request asks for: parameters in base64, and what theory forecasts its layers from.

    Raises LabError for an initializer that is none, or cannot fill the network.
    """
    network = read_network(body.get("network"))
    entries = fields.items(body.get("init"), "init", ("spec", "gain"))
    text = fields.text(entries.get("spec"), "init.spec", 400)
    gain = fields.number(entries.get("gain", 1), "init.gain", *LIMITS["gain"])
    seed = fields.whole(body.get("seed"), "seed", *LIMITS["seed"])
    stream = as_stream(seed, fields.choice(body.get("stream"), "stream", STREAMS))
    try:
        initializer = initializers.get(text)
        chosen = initializer if gain == 1 else Scaled(str(initializer), gain)
    except GoodinitError as error:
        raise LabError("bad-initializer", str(error), field="inits", given=text) from None
    try:
        with np.errstate(all="ignore"):
            parameters = flat(network, stack([network.parameters(chosen, stream)]))
    except GoodinitError as error:
        raise LabError("refused", str(error), field="inits", given=text) from None
    if not np.isfinite(parameters).all():
        raise LabError("refused", f"{chosen} draws weights beyond float64", field="inits", given=text)
    filled = {
        each.name: (each.initializer, network.structure[each.name].target) for each in network.assignments(chosen)
    }
    moments = {
        name: (float(each.expected_mean(weight)), float(each.expected_variance(weight)))
        for name, (each, weight) in filled.items()
        if each is not None
    }
    layers = range(1, network.depth + 1)
    return {
        "parameters": base64.b64encode(parameters.astype("<f8").tobytes()).decode("ascii"),
        "means": [moments[f"W{layer}"][0] for layer in layers],
        "variances": [moments[f"W{layer}"][1] for layer in layers],
        "bias_variances": [moments[f"b{layer}"][1] for layer in layers],
    }
