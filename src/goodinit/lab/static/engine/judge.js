// What the numbers of a start mean, by the exported limits of findings (`table.finding_limits`): the numbers that
// checkup/findings.py judges, each by its code's limits. Sentences are made of the values by the page.

/** The findings of a measure: [{code, severity, values}], in the order of the rules. */
export function judge(measure, { limits, zero_gradient: still }) {
  const severity = (code, value) => {
    const { warning, severe } = limits[code];
    if (severe !== null && value >= severe) return "severe";
    return warning !== null && value >= warning ? "warning" : null;
  };
  const found = [];
  const tell = (code, how, values = {}) => how && found.push({ code, severity: how, values });
  const parts = (worth, values) => measure.layers.flatMap((layer, i) => (worth(layer) ? [{ layer: i + 1, ...values(layer) }] : []));
  const most = (values) => values.reduce((a, b) => Math.max(a, b), 0);

  const twins = parts((layer) => layer.distinct < layer.units, ({ units, distinct }) => ({ units, duplicates: units - distinct }));
  if (twins.length) tell("identical-units", severity("identical-units", most(twins.map((part) => part.duplicates / part.units))) ?? "warning", { layers: twins });

  const names = Object.keys(measure.largest_gradients).filter((name) => name.startsWith("W") && !(measure.largest_gradients[name] > still));
  if (names.length) tell("zero-gradient", "severe", { names });

  if (measure.sure_share !== null) tell("output-saturated", severity("output-saturated", measure.sure_share));
  const numbers = measure.sure_share === null ? "/numbers" : "";
  tell("loss-above-chance", severity(`loss-above-chance${numbers}`, measure.loss / measure.chance_loss));

  const dead = parts((layer) => severity("dead-units", layer.dead_share), (layer) => ({ share: layer.dead_share }));
  tell("dead-units", severity("dead-units", most(dead.map((part) => part.share))), { layers: dead });

  const excess = ({ saturated_share: share, usual_saturated_share: usual }) => (share === null ? 0 : (share - usual) / (1 - usual));
  const flat = parts((layer) => severity("saturated-units", excess(layer)), (layer) => ({ share: layer.saturated_share }));
  tell("saturated-units", severity("saturated-units", most(measure.layers.map(excess))), { layers: flat });

  const [first, last] = [measure.layers[0], measure.layers.at(-1)];
  if (measure.layers.length > 1 && first.activation_rms > 0) {
    const ratio = last.activation_rms / first.activation_rms;
    const size = ratio === 0 || Number.isNaN(ratio) ? Infinity : Math.max(ratio, 1 / ratio);
    const code = ratio < 1 ? "vanishing-signal" : "exploding-signal";
    tell(code, severity(code, size), { ratio });
  }
  return found;
}
