// All starts on one axis: the training loss and the test accuracy, with a legend.

import { Chart, togetherData, togetherLines } from "./charts.js";
import { el } from "./dom.js";
import { atStep, steps } from "./figure.js";
import { fill, percent, said, t } from "./i18n.js";
import { LETTERS } from "./panel-starts.js";

export class Together {
  constructor(root) {
    this.legend = el("ul", { class: "legend" });
    this.loss = el("div", { class: "chart together-loss" });
    this.accuracy = el("div", { class: "chart together-accuracy" });
    root.replaceChildren(
      el("div", { class: "together-head" }, said("h2", "together.title"), this.legend),
      el("div", { class: "pair wide" },
        el("figure", {}, said("figcaption", "together.loss"), this.loss),
        el("figure", {}, said("figcaption", "together.accuracy"), this.accuracy)),
    );
    this.root = root;
    this.charts = [];
    this.shape = "";
    new ResizeObserver(() => this.charts.forEach((chart) => chart.resize())).observe(root);
  }

  show(run, view) {
    this.run = run;
    const shape = JSON.stringify([run.starts.length, view.scale]);
    if (shape !== this.shape) {
      this.shape = shape;
      for (const chart of this.charts) chart.destroy();
      const lines = togetherLines(run.starts.length);
      const shared = { heading: atStep, labels: run.starts.flatMap((_, k) => [null, null, () => LETTERS[k]]), xFormat: steps, height: 200 };
      const xLimits = () => [0, this.run.scene.steps];
      this.charts = [
        new Chart(this.loss, { ...shared, lines, log: view.scale === "log", xLimits }),
        new Chart(this.accuracy, { ...shared, lines, range: () => [0, 1.02], read: percent, xLimits, yFormat: (v) => `${Math.round(v * 100)}%` }),
      ];
    }
    this.legend.replaceChildren(
      ...run.starts.map((start, k) =>
        el("li", { class: `start-colour-${k}` }, el("span", { class: "badge", "aria-hidden": "true" }, LETTERS[k]), el("code", {}, start.name))),
    );
    this.arrived();
    fill(this.root);
  }

  arrived() {
    this.charts[0].set(togetherData(this.run, "loss"));
    this.charts[1].set(togetherData(this.run, "test_accuracy"));
    this.loss.setAttribute("aria-label", t("together.loss"));
    this.accuracy.setAttribute("aria-label", t("together.accuracy"));
  }

  draw(frame) {
    const step = this.run?.frames[frame]?.step;
    if (step !== undefined) for (const chart of this.charts) chart.mark(step);
  }

  recolour() {
    for (const chart of this.charts) chart.redraw();
  }
}
