// The data sets of datasets/builtin.py, to the bit but for the C library's sines; a person's own points and CSV files.
// A set is {name, note, classes, features, image, X, y, XTest, yTest}: X holds rows, one an example.

import { csvSet } from "./csv.js";
import { Refused } from "./refused.js";
import { Keyed, Sequential } from "./streams.js";

const TESTED = 3; // one point to test on for so many to train on
const TEST_SHARE = 0.25;

/** The examples of a scene's data for a seed. `facts` is the exported table's `data`, `files` the CSV texts by their keys. */
export function dataSet(core, facts, told, seed, files, digits) {
  if (told.name === "own") return ownSet(core, told.own, seed);
  if (told.name === "csv") return csvSet(core, files.get(told.csv), told, seed);
  const kind = facts.find((each) => each.name === told.name);
  const made = MAKERS[told.name]({ core, seed, noise: told.noise ?? 0, points: told.points ?? 0, digits });
  const features = kind.image ? pixels(...kind.image) : ["x1", "x2"];
  return { name: kind.name, note: "", classes: kind.classes, features, image: kind.image, ...made };
}

const pixels = (rows, columns) => Array.from({ length: rows * columns }, (_, i) => `pixel ${Math.floor(i / columns)},${i % columns}`);

const MAKERS = { circles, moons, blobs, spirals, xor, digits: digitsSet };

const both = (train, test) => ({ X: train.X, y: train.y, XTest: test.X, yTest: test.y });

function circles({ core, noise, points }) {
  const make = (count, random) => {
    const [outer, inner] = [Math.floor(count / 2), count - Math.floor(count / 2)];
    const { cos, sin } = core.call;
    const turn = (n) => Array.from({ length: n }, (_, i) => i * ((2 * Math.PI) / n));
    const rows = [...turn(outer).map((a) => [cos(a), sin(a)]), ...turn(inner).map((a) => [cos(a) * 0.8, sin(a) * 0.8])];
    return jittered(random, rows, outer, noise);
  };
  return both(make(points, new Sequential(core, 1)), make(Math.floor(points / TESTED), new Sequential(core, 2)));
}

function moons({ core, seed, noise, points }) {
  const stream = new Keyed(core, seed);
  const make = (count, name) => {
    const [outer, inner] = [Math.floor(count / 2), count - Math.floor(count / 2)];
    const { cos, sin } = core.call;
    const half = (n) => Array.from({ length: n }, (_, i) => (n > 1 && i === n - 1 ? Math.PI : i * (Math.PI / Math.max(1, n - 1))));
    const rows = [...half(outer).map((a) => [cos(a), sin(a)]), ...half(inner).map((a) => [1 - cos(a), 1 - sin(a) - 0.5])];
    return jittered(new Sequential(core, stream.word(name)), rows, outer, noise);
  };
  return both(make(points, "moons/train"), make(Math.floor(points / TESTED), "moons/test"));
}

/** Shuffled, then moved by normal noise, as scikit-learn does. */
function jittered(random, rows, first, noise) {
  const order = random.shuffled(rows.length);
  const X = new Float64Array(2 * rows.length);
  order.forEach((from, to) => X.set(rows[from], 2 * to));
  for (let i = 0; i < X.length; i += 1) X[i] += 0 + noise * random.gauss();
  return { X, y: Uint8Array.from(order, (from) => (from < first ? 0 : 1)) };
}

function blobs({ core, seed, noise, points }) {
  const stream = new Keyed(core, seed);
  const centres = [90, 210, 330].map((degrees) => {
    const angle = (degrees * Math.PI) / 180;
    return [2 * core.call.cos(angle), 2 * core.call.sin(angle)];
  });
  const make = (count, name) => {
    const random = new Sequential(core, stream.word(name));
    const rows = [];
    const labels = [];
    centres.forEach((centre, label) => {
      for (let i = 0; i < Math.floor(count / 3) + (label < count % 3 ? 1 : 0); i += 1) {
        rows.push([centre[0] + noise * random.gauss(), centre[1] + noise * random.gauss()]);
        labels.push(label);
      }
    });
    const order = random.shuffled(rows.length);
    return { X: Float64Array.from(Array.from(order, (from) => rows[from]).flat()), y: Uint8Array.from(order, (from) => labels[from]) };
  };
  return both(make(points, "blobs/train"), make(Math.floor(points / TESTED), "blobs/test"));
}

function spirals({ core, seed, noise, points }) {
  const stream = new Keyed(core, seed);
  const make = (count, name) => {
    const turns = stream.uniform(`${name}/turn`, count).map(Math.sqrt);
    const moved = stream.normal(`${name}/noise`, 2 * count);
    const y = Uint8Array.from({ length: count }, (_, i) => i % 2);
    const X = new Float64Array(2 * count);
    for (let i = 0; i < count; i += 1) {
      const angle = 3 * Math.PI * turns[i] + Math.PI * y[i];
      X[2 * i] = turns[i] * core.call.cos(angle) + noise * moved[2 * i];
      X[2 * i + 1] = turns[i] * core.call.sin(angle) + noise * moved[2 * i + 1];
    }
    return { X, y };
  };
  return both(make(points, "spirals/train"), make(Math.floor(points / TESTED), "spirals/test"));
}

function xor({ core, seed, noise, points }) {
  const stream = new Keyed(core, seed);
  const make = (count, name) => {
    const inside = stream.uniform(`${name}/distance`, 2 * count);
    const signs = stream.signs(`${name}/quarter`, 2 * count);
    const X = inside.map((u, i) => (0.05 + 0.95 * u) * signs[i]);
    const y = Uint8Array.from({ length: count }, (_, i) => (X[2 * i] * X[2 * i + 1] < 0 ? 1 : 0));
    if (noise) stream.normal(`${name}/noise`, 2 * count).forEach((value, i) => (X[i] += noise * value));
    return { X, y };
  };
  return both(make(points, "xor/train"), make(Math.floor(points / TESTED), "xor/test"));
}

/** A byte a pixel, 0 to 16, and then its label, image after image. */
function digitsSet({ core, seed, digits }) {
  const [pixels, step] = [64, 65];
  const count = digits.length / step;
  const X = Float64Array.from({ length: count * pixels }, (_, i) => digits[Math.floor(i / pixels) * step + (i % pixels)] / 16);
  const y = Uint8Array.from({ length: count }, (_, i) => digits[i * step + pixels]);
  return parted(core, X, pixels, y, seed);
}

function ownSet(core, points, seed) {
  const labels = [...new Set(points.map((point) => point[2]))].sort((a, b) => a - b);
  const X = Float64Array.from(points.flatMap(([x1, x2]) => [x1, x2]));
  const y = Uint8Array.from(points, (point) => labels.indexOf(point[2]));
  return { name: "points.csv", note: "", classes: labels.map(String), features: ["x1", "x2"], image: null, ...parted(core, X, 2, y, seed, "data.own") };
}

/** Rows to train and to test on: a quarter of every class for testing, chosen by the seed alone. */
export function parted(core, X, width, y, seed, field = "data.csv") {
  const stream = new Keyed(core, seed);
  const test = [];
  for (const label of [...new Set(y)].sort((a, b) => a - b)) {
    const rows = [...y.keys()].filter((row) => y[row] === label);
    const order = stream.permutation(`split/${label}`, rows.length);
    const kept = Math.min(halfToEven(TEST_SHARE * rows.length), rows.length - 1);
    for (let i = 0; i < kept; i += 1) test.push(rows[order[i]]);
  }
  if (!test.length) throw new Refused({ code: "bad-data", field, given: y.length, say: ["refused.untested", { count: y.length }] });
  const chosen = new Set(test);
  const rowsOf = (wanted) => [...y.keys()].filter((row) => chosen.has(row) === wanted);
  const taken = (rows) => Float64Array.from({ length: rows.length * width }, (_, i) => X[rows[Math.floor(i / width)] * width + (i % width)]);
  const [train, held] = [rowsOf(false), rowsOf(true)];
  return { X: taken(train), y: Uint8Array.from(train, (row) => y[row]), XTest: taken(held), yTest: Uint8Array.from(held, (row) => y[row]) };
}

/** Rounded as Python does. */
export function halfToEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}
