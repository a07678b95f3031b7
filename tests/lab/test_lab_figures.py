"""A figure of the lab is a module with its texts: one more is drawn, named and redrawn like the others."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("playwright", reason="no browser to drive")

from lab_page import SMALL, Lab, expect

if TYPE_CHECKING:
    from playwright.sync_api import Route

STATIC = Path(__file__).parents[2] / "src/goodinit/lab/static"
MODULE = """
import { Chart } from "./charts.js";
import { el } from "./dom.js";
import { Figure, steps } from "./figure.js";

export class GapFigure extends Figure {
  constructor(k) {
    const box = el("div", { class: "chart gap" });
    super(k, "gap.title", box);
    this.box = box;
  }

  build() {
    this.charts = [new Chart(this.box, { lines: [{ stroke: `start-${this.k}` }], xFormat: steps })];
  }

  arrived(run) {
    const starts = run.frames.map((frame) => frame.starts[this.k]);
    const gaps = starts.map((each) => each.train_accuracy - each.test_accuracy);
    this.charts[0].set([run.frames.map((frame) => frame.step), gaps]);
  }

  draw(run, f) {
    this.charts[0].mark(run.frames[f].step);
  }
}
"""


def given(texts: dict[str, Any], route: Route) -> None:
    route.fulfill(json=texts)


def test_a_figure_that_is_added_is_a_module_a_line_and_its_texts(lab: Lab) -> None:
    figures = (STATIC / "js/figures.js").read_text("utf-8")
    line = 'import { GapFigure } from "./figure-gap.js";\n'
    more = line + figures.replace("FIGURES = [", "FIGURES = [GapFigure, ")
    titles = {"en": "Train less test", "zh": "训练减测试"}

    lab.page.route("**/js/figures.js", lambda route: route.fulfill(body=more, content_type="text/javascript"))
    lab.page.route("**/js/figure-gap.js", lambda route: route.fulfill(body=MODULE, content_type="text/javascript"))
    for name, title in titles.items():
        texts: dict[str, Any] = json.loads((STATIC / f"texts/{name}.json").read_text("utf-8"))
        lab.page.route(f"**/texts/{name}.json", partial(given, {**texts, "gap.title": title}))
    lab.open(SMALL)
    added = lab["figure:has(.chart.gap)"]
    assert added.count() == 2
    expect(added.first).to_contain_text(titles["en"])
    data = "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
    assert added.first.locator("canvas").evaluate(f"canvas => {data}.some(Boolean)")
    lab["#lang-zh"].click()
    expect(added.first).to_contain_text(titles["zh"])
    assert lab.wrong == []
