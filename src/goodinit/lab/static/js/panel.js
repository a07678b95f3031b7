// The side panel: data, network, starts, training and seeds. It shows a scene and tells `change` what a person did to it.

import { checkbox, chips, group, number, select, slider } from "./controls.js";
import { el } from "./dom.js";
import { said, t } from "./i18n.js";
import { hiddenLayers } from "./panel-layers.js";
import { pointTools } from "./panel-points.js";
import { startsEditor } from "./panel-starts.js";
import { formatSpec, parseSpec } from "./spec.js";

/** Fill the form; the returned function shows a scene in it. `change(edit, {sliding})` edits the scene and trains. */
export function panel(form, catalogue, { change, sendCsv, points, files }) {
  const { limits } = catalogue;
  const set = (path) => (value, how) =>
    change((scene) => {
      if (path.startsWith("data.")) scene.data[path.slice(5)] = value;
      else scene[path] = value;
    }, how);

  const data = dataControls(catalogue, change, set, sendCsv, points, files);
  const layers = hiddenLayers(limits, change);
  const activation = activationControls(catalogue, change);
  const loss = select("loss", "network.loss", catalogue.losses, set("loss"), { text: (name) => t(`loss.${name}`) });
  const starts = startsEditor(catalogue, change);
  const rate = slider("learning_rate", "training.rate", set("learning_rate"), { low: 1e-5, high: 10, log: true });
  const optimizer = select("optimizer", "training.optimizer", catalogue.optimizers, set("optimizer"), {
    text: (name) => t(`optimizer.${name}`),
  });
  const steps = number("steps", "training.steps", set("steps"), { low: 1, high: limits.steps, step: 1 });
  const batch = number("batch_size", "training.batch", set("batch_size"), { low: 1, step: 1, empty: "training.all" });
  const seed = number("seed", "seeds.seed", set("seed"), { low: catalogue.seed.low, high: catalogue.seed.high, step: 1 });
  const seeds = slider("seeds", "seeds.over", set("seeds"), { low: 1, high: limits.seeds, step: 1 });
  const stream = select("stream", "seeds.stream", catalogue.streams, set("stream"), { text: (name) => t(`stream.${name}`) });
  const another = said("button", "seeds.another", {
    type: "button", id: "another-seed", onclick: () => change((scene) => (scene.seed = (scene.seed + 1) % (catalogue.seed.high + 1))),
  });

  form.addEventListener("submit", (event) => event.preventDefault());
  form.replaceChildren(
    group("panel.starts", starts.node),
    group("panel.data", data.node),
    group("panel.network", layers.node, activation.node, loss.node),
    group("panel.training", rate.node, el("div", { class: "two" }, optimizer.node, steps.node, batch.node)),
    group("panel.seeds", el("div", { class: "two end" }, seed.node, another), seeds.node, stream.node),
  );
  const placeholders = () => {
    for (const each of form.querySelectorAll("[data-t-placeholder]")) each.placeholder = t(each.dataset.tPlaceholder);
  };

  return {
    show(scene, run) {
      data.update(scene, run);
      layers.update(scene.hidden);
      activation.update(scene.activation);
      loss.update(scene.loss);
      starts.update(scene.inits, scene.activation);
      rate.update(scene.learning_rate);
      optimizer.update(scene.optimizer);
      steps.update(scene.steps);
      batch.update(scene.batch_size);
      seed.update(scene.seed);
      seeds.update(scene.seeds);
      stream.update(scene.stream);
    },
    translate() {
      for (const each of [loss, optimizer, stream]) each.fill();
      starts.translate();
      placeholders();
    },
  };
}

function dataControls(catalogue, change, set, sendCsv, points, files) {
  const entry = (name) => catalogue.data.find((each) => each.name === name);
  const choose = (name) => {
    if (name === "csv") file.click();
    change((scene) => {
      if (name === "csv") return false; // a file has to be chosen first
      scene.data = { name };
      if (name === "own") scene.data.own = points.current() ?? [];
      return name !== "own" || scene.data.own.length > 0;
    });
  };
  const faces = catalogue.data.map(({ name }) => [name, said("span", `data.${name}`)]);
  const which = chips("data.name", "data.title", faces, choose);
  const file = el("input", { type: "file", accept: ".csv,text/csv", class: "sr", tabIndex: -1, id: "csv-file" });
  file.setAttribute("aria-label", t("data.file"));
  file.dataset.tLabel = "data.file";
  file.addEventListener("change", () => {
    if (file.files.length) sendCsv(file.files[0]);
    file.value = "";
  });
  const noise = slider("data.noise", "data.noise", set("data.noise"), { low: 0, high: 0.5, step: 0.01 });
  const many = slider("data.points", "data.points", set("data.points"), { low: 20, high: 1000, step: 1 });
  const target = select("data.target", "data.target", [], set("data.target"));
  const standardize = checkbox("data.standardize", "data.standardize", set("data.standardize"));
  const ours = el("p", { class: "hint" });
  const csv = el("div", { class: "csv" }, ours, target.node, standardize.node);
  csv.dataset.field = "data.csv";
  csv.append(el("p", { class: "trouble", hidden: true }));
  const another = said("button", "data.file", { type: "button", id: "choose-csv", onclick: () => file.click() });
  const tools = pointTools(points);
  const node = el("div", {}, which.node, noise.node, many.node, csv, tools.node, el("p", { class: "row" }, another), file);

  function update(scene, run) {
    const { data } = scene;
    const facts = entry(data.name) ?? {};
    which.update(data.name);
    for (const [control, key] of [[noise, "noise"], [many, "points"]]) {
      control.node.hidden = !facts[key];
      if (!facts[key]) continue;
      for (const input of [control.exact, control.way]) [input.min, input.max] = [facts[key].low, facts[key].high];
      control.update(data[key] ?? facts[key].default);
    }
    csv.hidden = data.name !== "csv";
    if (data.name === "csv") {
      const told = files.get(data.csv);
      ours.textContent = told ? t("data.csvNamed", { name: told.name, rows: told.rows }) : "";
      for (const column of told?.columns ?? []) target.update(column);
      if (data.target) target.update(data.target);
      standardize.update(data.standardize !== false);
    }
    tools.update(scene, run);
  }
  return { node, update };
}

function activationControls(catalogue, change) {
  const names = catalogue.activations.map((each) => each.name);
  const options = el("div", { class: "two" });
  const which = select("activation", "network.activation", names, (name) => change((scene) => (scene.activation = name)));
  let shown = "";
  function update(text) {
    const spec = parseSpec(text) ?? { name: text, options: {} };
    which.update(spec.name);
    if (shown === text) return;
    shown = text;
    const facts = catalogue.activations.find((each) => each.name === spec.name)?.options ?? [];
    const usual = Object.fromEntries(facts.map((option) => [option.name, option.default]));
    options.replaceChildren(
      ...facts.map((option) => {
        const input = el("input", { type: "number", step: "any", id: `c-activation-${option.name}` });
        input.value = spec.options[option.name] ?? option.default;
        input.addEventListener("change", () =>
          change((scene) => (scene.activation = formatSpec(spec.name, { ...spec.options, [option.name]: input.value }, usual))),
        );
        return el("div", { class: "field" }, el("label", { for: input.id }, option.name), input);
      }),
    );
  }
  return { node: el("div", {}, which.node, options), update };
}
