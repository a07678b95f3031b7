// The editor of up to four starts: an initializer of the catalogue with its options, and a gain on its weights.

import { alone } from "./backend.js";
import { slider } from "./controls.js";
import { el } from "./dom.js";
import { said, t } from "./i18n.js";
import { formatSpec, parseSpec } from "./spec.js";

export const LETTERS = "ABCD";

export function startsEditor(catalogue, change) {
  const list = el("div", { class: "start-list" });
  const add = said("button", "starts.add", { type: "button", id: "add-start", onclick: () => change((scene) => void scene.inits.push(fresh(scene))) });
  const node = el("div", {}, list, add);
  const byName = new Map(catalogue.initializers.flatMap((each) => [each.name, ...each.aliases].map((name) => [name, each])));
  let structure = "";
  let cards = [];

  /** The first of a few well-known starts that is not there yet. */
  function fresh(scene) {
    const there = scene.inits.map((each) => each.spec);
    const known = ["he_normal", "glorot_normal", "orthogonal", "lecun_normal", "normal(std=0.01)"];
    return { spec: known.find((spec) => !there.includes(spec)) ?? "he_uniform", gain: 1 };
  }

  const elsewhere = ({ name }) => el("option", { value: name, disabled: true }, t("starts.elsewhere", { name }));

  function card(init, i) {
    const spec = parseSpec(init.spec) ?? { name: init.spec, options: {} };
    const facts = byName.get(spec.name);
    const usual = Object.fromEntries((facts?.options ?? []).map((option) => [option.name, option.default]));
    const set = (edit) => change((scene) => edit(scene.inits[i]));
    const which = el("select", { id: `start-${i}`, "aria-label": t("starts.which", { letter: LETTERS[i] }) });
    which.append(...catalogue.initializers.map((each) => (each.law || !alone ? el("option", { value: each.name }, each.name) : elsewhere(each))));
    which.value = facts?.name ?? spec.name;
    which.addEventListener("change", () => set((start) => (start.spec = which.value)));
    const options = (facts?.options ?? []).map((option) => optionControl(option, spec, i, (value) =>
      set((start) => (start.spec = formatSpec(spec.name, { ...spec.options, [option.name]: value }, usual))),
    ));
    const gain = slider(`inits.${i}.gain`, "starts.gain", (value, how) => change((scene) => (scene.inits[i].gain = value), how), {
      low: catalogue.limits.gain[0], high: catalogue.limits.gain[1], log: true, id: `gain-${i}`,
    });
    gain.update(init.gain);
    const remove = el("button", {
      type: "button", class: "small", id: `remove-start-${i}`, "aria-label": t("starts.remove", { letter: LETTERS[i] }),
      title: t("starts.remove", { letter: LETTERS[i] }), onclick: () => change((scene) => void scene.inits.splice(i, 1)),
    }, "×");
    const note = el("p", { class: "hint mismatch", hidden: true });
    const box = el(
      "div", { class: `start-card start-colour-${i}` },
      el("div", { class: "start-head" }, el("span", { class: "badge", "aria-hidden": "true" }, LETTERS[i]), which, remove),
      facts ? el("p", { class: "formula" }, facts.formula) : null,
      options.length ? el("div", { class: "two options" }, ...options) : null,
      note,
      gain.node,
      el("p", { class: "trouble", hidden: true }),
    );
    box.dataset.field = `inits.${i}`;
    return { box, gain, remove, note };
  }

  /** What an initializer is made for, where that is not the network's activation. */
  function mismatch({ spec }, activation) {
    const parsed = parseSpec(spec);
    const option = byName.get(parsed?.name)?.options.find((each) => each.name === "activation");
    const made = parsed?.options.activation ?? option?.default;
    const family = (text) => parseSpec(String(text).replace(/^["']|["']$/g, ""))?.name;
    return option && family(made) !== family(activation) ? t("starts.mismatch", { made: family(made), used: family(activation) }) : "";
  }

  function update(inits, activation) {
    const now = JSON.stringify([inits.map((init) => init.spec), t("starts.add")]);
    if (now !== structure) {
      structure = now;
      const focused = document.activeElement?.id;
      cards = inits.map(card);
      list.replaceChildren(...cards.map((each) => each.box));
      if (focused) document.getElementById(focused)?.focus();
    }
    cards.forEach((each, i) => {
      each.gain.update(inits[i].gain);
      each.remove.disabled = inits.length === 1;
      each.note.textContent = mismatch(inits[i], activation);
      each.note.hidden = each.note.textContent === "";
    });
    add.disabled = inits.length >= catalogue.limits.inits;
  }

  return { node, update, translate: () => (structure = "") };
}

function optionControl(option, spec, i, set) {
  const id = `start-${i}-${option.name}`;
  const value = spec.options[option.name] ?? option.default ?? "";
  let control;
  if (option.type === "choice" || option.type === "boolean") {
    const choices = option.choices ?? ["true", "false"];
    control = el("select", { id }, ...choices.map((each) => el("option", { value: String(each) }, String(each ?? "none"))));
    control.value = String(value);
  } else {
    const numeric = option.type === "number" || option.type === "integer";
    control = el("input", { id, type: numeric ? "number" : "text", step: option.type === "integer" ? 1 : "any", spellcheck: false });
    if (numeric) Object.assign(control, { min: option.low ?? "", max: option.high ?? "" });
    control.value = value;
  }
  control.addEventListener("change", () => set(control.value));
  return el("div", { class: "field" }, el("label", { for: id }, option.name), control);
}
