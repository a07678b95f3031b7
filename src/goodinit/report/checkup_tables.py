"""The table of a model's checkup for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from goodinit.model_records import LayerStart, LossStart, ModelStart
from goodinit.report.checkup_rows import FoldedRow, folded, number
from goodinit.results import Finding
from goodinit.wording import count, shorten

__all__ = ["MAX_ROWS", "CheckupTable", "flat", "headline", "whole_facts"]

MAX_ROWS: Final = 40
"""Lines of a checkup in a terminal."""
_STYLES: Final = {"severe": "bold red", "warning": "yellow", "info": "dim"}
_NAME: Final = 18  # letters of a layer's name, from which ranges have room
_RANGES: Final = 3  # columns that have them
_FEWEST_LETTERS: Final = 12
_ACTIVATION: Final = 8  # letters
_FEWEST_ROWS: Final = 8  # of layers, however much was found
_TABLE_HEAD: Final = 2


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


class CheckupTable:
    """A checkup as a page of at most so many lines: the findings, the layers folded as far as that takes, the verdict.

    Findings come first and get what they need, but for the few lines that the layers take at least. A page of one
    finding alone may be longer, where its remedy is.
    """

    def __init__(self, start: ModelStart, findings: Sequence[Finding], max_rows: int = MAX_ROWS) -> None:
        self.start, self.findings, self.max_rows = start, findings, max_rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The parts, for a console of that width."""
        start = self.start

        def lines(parts: Sequence[RenderableType]) -> int:
            return sum(len(console.render_lines(part, options, pad=False)) for part in parts)

        style = "bold red" if any(finding.severity == "severe" for finding in self.findings) else "bold green"
        verdict = Text(headline(start, self.findings), style=style)
        head = [verdict, *(Text.assemble((f"{name}: ", "bold"), value) for name, value in whole_facts(start))]
        notes: list[RenderableType] = [Text(f"Note: {note}", style="dim") for note in start.notes]
        legend: list[RenderableType] = [Text(_legend(start), style="dim")] if start.layers else []
        left = self.max_rows - lines([*head, *notes, *legend]) - _TABLE_HEAD * bool(start.layers)
        found = self._findings(left - min(len(start.layers), _FEWEST_ROWS), lines)
        yield from head
        yield from found
        if start.layers:
            yield Text()
            yield _layers(start, max(left - lines(found) - 2, _FEWEST_ROWS), options.max_width)
            yield from legend
        yield from notes
        if found or start.layers:
            yield Text()
            yield verdict

    def _findings(self, most: int, lines: Callable[[Sequence[RenderableType]], int]) -> list[RenderableType]:
        """The findings that have room, and the names of the others."""
        parts: list[RenderableType] = []
        for place, finding in enumerate(self.findings):
            new = _finding(finding)
            if parts and lines([*parts, *new]) > most - (2 if place + 1 < len(self.findings) else 0):
                rest = self.findings[place:]
                codes = ", ".join(dict.fromkeys(each.code for each in rest))
                said = f"{count(len(rest), 'finding')} more, with a higher max_rows (--max-rows): {codes}"
                return [*parts, Text(), Text(said, style="dim")]
            parts += new
        return parts


def _legend(start: ModelStart) -> str:
    text = "a / b: measured / expected by theory, several layers in one row by their medians (lowest..highest); "
    text += "+: enters a residual sum, n: a norm follows; cos: mean cosine of two inputs' outputs; flat: dead (d) or "
    return text + ("saturated (s); gradient: rms." if start.backward else "saturated (s).")


def _layers(start: ModelStart, most: int, width: int) -> Table:
    """The layers, with ranges where they have room; a name has what the numbers leave."""
    rows, left_out = folded(start.layers, most)
    backward = any(layer.gradient.rms is not None for layer in start.layers)
    headings = ["then", "weight std", "output rms", "cos", "flat", *(["gradient"] if backward else [])]
    for ranges in range(_RANGES, -1, -1):
        cells = [_cells(row, ranges)[: len(headings)] for row in rows]
        taken = sum(1 + max(map(len, column)) for column in zip(headings, *cells, strict=True))
        if width - taken >= _NAME:
            break
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("layer", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "then" else "right", no_wrap=True)
    room = max(_FEWEST_LETTERS, width - taken)
    for place, (row, each) in enumerate(zip(rows, cells, strict=True)):
        if left_out and place == len(rows) // 2:
            table.add_row(f"... {left_out} more", *[""] * len(headings))
        table.add_row(*(escape(cell) for cell in (shorten(row.name, room, 0.6), *each)))
    return table


def _cells(row: FoldedRow, ranges: int) -> list[str]:
    """What follows the name, with the ranges of that many columns."""
    several = len(row.layers) > 1
    return [
        _then(row.first),
        row.cell(lambda each: each.weight_std, lambda each: each.weight_std_expected, ranges > 0),
        row.cell(lambda each: each.signal.rms, lambda each: each.signal.rms_expected, ranges > 1),
        ""
        if row.first.signal.correlation is None
        else f"{median(each.signal.correlation or 0.0 for each in row.layers):.3f}",
        flat(row.layers),
        row.cell(
            lambda each: each.gradient.rms, lambda each: None if several else each.gradient.rms_expected, ranges > 2
        ),
    ]


def _then(layer: LayerStart) -> str:
    marks = ("n" if layer.call.norm_after else "") + ("+" if layer.call.residual else "")
    name = (
        ""
        if layer.call.activation is None
        else layer.call.activation.replace("(frequency=", "(").replace("(slope=", "(")
    )
    return f"{marks} {shorten(name, _ACTIVATION)}".strip()


def flat(layers: Sequence[LayerStart]) -> str:
    """The largest dead share, or else the largest saturated one."""
    dead = max((layer.signal.dead_share or 0.0 for layer in layers), default=0.0)
    saturated = max((layer.signal.saturated_share or 0.0 for layer in layers), default=0.0)
    return f"{dead:.0%} d" if dead else f"{saturated:.0%} s" if saturated else ""


def _finding(finding: Finding) -> list[RenderableType]:
    style = _STYLES[finding.severity]
    parts: list[RenderableType] = [
        Text(),
        Text.assemble((f"{finding.severity} ", style), (f"{finding.code}: ", "bold"), finding.message),
    ]
    if finding.change() and (not finding.remedy or "line" in finding.values):
        parts.append(Text(f"  {finding.change()}"))
    if finding.remedy:
        parts += [Text(f"    {line}", style="cyan", overflow="fold") for line in finding.remedy.splitlines()]
    if finding.effect is not None:
        parts.append(Text(f"  {finding.effect.text('en')}", style="dim"))
    return parts
