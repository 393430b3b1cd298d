/** @file Measuring what trainings cost here, each distinct one once: alone, and side by side in as many processes as there are cores. */
import { availableParallelism, loadavg } from "node:os";
import type { Training } from "@gradalign/experiments";
import type { Given, TrainConfig } from "@gradalign/robustness";
import type { Settings } from "@gradalign/runs";
import { GradalignError } from "@gradalign/tensor";
import { workerProcess } from "../run/worker-process.ts";
import { LiveRegion } from "../terminal/live-region.ts";
import { statusLine } from "../terminal/progress-bar.ts";
import type { Streams } from "../terminal/streams.ts";
import { type Cost, type CostBook, costKey, type Mode } from "./costs.ts";

/** A machine of which this share is in use is not idle. */
const BUSY = 0.4;

/** What the probe's process is given. */
export interface ProbeRequest {
  readonly config: TrainConfig;
  readonly threads: number | undefined;
  readonly backend: Settings["backend"] | undefined;
}

/** How {@link measureMissingCosts} measures. */
export interface MeasureOptions {
  readonly book: CostBook;
  readonly backend: Settings["backend"] | undefined;
  readonly signal: AbortSignal;
  readonly streams: Streams;
  readonly json: boolean;
}

/** Measures the costs that the book does not know yet. */
export async function measureMissingCosts(trainings: readonly Training[], { book, backend, signal, streams, json }: MeasureOptions): Promise<void> {
  const missing = new Map<string, TrainConfig>();
  for (const { config } of trainings) if (!book.get(config)) missing.set(costKey(config), config);
  if (missing.size === 0) return;
  const busy = busyRemark(loadavg()[0] ?? 0, availableParallelism());
  if (busy) streams.stderr.write(`${busy}\n`);
  const region = !json && streams.stderr.isTTY ? new LiveRegion(streams.stderr) : undefined;
  if (!region) streams.stderr.write(`timing a few steps of ${missing.size} kind${missing.size === 1 ? "" : "s"} of training\n`);
  let done = 0;
  for (const config of missing.values()) {
    const { name, steps }: Given = config.method;
    region?.show([
      statusLine(
        done / missing.size,
        [`timing ${config.model.name}, ${name}${steps === undefined ? "" : `-${steps}`}`, `${done + 1} of ${missing.size}`],
        streams.stderr.columns,
      ),
    ]);
    const measure = async (mode: Mode): Promise<Cost> => {
      const count = mode === "alone" ? 1 : availableParallelism();
      const request: ProbeRequest = { config, threads: mode === "alone" ? undefined : 1, backend };
      const costs = await Promise.all(Array.from({ length: count }, () => probe(request, signal)));
      const slowest = (key: keyof Cost): number => Math.max(...costs.map((cost) => cost[key]));
      return { step: slowest("step"), gradient: slowest("gradient"), compile: slowest("compile") };
    };
    book.set(config, { alone: await measure("alone"), "side by side": await measure("side by side") });
    done++;
  }
  region?.clear();
}

/**
 * What is to be said of times measured beside other programs; undefined if there is nothing.
 *
 * @param load programs that wanted to run in the last minute, on average.
 */
export function busyRemark(load: number, cores: number): string | undefined {
  if (load < BUSY * cores) return undefined;
  return `this machine is busy (load average ${load.toFixed(1)} on ${cores} core${cores === 1 ? "" : "s"}): times measured now are too long; measure when it is idle`;
}

async function probe(request: ProbeRequest, signal: AbortSignal): Promise<Cost> {
  const process = workerProcess<ProbeRequest, Cost>("reproduce-probe");
  const stop = (): void => process.stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    const answer = await process.ask(request);
    signal.throwIfAborted();
    if ("answer" in answer) return answer.answer;
    throw new GradalignError("TrainingError", `reproduce: timing a few steps failed: ${answer.died}`);
  } finally {
    signal.removeEventListener("abort", stop);
    process.close();
  }
}
