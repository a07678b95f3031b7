// The lesson's steps: each a scene with a question that its own training answers, and three exercises that a training
// solves. The words are in the texts, under `lesson.NAME`.

import { outcome } from "./findings.js";

const starts = (...specs) => specs.map((spec) => ({ spec, gain: 1 }));
const deep = (layers, width) => new Array(layers).fill(width);
const KEYED = { stream: "keyed", seed: 1 };
const test = (run, k) => run.end.starts[k].test_accuracy;

/** Which third a test accuracy belongs to: no better than guessing, in between, nearly all. */
const level = (k) => (run) => (test(run, k) < 0.6 ? 0 : test(run, k) < 0.93 ? 1 : 2);

const learned = (run) => run.starts.map((_, k) => outcome(run, k).severity !== "severe");

function best(run) {
  const all = run.starts.map((_, k) => test(run, k));
  return all.indexOf(Math.max(...all));
}

/** Two classes of points that a straight line does not part. */
const OWN = Array.from({ length: 44 }, (_, i) => {
  const angle = (2 * Math.PI * i * 7) / 44;
  const [radius, label] = i % 2 ? [0.35 + 0.1 * Math.sin(i), 1] : [1 + 0.12 * Math.cos(3 * i), 0];
  return [radius * Math.cos(angle), radius * Math.sin(angle), label].map((value) => Math.round(value * 100) / 100);
});

/** Each: its name, how its scene differs from the classic experiment, how many answers it offers and which its run gives. */
export const STEPS = [
  { name: "zeros", scene: { inits: starts("zeros") }, options: 3, answer: level(0) },
  { name: "large", scene: { inits: starts("normal(std=10)") }, options: 3, answer: level(0) },
  { name: "he", scene: {}, options: 3, answer: level(2) },
  {
    name: "why",
    scene: { ...KEYED, inits: starts("normal(std=0.1)"), hidden: deep(8, 32), data: { name: "moons" }, learning_rate: 0.05, steps: 60 },
    options: 3, answer: () => 1, live: true,
  },
  {
    name: "depth",
    scene: {
      ...KEYED, inits: starts("he_normal", "glorot_normal", "pytorch_linear"), hidden: deep(20, 16), data: { name: "moons" },
      learning_rate: 0.02, steps: 400,
    },
    options: 3, answer: (run) => Math.min(2, learned(run).filter(Boolean).length - 1),
  },
  {
    name: "own",
    scene: { inits: starts("zeros", "normal(std=10)", "he_normal"), data: { name: "own", own: OWN }, learning_rate: 0.1, steps: 2000 },
    options: 3, answer: best, draws: true,
  },
];

/** Each: its scene, the one field that may be changed, and whether a run solves it. `measured` is told beside the verdict. */
export const EXERCISES = [
  {
    name: "symmetry",
    scene: { inits: starts("constant(value=0.5)"), data: { name: "moons" }, learning_rate: 0.1, steps: 3000 },
    free: "inits",
    measured: (run) => test(run, 0),
    solved: (run) => test(run, 0) >= 0.97,
  },
  {
    name: "signal",
    scene: {
      stream: "keyed", seed: 3, inits: starts("normal(std=0.02)"), hidden: deep(10, 48), data: { name: "moons" },
      learning_rate: 0.02, steps: 100,
    },
    free: "inits",
    measured: (run) => {
      const sizes = run.frames[0].starts[0].layers.map((layer) => layer.forward);
      return sizes.at(-2) / sizes[0];
    },
    solved: (run, share) => run.starts[0].spec.startsWith("normal") && share > 0.5 && share < 2,
  },
  {
    name: "dead",
    scene: { inits: starts("normal(std=0.3, mean=-0.5)"), hidden: [12, 12], learning_rate: 0.1, steps: 3000 },
    free: "activation",
    measured: (run) => test(run, 0),
    solved: (run) => test(run, 0) >= 0.9,
  },
].map((each) => ({ ...each, exercise: true }));

export const LESSON = [...STEPS, ...EXERCISES];

/** The step or exercise that a link names, or null. */
export const lessonNamed = (name) => LESSON.find((each) => each.name === name) ?? null;
