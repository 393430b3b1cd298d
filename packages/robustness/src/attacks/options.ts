/** @file Attacks' options: those that several declare, and all values of one attack. */
import { choice, constant, type Given, integer, type ValuesOf } from "../options/option.ts";
import { resolveOptions } from "../options/resolve.ts";
import type { Attack, AttackOptions } from "./attack.ts";

/** How many steps an attack takes. */
export function steps(fallback: number) {
  return integer({ least: Math.min(fallback, 1), default: fallback, help: "gradient steps", remedy: "write e.g. 100" });
}

/** How often an attack is begun anew. */
export function restarts(help = "runs from points of their own") {
  return integer({ least: 1, default: 1, help, remedy: "write e.g. 5" });
}

/** How many classes a targeted attack aims at. */
function targets() {
  return integer({ least: 1, default: 9, help: "classes that are aimed at, one after another", remedy: "write e.g. 9, all but the label of ten" });
}

/** What an attack that aims at one class after another lets be chosen. */
export function aims() {
  return {
    targets: targets(),
    order: choice(["confidence", "malt"], { default: "confidence", help: "which first: the likeliest, or, as MALT does, those whose boundary is nearest" }),
  };
}

/** Settings of {@link aims}, of attacks that may aim. */
export type AimOptions = Partial<ValuesOf<ReturnType<typeof aims>>>;

/** The runs of an attack that aims at one class after another: so many restarts for each. */
export const byTargets = {
  order: ({ order = "confidence" }: AimOptions) => order,
  runs: ({ restarts, targets = 1 }: { readonly restarts: number; readonly targets?: number }, classes: number): number =>
    restarts * Math.min(targets, Math.max(1, classes - 1)),
  rank: ({ restarts }: { readonly restarts: number }, run: number): number => 1 + Math.floor(run / restarts),
};

/** A number of an attack's recipe. */
export function part(fallback: number, help: string) {
  return constant({ least: 0, most: 1, default: fallback, help, remedy: `leave it out for the authors' ${fallback}` });
}

/**
 * All options of an attack: those given, checked, and its defaults for the others.
 *
 * @throws ConfigError for an unknown name or a forbidden value.
 */
export function attackOptions<Options extends AttackOptions>(
  { id, options }: Pick<Attack<Options>, "id" | "options" | "steps">,
  given: Partial<Options> = {},
): Options {
  // A mapped type over a type variable: what it is made of, and of what, is known where the attack is.
  return resolveOptions({ path: `attack: ${id}.`, owner: id }, options, given as Given) as unknown as Options;
}
