/** @file Which process is which: a number alone does not tell, since numbers are given out again. */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Whether a process with that number runs on this machine. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, as another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process began, in ticks since the machine's start; null where the system does not say. */
export function startOf(pid: number): number | null {
  try {
    // The name in parentheses may hold anything, even parentheses; the start is the 20th field after it.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, "").trim().split(" ");
    return Number(fields[19]);
  } catch {
    return null;
  }
}

/** Where process numbers mean the same: this machine since its start, and inside one container. */
export function processSpace(): string {
  const read = (work: () => string): string => {
    try {
      return work().trim();
    } catch {
      return "";
    }
  };
  return [hostname(), read(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")), read(() => readlinkSync("/proc/self/ns/pid"))].join(" ");
}
