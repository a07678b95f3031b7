// The page's words: one file a language, looked up by key; numbers as the language writes them.

import { el } from "./dom.js";

export const LANGUAGES = ["en", "zh"];
const KEPT = "goodinit-lab-language";
let texts = {};
let current = "en";
let loaded = null; // whose texts these are

/** The language to begin with: the one chosen here before, or else the browser's. */
export function preferred() {
  const kept = remembered(KEPT);
  if (LANGUAGES.includes(kept)) return kept;
  for (const wanted of navigator.languages ?? [navigator.language]) {
    const short = wanted.toLowerCase().slice(0, 2);
    if (LANGUAGES.includes(short)) return short;
  }
  return "en";
}

/** Load a language; `fill` puts its words into the page. */
export async function use(language, { remember: keep = false } = {}) {
  if (loaded !== language) {
    const answer = await fetch(new URL(`../texts/${language}.json`, import.meta.url));
    if (!answer.ok) throw new Error(`texts/${language}.json: ${answer.status}`);
    texts = await answer.json();
  }
  current = loaded = language;
  if (keep) remember(KEPT, language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const each of LANGUAGES) document.getElementById(`lang-${each}`).setAttribute("aria-pressed", String(each === language));
}

export const language = () => current;
export const has = (key) => key in texts;

/** The text of a key, {names} in it replaced. */
export function t(key, values = {}) {
  const text = texts[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The names of a run's classes: those of built-in data in the page's language. */
export function classNames({ scene, data }) {
  if (["own", "csv"].includes(scene.data.name)) return data.classes;
  return data.classes.map((name) => (has(`class.${name.split(" ")[0]}`) ? t(`class.${name.split(" ")[0]}`) : name));
}

/** Words into every element under `root` with data-t (text), data-t-label (aria-label) or data-t-title. */
export function fill(root) {
  for (const each of root.querySelectorAll("[data-t]")) each.textContent = t(each.dataset.t);
  for (const each of root.querySelectorAll("[data-t-label]")) each.setAttribute("aria-label", t(each.dataset.tLabel));
  for (const each of root.querySelectorAll("[data-t-title]")) each.title = t(each.dataset.tTitle);
}

/** An element whose text is that key's, and stays so when the language changes. */
export function said(tag, key, properties = {}) {
  const made = el(tag, properties, t(key));
  made.dataset.t = key;
  return made;
}

/** An integer with the language's separators. */
export const whole = (value) => new Intl.NumberFormat(current === "zh" ? "zh-CN" : "en").format(value);

/** A share, such as an accuracy, to a hundredth of a percent. */
export const percent = (share) => (share === null || share === undefined ? "–" : `${trim((share * 100).toFixed(2))} %`);

/** A number to `digits` figures, in powers of ten where it is very small or large. */
export function figure(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(Math.min(2, digits - 1)).replace("e+", "e");
  return size >= 10 ** (digits - 1) ? value.toFixed(size < 1e5 && digits > 4 ? 1 : 0) : trim(value.toPrecision(digits));
}

const trim = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

/** What this browser kept of a person's choice, or null; storage may be switched off. */
export function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // The choice then lasts until the page is closed.
  }
}
