// A person's CSV file read in the page, by the rules of datasets/files.py.

import { parted } from "./data.js";
import { Refused } from "./refused.js";

const MOST_CLASSES = 100;
const MISSING = new Set(["", "?", "na", "n/a", "<na>", "#n/a", "nan", "+nan", "-nan", "null"]);
const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;

const refuse = (why, file, values = {}, field = "data.csv") => {
  throw new Refused({ code: "bad-data", field, given: file, say: [`refused.csv.${why}`, { file, ...values }] });
};

/** The columns and rows of a text, {name, columns, rows}. */
export function readTable(name, text, limits) {
  const plain = text.replace(/^\ufeff/, "");
  const first = plain.slice(0, Math.max(0, plain.search(/[\r\n]/)) || undefined);
  if (plain.includes("\0")) refuse("binary", name);
  const delimiter = [",", ";", "\t"].reduce((a, b) => (first.split(b).length > first.split(a).length ? b : a));
  const rows = fields(plain, delimiter).filter((row) => row.some((value) => value !== ""));
  if (!rows.length) refuse("empty", name);
  const columns = rows[0].map((each) => each.trim());
  if (columns.length < 2) refuse("header", name);
  if (columns.every((each) => NUMBER.test(each))) refuse("numbers", name);
  if (new Set(columns).size < columns.length || columns.includes("")) refuse("names", name);
  if (rows.length < 4) refuse("few", name, { rows: rows.length - 1 });
  rows.slice(1).forEach((row, i) => {
    if (row.length !== columns.length) refuse("row", name, { row: i + 1, values: row.length, columns: columns.length });
  });
  if (columns.length - 1 > limits.csv_features) tooMuch(name, "features", columns.length - 1, limits.csv_features);
  if (rows.length - 1 > limits.csv_rows) tooMuch(name, "rows", rows.length - 1, limits.csv_rows);
  return { name, columns, rows: rows.slice(1) };
}

function tooMuch(name, what, size, most) {
  throw new Refused({ code: "too-much-work", field: "data.csv", say: [`refused.csv.${what}`, { file: name, size, most }], given: size, allowed: { most } });
}

/** Rows of fields; a field in double quotes may hold the delimiter, line ends and doubled quotes. */
function fields(text, delimiter) {
  const rows = [[]];
  let [field, quoted, any] = ["", false, false];
  const push = () => {
    rows.at(-1).push(field);
    [field, any] = ["", false];
  };
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i];
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[i + 1] === '"') field += text[(i += 1)];
      else quoted = false;
    } else if (letter === '"' && field === "") [quoted, any] = [true, true];
    else if (letter === delimiter) push();
    else if (letter === "\n" || letter === "\r") {
      if (letter === "\r" && text[i + 1] === "\n") i += 1;
      push();
      rows.push([]);
    } else [field, any] = [field + letter, true];
  }
  if (any || rows.at(-1).length) push();
  return rows.filter((row) => row.length);
}

/** The examples of a file: its classes in order, a quarter of each kept for testing, features standardized where told. */
export function csvSet(core, file, { target, standardize }, seed) {
  if (!file) throw new Refused({ code: "expired-csv", field: "data.csv", given: target });
  const { name, columns, rows } = file;
  const wanted = target ?? columns.at(-1);
  const at = columns.indexOf(wanted);
  if (at < 0) refuse("column", name, { column: wanted, columns: columns.slice(0, 12).join(", ") }, "data.target");
  const labels = spelledOnce(rows.map((row, i) => {
    const label = row[at].trim();
    if (MISSING.has(label.toLowerCase())) refuse("label", name, { row: i + 1, column: wanted });
    return label;
  }));
  const counts = new Set(labels);
  if (counts.size < 2) refuse("one", name, { label: labels[0] });
  if (counts.size > Math.min(MOST_CLASSES, Math.max(2, Math.floor(labels.length / 2)))) {
    refuse("many", name, { values: counts.size, rows: labels.length, most: MOST_CLASSES }, "data.target");
  }
  const classes = [...counts].sort([...counts].every((each) => NUMBER.test(each)) ? (a, b) => a - b : (a, b) => (a < b ? -1 : 1));
  const features = columns.filter((_, i) => i !== at);
  const X = new Float64Array(rows.length * features.length);
  rows.forEach((row, i) => {
    row.filter((_, j) => j !== at).forEach((text, j) => {
      if (!NUMBER.test(text) || !Number.isFinite(Number(text))) refuse("value", name, { row: i + 1, column: features[j], value: text.trim().slice(0, 40) });
      X[i * features.length + j] = Number(text);
    });
  });
  const set = parted(core, X, features.length, Uint8Array.from(labels, (label) => classes.indexOf(label)), seed);
  const note = standardize === false ? "" : scaled(set, features.length);
  return { name, note, classes, features, image: null, ...set };
}

/** Labels that are all numbers by the shortest text of each number: 1 and 1.0 are one class; a digit apart is two. */
function spelledOnce(labels) {
  if (!labels.every((label) => NUMBER.test(label))) return labels;
  const shortest = new Map();
  for (const label of labels) {
    const known = shortest.get(decimal(label));
    if (known === undefined || label.length < known.length || (label.length === known.length && label < known)) shortest.set(decimal(label), label);
  }
  return labels.map((label) => shortest.get(decimal(label)));
}

/** A decimal number's digits and power of ten, all of them, as a text that is the same for the same number. */
function decimal(text) {
  const [, sign, left, right = "", power = "0"] = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text);
  const digits = (left + right).replace(/^0+/, "");
  const kept = digits.replace(/0+$/, "");
  return kept ? `${sign === "-" ? "-" : ""}${kept}e${Number(power) - right.length + digits.length - kept.length}` : "0";
}

/** Shift and scale the features by the training rows' mean and deviation; a constant one is centred only. */
function scaled(set, width) {
  const count = set.y.length;
  for (let j = 0; j < width; j += 1) {
    const column = (f) => {
      let sum = 0;
      for (let i = 0; i < count; i += 1) sum += f(set.X[i * width + j]);
      return sum / count;
    };
    let mean = column((x) => x);
    let std = Math.sqrt(column((x) => (x - mean) * (x - mean)));
    if (std <= 1e-12 * Math.abs(mean)) [mean, std] = [set.X[j], 1];
    for (const X of [set.X, set.XTest]) for (let i = j; i < X.length; i += width) X[i] = (X[i] - mean) / std;
  }
  return "features standardized by the training rows' mean and standard deviation";
}
