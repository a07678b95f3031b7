// Random numbers, bit for bit those of streams.py: `Keyed`, addressed by seed, name and element, and `Sequential`, NumPy's
// legacy RandomState (Mersenne Twister), which the classic experiment drew from.

export class Keyed {
  constructor(core, seed) {
    Object.assign(this, { core, seed });
  }

  fill(name, kind, count, law = {}) {
    return this.core.draw(this.seed, name, kind, 0, count, law);
  }

  uniform(name, count) {
    return this.fill(name, "uniform", count);
  }

  normal(name, count) {
    return this.fill(name, "normal", count);
  }

  signs(name, count) {
    return this.fill(name, "signs", count);
  }

  /** A random order of 0 .. size - 1. */
  permutation(name, size) {
    return ordered(this.uniform(name, size));
  }

  /** The first word's upper half: a seed for a Sequential. */
  word(name) {
    return Number(this.core.draw(this.seed, name, "words", 0, 1)[0] >> 32n);
  }
}

/** The places of values from the least to the largest; equal ones in their order. */
export function ordered(values) {
  return Int32Array.from(values.keys()).sort((a, b) => values[a] - values[b] || a - b);
}

const N = 624;

export class Sequential {
  constructor(core, seed) {
    this.core = core;
    this.state = new Uint32Array(N);
    for (let i = 0, last = seed >>> 0; i < N; i += 1) {
      this.state[i] = last;
      last = (Math.imul(1812433253, last ^ (last >>> 30)) + i + 1) >>> 0;
    }
    this.at = N;
    this.kept = null; // the second normal of a pair
  }

  word() {
    if (this.at === N) this.turn();
    let y = this.state[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  turn() {
    const { state } = this;
    for (let i = 0; i < N; i += 1) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
      state[i] = state[(i + 397) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }

  /** Uniform on [0, 1), of 53 bits. */
  share() {
    const [a, b] = [this.word() >>> 5, this.word() >>> 6];
    return (a * 67108864 + b) / 9007199254740992;
  }

  /** A standard normal, by the polar method. */
  gauss() {
    if (this.kept !== null) {
      const value = this.kept;
      this.kept = null;
      return value;
    }
    let [x1, x2, r2] = [0, 0, 0];
    do {
      x1 = 2 * this.share() - 1;
      x2 = 2 * this.share() - 1;
      r2 = x1 * x1 + x2 * x2;
    } while (r2 >= 1 || r2 === 0);
    const f = Math.sqrt((-2 * this.core.call.log(r2)) / r2);
    this.kept = f * x1;
    return f * x2;
  }

  uniform(name, count) {
    return Float64Array.from({ length: count }, () => this.share());
  }

  normal(name, count) {
    return Float64Array.from({ length: count }, () => this.gauss());
  }

  signs(name, count) {
    return this.uniform(name, count).map((u) => (u < 0.5 ? -1 : 1));
  }

  fill(name, kind, count, { scale = 1, shift = null, cut = null } = {}) {
    let x;
    if (kind === "normal") x = this.normal(name, count);
    else if (kind === "signs") x = this.signs(name, count);
    else {
      x = this.uniform(name, count);
      if (kind === "centred") x = x.map((u) => 2 * u - 1);
      if (kind === "truncated_normal") x = x.map((u) => truncated(this.core, u, cut));
    }
    return x.map((value) => (shift === null ? value * scale : value * scale + shift));
  }

  /** An order of 0 .. size - 1, as RandomState.shuffle makes of them. */
  shuffled(size) {
    const order = Int32Array.from({ length: size }, (_, i) => i);
    for (let i = size - 1; i > 0; i -= 1) {
      const j = this.below(i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /** An integer from 0 to `most`, both included. */
  below(most) {
    let mask = most;
    for (const shift of [1, 2, 4, 8, 16]) mask |= mask >>> shift;
    for (;;) {
      const value = (this.word() & mask) >>> 0;
      if (value <= most) return value;
    }
  }
}

export const streamOf = (core, kind, seed) => (kind === "keyed" ? new Keyed(core, seed) : new Sequential(core, seed));

/** A truncated normal's bounds in probabilities, as streams.py cuts them: low, high, below, above, left, total, mirrored. */
export function cutOf(core, low, high) {
  if (low > 0) return [...cutOf(core, -high, -low).slice(0, 6), 1];
  const below = lowerShare(core, low);
  if (high > 0) {
    const above = lowerShare(core, -high);
    return [low, high, below, above, 0.5 - below, 0.5 - below + (0.5 - above), 0];
  }
  return [low, high, below, 0, Infinity, lowerShare(core, high) - below, 0];
}

/** The normal distribution function at x <= 0: the largest p whose quantile is not above x, among all float64 numbers. */
function lowerShare(core, x) {
  if (x < -37) return 0;
  if (core.call.quantile_lower(0.5) <= x) return 0.5;
  const view = new DataView(new ArrayBuffer(8));
  const number = (bits) => (view.setBigInt64(0, bits), view.getFloat64(0));
  view.setFloat64(0, 0.5);
  let [low, high] = [0n, view.getBigInt64(0)];
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (core.call.quantile_lower(number(middle)) <= x) low = middle;
    else high = middle;
  }
  return number(low);
}

function truncated(core, u, [low, high, below, above, left, total, mirrored]) {
  const across = u * total;
  const onLeft = across < left;
  const p = onLeft ? below + across : above + (1 - u) * total;
  let x = core.call.quantile_lower(Math.min(p, 0.5));
  if (!onLeft) x = -x;
  x = Math.min(Math.max(x, low), high);
  return mirrored ? -x : x;
}
