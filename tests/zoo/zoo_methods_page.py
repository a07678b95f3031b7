"""docs/zoo-methods.md, from what became of every method on the models of the zoo."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["page"]

_HEAD = """# Every method on the zoo

Each method on each model of the [zoo](zoo.md): applied, or refused in one sentence with the model as it was, to the
bit; written by `make zoo` (tests/zoo/zoo_methods.py). Those that tune (`metainit`, `gradinit`, `grad_cosine`) take one
step. A model of more than 3 million numbers is planned, measured and staged, but not written. `late` took more than
20 s of processor time, `wrong` changed a refused model or left a number that is not finite.
"""
_KINDS = (  # what a refusal says, in a few words: the first that is found in it
    (
        r"no residual stream|shows no residual|several streams|residual stream, and the network has",
        "no or several streams",
    ),
    (r"one width of residual streams", "streams of several widths, or none"),
    (r"no attention|transformers", "no attention"),
    (r"without norms", "has norms"),
    (r"norms that come after|norm.* after the sums|they lie before", "norms in other places"),
    (r"norm before them and one inside", "no norm inside branches"),
    (r"embedding and the readout", "readout tied to the embedding"),
    (r"width is the readout's fan in", "no one width"),
    (r"tanh networks", "no tanh"),
    (r"sums of residual streams", "has residual sums"),
    (r"whose output is another layer's weight", "no hypernetwork"),
    (r"as wide as the stream", "grouped or other projections"),
    (r"two different depths|several depths|different blocks", "one weight at several depths"),
    (r"differentiate", "not differentiable as asked"),
    (r"loss", "no loss"),
)


def page(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    """The whole page."""
    told = [row for row in rows if "methods" in row]
    tried = sum(len(row["methods"]) for row in told)
    odd = [(row["name"], name, text) for row in told for name, text in row["methods"].items() if not _usual(text)]
    lines = [_HEAD, f"{len(told)} models, {tried} trials; ended otherwise: {len(odd)}.", ""]
    lines += ["| method | applied | refused | late | why refused |", "| --- | ---: | ---: | ---: | --- |"]
    for name in names:
        own = [row["methods"][name] for row in told if name in row["methods"]]
        refused = Counter(_kind(text) for text in own if text.startswith("refused"))
        why = ", ".join(f"{kind} ({count})" for kind, count in refused.most_common(4))
        lines.append(f"| `{name}` | {own.count('applied')} | {refused.total()} | {own.count('late')} | {why} |")
    lines += [
        "",
        "## Refused for a reason of their own",
        "",
        "| model | method | what it said |",
        "| --- | --- | --- |",
    ]
    for row in told:
        for name, text in row["methods"].items():
            if text.startswith("refused") and _kind(text) == "other":
                lines.append(f"| {row['name']} | `{name}` | {text.removeprefix('refused: ').replace('|', '/')} |")
    if odd or len(told) < len(rows):
        lines += ["", "## Ended otherwise", "", "| model | method | how |", "| --- | --- | --- |"]
        lines += [f"| {model} | `{name}` | {text.replace('|', '/')} |" for model, name, text in odd]
        lines += [f"| {row['name']} | | {row['failure'].replace('|', '/')} |" for row in rows if "methods" not in row]
    return "\n".join([*lines, ""])


def _usual(text: str) -> bool:
    return text in ("applied", "late") or text.startswith("refused")


def _kind(text: str) -> str:
    return next((kind for pattern, kind in _KINDS if re.search(pattern, text)), "other")
