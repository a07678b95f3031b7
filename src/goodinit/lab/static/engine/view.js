// What of a network and its data is drawn: the box of the plane, the layers and units, the samples, the steps.

const MAP = 48; // pixels of the decision map, a side
const DEEP_MAP = 32; // the same for networks of more than MANY_UNITS
const MANY_UNITS = 256;
export const UNIT = 12; // pixels of a unit's thumbnail, a side
const FRAMES = 80;
const FEWEST_FRAMES = 24;
const VALUES = 2e8; // of units, over examples and pixels, that a film computes
const MOST_UNITS = 12; // drawn of a layer
const MOST_LAYERS = 9; // drawn of a network: deeper ones by their first four, their last four hidden and the output
const MOST_SAMPLES = 40;
const MARGIN = 0.1; // of the data's extent, around it

const sum = (values) => values.reduce((a, b) => a + b, 0);

/** {box, samples, drawn, size}: `drawn` maps a layer (0: the inputs) to how many of its units are drawn, the first ones. */
export function viewOf(network, data) {
  const { widths } = network;
  const layers = [...widths.keys()];
  const some = network.depth > MOST_LAYERS ? [...layers.slice(0, 5), ...layers.slice(-5)] : layers;
  const drawn = new Map(some.map((layer) => [layer, Math.min(widths[layer], MOST_UNITS)]));
  const size = sum(widths) <= MANY_UNITS ? MAP : DEEP_MAP;
  if (data.features.length === 2) return { box: boxOf(data), samples: null, drawn, size };
  const tests = data.yTest.length;
  const count = Math.min(MOST_SAMPLES, tests);
  const samples = Array.from({ length: count }, (_, i) => Math.round(count > 1 ? (i * (tests - 1)) / (count - 1) : 0));
  return { box: null, samples, drawn, size };
}

function boxOf(data) {
  const ends = [0, 1].map((axis) => {
    let [low, high] = [Infinity, -Infinity];
    for (const X of [data.X, data.XTest]) {
      for (let i = axis; i < X.length; i += 2) [low, high] = [Math.min(low, X[i]), Math.max(high, X[i])];
    }
    const extent = high > low ? high - low : 1;
    return [low - MARGIN * extent, high + MARGIN * extent];
  });
  return ends.flat();
}

/** The centres of size x size pixels of the box, row by row from the top: their x and y, one after another. */
export function gridOf([x0, x1, y0, y1], size) {
  const xs = [];
  const ys = [];
  for (let i = 0; i < size * size; i += 1) {
    xs.push(x0 + ((x1 - x0) * ((i % size) + 0.5)) / size);
    ys.push(y1 - ((y1 - y0) * (Math.floor(i / size) + 0.5)) / size);
  }
  return [xs, ys];
}

/** How many frames of so many starts take some two seconds to make: 80 of a small network, at least 24. */
export function affordable(network, data, starts) {
  const plane = data.features.length === 2 ? (sum(network.widths) <= MANY_UNITS ? MAP : DEEP_MAP) ** 2 : 0;
  const values = starts * sum(network.widths) * (plane / 2 + 3 * data.y.length + data.yTest.length);
  return Math.min(FRAMES, Math.max(FEWEST_FRAMES, Math.floor(VALUES / values)));
}

/** At most so many steps from 0 to the end, close together at first, where most happens. */
export function momentsOf(steps, most) {
  const last = Math.min(most - 1, steps);
  return Array.from({ length: last + 1 }, (_, i) => Math.max(i, rounded(steps * (i / last) ** 2)));
}

/** To the nearest integer, halves to the even one, as in Python. */
function rounded(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low + (low % 2);
}
