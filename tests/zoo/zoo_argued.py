"""Why a severe finding or a warning at a stock model's own start holds, one line each."""

from __future__ import annotations

from typing import Final

__all__ = ["argued"]

_SCALES: Final = "the scales of its batch norms are drawn with deviation 0.02 instead of being 1: signals fall to 1e-6"
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
    ("MobileNetV1", "dropout-too-large"): "its configuration drops 99.9 % before the classifier",
    ("MobileNetV1", "loss-above-chance"): "the classifier behind that dropout gets a thousand times of what is left",
    ("MobileViT", "exploding-signal"): _SCALES,
    ("MobileViT", "dead-units"): _SCALES,
    ("MobileViT", "residual-growth"): _SCALES,
    ("MobileViT", "exploding-gradient"): _SCALES,
    ("MobileViT", "attention-uniform"): _SCALES,
    ("MobileViTV2", "exploding-signal"): _SCALES,
    ("MobileViTV2", "dead-units"): _SCALES,
    ("MobileViTV2", "residual-growth"): _SCALES,
    ("MobileViTV2", "exploding-gradient"): _SCALES,
    ("FocalNet", "vanishing-gradient"): "a block multiplies three signals that a deviation of 0.02 makes small: the "
    "gradient of its first projection has norm 6e-5 where that of the classifier has 4; Adam trains it all the same, "
    "from 2.36 to 0.002 in four steps on ten pictures",
    ("Dinov2", "unused-parameter"): "the mask token takes part in pretraining alone",
    ("mobilenetv3_small_100", "dead-units"): "eight units behind a mean over the picture, of four pictures",
    (
        "convmixer_768_32",
        "exploding-gradient",
    ): "a batch norm behind each of 64 activations: each multiplies gradients on the way back, 29,000 times in all at "
    "batches of 4, and 11,000 at 16",
    ("FPN", "loss-above-chance"): "what comes from several stages is summed before the head, and not scaled",
    ("MobileNetV2", "dropout-too-large"): "its configuration drops 80 % before the classifier",
    ("Granite", "attention-not-scaled"): "its configuration multiplies scores by 1; published models set "
    "`attention_multiplier`",
    ("GraniteMoe", "attention-not-scaled"): "as Granite's",
    ("efficientnet_b0", "weight-too-large"): "the classifier is drawn with 1 / sqrt(classes), here of 10, and not of "
    "its 1280 inputs: 6 times too large",
    ("PSPNet", "unused-parameter"): "its encoder's last stages are built, and not used",
    ("Bit", "weight-too-large"): "weights are standardized to deviation 1 whatever the fan; the norms behind make up "
    "for it",
}
_BY_CODE: Final = {
    "identical-layers": "`nn.TransformerEncoder` copies its first layer",
    "residual-growth": "one standard deviation for all weights: no branch end is scaled with depth, as GPT-2's are",
}


def argued(model: str, code: str) -> str:
    """The line; empty where nobody has argued."""
    return _BY_MODEL.get((model, code), _BY_CODE.get(code, ""))
