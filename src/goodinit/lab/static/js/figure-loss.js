// A start's loss over its training.

import { Chart, curveData, curveLines } from "./charts.js";
import { el } from "./dom.js";
import { Figure, atStep, curveLabels, steps } from "./figure.js";
import { t, whole } from "./i18n.js";

export class LossFigure extends Figure {
  constructor(k) {
    const box = el("div", { class: "chart loss" });
    super(k, "curves.loss", box);
    this.box = box;
    this.limits = { loss: [0.1, 1], steps: [0, 1] };
  }

  build(view) {
    this.charts = [
      new Chart(this.box, {
        lines: curveLines(this.k), heading: atStep, labels: curveLabels, log: view.scale === "log", xFormat: steps, limits: () => this.limits.loss, xLimits: () => this.limits.steps,
      }),
    ];
  }

  arrived(run, limits) {
    this.limits = limits;
    this.charts[0].set(curveData(run, this.k, ["loss", "test_loss"]));
    this.box.setAttribute("aria-label", t("curves.lossDescribed", { steps: whole(run.scene.steps) }));
  }

  draw(run, f) {
    this.charts[0].mark(run.frames[f].step);
  }

  sheet() {
    return this.charts[0].plot.ctx.canvas;
  }
}
