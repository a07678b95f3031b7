// Scenes worth showing, good and bad. What each shows is said in the texts, in two sentences, with figures of its own run.

const deep = (layers, width) => new Array(layers).fill(width);
const starts = (...specs) => specs.map((spec) => ({ spec, gain: 1 }));
const KEYED = { stream: "keyed", seed: 0 };

/** Each: its name, whether it shows good starts, bad ones or both, and how its scene differs from the classic experiment. */
export const PRESETS = [
  { name: "classic", kind: "both", scene: {} },
  {
    name: "symmetry", kind: "bad",
    scene: { inits: starts("zeros", "constant(value=0.5)", "normal(std=0.5)"), data: { name: "moons" }, learning_rate: 0.1, steps: 3000 },
  },
  {
    name: "small", kind: "bad",
    scene: { inits: starts("normal(std=0.01)", "normal(std=0.1)", "he_normal"), hidden: [10, 10, 10], learning_rate: 0.1, steps: 3000 },
  },
  {
    name: "large", kind: "bad",
    scene: {
      ...KEYED, inits: starts("normal(std=10)", "normal(std=3)", "glorot_normal"), activation: "tanh", hidden: [20, 20],
      learning_rate: 0.1, steps: 3000,
    },
  },
  {
    name: "depth", kind: "both",
    scene: {
      ...KEYED, seed: 1, inits: starts("he_normal", "glorot_normal", "pytorch_linear"), hidden: deep(20, 16), data: { name: "moons" },
      learning_rate: 0.02, steps: 400,
    },
  },
  {
    name: "chaos", kind: "both",
    scene: {
      ...KEYED, seed: 1, inits: starts("variance_scaling(scale=0.5)", "edge_of_chaos", "variance_scaling(scale=6)"), activation: "tanh",
      hidden: deep(25, 16), data: { name: "moons" }, learning_rate: 0.02, steps: 500,
    },
  },
  {
    name: "dead", kind: "bad",
    scene: { inits: starts("normal(std=0.3, mean=-0.5)", "he_normal"), hidden: [12, 12], learning_rate: 0.1, steps: 3000 },
  },
  {
    name: "orthogonal", kind: "good",
    scene: {
      ...KEYED, seed: 1, seeds: 8, inits: starts("orthogonal", "lecun_normal"), activation: "tanh", hidden: deep(60, 8),
      data: { name: "moons" }, learning_rate: 0.02, steps: 600,
    },
  },
];

/** The preset's scene: the defaults with its differences. */
export function presetScene(preset, defaults) {
  return { ...structuredClone(defaults), ...structuredClone(preset.scene) };
}
