// Starts drawn in the page: each initializer's law from the exported table, by the rules of the catalogue.

import { parseSpec } from "../js/spec.js";
import { halfToEven } from "./data.js";
import { Refused } from "./refused.js";
import { cutOf, ordered, streamOf } from "./streams.js";
import { integral, secondMoment } from "./theory.js";

const TRUNCATED_STD = 0.87962566103423978; // of N(0, 1) cut at +-2

/** An initializer read from its text: {kind, options, text}. `table` is the exported catalogue. */
export function readInitializer(table, text, field = "inits") {
  const refuse = (why, values = {}, code = "bad-initializer") => {
    throw new Refused({ code, field, given: text, say: [`refused.start.${why}`, values] });
  };
  const parsed = parseSpec(text);
  if (!parsed) refuse("form");
  const name = parsed.name.toLowerCase().replaceAll("-", "_");
  const kind = table.initializers.find((each) => each.name === name || each.aliases.includes(name));
  if (!kind) refuse("unknown", { name: parsed.name });
  if (!kind.law && !table.served) refuse("server", { name: kind.name }, "needs-server");
  const options = Object.fromEntries(kind.options.map((option) => [option.name, option.default]));
  for (const [option, given] of Object.entries(parsed.options)) {
    const known = kind.options.find((each) => each.name === option);
    if (!known) refuse("option", { name: kind.name, option, options: Object.keys(options).join(", ") || "–" });
    options[option] = optionValue(known, given, refuse, kind);
  }
  checkTogether(kind.name, options, refuse);
  if (!table.served) checkCritical(kind, options, refuse);
  return { kind, options, text };
}

/** Whether goodinit draws it where there is a server: what the page does not, and what ends in the last bits of LAPACK. */
export function needsServer(table, text) {
  const { kind, options } = readInitializer(table, text);
  const critical = kind.law?.scale?.critical_of;
  return !kind.law || kind.law.kind === "orthogonal" || (critical && (options.bias_variance !== 0 || critical[options.activation] === undefined));
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function optionValue(option, given, refuse, kind) {
  const told = { what: `${kind.name}(${option.name}=${given})`, option: option.name };
  if (option.type === "boolean") {
    const word = given.toLowerCase();
    return word === "true" ? true : word === "false" ? false : refuse("choice", { ...told, choices: "true, false" });
  }
  if (option.type === "choice") {
    const word = given.replace(/^(["'])(.*)\1$/, "$2");
    if (option.choices.includes(word) || option.choices.includes(word.split("(")[0])) return word;
    return refuse("choice", { ...told, choices: option.choices.join(", ") });
  }
  const value = NUMBER.test(given) ? Number(given) : NaN;
  const low = option.low ?? -Infinity;
  if (Number.isFinite(value) && value <= (option.high ?? Infinity) && (option.above ? value > low : value >= low)) return value;
  return refuse(low === -Infinity ? "number" : option.above ? "above" : "least", { ...told, low });
}

function checkTogether(name, { low, high, bounds, corrected }, refuse) {
  if (name === "uniform" && high < low) refuse("order");
  if (name !== "truncated_normal") return;
  if (low >= high) refuse("order");
  if (corrected && bounds === "absolute") refuse("corrected");
  if (bounds === "sigmas" && (low > 37 || high < -37)) refuse("far");
}

/** The exported critical variances are those without biases. */
function checkCritical({ name, law }, options, refuse) {
  const known = law.scale?.critical_of;
  if (!known) return;
  if (options.bias_variance !== 0) refuse("server", { name: `${name}(bias_variance=…)` }, "needs-server");
  if (known[options.activation] === undefined) refuse("critical", { name, activation: options.activation });
}

/** A start: {parameters, means, variances, biasVariances}; parameters are W1, b1, W2, ... one after another. */
export function drawStart(core, table, network, choice, seed, streamKind) {
  const initializer = readInitializer(table, choice.spec);
  const stream = streamOf(core, streamKind, seed);
  const { law } = initializer.kind;
  const { widths } = network;
  const biasVariance = law.bias_variance ? initializer.options[law.bias_variance.option] : 0;
  const parameters = new Float64Array(network.size);
  const [means, variances] = [[], []];
  let at = 0;
  for (let layer = 1; layer < widths.length; layer += 1) {
    const weight = { name: `W${layer}`, inputs: widths[layer - 1], outputs: widths[layer], size: widths[layer] * widths[layer - 1] };
    const made = MAKERS[law.kind]({ core, table, law, options: initializer.options }, weight);
    const values = made.draw(stream);
    parameters.set(choice.gain === 1 ? values : values.map((value) => choice.gain * value), at);
    means.push(choice.gain * made.mean);
    variances.push(choice.gain * choice.gain * made.variance);
    at += weight.size;
    if (biasVariance) parameters.set(stream.normal(`b${layer}`, weight.outputs).map((value) => Math.sqrt(biasVariance) * value), at);
    at += weight.outputs;
  }
  return { parameters, means, variances, biasVariances: means.map(() => biasVariance) };
}

const filled = (weight, kind, law, mean, variance) => ({ draw: (stream) => stream.fill(weight.name, kind, weight.size, law), mean, variance });

const MAKERS = {
  constant({ law, options }, weight) {
    const value = law.value ?? options.value;
    return { draw: () => new Float64Array(weight.size).fill(value), mean: value, variance: 0 };
  },

  normal: ({ options: { std, mean } }, weight) => filled(weight, "normal", { scale: std, shift: mean || null }, mean, std * std),

  uniform: ({ options: { low, high } }, weight) =>
    filled(weight, "uniform", { scale: high - low, shift: low }, (low + high) / 2, ((high - low) * (high - low)) / 12),

  truncated_normal({ core, options: { std, mean, low, high, bounds, corrected } }, weight) {
    const sigmas = bounds === "sigmas" ? [low, high] : [(low - mean) / std, (high - mean) / std];
    const moments = truncatedMoments(...sigmas);
    const spread = corrected ? std / digits12(Math.sqrt(moments.variance)) : std;
    const law = { scale: spread, shift: mean || null, cut: cutOf(core, ...sigmas) };
    const made = filled(weight, "truncated_normal", law, mean + spread * moments.mean, spread * spread * moments.variance);
    if (bounds !== "absolute") return made;
    return { ...made, draw: (stream) => made.draw(stream).map((value) => Math.min(Math.max(value, low), high)) };
  },

  variance({ core, table, law, options }, weight) {
    const of = (said) => (said?.option ? options[said.option] : said);
    const fan = FANS[of(law.mode)](weight.inputs, weight.outputs);
    const variance = scaleOf(core, table, law.scale, options, fan) / fan;
    const std = Math.sqrt(variance);
    const distribution = of(law.distribution);
    if (distribution === "normal") return filled(weight, "normal", { scale: std }, 0, variance);
    if (distribution === "uniform") return filled(weight, "centred", { scale: Math.sqrt(3) * std }, 0, variance);
    return filled(weight, "truncated_normal", { scale: std / TRUNCATED_STD, cut: cutOf(core, -2, 2) }, 0, variance);
  },

  orthogonal({ law, options: { gain } }, weight) {
    const { inputs, outputs } = weight;
    if (law.tall && outputs < inputs) {
      throw new Refused({ code: "refused", field: "inits", say: ["refused.start.tall", { weight: weight.name, outputs, inputs }] });
    }
    return { draw: (stream) => haar(stream.normal(weight.name, weight.size), outputs, inputs).map((value) => gain * value), mean: 0, variance: (gain * gain) / Math.max(inputs, outputs) };
  },

  diagonal({ options: { gain } }, weight) {
    const ones = Math.min(weight.inputs, weight.outputs);
    const mean = (gain * ones) / weight.size;
    const draw = () => {
      const values = new Float64Array(weight.size);
      for (let i = 0; i < ones; i += 1) values[i * weight.inputs + i] = gain;
      return values;
    };
    return { draw, mean, variance: Math.max((gain * gain * ones) / weight.size - mean * mean, 0) };
  },

  sparse({ options: { sparsity, std, counts, per } }, weight) {
    const lines = per === "output" ? weight.outputs : weight.inputs;
    const length = per === "output" ? weight.inputs : weight.outputs;
    const share = counts === "nonzeros" ? sparsity : 1 - sparsity;
    const kept = share > 0 ? Math.max(halfToEven(share * length), 1) : 0;
    const place = (line, i) => (per === "output" ? line * weight.inputs + i : i * weight.inputs + line);
    const draw = (stream) => {
      const normals = stream.normal(weight.name, 2 * weight.size);
      const values = new Float64Array(weight.size);
      for (let line = 0; line < lines; line += 1) {
        const lots = Array.from({ length }, (_, i) => normals[weight.size + place(line, i)]);
        for (const i of ordered(lots).slice(0, kept)) values[place(line, i)] = std * normals[place(line, i)];
      }
      return values;
    };
    return { draw, mean: 0, variance: (std * std * kept) / length };
  },
};

const FANS = {
  fan_in: (inputs) => inputs,
  fan_out: (inputs, outputs) => outputs,
  fan_avg: (inputs, outputs) => (inputs + outputs) / 2,
  fan_geo_avg: (inputs, outputs) => Math.sqrt(inputs * outputs),
};

const digits12 = (value) => Number(value.toPrecision(12));

/** What a variance is divided by the fan of: a number, an option, or a number of the exported table. */
function scaleOf(core, table, said, options, fan) {
  if (typeof said === "number") return said;
  if (said.option) return said.power === 2 ? options[said.option] ** 2 : options[said.option];
  const { activation } = options;
  if (said.gain_of) {
    const known = said.gain_of[activation];
    if (known !== undefined) return known;
    const gain = 1 / Math.sqrt(secondMoment(core, readActivation(table, core, activation), 1));
    return digits12(gain * gain);
  }
  if (said.critical_of) return said.critical_of[activation];
  if (said.by_fan) return said.by_fan[activation][Math.max(1, halfToEven(fan)) - 1];
  return options.first ? 1 / (3 * fan) : 2 / options.frequency ** 2; // siren
}

/** An activation read from its text: {name, number, option, kinks, saturation}. */
export function readActivation(table, core, text) {
  const parsed = parseSpec(text);
  const name = parsed?.name.toLowerCase().replaceAll("-", "_");
  const found = table.activations.find((each) => each.name === name);
  const refuse = (message) => {
    throw new Refused({ code: "unknown-name", field: "activation", message, given: text, allowed: { choices: table.activations.map((each) => each.name) } });
  };
  if (!found) refuse(`activation '${text}' is not known`);
  let option = found.options[0]?.default ?? 0;
  let written = name;
  for (const [key, given] of Object.entries(parsed.options)) {
    if (key !== found.options[0]?.name) refuse(`activation '${name}' has no option '${key}'`);
    option = NUMBER.test(given) ? Number(given) : NaN;
    if (!Number.isFinite(option)) refuse(`activation ${name}(${key}=${given}): ${key} must be a finite number`);
    if (option !== found.options[0].default) written = `${name}(${key}=${option})`;
  }
  return { name: written, number: core ? core.activations.indexOf(name) : -1, option, kinks: found.kinks, saturation: found.saturation, usualSaturation: table.findings.usual_saturation[name] };
}

/** The mean and variance of a standard normal between two bounds. */
function truncatedMoments(low, high) {
  const [from, to] = [Math.max(low, -38), Math.min(high, 38)];
  const middle = low * high > 0 ? (Math.abs(low) < Math.abs(high) ? low : high) : 0; // about which the density is written
  const edges = [...new Set([from, to, ...Array.from({ length: 77 }, (_, i) => i - 38).filter((each) => each > from && each < to)])].sort((a, b) => a - b);
  const moment = (power) => integral((z) => z.map((each) => each ** power * Math.exp(-0.5 * (each * each - middle * middle))), edges);
  const whole = moment(0);
  const mean = moment(1) / whole;
  const variance = integral((z) => z.map((each) => (each - mean) ** 2 * Math.exp(-0.5 * (each * each - middle * middle))), edges) / whole;
  return { mean: Math.abs(low + high) === 0 ? 0 : mean, variance };
}

/** A matrix with orthonormal rows or columns, whichever are fewer, from normal ones: Q of its QR, R's diagonal positive. */
function haar(normals, outputs, inputs) {
  const wide = outputs < inputs;
  const [rows, columns] = wide ? [inputs, outputs] : [outputs, inputs];
  const at = (i, j) => (wide ? j * inputs + i : i * inputs + j);
  const a = Float64Array.from(normals);
  const dot = (v, from, j, m) => {
    let sum = 0;
    for (let i = from; i < rows; i += 1) sum += v[i] * m[at(i, j)];
    return sum;
  };
  const mirrors = [];
  const signs = [];
  for (let j = 0; j < columns; j += 1) {
    const v = new Float64Array(rows);
    let square = 0;
    for (let i = j; i < rows; i += 1) {
      v[i] = a[at(i, j)];
      square += v[i] * v[i];
    }
    const size = Math.sqrt(square);
    const head = v[j] >= 0 ? -size : size; // R's diagonal
    signs.push(rows === j + 1 ? (v[j] >= 0 ? 1 : -1) : Math.sign(head) || 1);
    v[j] -= head;
    const norm = v.reduce((sum, each) => sum + each * each, 0);
    mirrors.push(rows === j + 1 || norm === 0 ? null : [v, 2 / norm]);
    if (!mirrors[j]) continue;
    for (let k = j; k < columns; k += 1) {
      const share = dot(v, j, k, a) * mirrors[j][1];
      for (let i = j; i < rows; i += 1) a[at(i, k)] -= share * v[i];
    }
  }
  const q = new Float64Array(normals.length);
  for (let j = 0; j < columns; j += 1) q[at(j, j)] = 1;
  for (let j = columns - 1; j >= 0; j -= 1) {
    if (!mirrors[j]) continue;
    const [v, twice] = mirrors[j];
    for (let k = 0; k < columns; k += 1) {
      const share = dot(v, j, k, q) * twice;
      for (let i = j; i < rows; i += 1) q[at(i, k)] -= share * v[i];
    }
  }
  for (let k = 0; k < columns; k += 1) for (let i = 0; i < rows; i += 1) q[at(i, k)] *= signs[k];
  return q;
}
