// The bar on top: what is changed most, always at hand. The panel has the rest.

import { field, select } from "./controls.js";
import { el } from "./dom.js";
import { figure, t } from "./i18n.js";
import { parseSpec } from "./spec.js";

const RATES = [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const FILES = ["own", "csv"]; // these begin with a click or a file, in the panel

/** Fill the bar; {show(scene), translate()}. `change(edit)` edits the scene and trains. */
export function quickBar(root, catalogue, change) {
  const names = catalogue.data.map((each) => each.name).filter((name) => !FILES.includes(name));
  const data = select("quick-data", "quick.data", names, (name) => change((scene) => {
    if (FILES.includes(name)) return false; // it is shown because it is there already
    scene.data = { name };
    return true;
  }), { text: (name) => t(`data.${name}`) });
  const depth = depthControl(catalogue.limits.hidden_layers, change);
  const activation = select("quick-activation", "quick.activation", catalogue.activations.map((each) => each.name), (name) => change((scene) => (scene.activation = name)));
  const rate = select("quick-rate", "quick.rate", RATES.map(String), (value) => change((scene) => (scene.learning_rate = Number(value))), { text: (value) => figure(Number(value), 6) });
  root.replaceChildren(data.node, depth.node, activation.node, rate.node);
  return {
    show(scene) {
      data.update(scene.data.name);
      for (const option of data.node.querySelectorAll("option")) option.textContent = t(`data.${option.value}`);
      depth.update(scene.hidden);
      activation.update(parseSpec(scene.activation)?.name ?? scene.activation);
      rate.update(String(scene.learning_rate));
    },
    translate() {
      data.fill();
      depth.translate();
    },
  };
}

function depthControl(most, change) {
  const count = el("output", { class: "depth" });
  const edit = (how) => change((scene) => (scene.hidden = how(scene.hidden)) && true);
  const button = (id, face, act) => el("button", { type: "button", class: "small", id, onclick: act }, face);
  const fewer = button("quick-shallower", "−", () => edit((widths) => widths.slice(0, -1)));
  const more = button("quick-deeper", "+", () => edit((widths) => [...widths, widths.at(-1) ?? 5]));
  const node = field("quick-depth", "quick.depth", count);
  node.querySelector("label").after(el("div", { class: "row" }, fewer, count, more));
  const translate = () => {
    fewer.setAttribute("aria-label", (fewer.title = t("network.remove")));
    more.setAttribute("aria-label", (more.title = t("network.add")));
  };
  translate();
  const update = (widths) => {
    count.value = String(widths.length);
    fewer.disabled = widths.length === 0;
    more.disabled = widths.length >= most;
  };
  return { node, update, translate };
}
