// Activations and gradients of every layer of one start, over training: a strip a layer, the histogram at this step at its right.

import { fitted } from "./dom.js";
import { percent, t, whole as number } from "./i18n.js";
import { colour, rgb } from "./theme.js";

const GAP = 14; // between activations and gradients
const LIVE = 0.3; // of a strip's width is the histogram at this step
const DETAILED = 10; // up to so many layers have labels and a histogram at this step
const DECADES = [-16, 4]; // of the gradients' bins

/** How tall the picture wants to be for so many layers. */
export const heightFor = (layers) => 20 + (layers <= DETAILED ? layers * Math.max(34, 58 - 4 * layers) : Math.max(layers * 6, 340)) + 18;

export class LayerPicture {
  constructor(canvas) {
    this.canvas = canvas;
    this.strips = document.createElement("canvas");
    this.made = null;
  }

  draw(run, start, frameNumber, width, height) {
    const context = fitted(this.canvas, width, height);
    const layers = run.frames[0].starts[start].layers.length;
    const detailed = layers <= DETAILED;
    const gutter = detailed ? 26 : 22;
    const half = (width - gutter - GAP) / 2;
    const row = (height - 38) / layers;
    const area = { gutter, half, row, layers, strip: detailed ? half * (1 - LIVE) - 4 : half, detailed };
    this.remake(run, start, area);
    this.shown = { run, start, frameNumber, area };
    heads(context, area);
    const columns = run.steps.length;
    for (const side of [0, 1]) {
      const left = gutter + side * (half + GAP);
      context.imageSmoothingEnabled = row < 32; // a thin line between two pixels would be lost
      context.imageSmoothingQuality = "high";
      for (let layer = 0; layer < layers; layer += 1) {
        const top = 20 + layer * row;
        const tall = tallOf(row);
        context.fillStyle = colour("sunk");
        context.fillRect(left, top, area.strip, tall);
        const bins = this.bins[side];
        context.drawImage(this.strips, 0, this.from(side, layer), columns, bins, left, top, area.strip, tall);
        if (detailed) this.live(context, run, start, frameNumber, layer, side, left + area.strip + 4, top, half * LIVE, tall);
      }
      playhead(context, left + (area.strip * (frameNumber + 0.5)) / columns, height);
    }
    labels(context, area, height);
  }

  /** The bin at a pixel: of the histogram at this step, or of a strip at the step where the pixel lies. */
  read(x, y) {
    if (!this.shown) return null;
    const { run, start, frameNumber, area } = this.shown;
    const side = x < area.gutter + area.half + GAP / 2 ? 0 : 1;
    const within = x - area.gutter - side * (area.half + GAP);
    const layer = Math.min(area.layers - 1, Math.max(0, Math.floor((y - 20) / area.row)));
    const live = area.detailed && within > area.strip;
    const column = Math.min(run.frames.length - 1, Math.max(0, Math.floor((within / area.strip) * run.steps.length)));
    const frame = run.frames[live ? frameNumber : column];
    const sent = frame.starts[start].layers[layer];
    const bins = this.bins[side];
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(((y - 20 - layer * area.row) / tallOf(area.row)) * bins)));
    const where = t("probe.layerStep", { layer: layer + 1, step: number(frame.step) });
    if (side === 1) return { lines: [where, gradientBin(sent.gradients, bin)] };
    const counts = rebinned(sent.activations, this.ranges[layer]);
    if (!counts) return { lines: [where, t("map.diverged")] };
    const [low, high] = this.ranges[layer];
    const edge = (i) => short(high - ((high - low) * i) / 32);
    return { lines: [where, t("probe.activations", { low: edge(bin + 1), high: edge(bin), share: shareOf(counts[bin], counts) })] };
  }

  begin() {
    const { area, frameNumber, run } = this.shown;
    return [area.gutter + (area.strip * (frameNumber + 0.5)) / run.steps.length, 21];
  }

  move(x, y, dx, dy) {
    const { area, run } = this.shown;
    return [x + (dx * area.strip) / run.steps.length, y + (dy * tallOf(area.row)) / 32];
  }

  from(side, layer) {
    return side === 0 ? layer * this.bins[0] : this.layers * this.bins[0] + layer * this.bins[1];
  }

  /** The strips of all layers as one small picture: a column a frame, a row a bin. Made again when frames have come. */
  remake(run, start, area) {
    const key = [run.frames.length, start, colour("text")].join();
    if (this.made === key && this.run === run) return;
    [this.made, this.run, this.layers] = [key, run, area.layers];
    this.ranges = ranges(run, start, area.layers);
    this.bins = [32, 41]; // the gradients' last row is the share that is exactly zero
    const columns = run.steps.length;
    this.strips.width = columns;
    this.strips.height = area.layers * 73;
    const context = this.strips.getContext("2d");
    const image = context.createImageData(columns, this.strips.height);
    const inks = [rgb(`start-${start}`), rgb("negative")];
    run.frames.forEach((frame, column) => {
      frame.starts[start].layers.forEach((sent, layer) => {
        const sides = [rebinned(sent.activations, this.ranges[layer]), sent.gradients && [...sent.gradients.counts].reverse()];
        sides.forEach((counts, side) => {
          if (!counts) return;
          const total = counts.reduce((a, b) => a + b, side === 1 ? sent.gradients.zero : 0) || 1;
          const rows = side === 1 ? [...counts, sent.gradients.zero] : counts;
          rows.forEach((count, bin) => {
            if (!count) return;
            const ink = side === 1 && bin === rows.length - 1 ? inks[1] : inks[0];
            const at = 4 * ((this.from(side, layer) + bin) * columns + column);
            for (let c = 0; c < 3; c += 1) image.data[at + c] = ink[c];
            image.data[at + 3] = 255 * Math.min(1, 0.22 + 0.78 * Math.sqrt((count / total) * 3));
          });
        });
      });
    });
    context.putImageData(image, 0, 0);
  }

  live(context, run, start, frameNumber, layer, side, left, top, width, height) {
    const sent = run.frames[frameNumber].starts[start].layers[layer];
    const counts =
      side === 0 ? rebinned(sent.activations, this.ranges[layer]) : sent.gradients && [...sent.gradients.counts].reverse();
    if (!counts) return;
    const rows = side === 1 ? [...counts, sent.gradients.zero] : counts;
    const most = Math.max(...rows, 1);
    const tall = height / rows.length;
    rows.forEach((count, bin) => {
      if (!count) return;
      context.fillStyle = side === 1 && bin === rows.length - 1 ? colour("negative") : colour(`start-${start}`);
      context.fillRect(left, top + bin * tall, Math.max(1, (width * count) / most), Math.max(1, tall - 0.4));
    });
    if (height < 22) return;
    context.fillStyle = colour("muted");
    context.font = "10px system-ui, sans-serif";
    context.textAlign = "right";
    context.textBaseline = "top";
    const [low, high] = side === 0 ? this.ranges[layer] : [null, null];
    if (side === 0) {
      context.fillText(short(high), left + width, top);
      context.textBaseline = "bottom";
      context.fillText(short(low), left + width, top + height);
    } else if (layer === 0) {
      context.fillText(`1e${DECADES[1]}`, left + width, top);
      context.textBaseline = "bottom";
      context.fillText(t("layers.zero"), left + width, top + height);
    }
  }
}

/** How much of a layer's row its strip is tall. */
const tallOf = (row) => row - (row > 14 ? 5 : row > 8 ? 1.5 : 0.5);

const shareOf = (count, counts) => percent(count / (counts.reduce((a, b) => a + b, 0) || 1));

/** What a bin of gradients holds, counted from the largest; the last one holds those that are exactly 0. */
function gradientBin({ counts, zero }, bin) {
  const all = [...counts, zero];
  if (bin === counts.length) return t("probe.zeroGradients", { share: shareOf(zero, all) });
  const from = (DECADES[1] - DECADES[0]) / counts.length;
  const edge = (i) => (10 ** (DECADES[1] - i * from)).toExponential(0).replace("e+", "e");
  return t("probe.gradients", { low: edge(bin + 1), high: edge(bin), share: shareOf(counts[counts.length - 1 - bin], all) });
}

/** Each layer's range over all frames so far; without labels, one for all, so that a signal that shrinks or grows is seen. */
function ranges(run, start, layers) {
  if (layers <= DETAILED) return Array.from({ length: layers }, (_, layer) => whole(run, start, layer));
  const hidden = Array.from({ length: layers - 1 }, (_, layer) => most(run, start, layer));
  const all = [Math.min(...hidden.map(([low]) => low)), Math.max(...hidden.map(([, high]) => high))];
  return [...hidden.map(() => all), whole(run, start, layers - 1)];
}

/** All that a layer's activations reached; the ends that were sent are powers of two, so bins merge whole. */
function whole(run, start, layer) {
  let [low, high] = [0, 0];
  for (const frame of run.frames) {
    const sent = frame.starts[start].layers[layer].activations;
    if (sent) [low, high] = [Math.min(low, sent.range[0]), Math.max(high, sent.range[1])];
  }
  return [low, high];
}

/** The power of two that 95 % of a layer's activations stay below, those near 0 aside; what lies beyond goes into the last bin. */
function most(run, start, layer) {
  const sizes = new Map();
  let [low, total] = [0, 0];
  for (const frame of run.frames) {
    const sent = frame.starts[start].layers[layer].activations;
    if (!sent) continue;
    const [from, to] = sent.range;
    const wide = (to - from) / sent.counts.length;
    low = Math.min(low, from);
    sent.counts.forEach((count, i) => {
      const middle = Math.abs(from + (i + 0.5) * wide);
      if (!count || middle < wide) return;
      const size = Math.ceil(Math.log2(middle));
      sizes.set(size, (sizes.get(size) ?? 0) + count);
      total += count;
    });
  }
  let sum = 0;
  for (const [size, count] of [...sizes].sort((a, b) => a[0] - b[0])) {
    sum += count;
    if (sum >= 0.95 * total) return [low < 0 ? -(2 ** size) : 0, 2 ** size];
  }
  return whole(run, start, layer);
}

/** Counts in 32 bins from the range's top to its bottom; each sent bin goes where its middle lies. */
function rebinned(sent, [low, high]) {
  if (!sent) return null;
  const counts = new Array(32).fill(0);
  const [from, to] = sent.range;
  const wide = (to - from) / sent.counts.length;
  sent.counts.forEach((count, i) => {
    const part = high > low ? (from + (i + 0.5) * wide - low) / (high - low) : 0.5;
    counts[Math.min(31, Math.max(0, Math.floor((1 - part) * 32)))] += count;
  });
  return counts;
}

function heads(context, { gutter, half, detailed }) {
  context.fillStyle = colour("muted");
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillText(t(detailed ? "layers.activations" : "layers.oneScale"), gutter, 2);
  context.fillText(t("layers.gradients"), gutter + half + GAP, 2);
}

function labels(context, { gutter, row, layers, half, strip }, height) {
  context.fillStyle = colour("muted");
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  const every = Math.max(1, Math.ceil(14 / row));
  for (let layer = 0; layer < layers; layer += 1) {
    if (layer % every === 0 || layer === layers - 1) context.fillText(String(layer + 1), gutter - 6, 20 + (layer + 0.5) * row - 2);
  }
  context.textAlign = "left";
  context.textBaseline = "bottom";
  for (const left of [gutter, gutter + half + GAP]) {
    context.textAlign = "left";
    context.fillText(t("layers.start"), left, height);
    context.textAlign = "right";
    context.fillText(t("layers.end"), left + strip, height);
  }
}

function playhead(context, x, height) {
  context.strokeStyle = colour("text");
  context.lineWidth = 1.2;
  context.beginPath();
  context.moveTo(x, 18);
  context.lineTo(x, height - 16);
  context.stroke();
}

const short = (value) => (Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-2) ? value.toExponential(0) : String(+value.toPrecision(3)));
