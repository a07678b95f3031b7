// The network of one start: units with a thumbnail of their response over the plane, links by weight or by gradient.

import { fitted } from "./dom.js";
import { figure, percent, t } from "./i18n.js";
import { colour, ramp } from "./theme.js";

const LEVELS = 10; // widths that links are drawn in; those of one width and sign are one path
const DASHED = 260; // with more links than that, dashes for negative ones would only blur

const REACH = 6; // pixels from a link

/** The width of a link of that weight: the square root, so that 0.01 and 10 are both seen, on one scale for all starts. */
const byWeight = (value) => Math.min(1, Math.sqrt(Math.abs(value)) / 3.2);

/** The width of a link of that gradient: by its power of ten, from 1e-8 to 1. */
const byGradient = (value) => Math.min(1, Math.max(0, (Math.log10(Math.abs(value)) + 8) / 8));

export class NetworkPicture {
  constructor(canvas) {
    this.canvas = canvas;
    this.thumbs = document.createElement("canvas");
  }

  draw(run, frame, width, height, view) {
    const context = fitted(this.canvas, width, height);
    const layout = place(run, width, height);
    this.shown = { run, frame, layout, view };
    const links = this.links(layout, frame, view.links);
    stroke(context, links);
    this.units(context, run, frame, layout);
    gap(context, layout, height);
  }

  /** The unit or the link at a pixel, with its values. */
  read(x, y) {
    if (!this.shown) return null;
    const { columns } = this.shown.layout;
    for (let k = 0; k < columns.length; k += 1) {
      const column = columns[k];
      const i = column.units.findIndex((top) => Math.abs(top - y) <= column.half + 1);
      if (Math.abs(column.x - x) <= column.half + 1 && i >= 0) return this.unit(column, i, x, y);
    }
    const k = columns.findIndex((column, at) => at > 0 && x < column.x && x > columns[at - 1].x);
    return k > 0 ? this.linkNear(k, x, y) : null;
  }

  unit(column, i, x, y) {
    const { run, frame } = this.shown;
    const at = [column.x, column.units[i]];
    if (column.layer === 0) return { lines: [t("probe.input", { name: run.data.features[i] ?? i + 1 })], at };
    const sent = frame.layers[column.layer - 1];
    const last = column.layer === run.network.widths.length - 1;
    const lines = [t(last ? "probe.output" : "probe.unit", { layer: column.layer, unit: i + 1 })];
    const values = sent.units;
    if (values) {
      const [rows, across] = sent.size ?? [run.unitSize, run.unitSize];
      const cell = (place, middle, count) => Math.min(count - 1, Math.max(0, Math.floor(((place - middle + column.half) / (2 * column.half)) * count)));
      const byte = values[i * rows * across + cell(y, column.units[i], rows) * across + cell(x, column.x, across)];
      lines.push(t(sent.size ? "probe.weightHere" : "probe.response", { value: figure((byte / 127.5 - 1) * sent.scale[i], 3), most: figure(sent.scale[i], 3) }));
    }
    const means = sent.means;
    if (means) lines.push(t("probe.mean", { mean: figure(means[i], 3) }));
    if (means && !last) lines.push(t("probe.zeros", { share: percent(sent.zeros[i]) }));
    return { lines, at: values ? null : at };
  }

  linkNear(k, x, y) {
    const [before, here] = [this.shown.layout.columns[k - 1], this.shown.layout.columns[k]];
    if (here.layer !== before.layer + 1) return null;
    const [x0, x1] = [before.x + before.half, here.x - here.half];
    const rise = riseAt(Math.min(1, Math.max(0, (x - x0) / (x1 - x0))));
    let [best, link] = [REACH, null];
    before.units.forEach((y0, from) => here.units.forEach((y1, to) => {
      const away = Math.abs(y0 + (y1 - y0) * rise - y);
      if (away < best) [best, link] = [away, [from, to]];
    }));
    return link && this.link(k, ...link, [x, before.units[link[0]] + (here.units[link[1]] - before.units[link[0]]) * rise]);
  }

  link(k, from, to, at) {
    const [before, here] = [this.shown.layout.columns[k - 1], this.shown.layout.columns[k]];
    const sent = this.shown.frame.layers[here.layer - 1];
    const [weights, gradients] = ["W", "dW"].map((name) => sent[name]);
    if (!weights) return null;
    const place = to * before.units.length + from;
    const values = { weight: figure(weights[place], 3), gradient: figure(gradients[place], 3) };
    return { lines: [t("probe.link", { layer: here.layer, from: from + 1, to: to + 1 }), t("probe.weight", values), t("probe.gradient", values)], at };
  }

  begin() {
    const [first] = this.shown.layout.columns;
    return [first.x, first.units[0]];
  }

  /** Left and right go from units to the links behind them and on; up and down through those of one place. */
  move(x, y, dx, dy) {
    const { columns } = this.shown.layout;
    const stops = columns.flatMap((column, k) => [...(k && column.layer === columns[k - 1].layer + 1 ? [{ k, x: middle(columns, k) }] : []), { column, x: column.x }]);
    const nearest = stops.reduce((best, stop, i) => (Math.abs(stop.x - x) < Math.abs(stops[best].x - x) ? i : best), 0);
    const stop = stops[Math.min(stops.length - 1, Math.max(0, nearest + dx))];
    const heights = stop.column ? stop.column.units : columns[stop.k - 1].units.flatMap((a) => columns[stop.k].units.map((b) => (a + b) / 2));
    const sorted = [...new Set(heights)].sort((a, b) => a - b);
    const at = sorted.reduce((best, height, i) => (Math.abs(height - y) < Math.abs(sorted[best] - y) ? i : best), 0);
    return [stop.x, sorted[Math.min(sorted.length - 1, Math.max(0, at + dy))]];
  }

  /** Every drawn link, sorted into paths of one sign and width. */
  links(layout, frame, kind) {
    const scale = kind === "gradient" ? byGradient : byWeight;
    const paths = new Map();
    let count = 0;
    for (let k = 1; k < layout.columns.length; k += 1) {
      const [before, here] = [layout.columns[k - 1], layout.columns[k]];
      if (here.layer !== before.layer + 1) continue;
      const sent = frame.layers[here.layer - 1];
      const values = sent[kind === "gradient" ? "dW" : "W"];
      if (!values) continue;
      const across = before.units.length;
      for (let to = 0; to < here.units.length; to += 1) {
        for (let from = 0; from < across; from += 1) {
          const value = values[to * across + from];
          const level = value === 0 || Number.isNaN(value) ? 0 : 1 + Math.round(scale(value) * (LEVELS - 1));
          const key = level * (value < 0 ? -1 : 1);
          if (!paths.has(key)) paths.set(key, []);
          paths.get(key).push([before.x + before.half, before.units[from], here.x - here.half, here.units[to]]);
          count += 1;
        }
      }
    }
    return { paths, count };
  }

  units(context, run, frame, layout) {
    for (const column of layout.columns) {
      if (column.layer === 0) {
        column.units.forEach((y, i) => input(context, column, y, run.data.features[i]));
        continue;
      }
      const sent = frame.layers[column.layer - 1];
      const values = sent.units;
      const [rows, columns] = sent.size ?? [run.unitSize, run.unitSize];
      if (values) this.paint(values, rows, columns, column.units.length);
      column.units.forEach((y, i) => {
        const [left, top, side] = [column.x - column.half, y - column.half, 2 * column.half];
        const still = sent.scale !== null && sent.scale?.[i] === 0;
        context.fillStyle = still ? colour("sunk") : colour("card");
        context.fillRect(left, top, side, side);
        if (values && !still) {
          context.imageSmoothingEnabled = side > 16 && !sent.size;
          context.drawImage(this.thumbs, 0, i * rows, columns, rows, left, top, side, side);
        }
        if (still && side >= 8) cross(context, left, top, side);
        context.lineWidth = 1;
        context.strokeStyle = colour("muted");
        context.strokeRect(left + 0.5, top + 0.5, side - 1, side - 1);
      });
      if (column.of > column.units.length) more(context, column, column.of - column.units.length);
    }
  }

  /** The thumbnails of a layer, below each other on one small canvas. */
  paint(values, rows, columns, units) {
    const table = ramp("negative", "card", "positive");
    this.thumbs.width = columns;
    this.thumbs.height = rows * units;
    const context = this.thumbs.getContext("2d");
    const image = context.createImageData(columns, rows * units);
    for (let i = 0; i < values.length; i += 1) {
      for (let c = 0; c < 4; c += 1) image.data[4 * i + c] = table[4 * values[i] + c];
    }
    context.putImageData(image, 0, 0);
  }
}

/** Where columns and units go. Layers that are left out show as a gap. */
function place(run, width, height) {
  const { inputs, layers } = run.network.drawn;
  const sent = [{ layer: 0, units: inputs, of: run.network.widths[0] }, ...layers];
  const skips = sent.filter((each, k) => k > 0 && each.layer !== sent[k - 1].layer + 1).length;
  const most = Math.max(...sent.map((each) => each.units));
  const half = Math.max(2.5, Math.min(15, (height - 34) / most / 2 - 1.5, width / (sent.length + skips) / 3.4));
  const step = (width - 2 * half - 44) / Math.max(1, sent.length - 1 + 0.6 * skips);
  let x = half + 22;
  const gaps = [];
  const columns = sent.map((each, k) => {
    if (k > 0) {
      const skipped = each.layer !== sent[k - 1].layer + 1;
      if (skipped) gaps.push(x + 0.8 * step);
      x += step * (skipped ? 1.6 : 1);
    }
    const pitch = Math.min(2 * half + 8, (height - 34) / each.units);
    const top = (height - 16) / 2 - ((each.units - 1) * pitch) / 2;
    return { ...each, x, half, units: Array.from({ length: each.units }, (_, i) => top + i * pitch) };
  });
  return { columns, gaps };
}

/** The x in the middle between a column and the one before. */
const middle = (columns, k) => columns[k - 1].x + 0.4 * (columns[k].x - columns[k - 1].x);

/** How much of its way up a link has gone at that part of its way across: links are cubic curves. */
function riseAt(part) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 20; i += 1) {
    const s = (low + high) / 2;
    if (1.5 * s * (1 - s) + s ** 3 < part) low = s;
    else high = s;
  }
  return low * low * (3 - 2 * low);
}

function stroke(context, { paths, count }) {
  context.lineCap = "butt";
  for (const [key, lines] of [...paths].sort((a, b) => Math.abs(a[0]) - Math.abs(b[0]))) {
    const level = Math.abs(key);
    const crowd = count > DASHED ? 0.5 : 1;
    context.beginPath();
    for (const [x0, y0, x1, y1] of lines) {
      context.moveTo(x0, y0);
      const bend = (x1 - x0) / 2;
      context.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
    }
    context.strokeStyle = level === 0 ? colour("line") : colour(key < 0 ? "negative" : "positive");
    context.globalAlpha = level === 0 ? 0.9 : (0.3 + (0.6 * level) / LEVELS) * (crowd === 1 ? 1 : 0.7);
    context.lineWidth = level === 0 ? 0.75 : (0.4 + (4.6 * level) / LEVELS) * crowd;
    context.setLineDash(key < 0 && count <= DASHED ? [5, 3] : []);
    context.stroke();
  }
  context.globalAlpha = 1;
  context.setLineDash([]);
}

function input(context, column, y, name) {
  context.fillStyle = colour("muted");
  context.beginPath();
  context.arc(column.x, y, Math.min(4, column.half), 0, 2 * Math.PI);
  context.fill();
  if (column.of > 4 || !name) return;
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillText(name.length > 4 ? `${name.slice(0, 3)}…` : name, column.x - 7, y);
}

function cross(context, left, top, side) {
  context.strokeStyle = colour("muted");
  context.lineWidth = 1.2;
  context.beginPath();
  context.moveTo(left + 3, top + 3);
  context.lineTo(left + side - 3, top + side - 3);
  context.moveTo(left + side - 3, top + 3);
  context.lineTo(left + 3, top + side - 3);
  context.stroke();
}

function more(context, column, count) {
  context.fillStyle = colour("muted");
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "top";
  context.fillText(`+${count}`, column.x, column.units.at(-1) + column.half + 4);
}

function gap(context, layout, height) {
  context.fillStyle = colour("muted");
  context.font = "600 18px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const x of layout.gaps) context.fillText("⋯", x, (height - 16) / 2);
}

/** What a screen reader says of the network: its widths. */
export const described = (run) => t("net.described", { widths: run.network.widths.join(", "), weights: run.network.weights });
