// A start's accuracy over its training.

import { Chart, curveData, curveLines } from "./charts.js";
import { el } from "./dom.js";
import { Figure, atStep, curveLabels, steps } from "./figure.js";
import { percent, t, whole } from "./i18n.js";

export class AccuracyFigure extends Figure {
  constructor(k) {
    const box = el("div", { class: "chart accuracy" });
    super(k, "curves.accuracy", box);
    this.box = box;
    this.limits = { steps: [0, 1] };
  }

  build() {
    this.charts = [
      new Chart(this.box, {
        lines: curveLines(this.k), heading: atStep, labels: curveLabels, range: () => [0, 1.02], read: percent, yFormat: (v) => `${Math.round(v * 100)}%`, height: 110, xFormat: steps,
        xLimits: () => this.limits.steps,
      }),
    ];
  }

  arrived(run, limits) {
    this.limits = limits;
    this.charts[0].set(curveData(run, this.k, ["train_accuracy", "test_accuracy"]));
    this.box.setAttribute("aria-label", t("curves.accuracyDescribed", { steps: whole(run.scene.steps) }));
  }

  draw(run, f) {
    this.charts[0].mark(run.frames[f].step);
  }
}
