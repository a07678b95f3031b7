// One training as the page holds it: the engine's events put in order.

/** What has come of one training so far. `frames[i].starts[k]` is start k at the step `steps[i]`. */
export class Run {
  constructor(told) {
    this.scene = told.scene;
    this.data = told.data;
    this.network = told.network;
    this.starts = told.starts;
    this.steps = told.steps;
    this.mapSize = told.map.size;
    this.unitSize = told.unit.size;
    this.frames = [];
    this.begun = null;
    this.seeds = null;
    this.end = null;
    for (const set of [this.data.train, this.data.test, this.data.samples]) if (set) set.features = this.data.features.length;
  }

  get complete() {
    return this.end !== null;
  }

  begin(told) {
    this.begun = told.starts;
    this.frames = [{ step: 0, starts: told.starts.map((start) => start.frame) }];
  }

  add(told) {
    this.frames.push(...told.frames);
  }

  /** A series over the frames so far: [steps, one array of values a start]. */
  series(field) {
    const steps = this.frames.map((frame) => frame.step);
    return [steps, this.starts.map((_, k) => this.frames.map((frame) => frame.starts[k][field]))];
  }
}
