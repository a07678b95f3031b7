// Each layer's mean squares, forward and backward: at this step, at the start, and what theory expects of the start.

import { Chart } from "./charts.js";
import { el } from "./dom.js";
import { Figure } from "./figure.js";
import { said, t } from "./i18n.js";
import { faint } from "./theme.js";

const SIDES = ["forward", "backward"];

export class VarianceFigure extends Figure {
  constructor(k) {
    const box = Object.fromEntries(SIDES.map((side) => [side, el("div", { class: `chart ${side}` })]));
    super(
      k, "variance.title",
      el("div", { class: "pair" },
        el("div", {}, said("p", "variance.forward", { class: "hint" }), box.forward),
        el("div", {}, said("p", "variance.backward", { class: "hint" }), box.backward)),
    );
    this.box = box;
    this.zero = {};
  }

  build() {
    const own = `start-${this.k}`;
    const lines = [{ stroke: () => faint(own, 0.5), width: 1, bare: true }, { stroke: own, width: 2 }, { stroke: "text", width: 1.4, dash: [4, 4] }];
    const xFormat = (v) => (Number.isInteger(v) ? String(v) : "");
    this.charts = SIDES.map((side) => new Chart(this.box[side], {
      log: true, height: 130, points: true, xFormat, lines, limits: () => this.limits?.[side] ?? null,
      heading: (layer) => t("probe.layer", { layer }), labels: ["probe.atStart", "probe.now", "probe.theory"].map((key) => () => t(key)),
    }));
    for (const side of SIDES) {
      this.box[side].setAttribute("aria-label", t("variance.noTheory"));
      this.zero[side] = said("p", "variance.zero", { class: "zero", hidden: true });
      this.box[side].append(this.zero[side]);
    }
  }

  arrived(run, limits) {
    this.limits = limits.sides;
  }

  draw(run, f) {
    const now = run.frames[f].starts[this.k].layers;
    const first = run.frames[0].starts[this.k].layers;
    const numbers = now.map((_, i) => i + 1);
    const { expected } = run.begun[this.k];
    SIDES.forEach((side, i) => {
      const lines = [first.map((layer) => layer[side]), now.map((layer) => layer[side]), expected?.[side] ?? numbers.map(() => null)];
      this.charts[i].set([numbers, ...lines.map((line) => line.map((value) => value || null))]); // 0 has no place on this axis
      this.zero[side].hidden = lines[1].some((value) => value);
      this.box[side].setAttribute("aria-label", t(expected?.[side] ? "variance.described" : "variance.noTheory"));
    });
  }
}
