/** @file A process that answers one JSON line per JSON line: ours or PyTorch's side of a benchmark. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class Partner {
  #process;
  #lines;
  #failure;

  constructor(command, args) {
    this.#process = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#failure = new Promise((_, reject) => {
      this.#process.once("error", reject);
      this.#process.once("exit", (code, signal) => reject(new Error(`${command} ended early (${signal ?? code})`)));
    });
    this.#failure.catch(() => {});
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Sends a command and waits for its answer. */
  async ask(command) {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    return this.greeting();
  }

  /** Waits for a line that nothing asked for. */
  async greeting() {
    const { value } = await Promise.race([this.#lines.next(), this.#failure]);
    // Its lines ended: why, tells the end of the process.
    if (value === undefined) await this.#failure;
    const answer = JSON.parse(value);
    if (!answer.ok) throw new Error(`benchmark step failed: ${answer.error}`);
    return answer;
  }

  close() {
    this.#process.kill();
  }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median and quartiles. */
export function summary(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return { median: median(values), quartiles: [at(0.25), at(0.75)] };
}
