// What the numbers of a start mean, by the exported limits of findings (`table.findings`): the numbers that
// checkup/findings.py judges, each by its code's limits. The page makes sentences of the values.

/** The findings of a measure: [{code, severity, where, values, measured, expected}], in the order of the rules. */
export function judge(measure, { limits, zero_gradient: still }) {
  const severity = (code, value) => {
    const { warning, severe } = limits[code];
    if (severe !== null && value >= severe) return "severe";
    return warning !== null && value >= warning ? "warning" : null;
  };
  const found = [];
  const tell = (code, how, values, measured, expected, where = null) => how && found.push({ code, severity: how, where, values, measured, expected });
  const placed = (layers) => (layers.length ? `W${layers[0].layer}` : null);
  const parts = (worth, values) => measure.layers.flatMap((layer, i) => (worth(layer) ? [{ layer: i + 1, ...values(layer) }] : []));
  const most = (values) => values.reduce((a, b) => Math.max(a, b), 0);

  const twins = parts((layer) => layer.distinct < layer.units, ({ units, distinct }) => ({ case: distinct === 1 ? "all" : null, units, duplicates: units - distinct }));
  if (twins.length) {
    const how = severity("identical-units", most(twins.map((part) => part.duplicates / part.units))) ?? "warning";
    tell("identical-units", how, { case: null, layers: twins }, twins.reduce((sum, part) => sum + part.duplicates, 0), 0, placed(twins));
  }

  const weights = Object.keys(measure.largest_gradients).filter((name) => name.startsWith("W"));
  const names = weights.filter((name) => !(measure.largest_gradients[name] > still));
  if (names.length) {
    const bias = `b${weights.length}`;
    const all = names.length === weights.length ? { case: "only-last-bias", bias, gradient: measure.largest_gradients[bias] } : {};
    tell("zero-gradient", "severe", { names, ...all }, 0, null, names[0]);
  }

  const { sure_share: share, sure_and_wrong_share: wrong, logit_rms: rms, loss, chance_loss: chance } = measure;
  if (share !== null) tell("output-saturated", severity("output-saturated", share), { share, wrong, rms }, share, 0);
  const numbers = share === null;
  const above = severity(`loss-above-chance${numbers ? "/numbers" : ""}`, loss / chance);
  tell("loss-above-chance", above, { case: numbers ? "numbers" : null, loss, ratio: loss / chance, chance }, loss, chance);

  const dead = parts((layer) => severity("dead-units", layer.dead_share), (layer) => ({ share: layer.dead_share }));
  const worst = most(dead.map((part) => part.share));
  tell("dead-units", severity("dead-units", worst), { layers: dead }, worst, 0, placed(dead));

  const excess = (layer) => (layer.saturated_share === null ? 0 : (layer.saturated_share - layer.usual_saturated_share) / (1 - layer.usual_saturated_share));
  const flat = parts((layer) => severity("saturated-units", excess(layer)), (layer) => ({ share: layer.saturated_share }));
  const [first, last] = [measure.layers[0], measure.layers.at(-1)];
  tell("saturated-units", severity("saturated-units", most(measure.layers.map(excess))), { layers: flat }, most(flat.map((part) => part.share)), first?.usual_saturated_share, placed(flat));

  if (measure.layers.length > 1 && first.activation_rms > 0) {
    const ratio = last.activation_rms / first.activation_rms;
    const size = ratio === 0 || Number.isNaN(ratio) ? Infinity : Math.max(ratio, 1 / ratio);
    const code = ratio < 1 ? "vanishing-signal" : "exploding-signal";
    tell(code, severity(code, size), { ratio }, ratio, 1);
  }
  return found;
}
