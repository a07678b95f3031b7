// A fully connected network as a description, and what follows from its outputs: losses, classes, probabilities.
// Arrays of outputs are (outputs, columns), row after row, of which the first `count` columns are examples.

export class Network {
  constructor(widths, activation, loss) {
    Object.assign(this, { widths, activation, loss });
    this.depth = widths.length - 1;
    this.weights = widths.slice(1).reduce((sum, units, l) => sum + units * widths[l], 0);
    this.size = this.weights + widths.slice(1).reduce((sum, units) => sum + units, 0);
    this.units = widths.slice(1).reduce((sum, units) => sum + units, 0);
    this.hidden = this.units - widths.at(-1);
    this.outputs = widths.at(-1);
  }

  /** Where a layer's weights begin among the parameters; its biases come after them. */
  offset(layer) {
    let at = 0;
    for (let l = 1; l < layer; l += 1) at += this.widths[l] * (this.widths[l - 1] + 1);
    return at;
  }

  /** The kernels' number of the loss. */
  get lossNumber() {
    return ["binary_cross_entropy", "cross_entropy", "squared_error"].indexOf(this.loss);
  }
}

/** The network of a scene on its data. */
export function networkOf(scene, activation, data) {
  const outputs = data.classes.length <= 2 ? 1 : data.classes.length;
  const loss = scene.loss === "squared_error" ? "squared_error" : outputs === 1 ? "binary_cross_entropy" : "cross_entropy";
  return new Network([data.features.length, ...scene.hidden, outputs], activation, loss);
}

/** What the loss compares outputs with, (outputs, count): classes of two as 0 and 1, of more as one-hot columns. */
export function targets(network, labels) {
  if (network.outputs === 1) return Float64Array.from(labels);
  const made = new Float64Array(network.outputs * labels.length);
  labels.forEach((label, i) => (made[label * labels.length + i] = 1));
  return made;
}

/** The mean loss, in nats or squares, of the first `count` columns. */
export function lossOf(network, logits, columns, labels) {
  const { outputs } = network;
  let sum = 0;
  for (let i = 0; i < labels.length; i += 1) {
    if (network.loss === "binary_cross_entropy") {
      const z = logits[i];
      sum += Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - labels[i] * z;
    } else if (network.loss === "squared_error") {
      for (let c = 0; c < outputs; c += 1) sum += (logits[c * columns + i] - (outputs === 1 ? labels[i] : Number(labels[i] === c))) ** 2;
    } else {
      let most = -Infinity;
      for (let c = 0; c < outputs; c += 1) most = Math.max(most, logits[c * columns + i]);
      let whole = 0;
      for (let c = 0; c < outputs; c += 1) whole += Math.exp(logits[c * columns + i] - most);
      sum += Math.log(whole) + most - logits[labels[i] * columns + i];
    }
  }
  return sum / (labels.length * (network.loss === "squared_error" ? outputs : 1));
}

const logistic = (z) => 1 / (1 + Math.exp(-z));

/** Each column's probabilities into `out`, an array of `outputs` numbers; the squared error's outputs, cut to 0..1, stand for them. */
export function probabilitiesAt(network, logits, columns, i, out) {
  const { outputs } = network;
  if (network.loss === "binary_cross_entropy") out[0] = logistic(logits[i]);
  else if (network.loss === "squared_error") for (let c = 0; c < outputs; c += 1) out[c] = Math.min(Math.max(logits[c * columns + i], 0), 1);
  else {
    let most = -Infinity;
    for (let c = 0; c < outputs; c += 1) most = Math.max(most, logits[c * columns + i]);
    let whole = 0;
    for (let c = 0; c < outputs; c += 1) whole += out[c] = Math.exp(logits[c * columns + i] - most);
    for (let c = 0; c < outputs; c += 1) out[c] /= whole;
  }
  return out;
}

/** The class that a column tells; of equally likely ones the first. */
export function classAt(network, logits, columns, i) {
  if (network.outputs === 1) return Number(logits[i] > (network.loss === "binary_cross_entropy" ? 0 : 0.5));
  let best = 0;
  for (let c = 1; c < network.outputs; c += 1) {
    const [here, there] = [logits[c * columns + i], logits[best * columns + i]];
    if (here > there || (Number.isNaN(here) && !Number.isNaN(there))) best = c;
  }
  return best;
}

/** The gradient of the mean loss by the logits, (outputs, columns), 0 beyond the examples. */
export function lastDeltas(network, logits, columns, labels) {
  const { outputs } = network;
  const made = new Float64Array(outputs * columns);
  const p = new Float64Array(outputs);
  for (let i = 0; i < labels.length; i += 1) {
    if (network.loss !== "squared_error") probabilitiesAt(network, logits, columns, i, p);
    for (let c = 0; c < outputs; c += 1) {
      const y = outputs === 1 ? labels[i] : Number(labels[i] === c);
      const z = logits[c * columns + i];
      made[c * columns + i] = network.loss === "squared_error" ? (2 * (z - y)) / (outputs * labels.length) : (p[c] - y) / labels.length;
    }
  }
  return made;
}
