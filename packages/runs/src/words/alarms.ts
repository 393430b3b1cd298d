/** @file What is said of a guard's alarm, in the terminal and in reports. */
import type { AlarmEvent } from "@gradalign/robustness";
import { count } from "./format.ts";

const CHANGES: Readonly<Record<NonNullable<AlarmEvent["change"]>, string>> = {
  "smaller-step": "half the attack's step",
  gradalign: "GradAlign beside the method's loss",
  noise: "half as much noise again",
};

/** When it was raised and why, and what was done about it. */
export function describeAlarm({ iteration, epoch, evidence, restored, change }: Omit<AlarmEvent, "type">): string {
  const back = restored === null || change === null ? "" : `; back to iteration ${count(restored)}'s state, on with ${CHANGES[change]}`;
  return `alarm at iteration ${count(iteration)}, epoch ${epoch.toFixed(2)}: ${evidence}${back}`;
}
