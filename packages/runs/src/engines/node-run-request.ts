/** @file What an engine hands out: a run's settings, checked wherever they arrive, and never code. */
import { attackPlan, type TrainConfig } from "@gradalign/robustness";
import { checkForm, readJson } from "@gradalign/robustness/node";
import { ConfigError } from "@gradalign/tensor";
import { z } from "zod";
import { trainConfigForm } from "../folder/node-forms.ts";

/** A run to compute. */
export interface RunRequest {
  readonly id: string;
  readonly label: string;
  readonly config: TrainConfig;
  /** `real`, or the fingerprint that its images must have. */
  readonly data?: string;
  readonly attacks: readonly { readonly attack: string; readonly epsilon: number; readonly examples: number; readonly which: "last" | "best" }[];
}

const attackForm = z.object({
  attack: z.string().refine((name) => {
    try {
      return attackPlan(name) !== undefined;
    } catch {
      return false;
    }
  }, "must name an attack"),
  epsilon: z.number().min(0).max(1),
  examples: z.int().min(1),
  which: z.enum(["last", "best"]),
});
const requestForm = z.object({
  id: z.string(),
  label: z.string().max(500),
  config: trainConfigForm,
  data: z.exactOptional(z.string()),
  attacks: z.array(attackForm).max(100),
});

/**
 * The run that somebody asks for.
 *
 * @throws DataError naming what is not as it must be.
 */
export function checkRunRequest(value: unknown): RunRequest {
  return checkForm(value, "the run", requestForm, 'make plans with "gradalign plan"');
}

/**
 * A run of a plan's file, unchecked as what a queue hands out.
 *
 * @throws FileError or DataError when the file is no plan; ConfigError when it has no such run.
 */
export function runOfPlan(file: string, index: number): { readonly id: string } {
  const { runs } = readJson(file, z.looseObject({ runs: z.array(z.looseObject({ id: z.string() })) }), 'make plans with "gradalign plan"');
  const run = runs[index];
  if (!run) throw new ConfigError(`--index (=${index}) must be from 0 to ${runs.length - 1}, a run's place in ${file}`);
  return run;
}
