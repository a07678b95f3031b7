// The server, which does all the numerical work: its catalogue, a training as a stream of events, texts and files.

import { Refused } from "../engine/refused.js";

const CLIENT = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function asked(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
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

const post = (path, body, signal) =>
  asked(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

export const catalogue = async () => (await asked("api/catalogue")).json();
export const asPython = async (scene) => (await (await post("api/python", { scene })).json()).text;
export const asCommand = async (scene) => (await (await post("api/command", { scene })).json()).text;
export const report = async (scene) => (await post("api/report", { client: CLIENT, scene })).blob();

/** Send a person's CSV; the answer has its id, columns and a guess of the target. */
export async function sendCsv(file) {
  const path = `api/csv?name=${encodeURIComponent(file.name)}`;
  return (await asked(path, { method: "POST", headers: { "Content-Type": "text/csv" }, body: file })).json();
}

const TRIES = 3;

/**
 * Train a scene; `heard(name, data)` is called for every event, in order. Aborting the signal ends the training.
 * Where a machine is busy an earlier request may reach the server after a later one and stop it: then it is asked again.
 */
export async function train(scene, heard, signal) {
  for (let tries = 0; tries < TRIES; tries += 1) if ((await listen(scene, heard, signal)) || signal.aborted) return;
  throw new Refused({ code: "busy", message: "" });
}

/** Hear one stream to its end; whether the training ended too. */
async function listen(scene, heard, signal) {
  let whole = false;
  const answer = await post("api/train", { client: CLIENT, scene }, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return whole;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) whole = event(block, heard) === "end" || whole;
  }
}

function event(block, heard) {
  let name = "";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (!name) return name;
  const told = JSON.parse(data || "{}");
  if (name === "error") throw new Refused(told.error);
  heard(name, told);
  return name;
}
