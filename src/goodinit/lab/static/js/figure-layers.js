// The values of each layer's units, as strips.

import { el } from "./dom.js";
import { Figure } from "./figure.js";
import { t } from "./i18n.js";
import { LayerPicture, heightFor } from "./layers.js";
import { probe } from "./probe.js";

export class LayersFigure extends Figure {
  constructor(k) {
    const canvas = el("canvas", { class: "layer-strips", role: "img" });
    super(k, "layers.title", canvas);
    this.canvas = canvas;
    this.picture = new LayerPicture(canvas);
    probe.watch(canvas, this.picture);
  }

  begin(run) {
    this.canvas.setAttribute("aria-label", t("layers.described", { layers: run.network.widths.length - 1 }));
  }

  draw(run, f) {
    this.picture.draw(run, this.k, f, this.width, heightFor(run.network.widths.length - 1));
    probe.refresh(this.canvas);
  }

  sheet() {
    return this.canvas;
  }
}
