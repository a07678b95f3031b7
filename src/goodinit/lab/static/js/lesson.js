// The guided lesson: predict, train, see, read why. One step at a time; what becomes of a start is hidden until predicted.

import { Chart } from "./charts.js";
import { slider } from "./controls.js";
import { byId, el } from "./dom.js";
import { figure, percent, said, t } from "./i18n.js";
import { EXERCISES, LESSON, STEPS } from "./lessons.js";
import { presetScene } from "./presets.js";

const COURSE = "https://github.com/goodinit/goodinit/tree/main/examples/course/exercise.ipynb";

export class Lesson {
  /** `lab` is {run, player, catalogue, defaults, change(edit, how), play(), unfold(field)}. */
  constructor(root, lab) {
    Object.assign(this, { root, lab, step: null, phase: null, chosen: null, solved: new Set() });
  }

  /** Whether what becomes of the start is not to be seen yet. */
  get asking() {
    return this.phase === "ask";
  }

  /** Begin a step or an exercise of LESSON, or leave the lesson with null. */
  begin(step) {
    this.step = step;
    this.phase = step === null ? null : step.exercise ? "try" : "ask";
    this.chosen = null;
    this.chart?.destroy();
    this.chart = null;
    this.build();
  }

  enter(phase) {
    this.phase = phase;
    document.body.classList.toggle("asking", this.asking);
    byId("transport").inert = this.asking;
    this.root.dataset.phase = phase ?? "";
  }

  build() {
    this.enter(this.phase);
    if (!this.step) return;
    const { name } = this.step;
    const body = this.step.exercise ? this.exercise() : this.question();
    this.root.replaceChildren(this.contents(), said("h2", `lesson.${name}.title`), ...body, this.ways());
    this.tell();
  }

  contents() {
    const link = (each, text) => el("a", { href: `#lesson=${each.name}`, "aria-current": each === this.step ? "step" : null, title: t(`lesson.${each.name}.title`) }, text);
    const done = (each) => (this.solved.has(each.name) ? " ✓" : "");
    return el("nav", { class: "lesson-steps", "aria-label": t("lesson.steps") },
      el("ol", {}, ...STEPS.map((each, i) => el("li", {}, link(each, `${i + 1}`)))),
      el("span", { class: "muted" }, t("lesson.exercises")),
      el("ol", {}, ...EXERCISES.map((each, i) => el("li", {}, link(each, `${"abc"[i]}${done(each)}`)))));
  }

  ways() {
    const at = LESSON.indexOf(this.step);
    const next = LESSON[at + 1];
    const link = (each, key, kind) => each && el("a", { class: `button ${kind}`, href: `#lesson=${each.name}` }, t(key));
    const course = at === LESSON.length - 1 && el("a", { class: "button", href: COURSE }, t("lesson.course"));
    return el("p", { class: "row lesson-ways" }, link(LESSON[at - 1], "lesson.back", ""), link(next, "lesson.next", "primary"), course, el("a", { class: "button", href: "#" }, t("lesson.leave")));
  }

  question() {
    const { name, options, live } = this.step;
    const inputs = Array.from({ length: options }, (_, i) => {
      const input = el("input", { type: "radio", name: "prediction", id: `prediction-${i}`, onchange: () => this.predict(i) });
      return el("label", { class: "prediction", for: input.id }, input, said("span", `lesson.${name}.option.${i}`));
    });
    this.go = said("button", live ? "lesson.show" : "lesson.train", { type: "button", id: "lesson-train", class: "primary wide", disabled: true, onclick: () => this.train() });
    this.verdict = el("p", { class: "verdict", role: "status" });
    this.told = el("div", { class: "lesson-told" }, this.verdict, said("p", `lesson.${name}.why`), live ? this.live() : null, said("p", `lesson.${name}.look`, { class: "hint" }));
    return [
      said("p", `lesson.${name}.text`),
      el("fieldset", { class: "predictions" }, said("legend", `lesson.${name}.question`), ...inputs),
      el("p", { class: "row" }, this.go, said("span", "lesson.first", { class: "hint lesson-first" })),
      this.told,
    ];
  }

  predict(i) {
    this.chosen = i;
    this.go.disabled = false;
  }

  train() {
    if (!this.asking) {
      this.lab.play();
      return;
    }
    for (const input of this.root.querySelectorAll(".predictions input")) input.disabled = true;
    this.enter("watch");
    if (this.step.live) this.reveal();
    else this.lab.play();
    this.chart?.resize();
  }

  /** Something has come or has been shown: the end of a training gives the verdict. */
  tell() {
    const { run, player } = this.lab;
    if (!this.step || !run?.complete) return;
    if (this.phase === "try") this.judge(run);
    else if (this.phase === "watch" && player.frame === player.last && !player.playing) this.reveal();
  }

  reveal() {
    this.enter("told");
    const { name } = this.step;
    const right = this.lab.run.complete || this.step.live ? this.step.answer(this.lab.run) : this.chosen;
    const values = { said: t(`lesson.${name}.option.${this.chosen}`), was: t(`lesson.${name}.option.${right}`) };
    this.verdict.className = `verdict ${right === this.chosen ? "good" : "other"}`;
    this.verdict.textContent = t(right === this.chosen ? "lesson.right" : "lesson.wrong", values);
    if (this.step.draws) this.lab.unfold("data.name");
    this.verdict.scrollIntoView({ block: "nearest" }); // on a phone the controls unfold above it
    if (!this.step.live) this.go.dataset.t = "lesson.again";
    this.go.textContent = t(this.go.dataset.t);
    this.go.hidden = Boolean(this.step.live);
  }

  exercise() {
    const { name } = this.step;
    this.verdict = el("p", { class: "verdict", role: "status" });
    const hint = el("details", { class: "lesson-hint" }, said("summary", "lesson.hint"), said("p", `lesson.${name}.hint`));
    return [said("p", `lesson.${name}.text`), said("p", `lesson.${name}.task`, { class: "task" }), this.verdict, hint];
  }

  judge(run) {
    const { name, solved, measured } = this.step;
    const other = this.changed(run);
    const value = measured(run);
    const done = other.length === 0 && solved(run, value);
    if (done) this.solved.add(name);
    const key = done ? `lesson.${name}.solved` : other.length ? "lesson.rules" : `lesson.${name}.open`;
    this.verdict.className = `verdict ${done ? "good" : "other"}`;
    this.verdict.textContent = t(key, { share: percent(value), factor: figure(value, 3) });
    this.root.firstChild.replaceWith(this.contents());
  }

  /** The fields in which a run differs from the exercise's scene, but for the one that may be changed. */
  changed(run) {
    const { defaults, catalogue } = this.lab;
    const wanted = presetScene(this.step, defaults);
    const data = ({ name, noise, points }) => {
      const kind = catalogue.data.find((each) => each.name === name);
      return [name, noise ?? kind.noise?.default, points ?? kind.points?.default];
    };
    const told = (scene, field) => JSON.stringify(field === "data" ? data(scene.data) : scene[field]);
    return Object.keys(defaults).filter((field) => field !== this.step.free && told(run.scene, field) !== told(wanted, field));
  }

  /** The deviation to drag, the formula with its numbers, and each layer's signal beside the theory. */
  live() {
    const drag = slider("lesson.std", "lesson.std", (value, how) => this.lab.change((scene) => (scene.inits[0].spec = `normal(std=${value})`) && true, how), { low: 0.01, high: 2, log: true, id: "lesson-std" });
    this.drag = drag;
    this.formula = el("p", { class: "lesson-formula" });
    this.chartBox = el("div", { class: "chart lesson-chart" });
    return el("div", { class: "lesson-live" }, el("div", {}, drag.node, said("p", "lesson.law", { class: "law" }), this.formula), this.chartBox);
  }

  /** Another start is there: its signal's size from layer to layer, beside the formula. */
  begun() {
    if (!this.step?.live) return;
    const { run } = this.lab;
    const { spec } = run.starts[0];
    const std = Number(/std=([^,)]+)/.exec(spec)?.[1] ?? 1);
    const width = run.scene.hidden.at(-1) ?? 1;
    const sizes = run.frames[0].starts[0].layers.map((layer) => layer.forward);
    const hidden = sizes.length - 1;
    const factor = (width * std * std) / 2;
    this.drag.update(std);
    this.formula.textContent = t("lesson.numbers", {
      width, std: figure(std, 3), factor: figure(factor, 3), layers: hidden - 1, power: figure(factor ** (hidden - 1), 3),
      first: figure(sizes[0], 3), last: figure(sizes[hidden - 1], 3),
    });
    this.chart ??= new Chart(this.chartBox, {
      log: true, height: 190, points: true, xFormat: (v) => (Number.isInteger(v) ? String(v) : ""), limits: () => [1e-14, 1e10],
      lines: [{ stroke: "start-0", width: 2 }, { stroke: "text", width: 1.4, dash: [4, 4] }],
      heading: (layer) => t("probe.layer", { layer }), labels: [() => t("variance.forward"), () => t("probe.theory")],
    });
    this.chartBox.setAttribute("aria-label", t("lesson.chart"));
    const expected = run.begun[0].expected?.forward ?? sizes.map(() => null);
    this.chart.set([sizes.map((_, i) => i + 1), sizes.map((size) => size || null), expected.map((size) => size || null)]);
  }

  recolour() {
    this.chart?.redraw();
  }

  /** Words again, with what was predicted kept. */
  translate() {
    if (!this.step) return;
    const { phase, chosen } = this;
    this.chart?.destroy();
    this.chart = null;
    this.build();
    if (chosen !== null) {
      byId(`prediction-${chosen}`).checked = true;
      this.predict(chosen);
    }
    if (phase !== "ask" && phase !== "try") {
      for (const input of this.root.querySelectorAll(".predictions input")) input.disabled = true;
      this.enter(phase);
      if (phase === "told") this.reveal();
    }
    if (this.lab.run) this.begun();
    this.tell();
  }
}
