"""docs/zoo-methods.md, from what became of every method on the models of the zoo."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from zoo_transformers import LANGUAGE

__all__ = ["page"]

_FAMILIES = {
    "torch": "PyTorch alone",
    "transformers": "pictures",
    "torchvision": "pictures",
    "timm": "pictures",
    "diffusers": "diffusion",
    "torch_geometric": "graphs",
    "segmentation_models_pytorch": "masks",
}

_HEAD = """# Every method on the zoo

Each method, recipe and edit on each model of the [zoo](zoo.md): applied, or refused in one sentence with the model as
it was, to the bit; written by `make zoo` (tests/zoo/zoo_methods.py). Language models are small here, two layers of
width 96. `metainit`, `gradinit` and `grad_cosine` take one step, `kraehenbuehl` one round. A model of more than 3
million numbers is planned, measured and staged, but not written. An edit is made, the model run, and the edit taken
back. `late` took more than {seconds:g} s of processor time; `wrong` changed a refused model, or left a number that is
not finite.
"""
_KINDS = (  # what a refusal says, in a few words: the first that is found in it
    (r"says nothing of most", "says nothing of most of it"),
    (r"no state-space layer", "no state-space layer"),
    (r"no residual stream|shows no residual|several streams|residual stream, and the network has", "no one stream"),
    (r"one width of residual streams", "streams of several widths, or none"),
    (r"chains of layers without sums", "has sums or norms"),
    (r"relu\(x \+ W2", "other blocks"),
    (r"norms that come after|norm.* after the sums|they lie before", "norms in other places"),
    (r"no attention|is for transformers, and", "no attention"),
    (r"without norms", "has norms"),
    (r"norm before them and one inside", "no norm inside branches"),
    (r"embedding and the readout", "readout tied to the embedding"),
    (r"readout is tied", "no tied readout"),
    (r"width is the readout's fan in", "no one width"),
    (r"tanh networks", "no tanh"),
    (r"sums of residual streams", "has residual sums"),
    (r"whose output is another layer's weight", "no hypernetwork"),
    (r"as wide as the stream", "grouped or other projections"),
    (r"two different depths|several depths|different blocks", "one weight at several depths"),
    (r"parts of the batch", "a part of the batch does not run"),
    (r"lies between|no parameter multiplies", "a branch without a scale at its end"),
    (r"differentiate", "not differentiable as asked"),
    (r"loss", "no loss"),
)


def page(rows: Sequence[dict[str, Any]], names: Sequence[str], models: int, seconds: float) -> str:
    """The whole page, of the rows of so many models."""
    told = [row for row in rows if "methods" in row]
    trials = sum(len(row["methods"]) for row in told)
    odd = [(row["name"], name, text) for row in told for name, text in row["methods"].items() if not _usual(text)]
    families = list(dict.fromkeys(_family(row) for row in told))
    counts = Counter(map(_family, told))
    lines = [_HEAD.format(seconds=seconds)]
    lines += [
        f"{len(told)} of {models} models, {trials} trials; ended neither applied, refused nor late: {len(odd)}.",
        "",
    ]
    lines += ["Applied to how many of each family's models, and why most of the others are refused:", ""]
    heads = " | ".join(f"{family} ({counts[family]})" for family in families)
    lines += [f"| | {heads} | refused | late | why refused |", f"| --- | {'---: | ' * (len(families) + 2)}--- |"]
    for name in names:
        own = [(_family(row), row["methods"][name]) for row in told if name in row["methods"]]
        applied = Counter(family for family, text in own if text == "applied")
        refused = Counter(_kind(text) for _, text in own if text.startswith("refused"))
        why = ", ".join(f"{kind} ({count})" for kind, count in refused.most_common(3))
        cells = " | ".join(str(applied[family]) for family in families)
        late = sum(text == "late" for _, text in own)
        lines.append(f"| `{name}` | {cells} | {refused.total()} | {late} | {why} |")
    own = [(row["name"], name, text) for row in told for name, text in row["methods"].items() if _kind(text) == "other"]
    lines += [
        "",
        "## Refused for a reason of their own",
        "",
        "| method | models | what it said |",
        "| --- | --- | --- |",
    ]
    said: dict[tuple[str, str], list[str]] = {}
    for model, name, text in own:
        if text.startswith("refused"):
            said.setdefault((name, text.removeprefix("refused: ").replace("|", "/")), []).append(model)
    lines += [f"| `{name}` | {', '.join(found)} | {text} |" for (name, text), found in said.items()]
    if odd or len(told) < len(rows):
        lines += ["", "## Ended otherwise", "", "| model | method | how |", "| --- | --- | --- |"]
        lines += [f"| {model} | `{name}` | {text.replace('|', '/')} |" for model, name, text in odd]
        lines += [f"| {row['name']} | | {row['failure'].replace('|', '/')} |" for row in rows if "methods" not in row]
    return "\n".join([*lines, ""])


def _family(row: dict[str, Any]) -> str:
    if row["name"] in LANGUAGE:
        return "language"
    return _FAMILIES.get(row["library"], row["library"])


def _usual(text: str) -> bool:
    return text in ("applied", "late") or text.startswith("refused")


def _kind(text: str) -> str:
    return next((kind for pattern, kind in _KINDS if re.search(pattern, text)), "other")
