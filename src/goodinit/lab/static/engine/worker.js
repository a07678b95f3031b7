// One start's Worker: it films what it is told and answers with events, until it is told something else.

import { Core } from "./core.js";
import { Film } from "./film.js";
import { Refused } from "./refused.js";

const held = { core: null, table: null, digits: null, files: new Map() };
const turns = new MessageChannel();
let current = null;
let ready = null;

class Cancelled extends Error {}

/** Let messages in; raises Cancelled where one of them said that this training is not wanted any more. */
function rest(id) {
  return new Promise((go, stop) => {
    turns.port1.onmessage = () => (current === id ? go() : stop(new Cancelled()));
    turns.port2.postMessage(null);
  });
}

async function work({ id, scene, k, files, seedsOnly }) {
  const tell = (event, facts) => postMessage({ id, event, facts });
  try {
    await ready;
    held.files = new Map(files);
    const film = new Film(held, scene, k);
    if (seedsOnly) await film.seeds(tell, () => rest(id));
    else {
      if (k === 0) tell("scene", film.opening());
      await film.run(tell, () => rest(id));
    }
    tell("done", null);
  } catch (error) {
    if (error instanceof Cancelled) return;
    const facts = error instanceof Refused ? error : { code: "internal", message: String(error.message) };
    tell("error", { code: facts.code, field: facts.field ?? null, given: facts.given ?? null, allowed: facts.allowed ?? null, message: facts.message });
    if (!(error instanceof Refused)) console.error(error);
  }
}

self.onmessage = ({ data: message }) => {
  if (message.module) {
    ready = Core.of(message.module).then((core) => Object.assign(held, { core, table: message.table, digits: message.digits }));
  } else {
    current = message.id;
    if (message.scene) work(message);
  }
};
