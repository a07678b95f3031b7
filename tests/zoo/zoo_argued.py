"""Why a severe finding or a warning at a stock model's own start holds, one line each."""

from __future__ import annotations

from typing import Final

__all__ = ["argued"]

_BY_MODEL: Final = {
    ("Esm", "unused-parameter"): "the contact head takes no part in predicting masked tokens",
    ("FNet", "no-gradient"): "the pooler is computed, and predicting masked tokens does not use it",
    (
        "Exaone4",
        "exploding-gradient",
    ): "its branches have norms behind them alone: with a table of deviation 0.02 "
    "the first layers' outputs are as small, and their gradients as large",
    ("Olmo2", "exploding-gradient"): "as EXAONE 4's",
    ("JetMoe", "vanishing-gradient"): "a deviation of 0.01 for all weights: little comes back through an expert",
    ("SchNet", "loss-above-chance"): "a molecule's output is the sum over its atoms",
    ("Bit", "weight-too-large"): "weights are standardized to deviation 1 whatever the fan; the norms behind make up "
    "for it",
}
_BY_CODE: Final = {
    "packed-projection-too-small": "PyTorch draws query, key and value as one matrix: each is smaller by sqrt(2) than "
    "Glorot's rule says of it",
    "identical-layers": "`nn.TransformerEncoder` copies its first layer",
    "wrong-fan": "PyTorch takes the fan out of a transposed or grouped convolution for its fan in",
    "residual-growth": "one standard deviation for all weights: no branch end is scaled with depth, as GPT-2's are",
}


def argued(model: str, code: str) -> str:
    """The line; empty where nobody has argued."""
    return _BY_MODEL.get((model, code), _BY_CODE.get(code, ""))
