/** @file The plan of random bits under one key, for machines whose emitter does whole runs of Philox's counters. */
import type { RandomKernel } from "../../ir/kernel.ts";
import { add, min, mul, type Plan, sub } from "./language.ts";
import type { Machine } from "./machine.ts";
import { Planner } from "./planner.ts";

/** Words of eight counters: what is made at a time. */
const BLOCK = 32;
/** Blocks of a task. */
const TASK_BLOCKS = 256;

/** Null where blocks do not divide the words. Buffers: keys, stream, output. */
export function planRandom({ keys = 1, count }: RandomKernel, machine: Machine): Plan | null {
  const total = count / BLOCK;
  if (keys !== 1 || !Number.isInteger(total)) return null;
  const planner = Planner.for(machine);
  planner.add("random", ["task", "key", "stream", "output"], (steps, task, key, stream, output) => {
    const [first, blocks, counter, target] = steps.variables("first", "blocks", "counter", "target");
    steps.set(first, mul(task, TASK_BLOCKS)).set(blocks, min(sub(total, first), TASK_BLOCKS));
    steps.set(counter, mul(first, BLOCK / 4)).set(target, add(output, mul(first, 4 * BLOCK)));
    steps.philox({ key, stream, target, counter, blocks });
  });
  return planner.plan(Math.ceil(total / TASK_BLOCKS));
}
