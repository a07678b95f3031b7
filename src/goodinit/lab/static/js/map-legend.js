// What the colours and marks of a map mean: a scale of probability, the classes, test points, wrong ones.

import { el, fitted } from "./dom.js";
import { classNames, t } from "./i18n.js";
import { shape } from "./map.js";
import { colour } from "./theme.js";

const SIDE = 14; // pixels of a mark

export class MapLegend {
  constructor(root) {
    this.root = root;
    this.of = "";
  }

  draw(run, view) {
    const key = JSON.stringify([classNames(run), run.data.box !== null, view.cells, view.test, view.wrong, colour("class-0"), t("map.legend.wrong")]);
    if (key === this.of) return;
    this.of = key;
    const { box } = run.data;
    const classes = classNames(run);
    const wrong = view.wrong ? [item(box ? "ring" : "cross", t("map.legend.wrong"))] : [];
    if (!box) {
      this.root.replaceChildren(...wrong);
      return;
    }
    const names = classes.map((name, label) => item(label, t("map.legend.class", { label: name })));
    const scale = classes.length === 2 && !view.cells ? [scaleBar(classes)] : [];
    const test = view.test ? [item("test", t("map.legend.test"))] : [];
    this.root.replaceChildren(...names, ...scale, ...wrong, ...test);
  }
}

/** The probability of the second class, from 0 to 1. */
function scaleBar(classes) {
  const bar = el("i", { class: "map-scale", "aria-hidden": "true" });
  return el("span", {}, "0 ", bar, ` 1 ${t("map.legend.probability", { label: classes[1] })}`);
}

function item(kind, text) {
  const canvas = el("canvas", { "aria-hidden": "true" });
  const context = fitted(canvas, SIDE, SIDE);
  context.beginPath();
  if (kind === "cross") {
    context.strokeStyle = colour("negative");
    context.rect(2, 2, SIDE - 4, SIDE - 4);
  } else if (kind === "ring") {
    context.strokeStyle = colour("text");
    context.arc(SIDE / 2, SIDE / 2, SIDE / 2 - 2, 0, 2 * Math.PI);
  } else {
    shape(context, kind === "test" ? 0 : kind, SIDE / 2, SIDE / 2, 4);
    context.fillStyle = kind === "test" ? colour("card") : colour(`class-${kind % 10}`);
    context.strokeStyle = kind === "test" ? colour("class-0") : colour("card");
    context.fill();
  }
  context.lineWidth = 1.5;
  context.stroke();
  return el("span", {}, canvas, text);
}
