// The film of one start of a scene: its opening, a frame at each moment as training comes there, its outcome, and its
// curves over further seeds. It runs in a Worker; the page puts the starts' films side by side.

import { dataSet } from "./data.js";
import { judge } from "./judge.js";
import { drawStart, readActivation } from "./laws.js";
import { measure } from "./measure.js";
import { networkOf, targets } from "./network.js";
import { Camera } from "./picture.js";
import { forecast } from "./theory.js";
import { train } from "./trainer.js";
import { UNIT, affordable, momentsOf, viewOf } from "./view.js";

const BLOWN_UP = 10; // a run that ends so many times above both its first loss and chance has diverged
const BAND_MOMENTS = 40;

/** `held` is {core, table, digits, files}. */
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

  start(seed, network) {
    return drawStart(this.core, this.table, network, this.scene.inits[this.k], seed, this.scene.stream);
  }

  task(seed, network, data, parameters) {
    const { learning_rate: rate, optimizer, steps, batch_size: batchSize } = this.scene;
    const Y = new Float64Array(network.outputs * data.y.length);
    const y = targets(network, data.y);
    for (let c = 0; c < network.outputs; c += 1) for (let i = 0; i < data.y.length; i += 1) Y[i * network.outputs + c] = y[c * data.y.length + i];
    return { network, parameters, X: data.X, Y, rate, optimizer, steps, batchSize, seed };
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

  /** Tell the events of this start, in order: begin, frame ..., outcome. `rest` is awaited now and then. */
  async run(tell, rest) {
    const { core, scene, data, network } = this;
    const camera = new Camera(core, network, data, this.view);
    try {
      const drawn = this.start(scene.seed, network);
      const before = measure(network, data, drawn.parameters, camera.pass(drawn.parameters));
      const square = data.X.reduce((sum, x) => sum + x * x, 0) / data.X.length;
      const expected = forecast(core, network, drawn, square) ?? { forward: null, backward: null };
      let last = camera.frame(drawn.parameters);
      tell("begin", { frame: last, expected, measure: before, findings: judge(before, this.table.findings) });
      const shown = (step, parameters) => {
        if (step === 0) return;
        last = camera.frame(parameters);
        tell("frame", { step, frame: last });
      };
      const end = await train(core, this.task(scene.seed, network, data, drawn.parameters), this.moments, shown, rest);
      const diverged = end.divergedBy !== null || end.finalLoss > BLOWN_UP * Math.max(before.loss, before.chance_loss);
      tell("outcome", {
        name: scene.inits[this.k].spec, loss: Number.isFinite(end.finalLoss) ? end.finalLoss : null, test_loss: last.test_loss,
        train_accuracy: last.train_accuracy, test_accuracy: last.test_accuracy, diverged, diverged_by: end.divergedBy,
      });
    } finally {
      camera.close();
    }
  }

  /** Tell the curves of the scene's seeds, one after another: [loss, test loss, accuracies] at the bands' moments. */
  async seeds(tell, rest) {
    const { scene } = this;
    const steps = momentsOf(scene.steps, BAND_MOMENTS);
    for (let seed = scene.seed; seed < scene.seed + scene.seeds; seed += 1) {
      const { data, network } = this.stage(seed);
      const camera = new Camera(this.core, network, data, { ...this.view, box: null });
      const curves = { loss: [], test_loss: [], train_accuracy: [], test_accuracy: [] };
      try {
        const shown = (step, parameters) => {
          const figures = camera.figures(parameters);
          for (const name of Object.keys(curves)) curves[name].push(figures[name]);
        };
        await train(this.core, this.task(seed, network, data, this.start(seed, network).parameters), steps, shown, rest);
      } finally {
        camera.close();
      }
      tell("seed", { steps, curves });
    }
  }
}

const quoted = (text) => (/^[A-Za-z_]\w*$/.test(text) ? text : text.includes('"') ? `'${text}'` : `"${text}"`);
