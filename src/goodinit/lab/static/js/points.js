// A person's own points. The first one added turns the data shown into points of one's own, kept in the scene itself.

export class Points {
  constructor(lab) {
    this.lab = lab;
    this.chosen = null; // the class that a click adds, or null while clicks add nothing
    this.before = null; // the data as they were before the first point
    this.count = 0;
  }

  label = () => this.chosen;

  mode(label) {
    this.chosen = label;
    document.getElementById("starts").classList.toggle("adding", label !== null);
  }

  /** How many points were added here and can be taken back. */
  added = () => (this.lab.scene.data.name === "own" ? this.count : 0);

  /** All points that are shown, training and test, or null where the data are not points of a plane. */
  current() {
    const { run } = this.lab;
    if (!run?.data.box) return null;
    return [run.data.train, run.data.test].flatMap((set) =>
      Array.from({ length: set.count }, (_, i) => [round(set.points[2 * i]), round(set.points[2 * i + 1]), set.labels[i]]));
  }

  clicked(x, y, event) {
    if (this.chosen === null) return;
    const classes = Math.max(2, this.lab.run.data.classes.length);
    this.add(x, y, event.shiftKey ? (this.chosen + 1) % classes : this.chosen);
  }

  add(x, y, label) {
    this.lab.change((scene) => {
      if (scene.data.name !== "own") {
        const own = this.current();
        if (!own) return false;
        this.before = scene.data;
        this.count = 0;
        scene.data = { name: "own", own };
      }
      scene.data.own.push([round(x), round(y), label]);
      this.count += 1;
      return true;
    });
  }

  undo() {
    this.lab.change((scene) => {
      if (this.added() === 0) return false;
      scene.data.own.pop();
      this.count -= 1;
      if (this.count === 0 && this.before) scene.data = this.before;
      return true;
    });
  }

  clear() {
    this.lab.change((scene) => {
      if (this.added() === 0) return false;
      if (this.before) scene.data = this.before;
      else scene.data.own.splice(-this.count);
      this.count = 0;
      return true;
    });
  }
}

const round = (value) => Math.round(value * 1000) / 1000;
