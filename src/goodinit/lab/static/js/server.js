// What goodinit lab offers beyond the page: training on this machine's engine, the rest of the catalogue, texts, the report.

import { Refused } from "../engine/refused.js";

const at = (path) => new URL(`../../api/${path}`, import.meta.url);

async function asked(path, options) {
  let answer;
  try {
    answer = await fetch(at(path), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ code: "unreachable", message: String(error.message) });
  }
  if (answer.ok) return answer;
  let told = null;
  try {
    told = (await answer.json()).error;
  } catch {
    // Not the lab's own answer; the status has to do.
  }
  throw new Refused(told ?? { code: "internal", message: `HTTP ${answer.status}` });
}

const post = (path, body) => asked(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const catalogue = async () => (await asked("catalogue")).json();
export const asPython = async (scene, file) => (await (await post("python", { scene, file })).json()).text;
export const asCommand = async (scene, file) => (await (await post("command", { scene, file })).json()).text;
export const report = async (scene, file) => (await post("report", { scene, file })).blob();

/** A start that the page does not draw, as engine/laws.js makes one. */
export async function drawnStart(network, choice, seed, stream) {
  const { widths, activation, loss } = network;
  const told = await (await post("start", { network: { widths, activation: activation.name, loss }, init: choice, seed, stream })).json();
  const bytes = Uint8Array.from(atob(told.parameters), (letter) => letter.charCodeAt(0));
  return { parameters: new Float64Array(bytes.buffer), means: told.means, variances: told.variances, biasVariances: told.bias_variances };
}

const [PARAMETERS, END, ERROR] = [1, 2, 3]; // kinds of records

/**
 * Train the networks of some tasks, which share examples and schedule, in one message: `shown(step, parameters)` is told
 * an array of parameters a network, in the order of the tasks. Gives [{finalLoss, divergedBy}] in that order.
 */
export async function train(tasks, moments, shown, signal) {
  const [{ network, X, Y, rate, optimizer, steps, every, batchSize, seed }] = tasks;
  const { widths, activation, loss, size } = network;
  const starts = tasks.flatMap((task) => task.parameters);
  const head = JSON.stringify({
    network: { widths, activation: activation.name, loss }, networks: starts.length, examples: X.length / widths[0],
    learning_rate: rate, optimizer, steps, record_every: every, batch_size: batchSize, seed, moments,
  });
  const body = new Blob([head, "\n", X, Y, ...starts]); // every machine with a browser of today is little-endian
  const answer = await asked("train", { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body, signal });
  for await (const [kind, bytes] of records(answer.body)) {
    if (kind === ERROR) throw new Refused(JSON.parse(new TextDecoder().decode(bytes)).error);
    const numbers = kind === PARAMETERS || kind === END ? new Float64Array(bytes.buffer) : null;
    if (kind === PARAMETERS) shown(numbers[0], starts.map((_, i) => numbers.slice(1 + i * size, 1 + (i + 1) * size)));
    if (kind === END) return starts.map((_, i) => ({ finalLoss: numbers[i], divergedBy: numbers[starts.length + i] < 0 ? null : numbers[starts.length + i] }));
  }
  throw new Refused({ code: "busy", message: "" }); // the server gave this training up
}

/** The records of a stream: a kind and a size in 4 bytes each, and so many bytes. */
async function* records(stream) {
  const reader = stream.getReader();
  let held = new Uint8Array(0);
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    let from = 0;
    const view = new DataView(joined.buffer);
    while (from + 8 <= joined.length && from + 8 + view.getUint32(from + 4, true) <= joined.length) {
      const end = from + 8 + view.getUint32(from + 4, true);
      yield [view.getUint32(from, true), joined.slice(from + 8, end)];
      from = end;
    }
    held = joined.subarray(from);
  }
}
