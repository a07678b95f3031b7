// Points of a person's own: put on a decision map by a click, or by their coordinates; a class is chosen first.

import { el } from "./dom.js";
import { said, t } from "./i18n.js";
import { colour } from "./theme.js";
import { shape } from "./map.js";
import { fitted } from "./dom.js";

const CLASSES = 3; // that can be chosen here at the least; data with more classes offer all of theirs

/** `points` is {add(x, y, label), undo(), clear(), mode(label | null), added()}: the page's store of own points. */
export function pointTools(points) {
  const modes = el("div", { class: "choice-row", role: "radiogroup" });
  modes.dataset.tLabel = "points.title";
  modes.setAttribute("aria-label", t("points.title"));
  const [x, y] = ["x", "y"].map((name) => el("input", { type: "number", step: "any", id: `point-${name}`, "aria-label": name, placeholder: name }));
  const add = said("button", "points.add", {
    type: "button", id: "point-add",
    onclick: () => {
      if (x.value !== "" && y.value !== "") points.add(Number(x.value), Number(y.value), points.label() ?? 0);
    },
  });
  const undo = said("button", "points.undo", { type: "button", id: "point-undo", onclick: () => points.undo() });
  const clear = said("button", "points.clear", { type: "button", id: "point-clear", onclick: () => points.clear() });
  const node = el(
    "fieldset", { class: "field points" },
    said("legend", "points.title"), modes,
    el("div", { class: "row exact-point" }, x, y, add), el("div", { class: "row" }, undo, clear), said("p", "points.hint", { class: "hint" }),
  );
  let shown = "";

  function choice(label) {
    const id = `point-mode-${label ?? "off"}`;
    const input = el("input", { type: "radio", name: "point-mode", class: "sr", id, onchange: () => points.mode(label) });
    input.checked = points.label() === label;
    const face = label === null ? said("span", "points.off") : el("span", { "aria-label": t("points.class", { label }) }, sign(label), String(label));
    return el("label", { class: "choice", for: id }, input, face);
  }

  function sign(label) {
    const canvas = el("canvas", { class: "sign" });
    const context = fitted(canvas, 14, 14);
    context.beginPath();
    shape(context, label, 7, 7, 4.5);
    context.fillStyle = colour(`class-${label}`);
    context.fill();
    return canvas;
  }

  function update(scene, run) {
    const plane = run ? run.data.box !== null : true;
    node.hidden = !plane;
    if (!plane) return;
    const classes = Math.min(8, Math.max(CLASSES, run?.data.classes.length ?? 2));
    const key = [classes, points.label(), t("points.off"), colour("class-0")].join();
    if (key !== shown) {
      shown = key;
      const focused = document.activeElement?.id;
      modes.replaceChildren(choice(null), ...Array.from({ length: classes }, (_, label) => choice(label)));
      if (focused?.startsWith("point-mode")) document.getElementById(focused)?.focus();
    }
    undo.disabled = clear.disabled = points.added() === 0;
  }
  return { node, update };
}
