// What mean-field theory expects of a layer: expectations under a Gaussian, by the panels of theory/quadrature.py.

const NODES = 24;
const UNIT = [...Array(13).keys(), 15, 18, 22, 28, 38];
const GRADED = [0.5, 1, 2, 3, 4, ...Array.from({ length: 40 }, (_, i) => 6 * 2 ** i)];
const [SMALL, LARGE] = [1e-150, 1e9]; // stand for 0+ and infinity

/** Nodes and weights of Gauss and Legendre on [0, 1], by Newton's method. */
const RULE = (() => {
  const [nodes, weights] = [[], []];
  for (let i = 0; i < NODES; i += 1) {
    let x = -Math.cos((Math.PI * (i + 0.75)) / (NODES + 0.5));
    let slope = 0;
    for (let turn = 0; turn < 100; turn += 1) {
      let [p, before] = [1, 0];
      for (let k = 1; k <= NODES; k += 1) [p, before] = [((2 * k - 1) * x * p - (k - 1) * before) / k, p];
      slope = (NODES * (x * p - before)) / (x * x - 1);
      const move = p / slope;
      x -= move;
      if (Math.abs(move) < 1e-16) break;
    }
    nodes.push((x + 1) / 2);
    weights.push(1 / ((1 - x * x) * slope * slope));
  }
  return { nodes, weights };
})();

/** The integral of f, which takes and gives arrays, over the panels between edges; panels are halved where they must be. */
export function integral(f, edges) {
  const panels = (lows, widths) => {
    const at = Float64Array.from({ length: lows.length * NODES }, (_, i) => lows[Math.floor(i / NODES)] + widths[Math.floor(i / NODES)] * RULE.nodes[i % NODES]);
    const values = f(at);
    return lows.map((_, i) => RULE.weights.reduce((sum, w, k) => sum + w * values[i * NODES + k], 0) * widths[i]);
  };
  let lows = edges.slice(0, -1);
  let widths = lows.map((low, i) => edges[i + 1] - low);
  let whole = panels(lows, widths);
  let [total, scale] = [0, 0];
  for (let depth = 0; ; depth += 1) {
    const halves = lows.flatMap((low, i) => [low, low + widths[i] / 2]);
    const half = widths.flatMap((width) => [width / 2, width / 2]);
    const parts = panels(halves, half);
    const sums = lows.map((_, i) => parts[2 * i] + parts[2 * i + 1]);
    scale = Math.max(scale, sums.reduce((sum, each) => sum + Math.abs(each), 0));
    const open = sums.map((sum, i) => depth < 48 && Math.abs(sum - whole[i]) > 5e-16 * scale);
    if (open.filter(Boolean).length > 4096) open.fill(false);
    sums.forEach((sum, i) => (total += open[i] ? 0 : sum));
    if (!open.some(Boolean)) return total;
    const kept = (values) => values.filter((_, i) => open[i >> 1]);
    [lows, widths, whole] = [kept(halves), kept(half), kept(parts)];
  }
}

/** E[f(u)] for u ~ N(0, std^2). */
export function expectation(f, std, kinks) {
  const graded = GRADED.map((each) => each / std).filter((each) => each < 38);
  const ends = kinks.map((kink) => kink / std).filter((each) => Math.abs(each) < 38);
  const edges = [...new Set([...UNIT, ...graded].flatMap((each) => [-each + 0, each]).concat(ends))].sort((a, b) => a - b);
  return integral((z) => {
    const values = f(z.map((each) => std * each));
    return values.map((value, i) => (value * Math.exp(-0.5 * z[i] * z[i])) / Math.sqrt(2 * Math.PI));
  }, edges);
}

/** E[phi(u)^2] and E[phi'(u)^2], u ~ N(0, q). */
export function secondMoment(core, activation, q) {
  if (q === 0) return core.evaluate(activation, [0])[0][0] ** 2;
  return expectation((u) => core.evaluate(activation, u)[0].map((a) => a * a), Math.sqrt(q), activation.kinks);
}

export function slopeMoment(core, activation, q) {
  if (q === 0 || q === Infinity) {
    const end = q === 0 ? SMALL : LARGE;
    const [, slopes] = core.evaluate(activation, [-end, end]);
    return (slopes[0] ** 2 + slopes[1] ** 2) / 2;
  }
  return expectation((u) => core.evaluate(activation, u)[1].map((s) => s * s), Math.sqrt(q), activation.kinks);
}

/** The mean squares of pre-activations, and of gradients in units of the last layer's, of a wide network; null for a mean. */
export function forecast(core, network, start, inputSquare) {
  const { widths, activation } = network;
  if (start.means.some((mean) => mean !== 0)) return null;
  const forward = [];
  let square = inputSquare;
  start.variances.forEach((variance, l) => {
    forward.push(widths[l] * variance * square + start.biasVariances[l]);
    square = l + 1 < start.variances.length ? secondMoment(core, activation, forward[l]) : 0;
  });
  const backward = [1];
  for (let l = start.variances.length - 1; l > 0; l -= 1) {
    backward.unshift(backward[0] * widths[l + 1] * start.variances[l] * slopeMoment(core, activation, forward[l - 1]));
  }
  return { forward, backward };
}
