// One start's Worker: it films what it is told and answers with events, until it is told something else.

import { Core } from "./core.js";
import { Film } from "./film.js";
import { Refused } from "./refused.js";
import { train } from "./trainer.js";

const held = { core: null, table: null, digits: null, files: new Map(), train: null, drawnStart: null };
const turns = new MessageChannel();
let current = null;
let ready = null;
let asked = null; // the training that the page has been asked for: {shown, done, stop}
let given = null; // told the seeds that the page was asked for
let opened = null; // the scene whose starts the page has drawn
let opens = null; // told so

class Cancelled extends Error {}

/** Let messages in; raises Cancelled where one of them said that this training is not wanted any more. */
function rest(id) {
  return new Promise((go, stop) => {
    turns.port1.onmessage = () => (current === id ? go() : stop(new Cancelled()));
    turns.port2.postMessage(null);
  });
}

/** Who trains for this work: the kernels here, or whoever answers the page's message. */
function trainer(id) {
  if (!held.table.served) return (task, moments, shown) => train(held.core, task, moments, shown, () => rest(id));
  return (task, moments, shown) => new Promise((done, stop) => {
    asked = { shown, done, stop };
    postMessage({ id, event: "train", facts: { task, moments } });
  });
}

/** The film of start k, and then its seeds; or of these as many as come to this Worker where another one makes the film. */
async function work({ id, scene, k, files, helps }) {
  const tell = (event, facts) => current === id && postMessage({ id, event, facts });
  try {
    await ready;
    const film = new Film({ ...held, files: new Map(files), train: trainer(id) }, scene, k);
    const next = (most) => new Promise((done) => {
      given = done;
      tell("next", most);
    });
    // A page that is being opened needs the processors that a training would take.
    const drawn = () => new Promise((done) => (opened === id ? done() : (opens = done)));
    if (k === 0 && !helps) tell("scene", film.opening());
    await (helps ? drawn() : film.run(tell, drawn));
    if (scene.seeds > 1) await film.seeds(tell, next);
    tell("done", null);
  } catch (error) {
    if (error instanceof Cancelled || current !== id) return;
    tell("error", (error instanceof Refused ? error : new Refused({ code: "internal", message: String(error.message) })).facts);
    if (!(error instanceof Refused)) console.error(error);
  }
}

async function begin({ module, table, digits }) {
  const drawnStart = table.served ? (await import("../js/server.js")).drawnStart : null;
  Object.assign(held, { core: await Core.of(module), table, digits, drawnStart });
}

self.onmessage = ({ data: message }) => {
  if (message.module) ready = begin(message);
  else if (message.parameters && message.id === current) {
    try {
      message.parameters.forEach((each, i) => asked.shown(i, message.step, each));
    } catch (error) {
      asked.stop(error);
    }
  } else if (message.ends && message.id === current) asked.done(message.ends);
  else if (message.seeds && message.id === current) given(message.seeds);
  else if (message.opened) {
    opened = message.opened;
    opens?.();
  } else if (message.scene || message.stop === current) {
    current = message.id ?? null;
    asked?.stop(new Cancelled());
    if (message.scene) work(message);
  }
};
