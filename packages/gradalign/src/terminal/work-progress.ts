/** @file How far work is that counts what it does. */
import { count, duration } from "@gradalign/runs";
import { type Context, remark } from "./context.ts";
import { LiveRegion } from "./live-region.ts";
import { statusLine } from "./progress-bar.ts";

/** A bar with an ETA on a terminal, now and then a line elsewhere. */
export class WorkProgress {
  readonly #context: Context;
  readonly #what: string;
  readonly #unit: string;
  readonly #region: LiveRegion | undefined;
  #begun = 0;
  #before = -1;
  #tenth = 0;

  /** @param unit what is counted, in the plural. */
  constructor(context: Context, what: string, unit: string) {
    const { stderr } = context.streams;
    this.#context = context;
    this.#what = what;
    this.#unit = unit;
    this.#region = stderr.isTTY ? new LiveRegion(stderr) : undefined;
  }

  show(done: number, total: number): void {
    // Threads that start, and what an earlier call has done, say nothing about how fast it goes.
    if (this.#before < 0) [this.#begun, this.#before] = [performance.now(), done];
    const seconds = (performance.now() - this.#begun) / 1000;
    const left = done > this.#before && done < total ? (seconds * (total - done)) / (done - this.#before) : undefined;
    const parts = [`${count(done)} of ${count(total)} ${this.#unit}`, ...(left === undefined ? [] : [`ETA ${duration(left)}`])];
    const tenth = Math.floor((10 * done) / total);
    if (this.#region) this.#region.show([statusLine(done / total, parts, this.#context.streams.stderr.columns)]);
    else if (tenth > this.#tenth) {
      this.#tenth = tenth;
      remark(this.#context, `${this.#what}: ${parts.join(", ")}`);
    }
  }

  /** Removes the bar. */
  clear(): void {
    this.#region?.clear();
  }
}
