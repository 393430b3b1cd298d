/** @file TensorBoard: event files in the run's folder, for `tensorboard --logdir runs`. */
import { appendFileSync, existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { makeFolder, onFile } from "@gradalign/robustness/node";
import { TRACKER_NOTES } from "../folder/node-notes.ts";
import { scalarEvent, startEvent, versionEvent } from "./event-file.ts";
import type { Metric, Tracker, TrackerOptions } from "./tracker.ts";

/** Opens it; each process that trains writes a file of its own. */
export function tensorboard({ run: { folder, id = "" }, target, note }: TrackerOptions, now: () => number = () => Date.now() / 1000): Tracker {
  const at = target === undefined ? join(folder, TRACKER_NOTES.tensorboard) : join(target, id);
  const file = join(at, `events.out.tfevents.${Math.floor(now())}.${hostname()}.${process.pid}.0`);
  let works = true;
  const append = (events: readonly Uint8Array[]): void => {
    if (!works) return;
    try {
      makeFolder(at);
      onFile("write", file, () => appendFileSync(file, Buffer.concat(events)));
    } catch (error) {
      works = false;
      note(`tensorboard: ${error instanceof Error ? error.message : String(error)}; the run goes on without it`);
    }
  };
  const scalar = ({ name, value, step }: Metric): Uint8Array => scalarEvent(now(), step, name, value);
  return {
    start(iteration, earlier) {
      const isNew = !existsSync(at);
      // What an earlier process wrote after its last checkpoint is computed again, and would otherwise be there twice.
      append([versionEvent(now()), startEvent(now(), iteration === 0 ? 0 : iteration + 1)]);
      if (isNew) append(earlier.map(scalar));
    },
    send: (metrics) => append(metrics.map(scalar)),
    async close() {},
  };
}
