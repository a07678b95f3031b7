"""The tables of a benchmark, ratios first, as Markdown, which is also what the terminal shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from goodinit.bench.records import Bench, Contest, GridCell, Growth

__all__ = ["markdown"]


def markdown(result: Bench) -> str:
    """The whole benchmark as one Markdown text."""
    parts = ["# goodinit bench", "## How many times as fast", ratios(result.contests), _READING]
    if result.absent:
        parts.append("\n".join(f"- {name} did not take part: {why}." for name, why in sorted(result.absent.items())))
    parts.append("## Each contest")
    for contest in result.contests:
        parts += [f"### {contest.title}", _entries(contest)]
        if contest.matrix_gflops:
            parts.append(_metrics(contest))
    parts.append("## Growth")
    for growth in result.growths:
        parts += [f"### {growth.axis}", f"{growth.note[:1].upper()}{growth.note[1:]}; {growth.unit}.", _growth(growth)]
    if result.grid:
        parts += ["## Grid", _GRID, _grid(result.grid)]
    parts += ["## The machine", _table(("what", "is"), result.machine.items())]
    return "\n\n".join(parts) + "\n"


_READING = (
    "Every contestant computed the same losses before it was timed. They take turns in one process, and the figures "
    "are medians; the spread is the slowest less the fastest repetition, as a share of the median. A network is the "
    "whole training of 15,000 full-batch steps; fewer steps were timed where that takes long. Compiling (JAX) is not "
    "counted. The share is of this machine's own matrix products at the same precision, measured in the same turns; "
    "operations are the multiplications and additions of a network's matrix products alone. The peak is that of fused "
    "multiplications and additions on registers, on all processors at once, which no program exceeds. Each contestant "
    "has the threads it takes by itself. A model's trial is its start, its training and ten recorded losses; that of "
    "goodinit has also a checkup and scores. The loop is NumPy's for networks and PyTorch's for models, one by one."
)


_GRID = (
    "Network steps a second on one batch of 128 digits, float32, by the width and the number of hidden layers and the "
    "networks trained at once."
)


def _metrics(contest: Contest) -> str:
    """This machine's own rates, and what they leave possible."""
    said = f"This machine's matrix products in the same turns: {_short(contest.matrix_gflops or 0)} GFLOP/s."
    peer = contest.best("peer")
    if contest.peak_gflops is not None and contest.bound is not None:
        said += (
            f" Fused multiplications and additions on registers alone: {_short(contest.peak_gflops)} GFLOP/s. No "
            f"program that does these operations can exceed {_short(contest.bound)} {contest.unit}"
        )
        said += f", which is {_short(contest.bound / peer.rate)} times the best peer." if peer else "."
    return said


def ratios(contests: Sequence[Contest]) -> str:
    """One line a contest: goodinit's fastest entry against the fastest peer's and the loop's."""
    rows = []
    for contest in contests:
        ours, peer = contest.best("goodinit"), contest.best("peer")
        if ours is None:
            continue
        share, peak = contest.share(ours), contest.share_of_peak(ours)
        rows.append(
            (
                contest.title,
                _times(contest.ratio("peer")),
                peer.name if peer else "none installed",
                _times(contest.ratio("loop")),
                f"{_short(ours.rate)} {contest.unit}",
                f"{share:.0%}" if share is not None else "",
                f"{peak:.0%}" if peak is not None else "",
            )
        )
    head = ("what", "over the best peer", "which is", "over the loop", "goodinit", "of matrix products")
    return _table((*head, "of the peak"), rows)


def _entries(contest: Contest) -> str:
    counted = contest.matrix_gflops is not None
    rows = []
    for entry in sorted(contest.entries, key=lambda e: -e.rate):
        shares = (contest.share(entry), contest.share_of_peak(entry))
        row = (entry.name, _short(entry.rate), f"{entry.timing.spread:.0%}")
        percentages = (f"{share:.0%}" if share is not None else "" for share in shares)
        rows.append((*row, _short(entry.gflops), *percentages, entry.remark) if counted else row)
    head = ("contestant", contest.unit, "spread")
    return _table((*head, "GFLOP/s", "of matrix products", "of the peak", "measured with") if counted else head, rows)


def _growth(growth: Growth) -> str:
    counted = any(growth.operations)
    rows = []
    for i, value in enumerate(growth.values):
        row = [f"{value:,}"]
        for rates in growth.rates.values():
            rate = rates[i]
            if rate is None:
                row.append("")
            else:
                row.append(
                    _short(rate) + (f" ({_short(rate * growth.operations[i] / 1e9)} GFLOP/s)" if counted else "")
                )
        rows.append(tuple(row))
    return _table((growth.axis, *growth.rates), rows)


def _grid(cells: Sequence[GridCell]) -> str:
    names = list(cells[0].rates)
    rows = []
    for cell in cells:
        rates = [_short(cell.rates[name]) if name in cell.rates else "" for name in names]
        size = (f"{cell.width:,}", str(cell.depth), str(cell.networks))
        rows.append((*size, _times(cell.ratio), *rates, _short(cell.ours * cell.operations / 1e9)))
    return _table(("width", "depth", "networks", "over the best peer", *names, "goodinit's GFLOP/s"), rows)


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{_short(ratio)} x"


def _short(number: float) -> str:
    """Three digits, with commas from a thousand on."""
    if number == 0 or not abs(number) < float("inf"):
        return f"{number:g}"
    rounded = float(f"{number:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.3g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as plain text."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"

    return "\n".join([line(cells[0]), line(["-" * width for width in widths]), *map(line, cells[1:])])
