// The page without a server: the same calls as js/api.js, answered by Workers in this browser.

import { checked } from "./check.js";
import { readTable } from "./csv.js";
import { Refused } from "./refused.js";

const here = (path) => new URL(path, import.meta.url);
const files = new Map(); // CSV files of this page: id -> {name, columns, rows}
const workers = [];
const USUAL = 3; // starts of the classic scene
let table = null;
let kernels = null;
let digits = null;
let turn = 0;

async function got(path, kind) {
  const answer = await fetch(here(path));
  if (!answer.ok) throw new Refused({ code: "unreachable", message: `${path}: ${answer.status}` });
  return answer[kind]();
}

/** The exported catalogue; the kernels are fetched meanwhile. */
export async function catalogue() {
  kernels ??= got("goodinit.wasm", "arrayBuffer").then((bytes) => WebAssembly.compile(bytes));
  for (let k = 0; k < USUAL; k += 1) worker(k); // their code is fetched meanwhile too
  table ??= await got("../catalogue.json", "json");
  return table;
}

export async function sendCsv(file) {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const read = readTable(file.name, await file.text(), table.limits);
  files.set(key, read);
  while (files.size > table.limits.csv_files) files.delete(files.keys().next().value);
  return { csv: key, name: read.name, rows: read.rows.length, columns: read.columns, target: read.columns.at(-1) };
}

/** The Worker of a start, made at its first use. */
function worker(k) {
  workers[k] ??= { worker: new Worker(here("worker.js"), { type: "module" }), ready: null };
  return workers[k];
}

/** The Worker of a start that has the kernels. */
async function readyWorker(k) {
  const each = worker(k);
  each.ready ??= kernels.then((module) => each.worker.postMessage({ module, table, digits }));
  await each.ready;
  return each.worker;
}

/** Train a scene; `heard(name, data)` is called for every event, in order. Aborting the signal ends the training. */
export async function train(given, heard, signal) {
  const began = performance.now();
  const scene = checked(table, given, files);
  if (scene.data.name === "digits" && !digits) {
    digits = new Uint8Array(await got("digits.bin", "arrayBuffer"));
    workers.splice(0).forEach((each) => each.worker.terminate());
  }
  const id = (turn += 1);
  const starts = scene.inits.map(() => ({ begin: null, frames: [], outcome: null, seeds: [] }));
  let [begun, framed, trained] = [false, 0, 0];

  /** Put what the starts told side by side, as far as all of them have come. */
  const gather = () => {
    if (!begun && starts.every((start) => start.begin)) {
      begun = true;
      heard("begin", { starts: starts.map((start) => start.begin) });
    }
    const ready = Math.min(...starts.map((start) => start.frames.length));
    if (begun && ready > framed) {
      const frames = starts[0].frames.slice(framed, ready).map(({ step }, i) => ({ step, starts: starts.map((start) => start.frames[framed + i].frame) }));
      framed = ready;
      heard("frames", { frames });
    }
  };
  const hear = (k, event, facts) => {
    if (event === "scene") heard("scene", facts);
    else if (event === "frame") starts[k].frames.push(facts);
    else starts[k][event] = facts;
    gather();
  };
  await all(id, scene, signal, hear, false);
  trained = performance.now() - began;
  if (scene.seeds > 1) await bands(id, scene, signal, starts, heard);
  const seconds = { training: trained / 1000, all: (performance.now() - began) / 1000 };
  heard("end", { starts: starts.map(({ begin, outcome }) => ({ ...outcome, findings: begin.findings })), seconds });
}

/** Have every start's Worker do its part; ends when all have. */
async function all(id, scene, signal, hear, seedsOnly) {
  const used = await Promise.all(scene.inits.map((_, k) => readyWorker(k)));
  signal.throwIfAborted();
  const kept = scene.data.name === "csv" ? [[scene.data.csv, files.get(scene.data.csv)]] : [];
  await Promise.all(
    used.map((each, k) => new Promise((done, fail) => {
      signal.addEventListener("abort", () => (each.postMessage({ id: 0 }), fail(signal.reason)), { once: true });
      each.onerror = (event) => fail(new Refused({ code: "internal", message: event.message ?? "" }));
      each.onmessage = ({ data: { id: of, event, facts } }) => {
        if (of !== id || signal.aborted) return;
        if (event === "done") done();
        else if (event === "error") fail(new Refused(facts));
        else hear(k, event, facts);
      };
      each.postMessage({ id, scene, k, files: kept, seedsOnly });
    })),
  ).catch((error) => {
    for (const each of used) each.postMessage({ id: 0 });
    throw error;
  });
}

const SHARES = { low: 0.1, middle: 0.5, high: 0.9 };

async function bands(id, scene, signal, starts, heard) {
  let told = 0;
  const hear = (k, event, facts) => {
    starts[k].seeds.push(facts);
    const done = Math.min(...starts.map((start) => start.seeds.length));
    if (done === told) return;
    told = done;
    heard("seeds", { done, of: scene.seeds, steps: facts.steps, starts: starts.map((start) => bandsOf(start.seeds.slice(0, done))) });
  };
  await all(id, scene, signal, hear, true);
}

/** The seeds at a tenth, the middle and nine tenths of all, at each moment; a loss that is not finite counts as the largest. */
function bandsOf(seeds) {
  const places = Object.entries(SHARES).map(([name, share]) => [name, Math.min(seeds.length - 1, Math.max(0, Math.ceil(share * seeds.length) - 1))]);
  const band = (name) => {
    const made = Object.fromEntries(places.map(([place]) => [place, []]));
    seeds[0].steps.forEach((_, at) => {
      const ordered = Float64Array.from(seeds, (seed) => (Number.isFinite(seed.curves[name][at]) ? seed.curves[name][at] : Infinity)).sort();
      for (const [place, i] of places) made[place].push(Number.isFinite(ordered[i]) ? ordered[i] : null);
    });
    return made;
  };
  return Object.fromEntries(Object.keys(seeds[0].curves).map((name) => [name, band(name)]));
}
