/**
 * @file Slurm as an engine: an array job with a task for each run, started again by Slurm, and a job after it that merges.
 *
 * Slurm schedules, the shared folder knows: a task claims its run there like any worker, so that a task that was lost, started twice or
 * submitted twice does no harm.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { ConfigError, GradalignError } from "@gradalign/tensor";
import { shellWord } from "../settings/describe.ts";
import { EXIT_CODES } from "./node-attempt-run.ts";
import { withoutSecrets } from "./node-queue-address.ts";

/** Seconds before a job's time limit at which it is told, so that a checkpoint can be written. */
export const WARNING_SECONDS = 90;
/** What an array job is made of. */
export interface SlurmRequest {
  /** Runs that are not finished, by their places in the plan. */
  readonly indices: readonly number[];
  /** The command of one run; its place in the plan is put after it. */
  readonly command: readonly string[];
  /** The command that merges, when no run is waiting or running any more. */
  readonly merge: readonly string[];
  /** Absolute folder of scripts and logs; shared by all nodes. */
  readonly folder: string;
  /** Tasks at a time; as many as Slurm likes unless set. */
  readonly jobs?: number | undefined;
  /** Further options of sbatch, e.g. `--partition=gpu`. */
  readonly options: readonly string[];
  /** One more than the largest number that a task may have, by Slurm's configuration. */
  readonly maxArraySize: number;
}

/** A script for sbatch. */
export interface SlurmScript {
  readonly name: string;
  readonly text: string;
}

/** The array jobs of a request; more than one where it has more runs than Slurm allows in an array. */
export function arrayScripts({ indices, command, folder, jobs, options, maxArraySize }: SlurmRequest): SlurmScript[] {
  const blocks = new Map<number, number[]>();
  for (const index of indices) {
    const block = Math.floor(index / maxArraySize);
    blocks.set(block, [...(blocks.get(block) ?? []), index - block * maxArraySize]);
  }
  const atOnce = jobs === undefined ? "" : `%${Math.max(1, Math.floor(jobs / blocks.size))}`;
  return [...blocks].map(([block, tasks]) => ({
    name: `array-${block}.sh`,
    text: `#!/bin/bash
${directives(["--job-name=gradalign", `--array=${ranges(tasks)}${atOnce}`, "--requeue", `--signal=B:USR1@${WARNING_SECONDS}`, "--open-mode=append", `--output=${join(folder, "%A_%a.log")}`, ...options])}
# One run of the plan. It ends with 0 when it is done, ${EXIT_CODES.again} when it is to be tried again, ${EXIT_CODES.never} when trying again is of no use.
run= warned=
trap 'warned=1; [ -z "$run" ] || kill -TERM "$run"' USR1
# This one Slurm sends to the run as well, which would take a second as the wish to end at once.
trap warned=1 TERM
${command.map(shellWord).join(" ")} $((${block * maxArraySize} + SLURM_ARRAY_TASK_ID)) \${SLURM_CPUS_ON_NODE:+--threads "$SLURM_CPUS_ON_NODE"} &
run=$!
# The warning may have come before there was a run.
[ -z "$warned" ] || kill -TERM "$run"
# A signal ends the waiting, not the run, which writes its checkpoint. It may also end at that moment: its own code counts.
warned=1
while [ -n "$warned" ]; do warned=; wait "$run"; code=$?; done
# More than 128: a signal ended it before it listened to any.
if [ "$code" -eq ${EXIT_CODES.again} ] || [ "$code" -gt 128 ]; then scontrol requeue "\${SLURM_ARRAY_JOB_ID}_\${SLURM_ARRAY_TASK_ID}"; fi
exit "$code"
`,
  }));
}

/** The job after the arrays. */
export function mergeScript({ merge, folder, options }: SlurmRequest): SlurmScript {
  return {
    name: "merge.sh",
    text: `#!/bin/bash
${directives(["--job-name=gradalign-merge", "--open-mode=append", `--output=${join(folder, "merge.log")}`, ...options])}
exec ${merge.map(shellWord).join(" ")}
`,
  };
}

function directives(options: readonly string[]): string {
  return options
    .map((option) => {
      if (/["\n]/.test(option)) throw new ConfigError(`slurm: ${JSON.stringify(option)} must not hold quotes or line breaks; use another folder or option`);
      return `#SBATCH ${/\s/.test(option) ? option.replace(/=(.*)$/, '="$1"') : option}`;
    })
    .join("\n");
}

/** Numbers as Slurm lists them: `0-3,7`. */
export function ranges(numbers: readonly number[]): string {
  const parts: [first: number, last: number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const open = parts.at(-1);
    if (open && number <= open[1] + 1) open[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(",");
}

/** One more than the largest number that a task may have here. */
export function maxArraySize(): number {
  const size = Number(/^MaxArraySize\s*=\s*(\d+)/m.exec(slurm("scontrol", ["show", "config"]))?.[1] ?? 1001);
  if (size < 2) throw new ConfigError("slurm: array jobs are switched off here (MaxArraySize); ask the cluster's administrators, or use another engine");
  return size;
}

/**
 * Hands a script to Slurm.
 *
 * @returns the job's number.
 */
export function sbatch(file: string, options: readonly string[] = []): string {
  return slurm("sbatch", ["--parsable", ...options, file])
    .trim()
    .split(";")[0] as string;
}

/** Takes jobs out of Slurm; those that have ended already are none. */
export function scancel(jobs: readonly string[]): void {
  if (jobs.length > 0) slurm("scancel", [...jobs]);
}

/** A task that Slurm has not finished with. */
export interface SlurmTask {
  readonly job: string;
  readonly task: number;
  /** As Slurm names it, e.g. RUNNING. */
  readonly state: string;
  readonly node: string;
}

/** The tasks of these jobs that wait or run. */
export function squeue(jobs: readonly string[]): SlurmTask[] {
  if (jobs.length === 0) return [];
  const lines = slurm("squeue", ["--noheader", "--array", "--format=%F %K %T %N"]).split("\n");
  return lines.flatMap((line) => {
    const [job = "", task = "", state = "", node = ""] = line.trim().split(" ");
    return jobs.includes(job) && /^\d+$/.test(task) ? [{ job, task: Number(task), state, node }] : [];
  });
}

function slurm(program: string, options: readonly string[]): string {
  try {
    // Slurm keeps the environment with a job, and gives it to its tasks.
    return execFileSync(program, options, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env: withoutSecrets(process.env) });
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === "ENOENT") throw new ConfigError(`--engine slurm: there is no ${program} here; submit from a node of the cluster`, { cause: error });
    throw new GradalignError("EngineError", `slurm: ${program} failed: ${(stderr ?? "").trim() || message}`, { cause: error });
  }
}
