// What a start's network decides: a map of the plane, or examples where the data has more features than two.

import { el } from "./dom.js";
import { Figure } from "./figure.js";
import { percent, t } from "./i18n.js";
import { DecisionMap } from "./map.js";
import { MapLegend } from "./map-legend.js";
import { LETTERS } from "./panel-starts.js";
import { probe } from "./probe.js";
import { SamplePicture } from "./samples.js";

export class MapFigure extends Figure {
  constructor(k, run, clicked) {
    const plane = run.data.box !== null;
    const canvas = el("canvas", { class: "map", role: "img" });
    const legend = el("p", { class: "map-legend" });
    super(k, plane ? "map.title" : "map.samples", canvas, legend);
    this.canvas = canvas;
    this.legend = new MapLegend(legend);
    this.picture = plane ? new DecisionMap(canvas, clicked) : new SamplePicture(canvas);
    this.visible = true;
    probe.watch(canvas, this.picture);
  }

  describe(run, f) {
    const { test_accuracy: test, train_accuracy: train } = run.frames[f].starts[this.k];
    this.canvas.setAttribute("aria-label", t("map.described", { letter: LETTERS[this.k], test: percent(test), train: percent(train) }));
  }

  draw(run, f, view) {
    this.picture.draw(run, run.frames[f].starts[this.k], Math.min(this.width, 460), view);
    this.legend.draw(run, view);
    probe.refresh(this.canvas);
  }

  sheet() {
    return this.canvas;
  }
}
