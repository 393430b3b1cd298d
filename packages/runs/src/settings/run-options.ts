/** @file Settings of this machine and this invocation; they do not change what is learned. */
import { ATTACK_NAMES, attackPlan, choice, integer, integerOr, text, type ValuesOf } from "@gradalign/robustness";

/** What is wrong with an attack's name; undefined if nothing is. */
function problemOf(name: string): string | undefined {
  try {
    attackPlan(name);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^attack: /, "") : String(error);
  }
}

/** The attack after training, unless a run says otherwise. */
export const FINAL_DEFAULTS = { finalAttack: "pgd-50-10", finalExamples: 1000 } as const;

/** Options of the machine and of the attack at the end. */
export const RUN_OPTIONS = {
  threads: integerOr(undefined, { least: 1, help: "threads to compute with; the result is the same with any number", remedy: "leave it out for all cores" }),
  workers: integerOr(undefined, {
    least: 0,
    help: "threads that read and decode images which are not all in memory; the result is the same with any number",
    remedy: "leave it out for two",
  }),
  backend: choice(["auto", "wasm", "webgpu", "reference"], {
    default: "auto",
    help: "what computes; auto takes a GPU where there is one (npm install webgpu), else wasm",
  }),
  precision: choice(["f32", "f16"], {
    default: "f32",
    help: "f16: large values in float16, sums in float32, with a scaled loss; only on a GPU",
  }),
  tensorCores: choice(["off", "auto", "on"], {
    default: "off",
    help: "with --precision f16: multiply on tensor cores (experimental); auto where they prove right and faster",
  }),
  vectorBits: choice(["128", "256"], { default: "256", help: "width of vectors in the wasm backend's code; the results are the same" }),
  native: choice(["auto", "on", "off"], {
    default: "auto",
    help: "machine code for the wasm backend's contractions and loops (Linux on x64, AVX2 or AVX-512, npm install koffi); auto where results are the same",
  }),
  softwareGpu: choice(["yes", "no"], { default: "no", help: "accept a GPU that the CPU imitates, for tests; it is slower than wasm" }),
  finalAttack: text({
    default: FINAL_DEFAULTS.finalAttack,
    argument: "attack",
    help: `attack on the last and the best model at the end: ${ATTACK_NAMES}; several joined by +, options after a colon (apgd-t:targets=5)`,
    rule: `one of ${ATTACK_NAMES}`,
    accepts: (name) => problemOf(name) === undefined,
    problem: problemOf,
    remedy: 'write "pgd-50-10" for 50 steps and 10 restarts',
  }),
  finalExamples: integer({ least: 1, default: FINAL_DEFAULTS.finalExamples, help: "test images for the attack at the end", remedy: "write e.g. 1000" }),
};

/** Their values, those that were given. */
export type RunSettings = { readonly [Name in keyof typeof RUN_OPTIONS]?: NonNullable<ValuesOf<typeof RUN_OPTIONS>[Name]> };
