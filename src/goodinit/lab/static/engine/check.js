// A scene checked field by field, with the bounds and names of the exported catalogue; what is left out is the classic
// experiment's. What cannot be is refused: code, field, what was given and what is allowed.

import { formatSpec } from "../js/spec.js";
import { readActivation, readInitializer } from "./laws.js";
import { Refused } from "./refused.js";
import { affordable } from "./view.js";

const refuse = (code, field, message, given, allowed = null) => {
  throw new Refused({ code, field, message, given, allowed });
};

function number(given, field, [low, high]) {
  if (typeof given !== "number") refuse("wrong-type", field, `${field} must be a number`, given);
  if (!(given >= low && given <= high)) refuse("out-of-range", field, `${field} = ${given}: give a number from ${low} to ${high}`, given, { low, high });
  return given;
}

function whole(given, field, bounds) {
  if (typeof given !== "number" || !Number.isInteger(given)) refuse("wrong-type", field, `${field} must be an integer`, given);
  return number(given, field, bounds);
}

function list(given, field, fewest, most) {
  if (!Array.isArray(given)) refuse("wrong-type", field, `${field} must be a list`, given);
  if (given.length < fewest || given.length > most) refuse("out-of-range", field, `${field} has ${given.length} items; give ${fewest} to ${most}`, given.length, { low: fewest, high: most });
  return given;
}

function choice(given, field, choices) {
  if (typeof given !== "string") refuse("wrong-type", field, `${field} must be a text`, given);
  if (!choices.includes(given)) refuse("unknown-name", field, `${field} '${given}' is not known; choose one of ${choices.join(", ")}`, given, { choices });
  return given;
}

function known(given, field, names) {
  if (typeof given !== "object" || given === null || Array.isArray(given)) refuse("wrong-type", field || null, `${field || "the scene"} must be an object`, given);
  for (const key of Object.keys(given)) {
    const name = field ? `${field}.${key.slice(0, 40)}` : key.slice(0, 40);
    if (!names.includes(key)) refuse("unknown-field", name, `${name} is not known; there are ${names.join(", ")}`, null, { choices: names });
  }
  return given;
}

/** The scene with every field told. Raises Refused. */
export function checked(table, given, files) {
  const { defaults, limits } = table;
  known(given, "", Object.keys(defaults));
  const scene = { ...structuredClone(defaults), ...structuredClone(given) };
  scene.data = checkedData(table, scene.data ?? {});
  list(scene.hidden, "hidden", 0, limits.hidden_layers).forEach((width, i) => whole(width, `hidden.${i}`, [1, limits.width]));
  scene.activation = readActivation(table, null, String(scene.activation)).name;
  choice(scene.loss, "loss", table.losses);
  scene.inits = checkedStarts(table, scene.inits);
  number(scene.learning_rate, "learning_rate", limits.learning_rate);
  choice(scene.optimizer, "optimizer", table.optimizers);
  whole(scene.steps, "steps", [1, limits.steps]);
  if (scene.batch_size !== null) whole(scene.batch_size, "batch_size", [1, limits.csv_rows]);
  whole(scene.seed, "seed", limits.seed);
  whole(scene.seeds, "seeds", [1, limits.seeds]);
  whole(scene.seed + scene.seeds - 1, "seed", limits.seed);
  choice(scene.stream, "stream", table.streams);
  if (scene.loss === "squared_error" && ["own", "csv"].includes(scene.data.name)) {
    refuse("unknown-name", "loss", "squared_error predicts numbers from a file; the lab shows classes, with cross_entropy", scene.loss, { choices: ["cross_entropy"] });
  }
  checkSize(table, scene, files);
  return scene;
}

function checkedData(table, told) {
  known(told, "data", Object.keys(table.defaults.data));
  const name = choice(told.name ?? table.defaults.data.name, "data.name", table.data.map((each) => each.name));
  const none = { name, noise: null, points: null, own: [], csv: null, target: null, standardize: true };
  if (name === "own") return { ...none, own: checkedPoints(told.own ?? [], table.limits) };
  if (name === "csv") {
    if (typeof told.csv !== "string") refuse("wrong-type", "data.csv", "data.csv must be a text", told.csv);
    if (told.target !== null && told.target !== undefined && typeof told.target !== "string") refuse("wrong-type", "data.target", "data.target must be a text", told.target);
    if (![true, false, undefined].includes(told.standardize)) refuse("wrong-type", "data.standardize", "data.standardize must be true or false", told.standardize);
    return { ...none, csv: told.csv, target: told.target ?? null, standardize: told.standardize ?? true };
  }
  const kind = table.data.find((each) => each.name === name);
  for (const option of ["noise", "points"]) {
    const value = told[option] ?? null;
    if (value !== null && !kind[option]) refuse("unknown-field", `data.${option}`, `${name} has no ${option}; leave it out`, value);
    if (!kind[option]) continue;
    const bounds = [kind[option].low, kind[option].high];
    none[option] = value === null ? kind[option].default : (option === "points" ? whole : number)(value, `data.${option}`, bounds);
  }
  return none;
}

function checkedPoints(given, limits) {
  const counts = new Map();
  list(given, "data.own", 4, limits.own_points).forEach((each, i) => {
    const [x, y, label] = list(each, `data.own.${i}`, 3, 3);
    [x, y].forEach((value, axis) => number(value, `data.own.${i}.${axis}`, [-limits.own_coordinate, limits.own_coordinate]));
    whole(label, `data.own.${i}.2`, [0, limits.own_classes - 1]);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  if (counts.size < 2 || Math.min(...counts.values()) < 2) {
    const told = [...counts].sort().map(([label, count]) => `${label}: ${count}`).join(", ");
    throw new Refused({ code: "bad-data", field: "data.own", given: told, say: ["refused.own", { told }] });
  }
  return given;
}

function checkedStarts(table, given) {
  const chosen = [];
  list(given, "inits", 1, table.limits.inits).forEach((each, i) => {
    const told = typeof each === "string" ? { spec: each } : known(each, `inits.${i}`, ["spec", "gain"]);
    if (typeof told.spec !== "string") refuse("wrong-type", `inits.${i}.spec`, "a start must be a text", told.spec);
    const gain = number(told.gain ?? 1, `inits.${i}.gain`, table.limits.gain);
    const { kind, options } = readInitializer(table, told.spec, `inits.${i}.spec`);
    const usual = Object.fromEntries(kind.options.map((option) => [option.name, option.default]));
    const spec = formatSpec(kind.name, options, usual);
    if (chosen.some((other) => other.spec === spec && other.gain === gain)) {
      refuse("repeated", `inits.${i}.spec`, `${spec} is there already; choose another or another gain`, spec);
    }
    chosen.push({ spec, gain });
  });
  return chosen;
}

/** Refuse a network, or a training, that is too large for a page. */
function checkSize(table, scene, files) {
  const { limits } = table;
  const { features, classes, examples, tests } = sizeOf(table, scene, files);
  const widths = [features, ...scene.hidden, classes <= 2 ? 1 : classes];
  const weights = widths.slice(1).reduce((sum, units, l) => sum + units * widths[l], 0);
  const starts = scene.inits.length;
  const shape = { features: { length: features }, y: { length: examples }, yTest: { length: tests } };
  const frames = affordable({ widths }, shape, starts) * starts * weights * 6 * (examples + tests);
  const trainings = starts * scene.seeds;
  const work = trainings * weights * 6 * Math.min(scene.batch_size ?? examples, examples) * scene.steps + frames;
  const values = widths.reduce((sum, width) => sum + width, 0) * examples;
  for (const [field, what, size, most] of [
    ["hidden", "weights", weights, limits.weights],
    ["hidden", "values of units over examples", values, limits.values],
    ["steps", "operations", work, limits.work],
  ]) {
    if (size > most) refuse("too-much-work", field, `this scene has ${size.toPrecision(3)} ${what}, the lab takes ${most}`, size, { most });
  }
}

function sizeOf(table, scene, files) {
  const { data } = scene;
  if (data.name === "own") {
    const count = data.own.length;
    return { features: 2, classes: new Set(data.own.map((point) => point[2])).size, examples: Math.ceil(0.75 * count), tests: Math.ceil(count / 4) };
  }
  if (data.name === "csv") {
    const file = files.get(data.csv);
    if (!file) refuse("expired-csv", "data.csv", "the CSV file is not kept any more; drop it on the page again", data.csv);
    const at = file.columns.indexOf(data.target ?? file.columns.at(-1));
    const classes = new Set(file.rows.map((row) => row[at])).size;
    return { features: file.columns.length - 1, classes, examples: Math.ceil(0.75 * file.rows.length), tests: Math.ceil(file.rows.length / 4) };
  }
  const kind = table.data.find((each) => each.name === data.name);
  const examples = data.points ?? kind.examples.train;
  return { features: kind.features, classes: kind.classes.length, examples, tests: data.points ? Math.floor(data.points / 3) : kind.examples.test };
}
