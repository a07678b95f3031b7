// The decision map of one start: what it predicts over the plane, the data on top, misclassified points marked.

import { fitted } from "./dom.js";
import { classNames, figure, percent, t } from "./i18n.js";
import { colour, ramp, rgb } from "./theme.js";

const FINE = 192; // pixels of the picture in each direction, whatever was sent

const NEAR = 7; // pixels from a point of the data

/** A picture of one start's frame; `at(x, y)` of a click is told to `clicked` in the data's coordinates. */
export class DecisionMap {
  constructor(canvas, clicked) {
    this.canvas = canvas;
    this.picture = document.createElement("canvas");
    this.points = document.createElement("canvas");
    this.pointsOf = "";
    canvas.addEventListener("click", (event) => {
      if (!this.box) return;
      const area = canvas.getBoundingClientRect();
      clicked(...this.coordinates(event.clientX - area.left, event.clientY - area.top, area.width), event);
    });
  }

  coordinates(x, y, size) {
    const [x0, x1, y0, y1] = this.box;
    return [x0 + (x / size) * (x1 - x0), y1 - (y / size) * (y1 - y0)];
  }

  /** The values at a pixel: coordinates, what is predicted there, and the point of the data that is near. */
  read(x, y) {
    if (!this.shown) return null;
    const { run, frame, size } = this.shown;
    const { features } = run.data;
    const classes = classNames(run);
    const lines = [this.coordinates(x, y, size).map((value, axis) => `${features[axis]} = ${figure(value, 3)}`).join(t("list.comma"))];
    if (frame.map) {
      const pixel = (value) => Math.min(run.mapSize - 1, Math.max(0, Math.floor((value / size) * run.mapSize)));
      const at = pixel(y) * run.mapSize + pixel(x);
      const share = (frame.map.p[at] + 0.5) / 256;
      const label = frame.map.class === undefined ? 1 : frame.map.class[at];
      lines.push(t("probe.probability", { label: classes[label], share: percent(Math.round(share * 100) / 100) }));
    }
    const near = this.nearest(x, y);
    if (near) lines.push(near);
    return { lines };
  }

  nearest(x, y) {
    const { run, frame, size, view } = this.shown;
    let [best, found] = [NEAR, null];
    for (const name of view.test ? ["train", "test"] : ["train"]) {
      const set = run.data[name];
      for (let i = 0; i < set.count; i += 1) {
        const [px, py] = place(run, set, i, size);
        const away = Math.hypot(px - x, py - y);
        if (away < best) [best, found] = [away, { name, i }];
      }
    }
    if (!found) return null;
    const { name, i } = found;
    const classes = classNames(run);
    const values = { label: classes[run.data[name].labels[i]], said: classes[frame.predicted[name][i]] };
    return t(name === "train" ? "probe.train" : "probe.test", values);
  }

  move(x, y, dx, dy) {
    const step = (this.shown?.size ?? 240) / 24;
    return [x + dx * step, y + dy * step];
  }

  draw(run, frame, size, view) {
    this.box = run.data.box;
    this.shown = { run, frame, size, view };
    const context = fitted(this.canvas, size, size);
    if (frame.map === null) {
      this.nothing(context, size, frame);
    } else {
      this.plane(run, frame.map, view.cells);
      context.imageSmoothingEnabled = frame.map.class === undefined || !view.cells;
      context.imageSmoothingQuality = "high";
      context.drawImage(this.picture, 0, 0, size, size);
    }
    this.scatter(run, size, view.test);
    context.drawImage(this.points, 0, 0, size, size);
    if (view.wrong) {
      this.wrong(context, run, run.data.train, frame.predicted.train, size);
      if (view.test) this.wrong(context, run, run.data.test, frame.predicted.test, size);
    }
  }

  nothing(context, size, frame) {
    context.fillStyle = colour("sunk");
    context.fillRect(0, 0, size, size);
    if (!frame.diverged) return;
    context.fillStyle = colour("muted");
    context.font = "600 15px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText(t("map.diverged"), size / 2, size / 2);
  }

  /** The predictions, drawn anew where they, or the colours, are not those of the last time: most of a frame's time. */
  plane(run, map, cells) {
    const key = [cells, ...["class-0", "class-1", "card", "text"].map(colour)].join();
    if (this.planeOf === map && this.planeIn === key) return;
    Object.assign(this, { planeOf: map, planeIn: key });
    if (map.class === undefined) this.twoClasses(map.p, run.mapSize, cells);
    else this.manyClasses(map.class, map.p, run.mapSize, cells);
  }

  /** Probabilities, interpolated between the sent pixels; in two colours, or shaded with the border drawn. */
  twoClasses(p, size, cells) {
    const fine = FINE;
    const [image, put] = this.image(fine);
    const colours = cells ? flat() : ramp("class-0", "card", "class-1", 0.62);
    const ink = rgb("text");
    const above = new Float32Array(fine).fill(NaN);
    const { low, high, part } = between(size);
    for (let row = 0; row < fine; row += 1) {
      const [up, down, v] = [low[row] * size, high[row] * size, part[row]];
      let left = NaN;
      for (let column = 0; column < fine; column += 1) {
        const [near, far, u] = [low[column], high[column], part[column]];
        const top = p[up + near] * (1 - u) + p[up + far] * u;
        const bottom = p[down + near] * (1 - u) + p[down + far] * u;
        const value = top * (1 - v) + bottom * v;
        const line = border(value, left, above[column]);
        const at = 4 * (row * fine + column);
        const from = 4 * Math.round(value);
        for (let c = 0; c < 3; c += 1) image[at + c] = colours[from + c] + (ink[c] - colours[from + c]) * line;
        image[at + 3] = 255;
        above[column] = left = value;
      }
    }
    put();
  }

  manyClasses(classes, p, size, cells) {
    const [image, put] = this.image(size);
    const paper = rgb("card");
    for (let i = 0; i < classes.length; i += 1) {
      const ink = rgb(`class-${classes[i] % 10}`);
      const part = cells ? 0.42 : 0.62 * (p[i] / 255) ** 1.5;
      for (let c = 0; c < 3; c += 1) image[4 * i + c] = paper[c] + (ink[c] - paper[c]) * part;
      image[4 * i + 3] = 255;
    }
    put();
  }

  image(size) {
    if (this.picture.width !== size) {
      this.picture.width = this.picture.height = size;
      this.buffer = null;
    }
    const context = this.picture.getContext("2d");
    this.buffer ??= context.createImageData(size, size);
    return [this.buffer.data, () => context.putImageData(this.buffer, 0, 0)];
  }

  /** The points, drawn once for a run, size and theme, since they do not move. */
  scatter(run, size, withTest) {
    const key = [size, withTest, colour("class-0"), window.devicePixelRatio].join();
    if (this.pointsOf === key && this.pointsRun === run) return;
    this.pointsOf = key;
    this.pointsRun = run;
    const context = fitted(this.points, size, size);
    const radius = run.data.train.count > 600 ? 2.2 : Math.max(2.4, size / 115);
    context.lineWidth = 1;
    for (const set of withTest ? [run.data.train, run.data.test] : [run.data.train]) {
      for (let i = 0; i < set.count; i += 1) {
        const label = set.labels[i];
        context.beginPath();
        shape(context, label, ...place(run, set, i, size), radius);
        context.fillStyle = set === run.data.train ? colour(`class-${label % 10}`) : colour("card");
        context.strokeStyle = set === run.data.train ? colour("card") : colour(`class-${label % 10}`);
        context.fill();
        context.stroke();
      }
    }
  }

  wrong(context, run, set, predicted, size) {
    if (!predicted) return;
    const radius = Math.max(4, size / 72);
    context.beginPath();
    for (let i = 0; i < set.count; i += 1) {
      if (predicted[i] === set.labels[i]) continue;
      const [x, y] = place(run, set, i, size);
      context.moveTo(x + radius, y);
      context.arc(x, y, radius, 0, 2 * Math.PI);
    }
    context.lineWidth = 1.6;
    context.strokeStyle = colour("text");
    context.stroke();
  }
}

/** How much of a pixel the border covers: its distance from 127.5, in pixels by the slope there. */
function border(value, left, above) {
  const slope = Math.max(Math.abs(value - left) || 0, Math.abs(value - above) || 0);
  return slope < 1e-3 ? 0 : Math.max(0, Math.min(1, 1.3 - Math.abs(value - 127.5) / slope));
}

/** For each fine pixel of a row: the two sent pixels around it and the part of the way between them. */
const tables = new Map();
function between(size) {
  if (tables.has(size)) return tables.get(size);
  const fine = FINE;
  const low = new Uint16Array(fine);
  const high = new Uint16Array(fine);
  const part = new Float32Array(fine);
  for (let i = 0; i < fine; i += 1) {
    const at = Math.min(size - 1, Math.max(0, ((i + 0.5) * size) / fine - 0.5));
    low[i] = Math.floor(at);
    high[i] = Math.min(size - 1, low[i] + 1);
    part[i] = at - low[i];
  }
  tables.set(size, { low, high, part });
  return tables.get(size);
}

function place(run, set, i, size) {
  const [x0, x1, y0, y1] = run.data.box;
  return [((set.points[2 * i] - x0) / (x1 - x0)) * size, ((y1 - set.points[2 * i + 1]) / (y1 - y0)) * size];
}

/** A mark of its own for each class, so that colour is not needed: circle, triangle, square, diamond, in turn. */
export function shape(context, label, x, y, r) {
  const corners = { 1: [3, -90], 2: [4, 45], 3: [4, 0], 4: [5, -90], 5: [3, 90] }[label % 6];
  if (!corners) {
    context.arc(x, y, r, 0, 2 * Math.PI);
    return;
  }
  const [count, turn] = corners;
  for (let k = 0; k < count; k += 1) {
    const angle = ((turn + (360 * k) / count) * Math.PI) / 180;
    context[k ? "lineTo" : "moveTo"](x + 1.25 * r * Math.cos(angle), y + 1.25 * r * Math.sin(angle));
  }
  context.closePath();
}

function flat() {
  const table = new Uint8ClampedArray(1024);
  const [a, b] = [rgb("class-0-soft"), rgb("class-1-soft")];
  for (let i = 0; i < 256; i += 1) for (let c = 0; c < 3; c += 1) table[4 * i + c] = i < 128 ? a[c] : b[c];
  return table;
}
