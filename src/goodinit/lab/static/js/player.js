// Where the page is in a training: a frame, whether it plays, and how fast. Drawing is the listener's.

const WHOLE = 8000; // milliseconds for a whole training at 1x

export class Player {
  constructor(show) {
    this.show = show;
    this.position = 0; // a frame's number; between frames while playing
    this.last = 0; // the last frame there will be
    this.arrived = 0; // the last frame that is here
    this.playing = false;
    this.speed = 1;
    this.goal = null; // a frame to be shown when it arrives
    this.before = 0;
    this.shown = -1;
    this.tick = this.tick.bind(this);
  }

  get frame() {
    return Math.min(Math.floor(this.position), this.arrived);
  }

  /** A new training: at its start, heading for `goal` (a frame) as frames arrive, or playing. */
  load(frames, goal, play = false) {
    this.last = frames - 1;
    this.arrived = 0;
    this.goal = goal > 0 ? Math.min(goal, this.last) : null;
    this.position = 0;
    this.shown = -1;
    if (play) this.start();
    this.draw();
  }

  /** Frames up to this one are here. */
  arrive(frame) {
    this.arrived = frame;
    if (this.goal !== null && !this.playing) {
      this.position = Math.min(this.goal, frame);
      if (frame >= this.goal) this.goal = null;
      this.draw();
    }
  }

  /** Go to a frame, as soon as it is here. */
  aim(frame) {
    this.playing = false;
    this.goal = frame;
    this.arrive(this.arrived);
  }

  play() {
    if (this.playing) return;
    if (this.frame >= this.last) this.position = 0;
    this.start();
    this.draw(true);
  }

  start() {
    this.goal = null;
    this.before = performance.now();
    if (!this.playing) requestAnimationFrame(this.tick);
    this.playing = true;
  }

  pause() {
    this.playing = false;
    this.draw(true);
  }

  go(frame) {
    this.goal = null;
    this.position = Math.max(0, Math.min(frame, this.arrived));
    this.draw(true);
  }

  step(by) {
    this.playing = false;
    this.go(this.frame + by);
  }

  tick(now) {
    if (!this.playing) return;
    const passed = Math.min(Math.max(now - this.before, 0), 100); // a hidden tab does not leap; a frame's time may lie before the click's
    this.before = now;
    this.position = Math.min(this.position + (passed * this.speed * (this.last + 1)) / WHOLE, this.arrived);
    if (this.arrived === this.last && this.position >= this.last) {
      this.pause();
      return;
    }
    this.draw();
    requestAnimationFrame(this.tick);
  }

  draw(always = false) {
    if (!always && this.frame === this.shown) return;
    this.shown = this.frame;
    this.show(this.frame);
  }
}
