/** @file Options that several methods declare, each with a default of its own. */
import { type Circumstances, choice, constant, type Given, integer, length, number } from "../options/option.ts";

/** The attack's step. */
export function stepSize(fallback: number | ((before: Given) => number)) {
  return length({
    above: 0,
    most: 100,
    default: typeof fallback === "number" ? fallback : (_, before) => fallback(before),
    help: "the attack's step as a multiple of ε (the paper's α / ε)",
    remedy: "it is a multiple of epsilon; write 1 for a step of epsilon, 1.25 for the paper's",
  });
}

/** The noise before the step. */
export function noise(multiple: (at: Circumstances) => number) {
  return length({ least: 0, most: 100, default: multiple, help: "radius of the uniform noise before the step, as a multiple of ε", remedy: "write e.g. 2" });
}

/** The paper's step for a number of steps: epsilon / 2 for PGD-2, epsilon / 5 for PGD-10. */
export function pgdStepSize({ steps }: Given): number {
  const count = steps as number;
  return count <= 2 ? 1 / count : 2 / count;
}

/** How many steps the attack takes. */
export function steps(fallback: number) {
  return integer({ least: 1, default: fallback, help: "steps of the attack", remedy: "write e.g. 10" });
}

/** Where the attack starts. */
export function start(fallback: "zero" | "random") {
  return choice(["zero", "random"], { default: fallback, help: "where in the ball the attack starts" });
}

/** The regulariser's weight, given how its default depends on the circumstances. */
export function lambda(weight: (at: Circumstances) => number) {
  return number({
    least: 0,
    most: 1e6,
    // Rounded, so that the settings read 0.2 at 8/255.
    default: (at) => Number(weight(at).toPrecision(12)),
    help: "weight of the regulariser",
    remedy: "leave it out for the method's own at this epsilon",
  });
}

/** Whether a regulariser's derivative goes through the gradient at the other point only (one), or also through the one at x (both). */
export function branches(fallback: "one" | "both") {
  return choice(["one", "both"], { default: fallback, help: "input gradients that the regulariser's derivative passes through" });
}

/** What the loss itself is on, beside a regulariser. */
export const adversary = choice(["fgsm", "none"], {
  default: "fgsm",
  help: "what is trained on beside the regulariser: FGSM's images, or clean ones",
});

/** How the attack grows over the first epochs, as in the paper's runs on SVHN; `what` is the length that does. */
export function warmupEpochs(what: "step" | "ball") {
  return constant({
    least: 0,
    most: 1e6,
    unit: "epochs",
    default: ({ recipe }) => recipe.warmupEpochs,
    help: `epochs over which the attack's ${what} grows to its full size`,
    remedy: "write 0 for none",
  });
}

/** exp of a line through `at0` and `at8`, the weights at epsilon 0 and 8/255: how the paper's weights depend on the radius. */
export function logLinear(at0: number, at8: number): (epsilon: number) => number {
  return (epsilon) => Math.exp(((epsilon * 255) / 8) * Math.log(at8 / at0) + Math.log(at0));
}
