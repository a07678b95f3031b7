"""The table of a model's checkup for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from goodinit.model_records import LayerStart, LossStart, ModelStart
from goodinit.results import Finding

__all__ = ["checkup_table", "headline", "number", "ratio", "shown_layers", "whole_facts"]

_MOST_LAYERS = 60
_STYLES = {"severe": "bold red", "warning": "yellow", "info": "dim"}
_NAME = 26


def number(value: float | None) -> str:
    """A number in three digits, and nothing for one that was not measured."""
    if value is None:
        return ""
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e5):
        return f"{value:.1e}"
    return f"{value:.3g}"


def ratio(measured: float | None, expected: float | None) -> str:
    """Measured, and beside it what theory expects."""
    if expected is None:
        return number(measured)
    return f"{number(measured)} / {number(expected)}"


def headline(start: ModelStart, findings: Sequence[Finding]) -> str:
    """One sentence: healthy or not, and what was found."""
    counts = {kind: sum(finding.severity == kind for finding in findings) for kind in ("severe", "warning", "info")}
    if counts["severe"]:
        severe = dict.fromkeys(finding.code for finding in findings if finding.severity == "severe")
        return f"{start.model}: not a healthy start: {', '.join(severe)}"
    rest = [f"{counts[kind]} {word}" for kind, word in (("warning", "warnings"), ("info", "remarks")) if counts[kind]]
    rest = [text.replace("1 warnings", "1 warning").replace("1 remarks", "1 remark") for text in rest]
    return f"{start.model}: a healthy start" + (f", with {' and '.join(rest)}" if rest else "")


def whole_facts(start: ModelStart) -> list[tuple[str, str]]:
    """What was measured of the whole model."""
    weights = sum(_elements(each.shape) for each in start.parameters)
    examples = "" if start.examples is None else f", {start.examples} examples"
    mode = "training" if start.training else "evaluation"
    facts = [("model", f"{start.model}, {weights:,} parameters, {start.dtype}, {mode} mode{examples}")]
    if start.loss is not None:
        facts.append(("loss at the start", _loss(start.loss)))
    else:
        facts.append(("loss at the start", "no loss was given: the forward side only"))
    if start.learning_rate is not None:
        facts.append(("first step", f"{start.optimizer}, learning rate {start.learning_rate:g}"))
    if start.curvature is not None:
        allows = f"; gradient descent below {2 / start.curvature:.3g}" if start.curvature > 0 else ""
        facts.append(("largest curvature", f"{number(start.curvature)}{allows}"))
    if start.singular is not None:
        low, high = start.singular
        facts.append(("Jacobian's singular values", f"{number(low)} to {number(high)}"))
    if start.rounding is not None:
        facts.append(("a change of the weights", f"comes out {number(start.rounding)} times as large"))
    return facts


def _loss(loss: LossStart) -> str:
    text = number(loss.total)
    if loss.chance is not None:
        guess = f"guessing one of {loss.classes} classes" if loss.classes else "the targets' mean"
        own = "" if loss.value == loss.total else f" ({loss.term}: {number(loss.value)})"
        text += f"{own}; {number(loss.chance)} for {guess}"
    if loss.sure_share is not None:
        text += f"; {loss.sure_share:.0%} of the outputs sure of a class"
    return text


def _elements(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def shown_layers(start: ModelStart, most: int = _MOST_LAYERS) -> tuple[list[LayerStart], int]:
    """The layers that a table shows, the first and the last of many, and how many it leaves out."""
    layers = list(start.layers)
    if len(layers) <= most:
        return layers, 0
    return [*layers[: most // 2], *layers[-most // 2 :]], len(layers) - most


def checkup_table(start: ModelStart, findings: Sequence[Finding]) -> Group:
    """What was measured, layer by layer, and what was found, with remedies."""
    bold = "bold red" if any(finding.severity == "severe" for finding in findings) else "bold green"
    parts: list[RenderableType] = [Text(headline(start, findings), style=bold)]
    parts += [Text.assemble((f"{name}: ", "bold"), value) for name, value in whole_facts(start)]
    if start.layers:
        parts += [Text(), _layers(start), Text(_legend(start), style="dim")]
    for finding in findings:
        parts += _finding(finding)
    parts += [Text(f"Note: {note}", style="dim") for note in start.notes]
    return Group(*parts)


def _legend(start: ModelStart) -> str:
    text = "a / b: measured / expected by theory; +: enters a residual sum, n: a norm follows; cos: mean cosine of two "
    text += "inputs' outputs; flat: dead (d) or saturated (s)"
    return text + ("; gradient: rms." if start.backward else ".")


def _layers(start: ModelStart) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("layer", no_wrap=True, overflow="ellipsis", max_width=_NAME)
    table.add_column("then", no_wrap=True, overflow="ellipsis", max_width=12)
    backward = any(layer.gradient_rms is not None for layer in start.layers)
    for heading in ("weight std", "output rms", "cos", "flat", *(["gradient"] if backward else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    layers, left_out = shown_layers(start)
    for place, layer in enumerate(layers):
        if left_out and place == len(layers) // 2:
            table.add_row(f"... {left_out} more", *[""] * (len(table.columns) - 1))
        cells = [
            _short(layer.title),
            _then(layer),
            ratio(layer.weight_std, layer.weight_std_expected),
            ratio(layer.rms, layer.rms_expected),
            "" if layer.correlation is None else f"{layer.correlation:.3f}",
            _flat(layer),
        ]
        if backward:
            cells.append(ratio(layer.gradient_rms, layer.gradient_rms_expected))
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"...{name[-_NAME + 3 :]}"


def _then(layer: LayerStart) -> str:
    marks = ("n" if layer.norm_after else "") + ("+" if layer.residual else "")
    name = "" if layer.activation is None else layer.activation.replace("(frequency=", "(").replace("(slope=", "(")
    return f"{marks} {name}".strip()


def _flat(layer: LayerStart) -> str:
    if layer.dead_share:
        return f"{layer.dead_share:.0%} d"
    if layer.saturated_share:
        return f"{layer.saturated_share:.0%} s"
    return ""


def _finding(finding: Finding) -> list[RenderableType]:
    style = _STYLES[finding.severity]
    parts: list[RenderableType] = [
        Text(),
        Text.assemble((f"{finding.severity} ", style), (f"{finding.code}: ", "bold"), finding.message),
    ]
    if finding.remedy:
        parts += [Text(f"    {line}", style="cyan", overflow="fold") for line in finding.remedy.splitlines()]
    return parts
