// One training as the page holds it: the server's events put in order, their packed arrays unpacked when first drawn.

const unpacked = new WeakMap();

/** The bytes of a base64 text; the page's own engine gives them as they are. */
export function bytes(text) {
  if (typeof text !== "string") return text;
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const found = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) found[i] = binary.charCodeAt(i);
  return found;
}

/** The little-endian float32 values of a base64 text, or they themselves. */
export const floats = (text) => (typeof text === "string" ? new Float32Array(bytes(text).buffer) : text);

/** A packed field of an object, unpacked once and kept as long as the object. */
export function packed(holder, field, unpack) {
  if (holder[field] === null || holder[field] === undefined) return null;
  let kept = unpacked.get(holder);
  if (!kept) unpacked.set(holder, (kept = {}));
  kept[field] ??= unpack(holder[field]);
  return kept[field];
}

/** What has come of one training so far. `frames[i].starts[k]` is start k at the step `steps[i]`. */
export class Run {
  constructor(told) {
    this.scene = told.scene;
    this.data = told.data;
    this.network = told.network;
    this.starts = told.starts;
    this.steps = told.steps;
    this.mapSize = told.map.size;
    this.unitSize = told.unit.size;
    this.frames = [];
    this.begun = null;
    this.seeds = null;
    this.end = null;
    for (const set of [this.data.train, this.data.test, this.data.samples]) if (set) unpackSet(set, this.data.features.length);
  }

  get complete() {
    return this.end !== null;
  }

  begin(told) {
    this.begun = told.starts;
    this.frames = [{ step: 0, starts: told.starts.map((start) => start.frame) }];
  }

  add(told) {
    this.frames.push(...told.frames);
  }

  /** A series over the frames so far: [steps, one array of values a start]. */
  series(field) {
    const steps = this.frames.map((frame) => frame.step);
    return [steps, this.starts.map((_, k) => this.frames.map((frame) => frame.starts[k][field]))];
  }
}

function unpackSet(set, features) {
  set.labels = bytes(set.labels);
  if (typeof set.points === "string") set.points = floats(set.points);
  if (typeof set.values === "string") set.values = floats(set.values);
  set.features = features;
}
