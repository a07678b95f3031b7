// Test examples that are not points of a plane: images as they are, others as a cell; each with what the network says of it.

import { fitted } from "./dom.js";
import { classNames, percent, t } from "./i18n.js";
import { shape } from "./map.js";
import { colour, rgb } from "./theme.js";

const ACROSS = 8;

export class SamplePicture {
  constructor(canvas) {
    this.canvas = canvas;
    this.image = document.createElement("canvas");
  }

  /** The example at a pixel: its class, and what is predicted with which probability. */
  read(x, y) {
    if (!this.shown) return null;
    const { run, frame, wide, tall } = this.shown;
    const { samples } = run.data;
    const classes = classNames(run);
    const i = Math.floor(y / tall) * ACROSS + Math.floor(x / wide);
    if (i >= samples.count) return null;
    const values = {
      number: i + 1, label: classes[samples.labels[i]], said: classes[frame.samples.class[i]],
      share: percent(Math.round(((frame.samples.p[i] + 0.5) / 256) * 100) / 100),
    };
    const at = [((i % ACROSS) + 0.5) * wide, (Math.floor(i / ACROSS) + 0.5) * tall];
    return { lines: [t("probe.sample", values), t("probe.said", values)], at };
  }

  begin() {
    const { wide, tall } = this.shown ?? { wide: 10, tall: 10 };
    return [wide / 2, tall / 2];
  }

  move(x, y, dx, dy) {
    const { wide, tall } = this.shown;
    return [x + dx * wide, y + dy * tall];
  }

  draw(run, frame, size, view) {
    this.shown = null;
    const context = fitted(this.canvas, size, size);
    const { samples, image } = run.data;
    const classes = classNames(run);
    const said = frame.samples && frame.samples.class;
    if (!samples || !said) {
      context.fillStyle = colour("muted");
      context.textAlign = "center";
      context.fillText(frame.diverged ? t("map.diverged") : t("map.none"), size / 2, size / 2);
      return;
    }
    const rows = Math.ceil(samples.count / ACROSS);
    const [wide, tall] = [size / ACROSS, size / rows];
    this.shown = { run, frame, wide, tall };
    if (image) this.paint(samples, image);
    context.font = `600 ${Math.min(13, tall * 0.26)}px system-ui, sans-serif`;
    for (let i = 0; i < samples.count; i += 1) {
      const [left, top] = [(i % ACROSS) * wide, Math.floor(i / ACROSS) * tall];
      const side = Math.min(wide - 6, tall * 0.68);
      const x = left + (wide - side) / 2;
      const wrong = said[i] !== samples.labels[i];
      if (image) {
        context.imageSmoothingEnabled = false;
        context.drawImage(this.image, 0, i * image[0], image[1], image[0], x, top + 2, side, side);
      } else {
        context.beginPath();
        shape(context, samples.labels[i], left + wide / 2, top + 2 + side / 2, side / 3);
        context.fillStyle = colour(`class-${samples.labels[i] % 10}`);
        context.fill();
      }
      if (wrong && view.wrong) {
        context.strokeStyle = colour("negative");
        context.lineWidth = 2;
        context.strokeRect(x, top + 2, side, side);
      }
      context.fillStyle = wrong && view.wrong ? colour("bad") : colour("muted");
      context.textAlign = "center";
      context.textBaseline = "top";
      context.fillText(`${wrong && view.wrong ? "✕ " : ""}${classes[said[i]]}`, left + wide / 2, top + side + 4, wide - 2);
    }
  }

  paint(samples, [rows, columns]) {
    if (this.painted === samples && this.ink === colour("text")) return;
    [this.painted, this.ink] = [samples, colour("text")];
    const [paper, ink] = [rgb("sunk"), rgb("text")];
    this.image.width = columns;
    this.image.height = rows * samples.count;
    const context = this.image.getContext("2d");
    const made = context.createImageData(columns, rows * samples.count);
    samples.values.forEach((value, i) => {
      for (let c = 0; c < 3; c += 1) made.data[4 * i + c] = paper[c] + (ink[c] - paper[c]) * value;
      made.data[4 * i + 3] = 255;
    });
    context.putImageData(made, 0, 0);
  }
}
