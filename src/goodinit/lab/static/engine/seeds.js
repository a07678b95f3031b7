// A scene's seeds: who trains which, and the bands over their curves.

/** Hands out a scene's seeds but its first, in their order: the next ones, `most` of them or as many as there are. */
export function others({ seed, seeds }) {
  let given = 1;
  return async (most) => {
    const group = Array.from({ length: Math.min(most, seeds - given) }, (_, i) => seed + given + i);
    given += group.length;
    return group;
  };
}

const SHARES = { low: 0.1, middle: 0.5, high: 0.9 };

/** The seeds at a tenth, the middle and nine tenths of all, at each moment; a loss that is not finite counts as the largest. */
export function bandsOf(seeds) {
  const places = Object.entries(SHARES).map(([name, share]) => [name, Math.min(seeds.length - 1, Math.max(0, Math.ceil(share * seeds.length) - 1))]);
  const band = (name) => {
    const made = Object.fromEntries(places.map(([place]) => [place, []]));
    seeds[0].steps.forEach((_, at) => {
      const ordered = Float64Array.from(seeds, (seed) => (Number.isFinite(seed.curves[name][at]) ? seed.curves[name][at] : Infinity)).sort();
      for (const [place, i] of places) made[place].push(Number.isFinite(ordered[i]) ? ordered[i] : null);
    });
    return made;
  };
  return Object.fromEntries(Object.keys(seeds[0].curves).map((name) => [name, band(name)]));
}
