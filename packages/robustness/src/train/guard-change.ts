/** @file What is changed after the guard restored a state, so that the run does not end as before. */
import { ConfigError } from "@gradalign/tensor";
import { gradAlignWeight } from "../methods/gradalign.ts";
import { configuredMethod } from "../methods/index.ts";
import type { Given } from "../options/option.ts";

/** What a guard does about a collapse. */
export const GUARD_MODES = ["off", "warn", "rollback"] as const;

/** The name of a mode. */
export type GuardMode = (typeof GUARD_MODES)[number];

/** A change after an alarm; another alarm makes it again. */
export const GUARD_CHANGES = ["smaller-step", "gradalign", "noise"] as const;

/** The name of a change. */
export type GuardChange = (typeof GUARD_CHANGES)[number];

/** Half of the step; the paper's code counts steps in ε, and a step of 7/8 of it delays the collapse already. */
const SHORTER = 0.5;
const LOUDER = 1.5;
const HEAVIER = 2;

/** The option of a method that a change acts on; none for what is beside the method. */
const ACTS_ON: Readonly<Record<GuardChange, string | null>> = { "smaller-step": "stepSize", noise: "noise", gradalign: null };

/** Numbers of a step, on the host. */
export interface PlainNumbers {
  readonly epsilon: number;
  readonly method: Readonly<Record<string, number>>;
  readonly optimizer: Readonly<Record<string, number>>;
  /** Weight of GradAlign beside the method's loss, where it is. */
  readonly addedGradAlign?: number;
}

/** What of a run's settings decides a change. */
interface Guarded {
  readonly guard?: GuardMode;
  readonly guardChange?: GuardChange;
  readonly dataset: string;
  readonly epsilon: number;
}

/** Numbers of a step after so many alarms, given those before the first, and whether it has GradAlign beside the method's own loss. */
export function changedNumbers(config: Guarded, numbers: PlainNumbers, alarms: number): { readonly numbers: PlainNumbers; readonly addGradAlign: boolean } {
  const change = config.guardChange ?? "smaller-step";
  if (config.guard !== "rollback" || alarms === 0) return { numbers, addGradAlign: false };
  const times = (name: string, factor: number) => ({ ...numbers.method, [name]: (numbers.method[name] ?? 0) * factor ** alarms });
  switch (change) {
    case "smaller-step":
      return { numbers: { ...numbers, method: times("stepSize", SHORTER) }, addGradAlign: false };
    case "noise":
      return { numbers: { ...numbers, method: times("noise", LOUDER) }, addGradAlign: false };
    case "gradalign":
      return { numbers: { ...numbers, addedGradAlign: gradAlignWeight(config) * HEAVIER ** (alarms - 1) }, addGradAlign: true };
  }
}

/** Refuses a guard that could do nothing. */
export function checkGuard({
  guard,
  guardChange = "smaller-step",
  method,
}: Pick<Guarded, "guard" | "guardChange"> & { readonly method: Given & { readonly name: string } }): void {
  if (guard === undefined || guard === "off") return;
  const {
    method: { id, options, passes },
    options: values,
  } = configuredMethod(method);
  if (passes(values).backward < 2) throw new ConfigError(`config: guard (=${guard}) must be off for ${id}, which has no attack to watch; leave it out`);
  const option = ACTS_ON[guardChange];
  if (guard === "rollback" && option !== null && !(option in options)) {
    throw new ConfigError(`config: guardChange (=${guardChange}) must be another for ${id}, which has no ${option}; write gradalign`);
  }
}
