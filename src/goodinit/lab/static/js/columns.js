// The starts side by side: a column each, with its pictures. Pictures that are off the screen are not drawn.

import { Chart, curveData, curveLines } from "./charts.js";
import { el } from "./dom.js";
import { findings, outcome } from "./findings.js";
import { figure, fill, percent, said, t, whole } from "./i18n.js";
import { LayerPicture, heightFor } from "./layers.js";
import { DecisionMap } from "./map.js";
import { NetworkPicture, described } from "./net.js";
import { LETTERS } from "./panel-starts.js";
import { SamplePicture } from "./samples.js";
import { faint } from "./theme.js";

const NETWORK = 270; // pixels tall

export class Columns {
  constructor(root, clicked) {
    this.root = root;
    this.clicked = clicked;
    this.columns = [];
    this.shape = "";
    this.run = null;
    this.frame = 0;
    this.observer = new IntersectionObserver((seen) => this.seen(seen), { rootMargin: "120px" });
    new ResizeObserver(() => this.resized()).observe(root);
  }

  /** Show a run that has begun. The columns are kept where they fit, so that a change does not flicker. */
  show(run, view) {
    this.run = run;
    this.view = view;
    const shape = JSON.stringify([run.starts.length, run.data.box !== null, view.scale, run.network.widths.length]);
    if (shape !== this.shape) this.rebuild(shape);
    this.columns.forEach((column, k) => column.name(run, k));
    this.arrived();
    this.words();
  }

  rebuild(shape) {
    this.shape = shape;
    for (const column of this.columns) column.destroy();
    this.observer.disconnect();
    this.root.style.setProperty("--starts", this.run.starts.length);
    this.columns = this.run.starts.map((_, k) => new Column(k, this));
    this.root.replaceChildren(...this.columns.map((column) => column.node));
    for (const column of this.columns) {
      column.charts(this.view);
      for (const picture of column.pictures) this.observer.observe(picture.node);
    }
  }

  /** Frames have come: lines and strips grow. */
  arrived() {
    const limits = common(this.run);
    for (const column of this.columns) column.curves(this.run, limits);
    this.draw(this.frame);
  }

  words() {
    this.columns.forEach((column) => column.words(this.run));
  }

  draw(frame) {
    this.frame = frame;
    if (!this.run?.frames[frame]) return;
    for (const column of this.columns) {
      column.figures(this.run, frame);
      for (const picture of column.pictures) {
        picture.late = true;
        if (picture.visible) this.paint(column, picture);
      }
    }
  }

  paint(column, picture) {
    picture.late = false;
    picture.draw(this.run, this.frame, this.view, column);
  }

  /** Every picture, seen or not: for the file that is saved. */
  drawAll() {
    for (const column of this.columns) for (const picture of column.pictures) this.paint(column, picture);
  }

  seen(entries) {
    for (const { target, isIntersecting } of entries) {
      for (const column of this.columns) {
        const picture = column.pictures.find((each) => each.node === target);
        if (!picture) continue;
        picture.visible = isIntersecting;
        if (isIntersecting && picture.late && this.run) this.paint(column, picture);
      }
    }
  }

  resized() {
    if (!this.run || this.root.clientWidth === this.width) return;
    this.width = this.root.clientWidth;
    for (const column of this.columns) column.resize();
    this.draw(this.frame);
  }

  recolour() {
    for (const column of this.columns) for (const chart of column.all) chart.redraw();
    if (this.run) this.draw(this.frame);
  }
}

/** Axes that all starts share, so that their curves can be compared by eye. */
function common(run) {
  let [low, high] = [Infinity, -Infinity];
  const look = (value) => {
    if (value === null || !Number.isFinite(value)) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const frame of run.frames) for (const start of frame.starts) [start.loss, start.test_loss].forEach(look);
  for (const start of run.seeds?.starts ?? []) {
    for (const name of ["loss", "test_loss"]) for (const edge of ["low", "high"]) start[name][edge].forEach(look);
  }
  return { loss: low <= high ? [Math.max(low, 1e-12), high] : [0.1, 1], steps: [0, run.scene.steps] };
}

class Column {
  constructor(k, columns) {
    this.k = k;
    this.all = [];
    const letter = LETTERS[k];
    this.title = el("h2", {}, el("span", { class: "badge", "aria-hidden": "true" }, letter), (this.label = el("code", {})));
    this.numbers = el("dl", { class: "figures" });
    this.loss = this.number("figures.loss", "loss");
    this.train = this.number("figures.train", "train");
    this.test = this.number("figures.test", "test");
    this.findings = el("ul", { class: "findings" });
    this.plane = columns.run.data.box !== null;
    const mapCanvas = el("canvas", { class: "map", role: "img" });
    const netCanvas = el("canvas", { class: "net", role: "img" });
    const layerCanvas = el("canvas", { class: "layer-strips", role: "img" });
    const map = this.plane ? new DecisionMap(mapCanvas, columns.clicked) : new SamplePicture(mapCanvas);
    const net = new NetworkPicture(netCanvas);
    const layers = new LayerPicture(layerCanvas);
    this.box = { loss: el("div", { class: "chart loss" }), accuracy: el("div", { class: "chart accuracy" }) };
    this.box.forward = el("div", { class: "chart forward" });
    this.box.backward = el("div", { class: "chart backward" });
    const figureOf = (key, ...inside) => el("figure", {}, said("figcaption", key), ...inside);
    const mapFigure = figureOf(this.plane ? "map.title" : "map.samples", mapCanvas);
    const netFigure = figureOf("net.title", netCanvas);
    const lossFigure = figureOf("curves.loss", this.box.loss);
    const accuracyFigure = figureOf("curves.accuracy", this.box.accuracy);
    const layerFigure = figureOf("layers.title", layerCanvas);
    const varianceFigure = figureOf(
      "variance.title",
      el("div", { class: "pair" },
        el("div", {}, said("p", "variance.forward", { class: "hint" }), this.box.forward),
        el("div", {}, said("p", "variance.backward", { class: "hint" }), this.box.backward)),
    );
    this.canvases = { map: mapCanvas, net: netCanvas, layers: layerCanvas };
    this.pictures = [
      { node: mapFigure, draw: (run, f, view) => map.draw(run, run.frames[f].starts[k], Math.min(mapFigure.clientWidth, 460), view) },
      { node: netFigure, draw: (run, f, view) => net.draw(run, run.frames[f].starts[k], netFigure.clientWidth, NETWORK, view) },
      { node: lossFigure, draw: (run, f) => this.chart.loss.mark(run.frames[f].step) },
      { node: accuracyFigure, draw: (run, f) => this.chart.accuracy.mark(run.frames[f].step) },
      { node: layerFigure, draw: (run, f) => layers.draw(run, k, f, layerFigure.clientWidth, heightFor(run.network.widths.length - 1)) },
      { node: varianceFigure, draw: (run, f) => this.variance(run, f) },
    ];
    for (const picture of this.pictures) picture.visible = picture.node === mapFigure || picture.node === netFigure;
    const head = el("header", {}, this.title, this.numbers);
    const wording = el("section", { class: "words" }, said("h3", "finding.title"), this.findings);
    this.node = el("article", { class: `start start-colour-${k}`, "aria-labelledby": `start-title-${k}` },
      head, mapFigure, wording, netFigure, lossFigure, accuracyFigure, layerFigure, varianceFigure);
    this.title.id = `start-title-${k}`;
  }

  number(key, name) {
    const value = el("dd", { class: `figure-${name}` });
    this.numbers.append(el("div", {}, said("dt", key), value));
    return value;
  }

  charts(view) {
    const log = view.scale === "log";
    const lines = curveLines(this.k);
    this.limits = { loss: [0.1, 1], steps: [0, 1] };
    const over = (lines) => ({ lines, xFormat: (v) => (v >= 1000 ? `${+(v / 1000).toPrecision(3)}k` : String(v)) });
    this.chart = {
      loss: new Chart(this.box.loss, { ...over(lines), log, limits: () => this.limits.loss, xLimits: () => this.limits.steps }),
      accuracy: new Chart(this.box.accuracy, { ...over(lines), range: () => [0, 1.02], yFormat: (v) => `${Math.round(v * 100)}%`, height: 110, xLimits: () => this.limits.steps }),
    };
    const layered = { log: true, height: 130, points: true, xFormat: (v) => (Number.isInteger(v) ? String(v) : "") };
    const own = `start-${this.k}`;
    const three = [{ stroke: () => faint(own, 0.5), width: 1, bare: true }, { stroke: own, width: 2 }, { stroke: "text", width: 1.4, dash: [4, 4] }];
    this.zero = {};
    for (const side of ["forward", "backward"]) {
      this.chart[side] = new Chart(this.box[side], { ...layered, lines: three });
      this.zero[side] = said("p", "variance.zero", { class: "zero", hidden: true });
      this.box[side].append(this.zero[side]);
    }
    this.all = Object.values(this.chart);
  }

  name(run, k) {
    this.canvases.net.setAttribute("aria-label", described(run));
    this.canvases.layers.setAttribute("aria-label", t("layers.described", { layers: run.network.widths.length - 1 }));
    this.label.textContent = run.starts[k].gain === 1 ? run.starts[k].spec : `${figure(run.starts[k].gain, 3)} × ${run.starts[k].spec}`;
  }

  curves(run, limits) {
    this.limits = limits;
    this.chart.loss.set(curveData(run, this.k, ["loss", "test_loss"]));
    this.chart.accuracy.set(curveData(run, this.k, ["train_accuracy", "test_accuracy"]));
    this.box.loss.setAttribute("aria-label", t("curves.lossDescribed", { steps: whole(run.scene.steps) }));
    this.box.accuracy.setAttribute("aria-label", t("curves.accuracyDescribed", { steps: whole(run.scene.steps) }));
  }

  /** Each layer's mean squares at this step and at the start, with what theory expects of the start. */
  variance(run, f) {
    const now = run.frames[f].starts[this.k].layers;
    const first = run.frames[0].starts[this.k].layers;
    const numbers = now.map((_, i) => i + 1);
    const { expected } = run.begun[this.k];
    for (const side of ["forward", "backward"]) {
      const lines = [first.map((layer) => layer[side]), now.map((layer) => layer[side]), expected?.[side] ?? numbers.map(() => null)];
      this.chart[side].set([numbers, ...lines.map((line) => line.map((value) => value || null))]); // 0 has no place on this axis
      this.zero[side].hidden = lines[1].some((value) => value);
      this.box[side].setAttribute("aria-label", t(expected?.[side] ? "variance.described" : "variance.noTheory"));
    }
  }

  figures(run, f) {
    const frame = run.frames[f].starts[this.k];
    this.loss.textContent = frame.loss === null ? t("figures.infinite") : figure(frame.loss);
    this.train.textContent = percent(frame.train_accuracy);
    this.test.textContent = percent(frame.test_accuracy);
    const said = { letter: LETTERS[this.k], test: percent(frame.test_accuracy), train: percent(frame.train_accuracy) };
    this.canvases.map.setAttribute("aria-label", t("map.described", said));
  }

  words(run) {
    const told = findings(run, this.k).map(({ code, severity, text }) =>
      el("li", { class: `finding ${severity}`, "data-code": code }, el("strong", {}, t(`severity.${severity}`)), " ", text));
    const end = outcome(run, this.k);
    if (end) told.push(el("li", { class: `finding outcome ${end.severity}` }, end.text));
    this.findings.replaceChildren(...told);
    fill(this.node);
  }

  resize() {
    for (const chart of this.all) chart.resize();
  }

  destroy() {
    for (const chart of this.all) chart.destroy();
  }
}
