// A figure in a start's column: what all of them have. A new one is a module like `figure-loss.js`, named in `figures.js`.

import { el } from "./dom.js";
import { said, t, whole } from "./i18n.js";

export class Figure {
  /** A figure of start `k`; `title` is the key of its text. */
  constructor(k, title, ...inside) {
    this.k = k;
    this.charts = [];
    this.visible = false;
    this.width = 0; // pixels, measured for all figures at once: each measure between drawings would lay the page out
    this.node = el("figure", {}, said("figcaption", title), ...inside);
  }

  /** Make its charts, now that it is on the page. */
  build() {}

  /** A run has begun. */
  begin() {}

  /** Frames have come: `limits` are the axes that all starts share. */
  arrived() {}

  /** Say what it shows at a frame, for those who do not see it. */
  describe() {}

  /** Draw a frame; only while it is on the screen. */
  draw() {}

  /** Its canvas on the sheet that is saved. */
  sheet() {
    return null;
  }
}

/** How a chart writes steps. */
export const steps = (v) => (v >= 1000 ? `${+(v / 1000).toPrecision(3)}k` : String(v));

/** What stands above the values of curves at a step. */
export const atStep = (v) => t("probe.step", { step: whole(v) });

/** The names of the lines of `curveLines`, as far as values are read: the seeds' medians and the start's own. */
export const curveLabels = [
  ...[null, null, null, null], () => t("probe.trainMedian"), () => t("probe.testMedian"), () => t("figures.train"), () => t("figures.test"),
];
