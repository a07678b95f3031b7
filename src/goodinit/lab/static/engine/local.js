// A scene's films, made in this browser by a Worker a start. Networks are trained in the Workers too, or by the server that
// the page came from, where it is goodinit lab: all starts in one message then.

import { checked } from "./check.js";
import { readTable } from "./csv.js";
import { keep, kept } from "./kept.js";
import { Refused } from "./refused.js";
import { bandsOf, others } from "./seeds.js";

const here = (path) => new URL(path, import.meta.url);
const files = new Map(); // CSV files of this tab: id -> {name, columns, rows, text}
const workers = [];
const USUAL = 3; // starts of the classic scene
const MOST_WORKERS = 8; // each holds the kernels and a network's passes
let server = null;
let table = null;
let kernels = null;
let digits = null;
let turn = 0;

/** Told the server's calls (js/server.js), or null. */
export const begin = (found) => (server = found);

async function got(path, kind) {
  const answer = await fetch(here(path));
  if (!answer.ok) throw new Refused({ code: "unreachable", message: `${path}: ${answer.status}` });
  return answer[kind]();
}

/** The catalogue; the kernels are fetched meanwhile, and given to the Workers that a scene usually needs. */
export async function catalogue() {
  kernels ??= got("goodinit.wasm", "arrayBuffer").then((bytes) => WebAssembly.compile(bytes));
  for (let k = 0; k < USUAL; k += 1) worker(k); // their code is fetched meanwhile too
  table ??= await (server ? server.catalogue() : got("../catalogue.json", "json"));
  for (let k = 0; k < USUAL; k += 1) readyWorker(k).catch(() => null); // the training says what went wrong
  return table;
}

export async function sendCsv(file) {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const text = await file.text();
  const told = take(key, file.name, text);
  return { ...told, kept: keep({ id: key, name: file.name, text }) };
}

function take(key, name, text) {
  const read = readTable(name, text, table.limits);
  files.set(key, { ...read, text });
  while (files.size > table.limits.csv_files) files.delete(files.keys().next().value);
  return { csv: key, name: read.name, rows: read.rows.length, columns: read.columns, target: read.columns.at(-1) };
}

/** The files that were kept over a reload, as `sendCsv` told them. */
export function keptFiles() {
  return kept().flatMap(({ id, name, text }) => {
    try {
      return [take(id, name, text)];
    } catch (error) {
      if (error instanceof Refused) return [];
      throw error;
    }
  });
}

/** The file that a scene names, for a server that has to read it too. */
export function fileOf({ data }) {
  const file = data.name === "csv" ? files.get(data.csv) : null;
  return file ? { name: file.name, text: file.text } : undefined;
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
  const starts = scene.inits.map(() => ({ begin: null, frames: [], outcome: null, seeds: new Array(scene.seeds + 1).fill(null) }));
  let [begun, framed, trained, banded] = [false, 0, 0, 0];

  /** Put what the starts told side by side, as far as all of them have come. */
  const gather = () => {
    if (starts.every((start) => start.outcome)) trained ||= performance.now();
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
    const seeds = Math.min(...starts.map((start) => start.seeds.findIndex((each) => !each)));
    if (seeds > banded) {
      banded = seeds;
      heard("seeds", { done: seeds, of: scene.seeds, steps: starts[0].seeds[0].steps, starts: starts.map((start) => bandsOf(start.seeds.slice(0, seeds))) });
    }
  };
  const hear = (k, event, facts) => {
    if (event === "scene") heard("scene", facts);
    else if (event === "frame") starts[k].frames.push(facts);
    else if (event === "seed") starts[k].seeds[facts.seed - scene.seed] = facts;
    else starts[k][event] = facts;
    gather();
  };
  await all(id, scene, signal, hear);
  const seconds = { training: (trained - began) / 1000, all: (performance.now() - began) / 1000 };
  heard("end", { starts: starts.map(({ begin, outcome }) => ({ ...outcome, findings: begin.findings })), seconds });
}

/** How many Workers help with the seeds of a scene: those for which there are processors, where this page trains. */
function helpers({ inits, seeds }) {
  if (server || seeds < 3) return 0;
  const most = Math.min(navigator.hardwareConcurrency ?? 1, MOST_WORKERS, inits.length * (seeds - 1));
  return Math.max(0, most - inits.length);
}

/** Have every start's Worker do its part, and helpers as many seeds of it as they come to; ends when all have. */
async function all(id, scene, signal, hear) {
  const starts = scene.inits.length;
  const used = await Promise.all(Array.from({ length: starts + helpers(scene) }, (_, i) => readyWorker(i)));
  const left = scene.inits.map(() => others(scene));
  let begun = 0;
  signal.throwIfAborted();
  const kept = scene.data.name === "csv" ? [[scene.data.csv, files.get(scene.data.csv)]] : [];
  const ended = new AbortController();
  const shared = server && trainings(id, used, AbortSignal.any([signal, ended.signal]));
  const part = (each, k, helps) =>
    new Promise((done, fail) => {
      signal.addEventListener("abort", () => fail(signal.reason), { once: true });
      each.onerror = (event) => fail(new Refused({ code: "internal", message: event.message ?? "" }));
      each.onmessage = ({ data: { id: of, event, facts } }) => {
        if (of !== id || signal.aborted) return;
        if (event === "done") done();
        else if (event === "error") fail(new Refused(facts));
        else if (event === "train") shared(k, facts).catch(fail);
        else if (event === "next") left[k](facts).then((seeds) => each.postMessage({ id, seeds }));
        else hear(k, event, facts);
        if (event === "begin" && (begun += 1) === starts) for (const worker of used) worker.postMessage({ opened: id });
      };
      each.postMessage({ id, scene, k, helps, files: kept });
    });
  const parts = used.map(async (each, i) => {
    if (i < starts) return part(each, i, false);
    for (let turn = 0; turn < starts; turn += 1) await part(each, (i + turn) % starts, true);
  });
  await Promise.all(parts).catch((error) => {
    ended.abort();
    for (const each of used) each.postMessage({ stop: id });
    throw error;
  });
}

/** What the Workers ask to be trained, in one message once all of them have asked: each is told its own parameters. */
function trainings(id, used, signal) {
  let asked = [];
  return async (k, facts) => {
    asked[k] = facts;
    if (Object.keys(asked).length < used.length) return;
    const tasks = asked.map(({ task }) => task);
    const { moments } = asked[0];
    asked = [];
    const parted = (values) => {
      let at = 0;
      return tasks.map(({ parameters }) => values.slice(at, (at += parameters.length)));
    };
    const shown = (step, values) => parted(values).forEach((own, i) => used[i].postMessage({ id, step, parameters: own }, own.map((each) => each.buffer)));
    const ends = await server.train(tasks, moments, shown, signal);
    parted(ends).forEach((own, i) => used[i].postMessage({ id, ends: own }));
  };
}
