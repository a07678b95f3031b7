// The network of a start with its weights and units.

import { el } from "./dom.js";
import { Figure } from "./figure.js";
import { NetworkPicture, described } from "./net.js";
import { probe } from "./probe.js";

const TALL = 270; // pixels

export class NetworkFigure extends Figure {
  constructor(k) {
    const canvas = el("canvas", { class: "net", role: "img" });
    super(k, "net.title", canvas);
    this.canvas = canvas;
    this.picture = new NetworkPicture(canvas);
    this.visible = true;
    probe.watch(canvas, this.picture);
  }

  begin(run) {
    this.canvas.setAttribute("aria-label", described(run));
  }

  draw(run, f, view) {
    this.picture.draw(run, run.frames[f].starts[this.k], this.width, TALL, view);
    probe.refresh(this.canvas);
  }

  sheet() {
    return this.canvas;
  }
}
