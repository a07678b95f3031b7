// The lab: it holds a scene, has it trained, and shows what comes.

import { Refused } from "../engine/refused.js";
import { api } from "./backend.js";
import { drawAtLeisure } from "./charts.js";
import { Columns } from "./columns.js";
import { trouble } from "./controls.js";
import { byId, el, settled } from "./dom.js";
import { explanation } from "./explain.js";
import { fill, language, said, t, use, whole } from "./i18n.js";
import { Lesson } from "./lesson.js";
import { lessonNamed } from "./lessons.js";
import { explained, show, showAgain, unread } from "./messages.js";
import { panel } from "./panel.js";
import { Player } from "./player.js";
import { Points } from "./points.js";
import { PRESETS, presetScene } from "./presets.js";
import { quickBar } from "./quick.js";
import { Run } from "./run.js";
import { VIEW, copy, fromHash, keyOf, toHash, without } from "./state.js";
import { Together } from "./together.js";
import { viewControls } from "./view.js";

const SLIDING = 60; // milliseconds without a move before a slider's value is trained
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

export class Lab {
  constructor(catalogue) {
    this.catalogue = catalogue;
    this.defaults = catalogue.defaults;
    this.files = new Map(api.keptFiles().map((told) => [told.csv, told])); // CSV files of this tab: id -> what was read of it
    this.scene = copy(this.defaults);
    this.view = { ...VIEW };
    this.run = null;
    this.preset = null;
    this.stop = new AbortController();
    this.points = new Points(this);
    this.columns = new Columns(byId("starts"), (x, y, event) => this.points.clicked(x, y, event));
    this.together = new Together(byId("together"));
    this.player = new Player((frame) => this.draw(frame));
    this.panel = panel(byId("controls"), catalogue, {
      change: (edit, how) => this.change(edit, how), sendCsv: (file) => this.sendCsv(file), points: this.points, files: this.files,
    });
    this.quick = quickBar(byId("quick"), catalogue, (edit) => this.change(edit));
    this.viewing = viewControls(byId("view"), (edit) => this.look(edit));
    this.lesson = new Lesson(byId("reason"), this);
    this.trainSoon = settled(() => this.train(), SLIDING);
    this.writeSoon = settled(() => this.write(), 150);
    this.refreshSoon = frameOnce(() => this.refresh());
  }

  /** Edit the scene and train it. An edit that returns false leaves all as it was. */
  change(edit, { sliding = false } = {}) {
    const next = copy(this.scene);
    if (edit(next) === false) {
      this.controls();
      return;
    }
    performance.mark("lab:change");
    this.scene = next;
    this.preset = null;
    this.presets();
    this.controls();
    this.writeSoon();
    if (sliding) this.trainSoon();
    else this.train();
  }

  /** The scene in the controls. */
  controls() {
    this.panel.show(this.scene, this.run, this.files);
    this.quick.show(this.scene);
  }

  /** Edit how the page shows things; nothing is trained. */
  look(edit) {
    edit(this.view);
    this.viewing.show(this.view);
    if (this.run) {
      this.columns.show(this.run, this.view);
      this.together.show(this.run, this.view);
      this.draw(this.player.frame);
    }
    this.writeSoon();
  }

  choose(preset) {
    this.lesson.begin(null);
    this.change((scene) => Object.assign(scene, presetScene(preset, this.defaults)) && true);
    this.preset = preset.name;
    this.presets();
    this.view.at = null;
    history.pushState(null, "", this.address());
    this.begin();
  }

  /** Play a training from its start, or show its end where motion is not wanted. */
  begin() {
    if (calm.matches) this.wanted = Infinity;
    else {
      this.wanted = 0;
      this.playing = true;
    }
  }

  /** Show the training that is here from its start, or its end where motion is not wanted. */
  play() {
    if (calm.matches) {
      this.player.aim(this.player.last);
      return;
    }
    this.player.go(0);
    this.player.play();
  }

  /** Unfold the controls of that field. */
  unfold(field) {
    for (let box = byId("controls").querySelector(`[data-field="${field}"]`); box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  }

  /** Train the scene. In repair, a field that the server refuses falls back to its default and is named. */
  async train({ repair = false } = {}) {
    this.stop.abort();
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.clearTroubles();
    const told = [];
    const suspects = ["data.name", "inits", "hidden"]; // where the refusal names no field
    const replaced = (error) => t("url.replaced", { what: explained(error) });
    for (let attempt = 0; ; attempt += 1) {
      try {
        byId("starts").setAttribute("aria-busy", "true");
        await api.train(this.scene, (name, data) => !signal.aborted && this.heard(name, data), signal);
        return;
      } catch (error) {
        if (error.name === "AbortError" || signal.aborted) return;
        byId("starts").removeAttribute("aria-busy");
        if (!(error instanceof Refused)) throw error;
        const field = keyOf(error.field) ? error.field : suspects.shift();
        if (!repair || !field || attempt > 12 || ["busy", "unreachable", "internal", "forbidden"].includes(error.code)) {
          this.refused(error);
          document.body.classList.remove("opening");
          byId("starts").classList.add("stale"); // what is shown is not the scene that the controls say
          return;
        }
        if (!told.some((say) => say() === replaced(error))) told.push(() => replaced(error));
        this.scene = without(this.scene, this.defaults, field);
        this.controls();
        show("error", [...this.problems, ...told]);
        this.write();
      }
    }
  }

  heard(name, told) {
    if (name === "scene") this.coming = new Run(told);
    else if (name === "begin") this.begun(told);
    else if (name === "frames") {
      this.run.add(told);
      this.player.arrive(this.run.frames.length - 1);
      this.refreshSoon();
    } else if (name === "seeds") {
      this.run.seeds = told;
      this.status(t("status.seeds", { done: told.done, of: told.of }));
      this.refreshSoon();
    } else if (name === "end") {
      this.run.end = told;
      byId("starts").removeAttribute("aria-busy");
      this.refresh();
      this.columns.words();
      if (!this.lesson.asking) this.status(this.summary());
      performance.mark("lab:whole");
      drawAtLeisure();
    }
  }

  begun(told) {
    const before = this.run;
    const at = before ? before.steps[this.player.frame] : 0;
    const atEnd = before && this.player.frame === this.player.last && before.complete;
    this.run = this.coming;
    this.run.begin(told);
    const { steps } = this.run;
    byId("scrub").max = steps.length - 1;
    byId("starts").classList.remove("stale");
    document.body.classList.remove("opening");
    this.columns.frame = 0;
    this.columns.show(this.run, this.view);
    this.together.show(this.run, this.view);
    this.controls();
    const was = this.wanted ?? (atEnd ? Infinity : at);
    const goal = steps.findIndex((step) => step >= was);
    this.player.load(steps.length, goal < 0 ? steps.length - 1 : goal, this.playing);
    this.wanted = null;
    this.playing = false;
    this.lesson.begun();
    requestAnimationFrame(() => performance.mark("lab:first"));
  }

  refresh() {
    this.columns.arrived();
    this.together.arrived();
    this.arrivedBar();
    this.draw(this.player.frame);
  }

  arrivedBar() {
    const share = this.run ? (this.run.frames.length - 1) / Math.max(1, this.run.steps.length - 1) : 0;
    byId("arrived").style.transform = `scaleX(${share})`;
  }

  draw(frame) {
    const { run, player } = this;
    const play = byId("play");
    play.setAttribute("aria-label", t(player.playing ? "play.pause" : "play.play"));
    play.title = t(player.playing ? "play.pause" : "play.play");
    play.classList.toggle("playing", player.playing);
    if (!run) return;
    const clock = t("play.clock", { step: whole(run.steps[frame]), steps: whole(run.scene.steps) });
    byId("scrub").value = frame;
    byId("scrub").setAttribute("aria-valuetext", clock);
    byId("clock").textContent = clock;
    this.columns.draw(frame);
    this.together.draw(frame);
    this.reason();
    this.lesson.tell();
    if (player.goal === null) {
      const at = this.lesson.asking || player.playing || this.playing || (run.complete && frame === player.last) ? null : run.steps[frame];
      if (at !== this.view.at) {
        this.view.at = at;
        this.writeSoon();
      }
    }
  }

  summary() {
    const parts = this.run.end.starts.map((start) => t("status.start", { name: start.name, test: whole(Math.round(start.test_accuracy * 1000) / 10) }));
    const { steps, seeds } = this.run.scene;
    return `${t(seeds > 1 ? "status.doneSeeds" : "status.done", { steps: whole(steps), seeds })} ${parts.join(t("list.comma"))}`;
  }

  status(text) {
    byId("status").textContent = text;
  }

  refused(error) {
    const text = explained(error);
    const key = keyOf(error.field);
    const place = String(error.field ?? "").replaceAll("[", ".").replaceAll("]", "");
    const control = place.startsWith("inits.") && !place.endsWith("gain") ? place.split(".").slice(0, 2).join(".") : place;
    if (control) trouble(byId("controls"), control, text);
    show("error", [...(this.problems ?? []), () => explained(error)]);
    this.status(key ? `${t(`field.${key}`)}: ${text}` : text);
  }

  clearTroubles() {
    for (const each of byId("controls").querySelectorAll(".trouble")) each.hidden = true;
    for (const each of byId("controls").querySelectorAll("[aria-invalid]")) each.removeAttribute("aria-invalid");
    if (!this.restoring) {
      this.problems = [];
      show("error", []);
    }
  }

  async sendCsv(file) {
    try {
      if (file.size > this.catalogue.limits.csv_bytes) throw new Refused({ code: "too-large", field: "data.csv", message: "", allowed: { most: this.catalogue.limits.csv_bytes } });
      const told = await api.sendCsv(file);
      this.files.set(told.csv, told);
      if (!told.kept) show("note", [() => t("data.unkept", { name: told.name })]);
      this.change((scene) => (scene.data = { name: "csv", csv: told.csv, target: told.target }) && true);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.refused(error);
    }
  }

  /** The link's text: what differs from the classic experiment, or from the lesson's step. */
  address() {
    const { step } = this.lesson;
    if (!step) return toHash(this.scene, this.view, this.defaults) || location.pathname;
    const rest = toHash(this.scene, this.view, presetScene(step, this.defaults)).slice(1);
    return `#lesson=${step.name}${rest && `&${rest}`}`;
  }

  write() {
    if (this.address() !== location.hash) history.replaceState(null, "", this.address());
  }

  /** Take scene and view from the URL; what it says wrongly is named and left at its default. */
  async restore() {
    const [pair, name] = /(?:^#|&)lesson=([^&]*)/.exec(location.hash) ?? [];
    const step = lessonNamed(name);
    const text = step ? location.hash.replace(pair, "").replace(/^&/, "") : location.hash;
    const { scene, view, problems } = fromHash(text, step ? presetScene(step, this.defaults) : this.defaults);
    this.lesson.begin(step);
    Object.assign(this, { scene, view, problems: problems.map((each) => () => unread(each)), restoring: true });
    show("error", this.problems);
    const found = PRESETS.find((preset) => toHash(presetScene(preset, this.defaults), VIEW, this.defaults) === toHash(scene, VIEW, this.defaults));
    this.preset = step ? null : found?.name ?? null;
    this.presets();
    this.controls();
    this.viewing.show(this.view);
    if (this.lesson.asking) this.wanted = 0;
    else if (view.at !== null) this.wanted = view.at;
    else this.begin();
    await this.train({ repair: true });
    this.restoring = false;
  }

  presets() {
    const root = byId("presets");
    if (!root.children.length) {
      root.append(
        ...PRESETS.map((preset) =>
          el("button", { type: "button", class: `chip ${preset.kind}`, id: `preset-${preset.name}`, onclick: () => this.choose(preset) }, said("span", `preset.${preset.name}.name`))),
      );
    }
    for (const { name } of PRESETS) byId(`preset-${name}`).setAttribute("aria-pressed", String(name === this.preset));
    this.reason();
  }

  /** What is to be seen: the preset's words, or else what was found and what came of it. The lesson has its own. */
  reason() {
    const { preset, run, player } = this;
    const atEnd = player.frame === player.last && run?.complete;
    const key = [preset, language(), run?.begun && !preset ? atEnd : null];
    const same = this.reasoned?.every((each, i) => each === key[i]) && (preset || this.reasonedOf === run);
    const box = byId("reason");
    box.hidden = !this.lesson.step && !preset && !run?.begun;
    if (this.lesson.step || same) {
      if (this.lesson.step) this.reasoned = null;
      return;
    }
    [this.reasoned, this.reasonedOf] = [key, run];
    if (preset) box.replaceChildren(said("h2", `preset.${preset}.name`), said("p", `preset.${preset}.reason`));
    else if (run?.begun) box.replaceChildren(...explanation(run, player.frame));
  }

  /** The language's words in what the lab has built. */
  translate() {
    fill(document);
    document.title = t("title");
    this.panel.translate();
    this.quick.translate();
    this.viewing.translate();
    this.viewing.show(this.view);
  }

  async speak(chosen, keep = false) {
    await use(chosen, { remember: keep });
    this.translate();
    this.draw(this.player.frame);
    this.controls();
    showAgain();
    this.lesson.translate();
    if (!this.run) return;
    if (this.run.complete && !this.lesson.asking) this.status(this.summary());
    this.columns.words();
    this.recolour();
  }

  recolour() {
    this.controls();
    if (!this.run) return;
    this.columns.recolour();
    this.together.recolour();
    this.lesson.recolour();
    this.draw(this.player.frame);
  }
}

/** The function, at most once a screen's frame. */
function frameOnce(call) {
  let due = false;
  return () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      call();
    });
  };
}
