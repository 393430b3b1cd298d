/** @file Slurm as an engine: an array job with a task for each run, and one that writes the report. */
import { join, resolve } from "node:path";
import { makeFolder, writeFileAtomic } from "@gradalign/robustness/node";
import { arrayScripts, maxArraySize, mergeScript, planFolder, sbatch, scancel } from "@gradalign/runs/node";
import { MAIN } from "../run/worker-process.ts";
import type { Engine } from "./engine.ts";

/** The engine. */
export const slurm: Engine = {
  help: "array jobs of Slurm, from a folder that its nodes share",
  check() {},
  async submit(plan, pending, { runs, jobs, scheduler, tracked }) {
    const at = resolve(runs);
    const folder = planFolder(at, plan);
    makeFolder(folder);
    const file = join(folder, "plan.json");
    const wanted = new Set(pending.map(({ id }) => id));
    const request = {
      indices: plan.runs.flatMap(({ id }, index) => (wanted.has(id) ? [index] : [])),
      command: [process.execPath, MAIN, "work", "--runs", at, ...(tracked === undefined ? [] : ["--track", tracked]), "--plan", file, "--index"],
      merge: [process.execPath, MAIN, "report", file, "--runs", at, "--out", join(folder, "report.html")],
      ...{ folder, jobs, options: scheduler, maxArraySize: maxArraySize() },
    };
    const write = ({ name, text }: { readonly name: string; readonly text: string }): string => {
      writeFileAtomic(join(folder, name), text);
      return join(folder, name);
    };
    if (request.indices.length === 0) return [];
    const numbers: string[] = [];
    try {
      for (const script of arrayScripts(request)) numbers.push(sbatch(write(script)));
      return [...numbers, sbatch(write(mergeScript(request)), [`--dependency=afterany:${numbers.join(":")}`])];
    } catch (error) {
      // All or none: what nobody knows of, nobody can cancel.
      scancel(numbers);
      throw error;
    }
  },
  async cancel(_, { jobs }) {
    scancel(jobs);
  },
};
