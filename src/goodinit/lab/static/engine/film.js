// The film of one start of a scene: its opening, a frame at each moment as training comes there, its outcome, and its
// curves over the scene's seeds. It runs in a Worker; the page puts the starts' films side by side.

import { dataSet } from "./data.js";
import { judge } from "./judge.js";
import { drawStart, needsServer, readActivation } from "./laws.js";
import { measure } from "./measure.js";
import { networkOf, targets } from "./network.js";
import { Camera } from "./picture.js";
import { others } from "./seeds.js";
import { forecast } from "./theory.js";
import { interval } from "./trainer.js";
import { UNIT, affordable, momentsOf, viewOf } from "./view.js";

const BLOWN_UP = 10; // a run that ends so many times above both its first loss and chance has diverged
const BAND_MOMENTS = 40;
const MOST_AT_ONCE = 2e5; // parameters of networks trained together, of which the page holds a copy a moment

/**
 * `held` is {core, table, digits, files, train, drawnStart}: `train(task, moments, shown)` as in trainer.js, and the
 * server's `drawnStart` where there is one.
 */
export class Film {
  constructor(held, scene, k) {
    Object.assign(this, { ...held, scene, k });
    this.activation = readActivation(this.table, this.core, scene.activation);
    Object.assign(this, this.stage(scene.seed));
    this.view = viewOf(this.network, this.data);
    this.moments = momentsOf(scene.steps, affordable(this.network, this.data, scene.inits.length));
  }

  /** The data of a seed, and the network on it. */
  stage(seed) {
    const data = dataSet(this.core, this.table.data, this.scene.data, seed, this.files, this.digits);
    return { data, network: networkOf(this.scene, this.activation, data) };
  }

  async start(seed, network) {
    const { core, table, scene, k } = this;
    const choice = scene.inits[k];
    if (this.drawnStart && needsServer(table, choice.spec)) return this.drawnStart(network, choice, seed, scene.stream);
    return drawStart(core, table, network, choice, seed, scene.stream);
  }

  /** What trains networks with those parameters, an array of them. */
  task(seed, network, data, parameters) {
    const { learning_rate: rate, optimizer, steps, batch_size: batchSize } = this.scene;
    const Y = new Float64Array(network.outputs * data.y.length);
    const y = targets(network, data.y);
    for (let c = 0; c < network.outputs; c += 1) for (let i = 0; i < data.y.length; i += 1) Y[i * network.outputs + c] = y[c * data.y.length + i];
    return { network, parameters, X: data.X, Y, rate, optimizer, steps, every: interval(steps), batchSize, seed };
  }

  /** The event `scene`: everything that stays the same throughout the film. */
  opening() {
    const { scene, data, network, view } = this;
    const two = data.features.length === 2;
    const examples = (X, y) => ({ points: two ? Float32Array.from(X) : null, labels: y, count: y.length });
    const width = data.features.length;
    const values = view.samples && Float32Array.from(view.samples.flatMap((row) => [...data.XTest.subarray(row * width, (row + 1) * width)]));
    return {
      scene,
      data: {
        name: data.name, note: data.note, features: data.features, classes: data.classes, image: data.image, box: view.box,
        train: examples(data.X, data.y), test: examples(data.XTest, data.yTest),
        samples: view.samples && { values, labels: Uint8Array.from(view.samples, (row) => data.yTest[row]), count: view.samples.length },
      },
      network: {
        widths: network.widths, weights: network.weights, loss: network.loss, activation: network.activation.name,
        drawn: { inputs: view.drawn.get(0), layers: [...view.drawn].filter(([layer]) => layer).map(([layer, units]) => ({ layer, units, of: network.widths[layer] })) },
      },
      map: { size: view.size }, unit: { size: UNIT },
      starts: scene.inits.map(({ spec, gain }) => ({ name: gain === 1 ? spec : `scaled(of=${quoted(spec)}, gain=${gain})`, spec, gain })),
      steps: this.moments,
    };
  }

  /** Tell the events of this start, in order: begin, frame ..., outcome. `opened` is awaited before the training. */
  async run(tell, opened = async () => null) {
    const { core, scene, data, network } = this;
    const camera = new Camera(core, network, data, this.view);
    try {
      const drawn = await this.start(scene.seed, network);
      const before = measure(network, data, drawn.parameters, camera.pass(drawn.parameters));
      const square = data.X.reduce((sum, x) => sum + x * x, 0) / data.X.length;
      const expected = forecast(core, network, drawn, square) ?? { forward: null, backward: null };
      let last = camera.frame(drawn.parameters);
      tell("begin", { frame: last, expected, measure: before, findings: judge(before, this.table.findings) });
      await opened();
      const curved = scene.seeds > 1 ? momentsOf(scene.steps, BAND_MOMENTS) : [];
      this.curves = scene.seeds > 1 ? curvesOf() : null;
      const shown = (_, step, parameters) => {
        if (step > 0 && this.moments.includes(step)) {
          last = camera.frame(parameters);
          tell("frame", { step, frame: last });
        }
        if (curved.includes(step)) noted(this.curves, camera.figures(parameters));
      };
      const moments = [...new Set([...this.moments, ...curved])].sort((a, b) => a - b);
      const [end] = await this.train(this.task(scene.seed, network, data, [drawn.parameters]), moments, shown);
      const diverged = end.divergedBy !== null || end.finalLoss > BLOWN_UP * Math.max(before.loss, before.chance_loss);
      tell("outcome", {
        name: scene.inits[this.k].spec, loss: Number.isFinite(end.finalLoss) ? end.finalLoss : null, test_loss: last.test_loss,
        train_accuracy: last.train_accuracy, test_accuracy: last.test_accuracy, diverged, diverged_by: end.divergedBy,
      });
    } finally {
      camera.close();
    }
  }

  /**
   * Tell the curves of seeds at the bands' moments: of the scene's own where `run` has come to it, and of those that
   * `next(most)` gives, until it gives none.
   */
  async seeds(tell, next = others(this.scene)) {
    const { scene } = this;
    const steps = momentsOf(scene.steps, BAND_MOMENTS);
    if (this.curves) tell("seed", { seed: scene.seed, steps, curves: this.curves });
    for (;;) {
      const group = await next(this.together());
      if (!group.length) return;
      const [seed] = group;
      const { data, network } = this.stage(seed);
      const starts = await Promise.all(group.map((each) => this.start(each, network)));
      const camera = new Camera(this.core, network, data, { ...this.view, box: null });
      const curves = group.map(curvesOf);
      try {
        const shown = (i, _, parameters) => noted(curves[i], camera.figures(parameters));
        await this.train(this.task(seed, network, data, starts.map((start) => start.parameters)), steps, shown);
      } finally {
        camera.close();
      }
      curves.forEach((each, i) => tell("seed", { seed: group[i], steps, curves: each }));
    }
  }

  /** How many seeds are trained at once: those that share their examples and the order of these, within the limits. */
  together() {
    const { scene, table, data, network } = this;
    const varies = ["own", "csv"].includes(scene.data.name) || table.data.find(({ name }) => name === scene.data.name).seeded;
    if (!table.served || varies || (scene.batch_size !== null && scene.batch_size < data.y.length)) return 1;
    const values = network.widths.reduce((sum, width) => sum + width, 0) * data.y.length;
    const networks = Math.min(table.limits.together, 4 * table.limits.values / values, MOST_AT_ONCE / network.size);
    return Math.max(1, Math.floor(networks / scene.inits.length));
  }
}

const curvesOf = () => ({ loss: [], test_loss: [], train_accuracy: [], test_accuracy: [] });

const noted = (curves, figures) => Object.keys(curves).forEach((name) => curves[name].push(figures[name]));

const quoted = (text) => (/^[A-Za-z_]\w*$/.test(text) ? text : text.includes('"') ? `'${text}'` : `"${text}"`);
