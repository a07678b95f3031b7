// The starts side by side: a column each, with its pictures. Pictures that are off the screen are not drawn.

import { drawCharts } from "./charts.js";
import { el } from "./dom.js";
import { FIGURES } from "./figures.js";
import { findings, outcome } from "./findings.js";
import { figure, fill, percent, said, t } from "./i18n.js";
import { LETTERS } from "./panel-starts.js";

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
    window.addEventListener("beforeprint", () => this.run && this.drawAll());
  }

  /** Be ready to draw a run that has begun. The columns are kept where they fit, so that a change does not flicker. */
  show(run, view) {
    this.run = run;
    this.view = view;
    const shape = JSON.stringify([run.starts.length, run.data.box !== null, view.scale, run.network.widths.length]);
    if (shape !== this.shape) this.rebuild(shape);
    for (const column of this.columns) column.begin(run);
    this.arrived();
    this.words();
    this.measure();
  }

  rebuild(shape) {
    this.shape = shape;
    for (const column of this.columns) column.destroy();
    this.observer.disconnect();
    this.root.style.setProperty("--starts", this.run.starts.length);
    this.columns = this.run.starts.map((_, k) => new Column(k, this));
    this.root.replaceChildren(...this.columns.map((column) => column.node));
    for (const column of this.columns) {
      for (const each of column.figures) {
        each.build(this.view);
        this.observer.observe(each.node);
      }
    }
  }

  /** Frames have come: lines and strips grow, once they are drawn. */
  arrived() {
    const all = this.run.starts.map((_, k) => k);
    const limits = all.map((k) => (this.view.axes === "own" ? limitsOf(this.run, [k]) : k ? null : limitsOf(this.run, all)));
    for (const column of this.columns) for (const each of column.figures) each.arrived(this.run, limits[column.k] ?? limits[0]);
  }

  words() {
    this.columns.forEach((column) => column.words(this.run));
  }

  draw(frame) {
    this.frame = frame;
    if (!this.run?.frames[frame]) return;
    for (const column of this.columns) {
      column.tell(this.run, frame);
      for (const each of column.figures) {
        each.late = true;
        if (each.visible) this.paint(each);
      }
    }
  }

  paint(each) {
    each.late = false;
    each.draw(this.run, this.frame, this.view);
  }

  /** How wide the figures are. Columns that do not fit beside each other are scrolled, by the keyboard too. */
  measure() {
    this.width = this.root.clientWidth;
    for (const column of this.columns) for (const each of column.figures) each.width = each.node.clientWidth;
    const scrolled = this.root.scrollWidth > this.root.clientWidth + 1;
    if (scrolled) this.root.setAttribute("tabindex", "0");
    else this.root.removeAttribute("tabindex");
  }

  /** Every picture, seen or not: for print and for the file that is saved. */
  drawAll() {
    for (const column of this.columns) column.figures.forEach((each) => this.paint(each));
    drawCharts();
  }

  seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const each = this.columns.flatMap((column) => column.figures).find(({ node }) => node === target);
      if (!each) continue;
      each.visible = isIntersecting;
      if (isIntersecting && each.late && this.run) this.paint(each);
    }
  }

  resized() {
    if (!this.run || [0, this.width].includes(this.root.clientWidth)) return; // 0: the page is being left, or is not shown
    this.measure();
    for (const column of this.columns) column.resize();
    this.draw(this.frame);
  }

  recolour() {
    for (const column of this.columns) for (const chart of column.charts) chart.redraw();
    if (this.run) this.draw(this.frame);
  }
}

const LEAST = 1e-30; // what a logarithmic axis of mean squares goes down to

class Extent {
  constructor(least) {
    Object.assign(this, { least, low: Infinity, high: -Infinity });
  }

  look(value) {
    if (value === null || !Number.isFinite(value)) return;
    this.low = Math.min(this.low, Math.max(value, this.least));
    this.high = Math.max(this.high, value);
  }

  get ends() {
    return this.low <= this.high ? [this.low, this.high] : [0.1, 1];
  }
}

/** The axes of those starts: shared, their curves can be compared by eye; a start's own show more of it. */
function limitsOf(run, starts) {
  const loss = new Extent(1e-12);
  const sides = { forward: new Extent(LEAST), backward: new Extent(LEAST) };
  const layer = (values) => Object.entries(sides).forEach(([side, extent]) => values[side] && extent.look(values[side]));
  for (const k of starts) {
    for (const frame of run.frames) {
      const start = frame.starts[k];
      for (const value of [start.loss, start.test_loss]) loss.look(value);
      start.layers.forEach(layer);
    }
    const { expected } = run.begun[k];
    for (const [side, extent] of Object.entries(sides)) for (const value of expected?.[side] ?? []) if (value) extent.look(value);
    const seeds = run.seeds?.starts[k];
    for (const name of seeds ? ["loss", "test_loss"] : []) for (const edge of ["low", "high"]) seeds[name][edge].forEach((value) => loss.look(value));
  }
  return { loss: loss.ends, steps: [0, run.scene.steps], sides: { forward: sides.forward.ends, backward: sides.backward.ends } };
}

class Column {
  constructor(k, columns) {
    this.k = k;
    this.columns = columns;
    this.title = el("h2", {}, el("span", { class: "badge", "aria-hidden": "true" }, LETTERS[k]), (this.label = el("code", {})));
    this.title.id = `start-title-${k}`;
    this.numbers = el("dl", { class: "figures" });
    this.loss = this.number("figures.loss", "loss");
    this.train = this.number("figures.train", "train");
    this.test = this.number("figures.test", "test");
    this.findings = el("ul", { class: "findings" });
    this.figures = FIGURES.map((Kind) => new Kind(k, columns.run, columns.clicked));
    const [first, ...others] = this.figures.map((each) => each.node);
    const head = el("header", {}, this.title, this.numbers);
    const wording = el("section", { class: "words" }, said("h3", "finding.title"), this.findings);
    this.node = el("article", { class: `start start-colour-${k}`, "aria-labelledby": this.title.id }, head, first, wording, ...others);
  }

  get charts() {
    return this.figures.flatMap((each) => each.charts);
  }

  number(key, name) {
    const value = el("dd", { class: `figure-${name}` });
    this.numbers.append(el("div", {}, said("dt", key), value));
    return value;
  }

  begin(run) {
    const { spec, gain } = run.starts[this.k];
    this.label.textContent = gain === 1 ? spec : `${figure(gain, 3)} × ${spec}`;
    for (const each of this.figures) each.begin(run);
  }

  tell(run, f) {
    const frame = run.frames[f].starts[this.k];
    this.loss.textContent = frame.loss === null ? t("figures.infinite") : figure(frame.loss);
    this.train.textContent = percent(frame.train_accuracy);
    this.test.textContent = percent(frame.test_accuracy);
    this.ending(run, f);
    for (const each of this.figures) each.describe(run, f);
  }

  words(run) {
    const told = findings(run, this.k).map(({ code, severity, text }) =>
      el("li", { class: `finding ${severity}`, "data-code": code }, el("strong", {}, t(`severity.${severity}`)), " ", text));
    this.outcome = el("li", { class: "finding outcome" });
    this.findings.replaceChildren(...told, this.outcome);
    this.ending(run, this.columns.frame);
    fill(this.node);
  }

  /** How the training ended is told where it ends, not before. */
  ending(run, f) {
    const end = f === run.steps.length - 1 ? outcome(run, this.k) : null;
    const text = end ? end.text : t(run.end ? "outcome.ahead" : "outcome.training");
    if (!this.outcome || this.outcome.textContent === text) return;
    this.outcome.className = `finding outcome ${end?.severity ?? ""}`;
    this.outcome.textContent = text;
  }

  resize() {
    for (const chart of this.charts) chart.resize();
  }

  destroy() {
    for (const chart of this.charts) chart.destroy();
  }
}
