"""Figures of mean-field theory: the phase diagram with the critical line, and depth scales against weight variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from goodinit.report.colours import COLOURS
from goodinit.report.figures import png
from goodinit.theory import Survey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["depth_scales", "phase_diagram", "theory_figures"]


def theory_figures(survey: Survey) -> dict[str, bytes]:
    """Both figures as PNG files by name."""
    return {"phase_diagram.png": png(phase_diagram(survey)), "depth_scales.png": png(depth_scales(survey))}


def phase_diagram(survey: Survey) -> Figure:
    """Weight variance against bias variance: ordered on the left of the critical line, chaotic on its right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 5), layout="constrained")
    axes = figure.add_subplot()
    bias, weight = np.array(survey.line).T
    known = np.isfinite(weight)
    axes.set_xlabel("weight variance, times fan in")
    axes.set_ylabel("bias variance")
    axes.set_ylim(0, bias.max())
    axes.set_title(f"{survey.activation}: where depth keeps signals apart and gradients alive")
    right = 1.6 * (weight[known].max() if known.any() else survey.centre)
    axes.set_xlim(0, right)
    if known.any():
        axes.fill_betweenx(bias[known], 0, weight[known], color=COLOURS[0], alpha=0.15, lw=0)
        axes.fill_betweenx(bias[known], weight[known], right, color=COLOURS[1], alpha=0.15, lw=0)
        axes.plot(weight[known], bias[known], color="black", linewidth=2, label="critical line, chi_1 = 1")
        middle = bias.max() / 2
        at = float(np.interp(middle, bias[known], weight[known]))
        beyond = "exploding\nsignals and gradients\ngrow without bound"
        if survey.scan[-1].phase == "chaotic":
            beyond = "chaotic\nclose inputs part,\ngradients explode"
        ordered = "ordered\ninputs become alike,\ngradients vanish"
        for x, words, colour in ((at / 2, ordered, COLOURS[0]), ((at + right) / 2, beyond, COLOURS[1])):
            axes.text(x, middle, words, color=colour, ha="center", va="center")
    else:
        axes.text(0.5, 0.5, "no critical line", transform=axes.transAxes, ha="center")
    if survey.half_stable:
        point = survey.half_stable
        if point.bias_variance <= bias.max():
            axes.plot(point.weight_variance, point.bias_variance, "o", color=COLOURS[2], label="half-stable point")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", frameon=False)
    return figure


def depth_scales(survey: Survey) -> Figure:
    """The numbers of layers in which variance and correlation forget their inputs, against weight variance."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 5), layout="constrained")
    axes = figure.add_subplot()
    weights = np.array([found.weight_variance for found in survey.scan])
    for label, attribute, colour in (
        ("xi_c: correlation between inputs", "xi_c", COLOURS[0]),
        ("xi_q: size of a signal", "xi_q", COLOURS[1]),
    ):
        scale = np.array([getattr(found, attribute) for found in survey.scan])
        shown = np.isfinite(scale) & (scale > 0)
        axes.plot(weights[shown], scale[shown], color=colour, linewidth=2, label=label)
    if survey.critical:
        axes.axvline(survey.centre, color="0.4", linestyle=":", linewidth=1)
        note = f" critical: {survey.centre:.4g}"
        axes.annotate(note, (survey.centre, 0.97), xycoords=("data", "axes fraction"), color="0.3", va="top")
    axes.set_yscale("log")
    axes.set_xlabel("weight variance, times fan in")
    axes.set_ylabel("depth scale (layers, log scale)")
    axes.set_title(f"{survey.activation}: how deep a signal goes, bias variance {survey.bias_variance:g}")
    axes.legend(frameon=False, loc="upper right")
    return figure
