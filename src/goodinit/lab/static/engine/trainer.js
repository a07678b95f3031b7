// Training behind one message: train these parameters on these examples, and give them back at these steps. Here the
// compiled engine in the page answers it; js/server.js sends it to goodinit lab.

import { Keyed } from "./streams.js";

// Those of training/optimizers.py, in the order of native/lanes.hpp.
const OPTIMIZERS = [
  { name: "gradient_descent", averages: 0, decay: 0 },
  { name: "momentum", averages: 1, decay: 0 },
  { name: "adam", averages: 2, decay: 0 },
  { name: "adamw", averages: 2, decay: 0.01 },
];
const PIECE = 4e7; // multiplications between two looks at the messages, some tens of milliseconds

/**
 * Train as `task` says: {network, parameters, X, Y, rate, optimizer, steps, every, batchSize, seed}: `parameters` of some
 * networks, X and Y rows of examples, `every` the steps between looks at the losses. `shown(i, step, parameters)` is told
 * those of network i at each of the moments; `rest()` is awaited between pieces of work, and raises to stop it.
 * Gives [{finalLoss, divergedBy}].
 */
export async function train(core, task, moments, shown, rest) {
  const ends = [];
  for (const [i, start] of task.parameters.entries()) ends.push(await trainOne(core, task, start, moments, (...told) => shown(i, ...told), rest));
  return ends;
}

async function trainOne(core, task, start, moments, shown, rest) {
  const { network, steps, every } = task;
  const { widths, activation } = network;
  const examples = task.X.length / widths[0];
  const whole = task.batchSize === null || task.batchSize >= examples;
  const records = Math.ceil(steps / every);
  const optimizer = OPTIMIZERS.findIndex((each) => each.name === task.optimizer);
  const { averages, decay } = OPTIMIZERS[optimizer];
  const state = (wanted) => (wanted ? core.take(Float64Array, network.size) : 0);
  const at = {
    widths: core.take(Int32Array, widths.length, widths),
    parameters: core.take(Float64Array, network.size, start),
    first: state(averages > 0),
    second: state(averages > 1),
    rate: core.take(Float64Array, 1, [task.rate]),
    X: core.take(Float64Array, task.X.length, task.X),
    Y: core.take(Float64Array, task.Y.length, task.Y),
    losses: core.take(Float64Array, records, new Float64Array(records).fill(NaN)),
    finalLoss: core.take(Float64Array, 1, [NaN]),
    divergedBy: core.take(BigInt64Array, 1, [-1n]),
  };
  const training = core.call.training(
    network.depth, at.widths, activation.number, activation.option, network.lossNumber, optimizer, decay, at.first,
    at.second, at.rate, examples, at.X, at.Y, steps, every, whole ? 0 : task.batchSize, at.losses, at.finalLoss, at.divergedBy,
  );
  const order = whole ? null : new Batches(new Keyed(core, task.seed), examples, task.batchSize);
  const taken = whole ? examples : task.batchSize;
  const piece = Math.max(1, Math.floor(PIECE / (3 * network.weights * taken)));
  const parametersNow = () => core.at(Float64Array, at.parameters, network.size).slice();
  try {
    let step = 0;
    for (const moment of [...moments, steps]) {
      while (step < moment) {
        const end = Math.min(moment, step + piece);
        const run = (offsets, indices) => core.call.train(training, at.parameters, step, end, offsets, indices);
        if (whole) run(0, 0);
        else core.within(order.between(step, end), run);
        step = end;
        await rest();
      }
      if (moments.includes(moment)) shown(moment, parametersNow());
      if (moment === steps) break;
    }
    const divergedBy = Number(core.at(BigInt64Array, at.divergedBy, 1)[0]);
    return { finalLoss: core.at(Float64Array, at.finalLoss, 1)[0], divergedBy: divergedBy < 0 ? null : divergedBy };
  } finally {
    core.call.end_training(training);
    core.free(...Object.values(at));
  }
}

/** Steps between recorded losses: the largest 1, 2 or 5 times a power of ten that records at least 15. */
export function interval(steps) {
  let found = 1;
  for (let power = 1; power <= steps; power *= 10) for (const c of [1, 2, 5]) if (c * power * 15 <= steps) found = c * power;
  return found;
}

/** The examples of each step: slices of a new order for every epoch, the last one shorter. */
class Batches {
  constructor(stream, examples, size) {
    Object.assign(this, { stream, examples, size, epoch: -1, order: null });
    this.perEpoch = Math.ceil(examples / size);
  }

  /** The batches of these steps, as rooms for the kernels: offsets and indices. */
  between(begin, end) {
    const [offsets, parts] = [[0n], []];
    let count = 0;
    for (let step = begin; step < end; step += 1) {
      const epoch = Math.floor(step / this.perEpoch);
      if (epoch !== this.epoch) {
        this.order = this.stream.permutation(`order/${epoch}`, this.examples);
        this.epoch = epoch;
      }
      const batch = this.order.subarray((step % this.perEpoch) * this.size, (step % this.perEpoch) * this.size + this.size);
      parts.push(batch);
      count += batch.length;
      offsets.push(BigInt(count));
    }
    const indices = new Int32Array(count);
    let at = 0;
    for (const part of parts) {
      indices.set(part, at);
      at += part.length;
    }
    return [[BigInt64Array, offsets], [Int32Array, indices]];
  }
}
