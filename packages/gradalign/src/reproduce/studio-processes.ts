/** @file How the studio's server computes runs: planned ones as workers do, with a process for each at a time; others as `gradalign train` does. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import type { RunStarter, WorkOutcome } from "@gradalign/runs/node";
import { MAIN } from "../run/worker-process.ts";
import { EXIT_CODE_OF_SIGNAL } from "../terminal/interrupt.ts";
import { performPlanned } from "./perform-planned.ts";
import { trainingPool } from "./training-pool.ts";

/** Processes that compute runs, and are let go with {@link StudioProcesses.close}. */
export interface StudioProcesses extends Pick<RunStarter, "perform" | "resume"> {
  close(): void;
}

/** Makes processes as they are needed, each with an equal share of the cores. */
export function studioProcesses(jobs: number): StudioProcesses {
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
  const pool = trainingPool();
  return {
    perform: ({ runs, run }, signal) => performPlanned(run, { place: { runs }, pool, threads, track: [], signal }, () => {}),
    resume: resumeRun,
    close: () => pool.close(),
  };
}

/** The command that the page shows for it, in a group of its own: Ctrl-C in the terminal reaches this process alone, which passes it on. Without us it stops in order. */
function resumeRun(folder: string, signal: AbortSignal): Promise<WorkOutcome> {
  const child = spawn(process.execPath, [MAIN, "train", "--resume", folder, "--json"], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  const stop = (): void => void child.kill("SIGINT");
  signal.addEventListener("abort", stop, { once: true });
  let said = "";
  child.stdout.resume();
  child.stderr.on("data", (text: Buffer) => {
    said = (said + text.toString()).slice(-4000);
  });
  return new Promise((resolve) => {
    const end = (outcome: WorkOutcome): void => {
      signal.removeEventListener("abort", stop);
      resolve(outcome);
    };
    child.once("error", ({ message }) => end({ kind: "failed", message, final: true }));
    child.once("close", (code, name) => {
      if (code === 0) return end({ kind: "done" });
      if (code === EXIT_CODE_OF_SIGNAL.SIGINT || signal.aborted) return end({ kind: "stopped" });
      end({ kind: "failed", message: said.trim().split("\n").at(-1) || `its process ended with ${name ?? `code ${code}`}`, final: true });
    });
  });
}
