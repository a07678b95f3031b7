// What a network looks like at one moment of its training, in numbers: a Camera makes a frame of parameters. Pictures are
// 8-bit where a screen shows no more.

import { classAt, lastDeltas, lossOf, probabilitiesAt } from "./network.js";
import { UNIT, gridOf } from "./view.js";

export const ACTIVATION_BINS = 32;
export const GRADIENT_BINS = 40; // half decades of |gradient|
const GRADIENT_LOW = -16; // log10; what lies beyond -16 and 4 is in the first and the last bin
const PER_DECADE = 2;

const even = (count) => Math.ceil(count / 4) * 4;

/** (features, columns) of rows of examples, 0 in columns that are none. */
function columnsOf(Type, rows, features, columns) {
  const made = new Type(features * columns);
  for (let i = 0; i < rows.length; i += 1) made[(i % features) * columns + Math.floor(i / features)] = rows[i];
  return made;
}

export class Camera {
  constructor(core, network, data, view) {
    Object.assign(this, { core, network, data, view });
    const features = data.features.length;
    this.columns = even(data.y.length);
    this.testColumns = even(data.yTest.length);
    this.pixels = view.size * view.size;
    const { units, hidden } = network;
    const room = (count) => core.take(Float64Array, count);
    this.rooms = {
      widths: core.take(Int32Array, network.widths.length, network.widths),
      parameters: room(network.size), gradients: room(network.size),
      X: core.take(Float64Array, features * this.columns, columnsOf(Float64Array, data.X, features, this.columns)),
      XTest: core.take(Float64Array, features * this.testColumns, columnsOf(Float64Array, data.XTest, features, this.testColumns)),
      Z: room(units * Math.max(this.columns, this.testColumns)),
      A: room(hidden * Math.max(this.columns, this.testColumns)),
      slopes: room(hidden * this.columns), deltas: room(units * this.columns),
    };
    if (view.box) {
      const [map, thumbs] = [gridOf(view.box, view.size), gridOf(view.box, UNIT)];
      this.planeColumns = this.pixels + UNIT * UNIT; // both are whole vectors
      const plane = Float32Array.from([0, 1].flatMap((axis) => [...map[axis], ...thumbs[axis]]));
      this.rooms.plane = core.take(Float32Array, plane.length, plane);
      this.rooms.planeZ = core.take(Float32Array, units * this.planeColumns);
      this.rooms.planeA = core.take(Float32Array, hidden * this.planeColumns);
    }
  }

  close() {
    this.core.free(...Object.values(this.rooms));
  }

  /** The outputs over examples, (outputs, columns). */
  outputs(parameters, X, columns) {
    const { core, network, rooms } = this;
    const { number, option } = network.activation;
    core.at(Float64Array, rooms.parameters, network.size).set(parameters);
    core.call.forward64(network.depth, rooms.widths, number, option, rooms.parameters, X, columns, rooms.Z, rooms.A, 0);
    return core.at(Float64Array, rooms.Z, network.units * columns).slice(network.hidden * columns);
  }

  test(parameters) {
    return this.outputs(parameters, this.rooms.XTest, this.testColumns);
  }

  /** A pass over the training examples, forward and back; its arrays are to be read before the next one. */
  pass(parameters) {
    const { core, network, rooms, columns, data } = this;
    const { number, option } = network.activation;
    core.at(Float64Array, rooms.parameters, network.size).set(parameters);
    core.call.forward64(network.depth, rooms.widths, number, option, rooms.parameters, rooms.X, columns, rooms.Z, rooms.A, rooms.slopes);
    const Z = core.at(Float64Array, rooms.Z, network.units * columns);
    const logits = Z.subarray(network.hidden * columns);
    const deltas = core.at(Float64Array, rooms.deltas, network.units * columns);
    deltas.set(lastDeltas(network, logits, columns, data.y), network.hidden * columns);
    core.call.backward(network.depth, rooms.widths, rooms.parameters, rooms.X, columns, rooms.A, rooms.slopes, rooms.deltas, rooms.gradients);
    return {
      columns, Z, logits, deltas, loss: lossOf(network, logits, columns, data.y),
      A: core.at(Float64Array, rooms.A, network.hidden * columns),
      slopes: core.at(Float64Array, rooms.slopes, network.hidden * columns),
      gradients: core.at(Float64Array, rooms.gradients, network.size),
    };
  }

  /** The four numbers that curves show: loss, test loss and accuracies. */
  figures(parameters) {
    return this.numbers(this.outputs(parameters, this.rooms.X, this.columns), this.test(parameters)).figures;
  }

  numbers(logits, testLogits) {
    const { network, data } = this;
    const predicted = classesOf(network, logits, this.columns, data.y.length);
    const predictedTest = classesOf(network, testLogits, this.testColumns, data.yTest.length);
    const figures = {
      loss: lossOf(network, logits, this.columns, data.y), test_loss: lossOf(network, testLogits, this.testColumns, data.yTest),
      train_accuracy: agreement(predicted, data.y), test_accuracy: agreement(predictedTest, data.yTest),
    };
    return { figures, predicted, predictedTest };
  }

  frame(parameters) {
    const { network, view } = this;
    const plane = this.overThePlane(parameters);
    const testLogits = this.test(parameters);
    const pass = this.pass(parameters);
    const { figures, predicted, predictedTest } = this.numbers(pass.logits, testLogits);
    const last = meanSquare(pass.deltas, network.hidden * pass.columns, network.outputs, pass.columns, this.data.y.length);
    const layers = [];
    let at = 0;
    for (let layer = 1; layer <= network.depth; layer += 1) {
      layers.push(this.layer(layer, at, parameters, pass, plane, last));
      at += network.widths[layer];
    }
    return {
      ...finiteAll(figures), diverged: !(Number.isFinite(figures.loss) && parameters.every(Number.isFinite)),
      map: plane && mapOf(network, plane.logits, plane.columns, this.pixels),
      predicted: { train: predicted, test: predictedTest },
      samples: view.samples && samplesOf(network, testLogits, this.testColumns, view.samples),
      layers,
    };
  }

  overThePlane(parameters) {
    const { core, network, rooms, planeColumns: columns } = this;
    if (!rooms.plane) return null;
    const { number, option } = network.activation;
    core.at(Float64Array, rooms.parameters, network.size).set(parameters);
    core.call.forward32(network.depth, rooms.widths, number, option, rooms.parameters, rooms.plane, columns, rooms.planeZ, rooms.planeA);
    const logits = core.at(Float32Array, rooms.planeZ, network.units * columns).slice(network.hidden * columns);
    return { columns, logits, A: core.at(Float32Array, rooms.planeA, network.hidden * columns) };
  }

  layer(layer, at, parameters, pass, plane, lastSquare) {
    const { network, view, pixels, data } = this;
    const { columns } = pass;
    const [inputs, units] = [network.widths[layer - 1], network.widths[layer]];
    const [drawn, before] = [view.drawn.get(layer) ?? 0, view.drawn.get(layer - 1) ?? 0];
    const count = data.y.length;
    const own = network.offset(layer);
    const hidden = layer < network.depth;
    const rowsOf = (values, from, stride, length, many = units) => Array.from({ length: many }, (_, u) => values.subarray((from + u) * stride, (from + u) * stride + length));
    const outputs = hidden ? rowsOf(pass.A, at, columns, count) : rowsOf(pass.logits, 0, columns, count);
    let picture = null;
    if (drawn && layer === 1 && data.image) picture = rowsOf(parameters.subarray(own), 0, inputs, inputs, drawn);
    else if (drawn && plane) {
      const rows = hidden ? rowsOf(plane.A, at, plane.columns, plane.columns, drawn) : rowsOf(plane.logits, 0, plane.columns, plane.columns, drawn);
      picture = rows.map((row) => row.subarray(pixels));
    }
    const links = (values, from) => {
      if (!drawn || !before) return null;
      const made = new Float32Array(drawn * before);
      for (let u = 0; u < drawn; u += 1) for (let k = 0; k < before; k += 1) made[u * before + k] = values[from + u * inputs + k];
      return made;
    };
    const { bytes, scale } = diverging(picture);
    const rows = outputs.slice(0, drawn);
    return {
      units: bytes, scale, means: drawn ? Float32Array.from(rows, mean) : null, zeros: drawn ? Float32Array.from(rows, zeroShare) : null, W: links(parameters, own), dW: links(pass.gradients, own),
      b: drawn ? Float32Array.from(parameters.subarray(own + units * inputs, own + units * inputs + drawn)) : null,
      activations: activationHistogram(outputs),
      gradients: gradientHistogram(pass.gradients.subarray(own, own + units * inputs)),
      forward: finite(meanSquare(pass.Z, at * columns, units, columns, count)),
      backward: finite(meanSquare(pass.deltas, at * columns, units, columns, count) / lastSquare),
    };
  }
}

const finite = (value) => (Number.isFinite(value) ? value : null);
const finiteAll = (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, finite(value)]));

const classesOf = (network, logits, columns, count) => Uint8Array.from({ length: count }, (_, i) => classAt(network, logits, columns, i));

function agreement(predicted, labels) {
  let same = 0;
  for (let i = 0; i < labels.length; i += 1) if (predicted[i] === labels[i]) same += 1;
  return same / labels.length;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const zeroShare = (values) => values.reduce((sum, value) => sum + (value === 0), 0) / values.length;

function meanSquare(values, from, rows, columns, count) {
  let square = 0;
  for (let r = 0; r < rows; r += 1) {
    const start = from + r * columns;
    for (let i = start; i < start + count; i += 1) square += values[i] * values[i];
  }
  return square / (rows * count);
}

/** A share in 8 bits: above one half, and only there, it is 128 or more. */
const byte = (share) => Math.min(Math.max(Math.ceil(share * 256) - 1, 0), 255);

function mapOf(network, logits, columns, pixels) {
  for (let c = 0; c < network.outputs; c += 1) {
    for (let i = 0; i < pixels; i += 1) if (!Number.isFinite(logits[c * columns + i])) return null;
  }
  const p = new Float64Array(network.outputs);
  const made = { p: new Uint8Array(pixels) };
  if (network.outputs > 1) made.class = new Uint8Array(pixels);
  for (let i = 0; i < pixels; i += 1) {
    probabilitiesAt(network, logits, columns, i, p);
    made.p[i] = byte(network.outputs === 1 ? p[0] : Math.max(...p));
    if (made.class) made.class[i] = classAt(network, logits, columns, i);
  }
  return made;
}

function samplesOf(network, logits, columns, taken) {
  const p = new Float64Array(network.outputs);
  const made = { class: new Uint8Array(taken.length), p: new Uint8Array(taken.length) };
  taken.forEach((example, i) => {
    probabilitiesAt(network, logits, columns, example, p);
    made.class[i] = classAt(network, logits, columns, example);
    const chosen = network.outputs > 1 ? Math.max(...p) : made.class[i] ? p[0] : 1 - p[0];
    made.p[i] = byte(Number.isNaN(chosen) ? 0 : chosen);
  });
  return made;
}

/** Each row as 8 bits around 0, and the size that stands for 255; none where a value is not finite. */
function diverging(rows) {
  if (!rows || rows.some((row) => !row.every(Number.isFinite))) return { bytes: null, scale: null };
  const length = rows[0]?.length ?? 0;
  const bytes = new Uint8Array(rows.length * length);
  const scale = rows.map((row, u) => {
    let size = 0;
    for (const value of row) size = Math.max(size, Math.abs(value));
    for (let i = 0; i < length; i += 1) bytes[u * length + i] = Math.round(127.5 * (row[i] / (size || 1) + 1));
    return finite(Math.fround(size));
  });
  return { bytes, scale };
}

/** Counts in equal bins between 0, or minus a power of two, and a power of two; none for values not finite. */
function activationHistogram(rows) {
  let [low, high, known] = [Infinity, -Infinity, true];
  for (const row of rows) {
    for (const value of row) {
      if (value < low) low = value;
      if (value > high) high = value;
      known &&= value - value === 0;
    }
  }
  if (!known) return null;
  const largest = Math.max(-low, high);
  const top = largest > 0 ? 2 ** Math.min(Math.max(Math.ceil(Math.log2(largest)), -300), 1000) : 1;
  const bottom = low < 0 ? -top : 0;
  const counts = new Array(ACTIVATION_BINS).fill(0);
  const scale = ACTIVATION_BINS / (top - bottom);
  for (const row of rows) for (const value of row) counts[Math.trunc(Math.min(Math.max((value - bottom) * scale, 0), ACTIVATION_BINS - 1))] += 1;
  return { range: [bottom, top], counts };
}

/** Counts of log10 |gradient| in half decades, and the number of zeros; what is not a number is left out. */
function gradientHistogram(gradient) {
  const counts = new Array(GRADIENT_BINS).fill(0);
  let zero = 0;
  for (const value of gradient) {
    if (value === 0) zero += 1;
    else if (!Number.isNaN(value)) {
      const place = Math.trunc(Math.max((Math.log10(Math.abs(value)) - GRADIENT_LOW) * PER_DECADE, 0));
      counts[Math.min(place, GRADIENT_BINS - 1)] += 1;
    }
  }
  return { counts, zero };
}
