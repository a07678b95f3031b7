// Dark or light, by the system's setting or a person's choice, and the colours that canvases and charts draw with.

import { remember, remembered } from "./i18n.js";

const KEPT = "goodinit-lab-theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = [];
let chosen = "auto";
let kept = {};

/** Follow the system, or what was chosen here before; `changed` is called when the colours change. */
export function follow(select, changed) {
  listeners.push(changed);
  const before = remembered(KEPT);
  chosen = ["light", "dark"].includes(before) ? before : "auto";
  select.value = chosen;
  select.addEventListener("change", () => {
    chosen = select.value;
    remember(KEPT, chosen);
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}

function apply() {
  const scheme = chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
  document.documentElement.dataset.scheme = scheme;
  kept = {};
  for (const each of listeners) each();
}

/** The value of a CSS custom property, such as --class-0. */
export function colour(name) {
  kept[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return kept[name];
}

/** A colour as [r, g, b]. */
export function rgb(name) {
  const number = Number.parseInt(colour(name).slice(1), 16);
  return [(number >> 16) & 255, (number >> 8) & 255, number & 255];
}

/** A colour with an opacity from 0 to 1. */
export const faint = (name, opacity) => `rgb(${rgb(name).join(" ")} / ${Math.round(opacity * 100)}%)`;

/** 256 colours from one end through the middle to the other, as bytes r, g, b, a. */
export function ramp(low, middle, high, strength = 1) {
  const name = `ramp ${low} ${middle} ${high} ${strength}`;
  if (kept[name]) return kept[name];
  const [a, m, b] = [rgb(low), rgb(middle), rgb(high)];
  const made = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i += 1) {
    const part = Math.min(1, Math.abs(i - 127.5) / 127.5) * strength;
    const end = i < 128 ? a : b;
    for (let c = 0; c < 3; c += 1) made[4 * i + c] = m[c] + (end[c] - m[c]) * part;
    made[4 * i + 3] = 255;
  }
  kept[name] = made;
  return made;
}
