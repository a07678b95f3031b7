// Lines over training and over layers, by uPlot. A chart is told data as frames come, and drawn where it is near the screen:
// making one takes longer than all maps of a frame.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { el } from "./dom.js";
import { figure } from "./i18n.js";
import { probe } from "./probe.js";
import { colour, faint } from "./theme.js";

const TINY = 1e-12; // the least a logarithmic axis shows
const shown = new Map(); // the charts by their boxes
const near = new IntersectionObserver((seen) => seen.forEach(({ target, isIntersecting }) => shown.get(target)?.come(isIntersecting)), { rootMargin: "200px" });

const axis = (extra) => ({
  stroke: () => colour("muted"),
  grid: { stroke: () => colour("line-soft"), width: 1 },
  ticks: { stroke: () => colour("line"), width: 1, size: 4 },
  font: "11px system-ui, sans-serif",
  ...extra,
});

/** The whole powers of ten of a logarithmic axis, no more than fit. */
function powers(u, axis, low, high) {
  const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((to - from + 1) / 5));
  const found = [];
  for (let power = Math.ceil(from / every) * every; power <= to; power += every) found.push(10 ** power);
  return found;
}

const exponent = (value) => {
  const power = Math.round(Math.log10(value));
  return power >= -2 && power <= 3 ? String(+(10 ** power).toPrecision(1)) : `1e${power}`;
};

/** Draw all charts, near the screen or not: for print and for the file that is saved. */
export const drawCharts = () => shown.forEach((chart) => chart.drawn());
window.addEventListener("beforeprint", drawCharts);

const idle = window.requestIdleCallback ?? ((call) => setTimeout(call, 200)); // Safari has none

/** Draw all charts, one whenever the browser has nothing else to do. */
export function drawAtLeisure() {
  idle(() => {
    const late = [...shown.values()].find((chart) => chart.late);
    if (!late) return;
    late.drawn();
    drawAtLeisure();
  });
}

/** A chart in a box: `lines` are its series ({stroke, dash, width, fill, band}); `log` makes its y axis logarithmic. */
export class Chart {
  constructor(box, { lines, log = false, height = 130, range = null, limits = null, xLimits = null, yFormat = figure, xFormat = figure, label = "", points = false, heading = null, labels = [], read = null }) {
    Object.assign(this, { box, log, heading, labels, told: read ?? figure, data: null, at: null, made: null, near: false, late: false });
    this.head = el("div", { class: "playhead", hidden: true });
    box.replaceChildren();
    box.setAttribute("role", "img");
    if (label) box.setAttribute("aria-label", label);
    box.style.minHeight = `${height}px`;
    this.options = {
      height,
      padding: [8, 16, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, ...(xLimits ? { range: xLimits } : {}) },
        y: scale(log, range, limits),
      },
      axes: [
        axis({ size: 22, space: points ? 18 : 56, ...(points ? { incrs: [1, 2, 5, 10, 20] } : {}), values: (u, splits) => splits.map((v) => xFormat(v)) }),
        axis({
          size: 44,
          space: 24,
          values: (u, splits) => splits.map((v) => (log ? exponent(v) : yFormat(v))),
          ...(log ? { splits: powers, filter: (u, splits) => splits } : {}),
        }),
      ],
      series: [{}, ...lines.map((line) => series(line, points))],
      bands: lines.flatMap((line, i) => (line.band ? [{ series: [i + 1, i + 2], fill: line.band }] : [])),
    };
    probe.watch(box, this);
    shown.set(box, this);
    near.observe(box);
  }

  /** What is drawn, made when it is first asked for. */
  get plot() {
    if (this.made) return this.made;
    const width = Math.max(80, Math.floor(this.box.clientWidth));
    this.made = new uPlot({ ...this.options, width }, [[0, 1], ...this.options.series.slice(1).map(() => [null, null])], this.box);
    this.made.over.append(this.head);
    this.late = true;
    this.drawn();
    return this.made;
  }

  /** It comes near the screen, or leaves it. */
  come(near) {
    this.near = near;
    if (near) this.drawn();
  }

  /** Draw what came while it was far from the screen. */
  drawn() {
    const { plot, data } = this;
    if (!this.late) return;
    this.late = false;
    if (data) plot.setData(this.log ? [data[0], ...data.slice(1).map((line) => line.map(positive))] : data.map((line) => line.map(finite)));
    if (this.at !== null) this.mark(this.at);
  }

  /** The values of every named line at the x that is nearest to a pixel. */
  read(x) {
    if (!this.data || !this.heading) return null;
    this.drawn();
    const { over, data } = this.plot;
    const shift = over.getBoundingClientRect().left - this.box.getBoundingClientRect().left;
    const named = this.labels.map((label, i) => [label, this.data[i + 1]]).filter(([label, line]) => label && line?.some((value) => value !== null));
    if (!named.length) return null;
    const wanted = this.plot.posToVal(x - shift, "x");
    let at = -1;
    this.data[0].forEach((value, i) => {
      const there = named.some(([, line]) => line[i] !== null && line[i] !== undefined);
      if (there && (at < 0 || Math.abs(value - wanted) < Math.abs(this.data[0][at] - wanted))) at = i;
    });
    if (at < 0) return null;
    this.reading = at;
    const lines = named.filter(([, line]) => line[at] !== null && line[at] !== undefined).map(([label, line]) => `${label()} ${this.told(line[at])}`);
    const first = this.labels.findIndex((label, i) => label && Number.isFinite(data[i + 1][at]));
    const down = over.getBoundingClientRect().top - this.box.getBoundingClientRect().top;
    const y = first < 0 ? 0 : this.plot.valToPos(data[first + 1][at], "y");
    return { lines: [this.heading(this.data[0][at]), ...lines], at: [shift + this.plot.valToPos(this.data[0][at], "x"), down + y] };
  }

  move(x, y, dx) {
    const xs = this.data[0];
    const goal = Math.min(xs.length - 1, Math.max(0, (this.reading ?? 0) + dx));
    const shift = this.plot.over.getBoundingClientRect().left - this.box.getBoundingClientRect().left;
    return [shift + this.plot.valToPos(xs[goal], "x"), y];
  }

  set(data) {
    Object.assign(this, { data, late: true });
    if (this.near) this.drawn();
  }

  /** The line that says where in training the pictures are. */
  mark(x) {
    this.at = x;
    if (!this.near && !this.made) return;
    this.head.hidden = false;
    this.head.style.transform = `translateX(${this.plot.valToPos(x, "x")}px)`;
  }

  resize() {
    probe.hide();
    if (!this.made) return;
    const width = Math.floor(this.box.clientWidth);
    if (width > 80 && width !== this.plot.width) this.plot.setSize({ width, height: this.plot.height });
  }

  redraw() {
    this.made?.redraw(false);
  }

  destroy() {
    shown.delete(this.box);
    near.unobserve(this.box);
    this.made?.destroy();
  }
}

const finite = (value) => (value === null || !Number.isFinite(value) ? null : value);
const positive = (value) => (value === null || !Number.isFinite(value) ? null : Math.max(value, TINY));

function series({ stroke, dash, width = 1.8, invisible = false, bare = false }, points) {
  return {
    stroke: () => (typeof stroke === "function" ? stroke() : colour(stroke)),
    width: invisible ? 0 : width,
    dash,
    spanGaps: true,
    points: points ? { show: !dash && !bare, size: 6, fill: () => colour("card"), width: 1.6 } : { show: false },
  };
}

/** The y scale: fixed by `range`, or around the `limits` that several charts share, or around the chart's own values. */
function scale(log, range, limits) {
  const ends = (low, high) => limits?.() ?? [low, high];
  if (log) return { distr: 3, range: (u, low, high) => logRange(...ends(low, high)) };
  return { range: range ?? ((u, low, high) => padded(u, ...ends(low, high))) };
}

function padded(u, low, high) {
  if (low === null) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

function logRange(low, high) {
  if (low === null || high === null) return [0.1, 1];
  const [a, b] = [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)];
  return [10 ** a, 10 ** Math.max(b, a + 1)];
}

/** Lines for a start's train and test values with their bands over seeds: eight series, in the order of `curveData`. */
export function curveLines(start) {
  const name = `start-${start}`;
  const edge = { stroke: name, invisible: true };
  return [
    { ...edge, band: () => faint(name, 0.2) }, edge,
    { ...edge, band: () => faint(name, 0.12) }, edge,
    { stroke: () => faint(name, 0.55), width: 1 },
    { stroke: () => faint(name, 0.55), width: 1, dash: [5, 4] },
    { stroke: name, width: 2 },
    { stroke: name, width: 1.6, dash: [5, 4] },
  ];
}

/** The data of `curveLines`: the steps of frames and of seeds together, null where a series has no value. */
export function curveData(run, start, fields) {
  const own = [run.frames.map((f) => f.step), ...fields.map((name) => run.frames.map((f) => f.starts[start][name]))];
  const empty = [[0], ...new Array(6).fill([null])];
  const seeds = run.seeds?.starts[start];
  const [train, test] = fields.map((name) => seeds?.[name]);
  const many = seeds
    ? [run.seeds.steps, train.high, train.low, test.high, test.low, train.middle, test.middle]
    : empty;
  return uPlot.join([many, own]);
}

const DASHES = [undefined, [8, 4], [3, 3], [10, 3, 3, 3]]; // so that the starts are told apart without their colours

/** One line a start, with the band over seeds behind it. */
export function togetherLines(starts) {
  return Array.from({ length: starts }, (_, k) => {
    const edge = { stroke: `start-${k}`, invisible: true };
    return [{ ...edge, band: () => faint(`start-${k}`, 0.16) }, edge, { stroke: `start-${k}`, width: 2.2, dash: DASHES[k] }];
  }).flat();
}

/** The data of `togetherLines`: over several seeds the line is the median, else it is the one seed's. */
export function togetherData(run, field) {
  if (run.seeds) {
    return [run.seeds.steps, ...run.seeds.starts.flatMap((start) => [start[field].high, start[field].low, start[field].middle])];
  }
  const steps = run.frames.map((frame) => frame.step);
  const none = steps.map(() => null);
  return [steps, ...run.starts.flatMap((_, k) => [none, none, run.frames.map((frame) => frame.starts[k][field])])];
}
