// The present scene in words, made from what was found at each start and from what became of it.

import { el } from "./dom.js";
import { findings, outcome } from "./findings.js";
import { figure, said, t } from "./i18n.js";
import { LETTERS } from "./panel-starts.js";

const RANK = { severe: 0, warning: 1, info: 2, good: 3 };

/** A heading and a row a start: what became of it where that is shown, and what of its start says why. */
export function explanation(run, frame) {
  const rows = run.starts.map(({ spec, gain }, k) => {
    const [letter, name] = [LETTERS[k], gain === 1 ? spec : `${figure(gain, 3)} × ${spec}`];
    const { kind, key } = verdict(run, k, frame);
    return el("li", { class: `start-colour-${k}` },
      el("span", { class: "badge", "aria-hidden": "true" }, letter),
      el("span", { class: `became ${kind}` }, t(key)),
      el("span", {}, el("code", {}, name), `${t("explain.colon")}${because(run, k)}`));
  });
  return [said("h2", "explain.title"), el("ul", { class: "explain" }, ...rows)];
}

/** One word on what became of a start, once its end is shown. */
function verdict(run, k, frame) {
  const end = frame === run.steps.length - 1 ? outcome(run, k) : null;
  if (!end) return { kind: "", key: "explain.ahead" };
  if (run.end.starts[k].diverged) return { kind: "severe", key: "explain.diverged" };
  return end.severity === "severe" ? { kind: "severe", key: "explain.stuck" } : { kind: "good", key: "explain.learned" };
}

/** The gravest finding, or where there is none how far signal and gradient come. */
function because(run, k) {
  const found = run.begun[k].findings.length ? findings(run, k).filter((each) => each.code !== "healthy") : [];
  if (found.length) return found.reduce((a, b) => (RANK[b.severity] < RANK[a.severity] ? b : a)).text;
  const { layers } = run.frames[0].starts[k];
  const hidden = layers.slice(0, -1);
  if (hidden.length < 2 || !hidden[0].forward || !hidden[0].backward) return t("explain.nothing");
  return t("explain.signal", { signal: figure(hidden.at(-1).forward / hidden[0].forward, 2), gradient: figure(hidden[0].backward / hidden.at(-1).backward, 2), layers: hidden.length });
}
