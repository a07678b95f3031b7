// Hidden layers: their widths as text, steppers for a few layers, depth and width for many.

import { field } from "./controls.js";
import { el } from "./dom.js";
import { said, t } from "./i18n.js";
import { parseWidths, widthsText } from "./state.js";

const FEW = 6; // up to so many layers have a stepper each

export function hiddenLayers(limits, change) {
  const text = el("input", { type: "text", spellcheck: false, autocomplete: "off" });
  const node = field("hidden", "network.hidden", text, null);
  const steppers = el("div", { class: "steppers" });
  const wrapper = el("div", {}, node, steppers);
  text.addEventListener("change", () => {
    try {
      const widths = parseWidths(text.value.trim());
      change((scene) => (scene.hidden = widths));
    } catch {
      const place = node.querySelector(".trouble");
      place.textContent = t("network.unreadable");
      place.hidden = false;
      text.setAttribute("aria-invalid", "true");
    }
  });
  let shown = null;

  const edit = (how) => change((scene) => (scene.hidden = how([...scene.hidden])));
  const button = (id, face, key, act, disabled = false, values = {}) =>
    el("button", { type: "button", id, class: "small", "aria-label": t(key, values), title: t(key, values), onclick: act, disabled }, face);

  function one(width, i) {
    const layer = { layer: i + 1 };
    return el(
      "div", { class: "stepper" },
      el("span", { class: "muted" }, String(i + 1)),
      button(`fewer-${i}`, "−", "network.fewer", () => edit((w) => (w[i] -= 1, w)), width <= 1, layer),
      el("output", { "aria-label": t("network.units", layer) }, String(width)),
      button(`more-${i}`, "+", "network.more", () => edit((w) => (w[i] += 1, w)), width >= limits.width, layer),
      button(`drop-${i}`, "×", "network.drop", () => edit((w) => w.filter((_, k) => k !== i)), false, layer),
    );
  }

  function update(widths) {
    if (document.activeElement !== text) text.value = widthsText(widths);
    const key = `${t("network.add")} ${widths.join()}`;
    if (shown === key) return;
    shown = key;
    const focused = document.activeElement?.id;
    const few = widths.length <= FEW ? widths.map(one) : [el("p", { class: "hint" }, t("network.many", { layers: widths.length }))];
    const last = widths.at(-1) ?? 5;
    steppers.replaceChildren(
      ...few,
      el(
        "div", { class: "row" },
        said("button", "network.add", {
          type: "button", id: "add-layer", onclick: () => edit((w) => [...w, last]), disabled: widths.length >= limits.hidden_layers,
        }),
        said("button", "network.remove", {
          type: "button", id: "remove-layer", onclick: () => edit((w) => w.slice(0, -1)), disabled: widths.length === 0,
        }),
      ),
    );
    if (focused) document.getElementById(focused)?.focus();
  }
  return { node: wrapper, update };
}
