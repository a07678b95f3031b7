// The page's engine run by Node for the tests: scenes as JSON on standard input, their events as JSON on standard output.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const engine = (name) => import(pathToFileURL(`${folder}/static/engine/${name}`));
const { Core } = await engine("core.js");
const { Film } = await engine("film.js");
const { checked } = await engine("check.js");
const { readTable } = await engine("csv.js");
const { Refused } = await engine("refused.js");
const { train } = await engine("trainer.js");
const { bandsOf } = await engine("seeds.js");

const core = await Core.of(new WebAssembly.Module(readFileSync(`${folder}/static/engine/goodinit.wasm`)));
const table = JSON.parse(readFileSync(`${folder}/static/catalogue.json`));
const digits = new Uint8Array(readFileSync(`${folder}/static/engine/digits.bin`));
const asked = JSON.parse(readFileSync(0, "utf-8"));
const files = new Map(Object.entries(asked.files ?? {}).map(([key, text]) => [key, readTable(key, text, table.limits)]));
const packed = (_, value) => (ArrayBuffer.isView(value) ? [...value] : value);

const answers = [];
for (const scene of asked.scenes) {
  try {
    const told = checked(table, scene, files);
    const starts = [];
    let opening = null;
    for (let k = 0; k < told.inits.length; k += 1) {
      const film = new Film({ core, table, digits, files, train: (...asked) => train(core, ...asked, async () => null) }, told, k);
      opening ??= film.opening();
      const start = { parameters: await film.start(told.seed, film.network), frames: [], seeds: [] };
      if (!asked.startsOnly) {
        await film.run((event, facts) => (event === "frame" ? start.frames.push(facts) : (start[event] = facts)));
        await film.seeds((event, facts) => start.seeds.push(facts));
        if (told.seeds > 1) start.bands = bandsOf(start.seeds);
      }
      starts.push(start);
    }
    answers.push({ opening, starts });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    answers.push({ error: { code: error.code, field: error.field, message: error.message } });
  }
}
process.stdout.write(JSON.stringify(answers, packed));
