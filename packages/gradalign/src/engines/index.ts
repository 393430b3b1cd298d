/** @file The registry of engines. */

import { readTrackers } from "@gradalign/runs/node";
import { ConfigError } from "@gradalign/tensor";
import { parseCount } from "../settings/setting-flags.ts";
import { bullmq } from "./bullmq.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import { local } from "./local.ts";
import { slurm } from "./slurm.ts";

/** Every engine by its name. */
export const engines: Readonly<Record<string, Engine>> = { local, bullmq, slurm };

/** The engine of that name, which a note in a folder may have; @throws ConfigError when there is none. */
export function engineNamed(name: string): Engine {
  if (Object.hasOwn(engines, name)) return engines[name] as Engine;
  throw new ConfigError(`no engine "${name}", by which the plan was submitted last; submit it with one of ${Object.keys(engines).join(", ")}`);
}

/** The flags of commands that have to do with an engine. */
export interface EngineFlags {
  readonly engine?: string;
  readonly runs: string;
  readonly jobs?: string;
  readonly queue?: string;
  readonly scheduler?: readonly string[];
  readonly track?: string;
  readonly json?: boolean;
}

/** What the flags say; @throws ConfigError for a count that is none, or a tracker that is none. */
export function engineOptions({ runs, jobs, queue, scheduler = [], track: tracked, json = false }: EngineFlags): EngineOptions {
  const track = tracked === undefined ? [] : readTrackers(tracked);
  return {
    runs,
    queue,
    scheduler,
    tracked,
    track,
    json,
    jobs: jobs === undefined ? undefined : parseCount("--jobs", jobs, "leave it out for as many as there are cores"),
  };
}
