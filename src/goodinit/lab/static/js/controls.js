// The kinds of controls the panel is made of. Each returns {node, update}; `update` shows a value without telling anybody.

import { clamp, el } from "./dom.js";
import { said } from "./i18n.js";

let count = 0;

/** A labelled row; a message about its value appears under it. */
export function field(key, label, control, hint = null) {
  control.id ||= `c-${key.replaceAll(".", "-")}`;
  const trouble = el("p", { class: "trouble", id: `${control.id}-trouble`, hidden: true });
  control.setAttribute("aria-describedby", trouble.id);
  const row = el("div", { class: "field" }, said("label", label, { for: control.id }), control, hint, trouble);
  row.dataset.field = key;
  return row;
}

export function select(key, label, values, change, { text = (value) => value } = {}) {
  const control = el("select", { onchange: () => change(control.value) });
  const update = (value) => {
    if (![...control.options].some((option) => option.value === value)) control.append(el("option", { value }, value));
    control.value = value;
  };
  const fill = () => {
    const before = control.value;
    control.replaceChildren(...values.map((value) => el("option", { value }, text(value))));
    if (before) update(before);
  };
  fill();
  return { node: field(key, label, control), update, fill };
}

/** A whole or other number typed; null for an empty field where `empty` allows it. */
export function number(key, label, change, { low, high, step = "any", empty = null } = {}) {
  const control = el("input", { type: "number", min: low, max: high, step, inputMode: step === 1 ? "numeric" : "decimal" });
  if (empty) {
    control.dataset.empty = empty;
    control.dataset.tPlaceholder = empty;
  }
  control.addEventListener("change", () => {
    if (control.value === "") {
      if (empty) change(null);
      return;
    }
    change(Number(control.value));
  });
  const update = (value) => {
    if (document.activeElement !== control) control.value = value ?? ""; // what is being typed stays
  };
  return { node: field(key, label, control), control, update };
}

/** A slider with a field beside it for the exact value; `log` makes equal ways on it equal factors. */
export function slider(key, label, change, { low, high, log = false, step = null, digits = 3, id = null }) {
  const [from, to] = log ? [Math.log10(low), Math.log10(high)] : [low, high];
  const fine = step ?? (log ? (to - from) / 200 : (to - from) / 100);
  const exact = el("input", { type: "number", step: "any", min: low, max: high, class: "exact" });
  const way = el("input", { type: "range", min: from, max: to, step: fine, "aria-hidden": "true", tabIndex: -1 });
  exact.id = id ?? `c-${key.replaceAll(".", "-")}`;
  way.id = `${exact.id}-slider`;
  const value = () => {
    const raw = log ? 10 ** Number(way.value) : Number(way.value);
    return step === 1 ? Math.round(raw) : Number(raw.toPrecision(digits));
  };
  way.addEventListener("input", () => {
    exact.value = value();
    change(value(), { sliding: true });
  });
  exact.addEventListener("change", () => {
    if (exact.value !== "") change(Number(exact.value));
  });
  way.removeAttribute("aria-hidden");
  way.tabIndex = 0;
  const trouble = el("p", { class: "trouble", id: `${exact.id}-trouble`, hidden: true });
  exact.setAttribute("aria-describedby", trouble.id);
  const title = said("label", label, { for: exact.id });
  title.id = `${exact.id}-label`;
  way.setAttribute("aria-labelledby", title.id);
  const node = el("div", { class: "field slider" }, title, exact, way, trouble);
  node.dataset.field = key;
  const update = (given) => {
    if (document.activeElement !== exact) exact.value = given ?? "";
    if (document.activeElement !== way || Math.abs(value() - given) > 1e-9) {
      if (given > 0 || !log) way.value = clamp(log ? Math.log10(given) : given, from, to);
    }
  };
  return { node, update, exact, way };
}

/** One of a few, shown side by side. `options` are [value, node] pairs. */
export function chips(key, label, options, change) {
  const name = `chips-${(count += 1)}`;
  const inputs = new Map();
  const box = el("fieldset", { class: "field choices" }, said("legend", label));
  box.dataset.field = key;
  const row = el("div", { class: "choice-row" });
  for (const [value, face] of options) {
    const input = el("input", { type: "radio", name, value, class: "sr", onchange: () => change(value) });
    inputs.set(value, input);
    row.append(el("label", { class: "choice" }, input, face));
  }
  const trouble = el("p", { class: "trouble", hidden: true });
  box.append(row, trouble);
  return { node: box, row, inputs, update: (value) => inputs.forEach((input, each) => (input.checked = each === value)) };
}

export function checkbox(key, label, change) {
  const input = el("input", { type: "checkbox", onchange: () => change(input.checked) });
  input.id = `c-${key.replaceAll(".", "-")}`;
  const node = el("label", { class: "check", for: input.id }, input, said("span", label));
  return { node, input, update: (value) => (input.checked = value) };
}

/** A titled group of controls that folds. */
export function group(label, ...children) {
  const box = el("details", { class: "group", open: true }, said("summary", label), el("div", { class: "group-body" }, ...children));
  return box;
}

/** Show or take away the message at the control of that field; true where there is such a control. */
export function trouble(root, key, text) {
  const row = [...root.querySelectorAll("[data-field]")].find((each) => each.dataset.field === key);
  if (!row) return false;
  const place = row.querySelector(".trouble");
  place.textContent = text ?? "";
  place.hidden = !text;
  for (const control of row.querySelectorAll("input, select")) {
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
  return true;
}
