// Numbers measured on a network with given parameters, as checkup/measure.py does: nothing here judges.

import { classAt, probabilitiesAt } from "./network.js";

const SURE = 0.99; // a predicted class with at least this probability is called sure
const NEAR_BOUND = 0.015; // of the activation's range, from either bound

/** From a pass over the training examples: {logits, A, slopes, gradients, loss, columns} of a Camera. */
export function measure(network, data, parameters, pass) {
  const count = data.y.length;
  const layers = [];
  let at = 0;
  for (let layer = 1; layer < network.depth; layer += 1) {
    const units = network.widths[layer];
    const rows = (values) => Array.from({ length: units }, (_, u) => values.subarray((at + u) * pass.columns, (at + u) * pass.columns + count));
    const [values, slopes] = [rows(pass.A), rows(pass.slopes)];
    layers.push({
      units,
      distinct: distinct(network, parameters, layer),
      dead_share: slopes.filter((row) => row.every((slope) => slope === 0)).length / units,
      saturated_share: saturated(network.activation.saturation, values),
      activation_rms: rms(values), usual_saturated_share: network.activation.usualSaturation,
    });
    at += units;
  }
  const [sure, wrong] = network.loss === "squared_error" ? [null, null] : certainty(network, data, pass);
  const outputs = Array.from({ length: network.outputs }, (_, c) => pass.logits.subarray(c * pass.columns, c * pass.columns + count));
  return {
    loss: pass.loss, chance_loss: chanceLoss(network, data.y), layers, sure_share: sure, sure_and_wrong_share: wrong,
    logit_rms: rms(outputs), largest_gradients: largest(network, pass.gradients),
  };
}

function chanceLoss(network, labels) {
  if (network.loss === "binary_cross_entropy") return Math.log(2);
  if (network.loss === "cross_entropy") return Math.log(network.outputs);
  const shares = Array.from({ length: network.outputs }, (_, c) => labels.filter((label) => label === (network.outputs === 1 ? 1 : c)).length / labels.length);
  return shares.reduce((sum, share) => sum + share * (1 - share), 0) / network.outputs;
}

function certainty(network, data, pass) {
  const p = new Float64Array(network.outputs);
  let [sure, wrong] = [0, 0];
  data.y.forEach((label, i) => {
    probabilitiesAt(network, pass.logits, pass.columns, i, p);
    const likeliest = network.outputs === 1 ? Math.max(p[0], 1 - p[0]) : Math.max(...p);
    if (!(likeliest >= SURE)) return;
    sure += 1;
    if (classAt(network, pass.logits, pass.columns, i) !== label) wrong += 1;
  });
  return [sure / data.y.length, wrong / data.y.length];
}

/** Units of a layer that differ in what goes in and what comes out of them. */
function distinct(network, parameters, layer) {
  const [inputs, units, next] = network.widths.slice(layer - 1, layer + 2);
  const [own, after] = [network.offset(layer), network.offset(layer + 1)];
  const seen = new Set();
  for (let u = 0; u < units; u += 1) {
    const unit = [...parameters.subarray(own + u * inputs, own + (u + 1) * inputs), parameters[own + units * inputs + u]];
    for (let o = 0; o < next; o += 1) unit.push(parameters[after + o * units + u]);
    seen.add(unit.map((value) => value + 0).join(" "));
  }
  return seen.size;
}

function saturated([low, high], rows) {
  if (low === null || high === null) return null;
  const margin = NEAR_BOUND * (high - low);
  let [near, all] = [0, 0];
  for (const row of rows) {
    for (const value of row) if (value <= low + margin || value >= high - margin) near += 1;
    all += row.length;
  }
  return near / all;
}

function rms(rows) {
  let [square, count] = [0, 0];
  for (const row of rows) {
    for (const value of row) square += value * value;
    count += row.length;
  }
  return Math.sqrt(square / count);
}

/** The largest absolute entry of each parameter's gradient, by name in the order of the names. */
function largest(network, gradients) {
  const found = {};
  let at = 0;
  for (let layer = 1; layer <= network.depth; layer += 1) {
    for (const [letter, size] of [["W", network.widths[layer] * network.widths[layer - 1]], ["b", network.widths[layer]]]) {
      let most = 0;
      for (let i = at; i < at + size; i += 1) most = Number.isNaN(gradients[i]) ? NaN : Math.max(most, Math.abs(gradients[i]));
      found[`${letter}${layer}`] = most;
      at += size;
    }
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
}
