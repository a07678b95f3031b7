// What the checkup found at a start, in the page's language, each sentence rendered from the finding's values.

import { sentence } from "./finding-text.js";
import { figure, language, percent, t, whole } from "./i18n.js";

let texts = {};

/** The sentences of each language by code, as the catalogue has them. */
export function learn(given) {
  texts = given;
}

/** Sentences with their severity: [{code, severity, text}]. A start is called healthy only where its training learned. */
export function findings(run, start) {
  const begun = run.begun[start];
  const all = run.end ? merged(begun.findings, run.end.starts[start].findings) : begun.findings;
  const { measure } = begun;
  const told = all.map((each) => ({ ...each, text: t("finding.stop", { text: sentence(each, texts[language()]) }) }));
  if (told.length || outcome(run, start)?.severity === "severe") return told;
  return [{ code: "healthy", severity: "good", text: t("finding.healthy", { loss: figure(measure.loss), chance: figure(measure.chance_loss) }) }];
}

function merged(first, later) {
  const codes = new Set(first.map((each) => each.code));
  return [...first, ...later.filter((each) => !codes.has(each.code))];
}

const STUCK = 0.95; // of the loss of guessing: a training that ends above it has not learned

/** How a training ended, {severity, text}, or null while it goes on. What did not learn is severe, whatever was found at the start. */
export function outcome(run, start) {
  if (!run.end) return null;
  const end = run.end.starts[start];
  const { measure } = run.begun[start];
  const values = {
    steps: whole(run.scene.steps), first: figure(measure.loss), last: figure(end.loss),
    train: percent(end.train_accuracy), test: percent(end.test_accuracy), step: end.diverged_by === null ? "" : whole(end.diverged_by),
  };
  const severe = (key) => ({ severity: "severe", text: t(key, values) });
  if (end.diverged_by !== null) return severe("outcome.notFinite");
  if (end.diverged) return severe("outcome.diverged");
  if (end.loss === null || end.loss > STUCK * measure.chance_loss) return severe("outcome.stuck");
  return { severity: "", text: t("outcome.trained", values) };
}
