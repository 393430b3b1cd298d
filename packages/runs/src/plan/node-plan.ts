/** @file Plans as files. A plan is never changed: its id and its runs' ids are hashes of what they hold, and checked when it is read. */
import { createHash } from "node:crypto";
import { attackPlan, canonicalJson, checkForm } from "@gradalign/robustness";
import { readIfThere, readJson, writeFileAtomic } from "@gradalign/robustness/node";
import { ConfigError, DataError } from "@gradalign/tensor";
import { z } from "zod";
import { trainConfigForm } from "../folder/forms.ts";
import { runId } from "./node-run-id.ts";
import type { Plan, PlannedRun } from "./plan.ts";

/** Raised when plans have another form. */
const FORMAT = 1;
const REMEDY = 'make it anew with "gradalign plan"';

const attackForm = z.object({
  attack: z.string().refine(isAttack, "must name an attack"),
  epsilon: z.number().min(0).max(1),
  examples: z.int().min(1),
  which: z.enum(["last", "best"]),
});
const runForm = z.object({ id: z.string(), label: z.string().max(500), config: trainConfigForm, attacks: z.array(attackForm).max(100), data: z.string() });
const originForm = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("sweep"), varied: z.array(z.string()) }),
  z.object({ kind: z.literal("experiments"), experiments: z.array(z.string()), scale: z.string().nullable() }),
]);
const planForm = z.object({ format: z.literal(FORMAT), id: z.string(), name: z.string(), origin: originForm, runs: z.array(runForm) });

function isAttack(name: string): boolean {
  try {
    return attackPlan(name) !== undefined;
  } catch {
    return false;
  }
}

/** A plan of these runs; equal ones once. */
export function planOf(name: string, origin: Plan["origin"], runs: readonly PlannedRun[]): Plan {
  const distinct = [...new Map(runs.map((run) => [run.id, run])).values()];
  return { id: planId(origin, distinct), name, origin, runs: distinct };
}

function planId(origin: Plan["origin"], runs: readonly PlannedRun[]): string {
  // JSON has no undefined.
  const content = JSON.parse(JSON.stringify({ origin, runs }));
  return createHash("sha256").update(canonicalJson(content)).digest("hex").slice(0, 12);
}

/** A plan's text: a line for each run. */
export function formatPlan({ id, name, origin, runs }: Plan): string {
  const head = JSON.stringify({ format: FORMAT, id, name, origin }).slice(0, -1);
  return `${head},"runs":[\n${runs.map((run) => JSON.stringify(run)).join(",\n")}\n]}\n`;
}

/**
 * Writes a plan.
 *
 * @throws ConfigError where another plan has the name: plans are not changed.
 */
export function writePlan(file: string, plan: Plan): void {
  const text = formatPlan(plan);
  const before = readIfThere(file)?.toString();
  if (before === text) return;
  if (before !== undefined) throw new ConfigError(`--out ${file} is there already, and is not this plan; plans are not changed: name another file`);
  writeFileAtomic(file, text);
}

/**
 * Reads a plan.
 *
 * @throws FileError when it cannot be read; DataError when it is no plan, or was changed.
 */
export function readPlan(file: string): Plan {
  const { format: _, ...plan } = readJson(file, planForm, REMEDY);
  for (const run of plan.runs) requireOwnId(run, file);
  if (planId(plan.origin, plan.runs) !== plan.id) throw new DataError(`${file}: its id is not that of its runs, so it was changed; ${REMEDY}`);
  return plan;
}

/** A run of a plan from anywhere; @throws DataError naming what is not as it must be. */
export function checkPlannedRun(value: unknown, source: string): PlannedRun {
  const run = checkForm(value, source, runForm, REMEDY);
  requireOwnId(run, source);
  return run;
}

function requireOwnId({ id, config, data, attacks }: PlannedRun, source: string): void {
  if (id === runId(config, data, attacks) || id === runId(config, data)) return;
  throw new DataError(`${source}: run ${id} is not what its id says: its settings were changed, or another version of the code made it; ${REMEDY}`);
}
