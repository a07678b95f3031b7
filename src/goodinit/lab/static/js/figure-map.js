// What a start's network decides: a map of the plane, or examples where the data has more features than two.

import { el } from "./dom.js";
import { Figure } from "./figure.js";
import { percent, t } from "./i18n.js";
import { DecisionMap } from "./map.js";
import { LETTERS } from "./panel-starts.js";
import { SamplePicture } from "./samples.js";

export class MapFigure extends Figure {
  constructor(k, run, clicked) {
    const plane = run.data.box !== null;
    const canvas = el("canvas", { class: "map", role: "img" });
    super(k, plane ? "map.title" : "map.samples", canvas);
    this.canvas = canvas;
    this.picture = plane ? new DecisionMap(canvas, clicked) : new SamplePicture(canvas);
    this.visible = true;
  }

  describe(run, f) {
    const { test_accuracy: test, train_accuracy: train } = run.frames[f].starts[this.k];
    this.canvas.setAttribute("aria-label", t("map.described", { letter: LETTERS[this.k], test: percent(test), train: percent(train) }));
  }

  draw(run, f, view) {
    this.picture.draw(run, run.frames[f].starts[this.k], Math.min(this.node.clientWidth, 460), view);
  }

  sheet() {
    return this.canvas;
  }
}
