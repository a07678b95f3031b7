// A scene (what the server trains) and a view (how the page shows it), and both as the text after the URL's #.

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const KEYS = {
  data: "data.name", noise: "data.noise", points: "data.points", own: "data.own", csv: "data.csv", target: "data.target",
  standardize: "data.standardize", hidden: "hidden", activation: "activation", loss: "loss", init: "inits", rate: "learning_rate",
  optimizer: "optimizer", steps: "steps", batch: "batch_size", seed: "seed", seeds: "seeds", stream: "stream",
};
export const VIEW = { cells: false, wrong: true, test: false, links: "weight", scale: "log", axes: "shared", at: null };

/** The key of the URL that holds this field of a scene: "noise" for "data.noise", "init" for "inits.1.spec". */
export function keyOf(field) {
  const plain = String(field ?? "").replaceAll("[", ".").replaceAll("]", "");
  const found = Object.entries(KEYS).find(([, path]) => plain === path || plain.startsWith(`${path}.`));
  return found ? found[0] : null;
}

export const copy = (value) => structuredClone(value);

/** The scene without what the server refused in this field: that start is left out, another key is as the defaults have it. */
export function without(scene, defaults, field) {
  const key = keyOf(field);
  const path = KEYS[key];
  const next = copy(scene);
  const [, start] = /^inits\.(\d+)/.exec(field) ?? [];
  if (start !== undefined && next.inits.length > 1) {
    next.inits.splice(Number(start), 1);
    return next;
  }
  if (key === "data" || key === "own" || key === "csv" || key === "target") next.data = copy(defaults.data);
  else if (path.startsWith("data.")) delete next.data[path.slice(5)];
  else next[path] = copy(defaults[path]);
  return next;
}

function number(text) {
  if (!NUMBER.test(text)) throw new TypeError("number");
  return Number(text);
}

function whole(text) {
  if (!/^[+-]?\d+$/.test(text)) throw new TypeError("whole");
  return Number(text);
}

function choice(...allowed) {
  return (text) => {
    if (!allowed.includes(text)) throw new TypeError("choice");
    return text;
  };
}

const flag = (text) => choice("0", "1")(text) === "1";
const list = (text) => (text === "" ? [] : text.split(",").flatMap(repeated));

/** "64x10" is ten layers of 64. */
function repeated(part) {
  const [width, times = "1"] = part.trim().split(/[x×*]/);
  const count = whole(times);
  if (count < 1 || count > 1000) throw new TypeError("whole");
  return new Array(count).fill(whole(width));
}

export const parseWidths = list;
export const widthsText = (widths) => {
  const same = widths.length > 4 && widths.every((width) => width === widths[0]);
  return same ? `${widths[0]}x${widths.length}` : widths.join(",");
};

function points(text) {
  return text.split(";").map((one) => {
    const [x, y, label, ...more] = one.split(",");
    if (label === undefined || more.length) throw new TypeError("points");
    return [number(x), number(y), whole(label)];
  });
}

function start(text) {
  const scaled = /^([0-9.eE+-]+)\*(.+)$/.exec(text);
  return scaled ? { spec: scaled[2], gain: number(scaled[1]) } : { spec: text, gain: 1 };
}

const READ = {
  data: String, csv: String, target: String, activation: String, loss: String, optimizer: String, stream: String,
  noise: number, points: whole, own: points, standardize: flag, hidden: list, rate: number, steps: whole,
  batch: (text) => (text === "all" ? null : whole(text)), seed: whole, seeds: whole,
};
const READ_VIEW = {
  cells: flag, wrong: flag, test: flag, links: choice("weight", "gradient"), scale: choice("log", "linear"), axes: choice("shared", "own"), at: whole,
};

/** The scene and view of a URL's hash over the defaults; what could not be read is listed and left at its default. */
export function fromHash(hash, defaults) {
  const scene = copy(defaults);
  const view = { ...VIEW };
  const problems = [];
  const inits = [];
  const text = hash.replace(/^#/, "");
  const pairs = text === "" ? [] : text.split("&").map(split);
  if (pairs.some(([key]) => key === "data")) scene.data = {}; // another set has a noise and a number of points of its own
  for (const [key, given] of pairs) {
    try {
      if (key === "init") inits.push(start(given));
      else if (key in READ_VIEW) view[key] = READ_VIEW[key](given);
      else if (key in READ) put(scene, KEYS[key], READ[key](given));
      else problems.push({ key, given, why: "unknown" });
    } catch {
      problems.push({ key, given, why: "unreadable" });
    }
  }
  if (inits.length) scene.inits = inits;
  return { scene, view, problems };
}

function split(pair) {
  const cut = pair.indexOf("=");
  const parts = cut < 0 ? [pair, ""] : [pair.slice(0, cut), pair.slice(cut + 1)];
  return parts.map((part) => {
    try {
      return decodeURIComponent(part.replaceAll("+", " "));
    } catch {
      return part; // a stray % is shown as it was given
    }
  });
}

function put(scene, path, value) {
  if (path.startsWith("data.")) scene.data[path.slice(5)] = value;
  else scene[path] = value;
}

/** The hash of a scene and view: only what differs from the defaults, so that a plain scene has a short link. */
export function toHash(scene, view, defaults) {
  const parts = [];
  const add = (key, value) => parts.push(`${key}=${readable(value)}`);
  const { data } = scene;
  const ours = defaults.data;
  if (data.name !== ours.name) add("data", data.name);
  for (const key of ["noise", "points"]) {
    const usual = data.name === ours.name ? ours[key] ?? null : null;
    if ((data[key] ?? null) !== null && data[key] !== usual) add(key, shortest(data[key]));
  }
  if (data.name === "own" && data.own && JSON.stringify(data.own) !== JSON.stringify(ours.own)) add("own", data.own.map(([x, y, label]) => `${round3(x)},${round3(y)},${label}`).join(";"));
  if (data.name === "csv") {
    if (data.csv) add("csv", data.csv);
    if (data.target) add("target", data.target);
    if (data.standardize === false) add("standardize", "0");
  }
  if (widthsText(scene.hidden) !== widthsText(defaults.hidden)) add("hidden", widthsText(scene.hidden));
  for (const key of ["activation", "loss"]) if (scene[key] !== defaults[key]) add(key, scene[key]);
  if (JSON.stringify(scene.inits.map(plain)) !== JSON.stringify(defaults.inits.map(plain))) {
    for (const each of scene.inits) add("init", plain(each));
  }
  if (scene.learning_rate !== defaults.learning_rate) add("rate", shortest(scene.learning_rate));
  for (const key of ["optimizer", "steps", "seed", "seeds", "stream"]) if (scene[key] !== defaults[key]) add(key, scene[key]);
  if (scene.batch_size !== defaults.batch_size) add("batch", scene.batch_size ?? "all");
  for (const [key, usual] of Object.entries(VIEW)) {
    if (view[key] !== usual) add(key, typeof view[key] === "boolean" ? Number(view[key]) : view[key]);
  }
  return parts.length ? `#${parts.join("&")}` : "";
}

/** "2*he_normal" for a start with gain 2, "he_normal" for one with gain 1. */
export const plain = ({ spec, gain = 1 }) => (gain === 1 ? spec : `${shortest(gain)}*${spec}`);

const shortest = (value) => String(value).replace("e+", "e");
const round3 = (value) => Math.round(value * 1000) / 1000;
const readable = (value) => encodeURIComponent(value).replace(/%(2C|3D|3B|2F)/g, (code) => decodeURIComponent(code)).replaceAll("%20", "+");
