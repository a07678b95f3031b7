// What the checkup found at a start, in the page's language, each sentence from the numbers that were measured.

import { figure, has, percent, t, whole } from "./i18n.js";

/** Sentences with their severity: [{code, severity, text}]. A start is called healthy only where its training learned. */
export function findings(run, start) {
  const begun = run.begun[start];
  const all = run.end ? merged(begun.findings, run.end.starts[start].findings) : begun.findings;
  const { measure } = begun;
  const told = all.map((each) => ({ ...each, text: sentence(each, measure) }));
  if (told.length || outcome(run, start)?.severity === "severe") return told;
  return [{ code: "healthy", severity: "good", text: t("finding.healthy", { loss: figure(measure.loss), chance: figure(measure.chance_loss) }) }];
}

function merged(first, later) {
  const codes = new Set(first.map((each) => each.code));
  return [...first, ...later.filter((each) => !codes.has(each.code))];
}

function sentence({ code, message, values: own }, measure) {
  const key = `finding.${code}`;
  const values = measured[code]?.(measure, own ?? {});
  return values && has(key) ? t(key, values) : message;
}

const join = (parts) => parts.join(t("list.comma"));
const shares = ({ layers = [] }) => shortened(layers.map(({ share, layer }) => t("finding.share", { share: percent(share), layer })));

const measured = {
  "identical-units": (measure) => ({
    parts: shortened(
      measure.layers.flatMap((layer, i) => {
        if (layer.distinct >= layer.units) return [];
        const values = { units: layer.units, duplicates: layer.units - layer.distinct, layer: i + 1 };
        return [t(layer.distinct === 1 ? "finding.all" : "finding.some", values)];
      }),
    ),
  }),
  "zero-gradient": (measure, { names = [] }) => {
    const weights = Object.keys(measure.largest_gradients).filter((name) => name.startsWith("W"));
    return { which: names.length === weights.length ? t("finding.everyWeight") : shortened(names) };
  },
  "output-saturated": (measure) => ({
    sure: percent(measure.sure_share), wrong: percent(measure.sure_and_wrong_share), rms: figure(measure.logit_rms, 3),
  }),
  "loss-above-chance": (measure) => ({
    loss: figure(measure.loss, 5), ratio: figure(measure.loss / measure.chance_loss, 3), chance: figure(measure.chance_loss),
  }),
  "dead-units": (measure, values) => ({ parts: shares(values) }),
  "saturated-units": (measure, values) => ({ parts: shares(values) }),
  "vanishing-signal": (measure) => ({ ratio: figure(signal(measure), 2) }),
  "exploding-signal": (measure) => ({ ratio: figure(signal(measure), 2) }),
};

const signal = (measure) => measure.layers.at(-1).activation_rms / measure.layers[0].activation_rms;

/** Four parts and how many more there are: a network of thirty layers is not listed whole. */
function shortened(parts) {
  return parts.length > 4 ? join([...parts.slice(0, 3), t("list.more", { count: parts.length - 3 })]) : join(parts);
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
