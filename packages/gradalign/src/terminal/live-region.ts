/** @file The last lines of a terminal, redrawn in place, while finished lines scroll by above them. */
import { printable } from "./printable.ts";
import type { OutputStream } from "./streams.ts";

const MIN_INTERVAL_MS = 80;

/** Lines that are redrawn; only for terminals. */
export class LiveRegion {
  readonly #stream: OutputStream;
  #shown = 0;
  #lines: readonly string[] = [];
  #drawnAt = Number.NEGATIVE_INFINITY;

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  /** Replaces the lines; redraws at most a dozen times a second. */
  show(lines: readonly string[]): void {
    this.#lines = lines;
    if (performance.now() - this.#drawnAt >= MIN_INTERVAL_MS) this.#draw("");
  }

  /** Writes a line that stays, above the live ones. */
  log(text: string): void {
    this.#draw(`${text}\n`);
  }

  /** Draws the latest state and leaves it there. */
  finish(): void {
    this.#draw("");
    this.#lines = [];
    this.#shown = 0;
  }

  /** Removes the live lines. */
  clear(): void {
    this.#lines = [];
    this.#draw("");
  }

  #draw(above: string): void {
    const up = this.#shown > 0 ? `\x1b[${this.#shown}A` : "";
    const width = this.#stream.columns || 80;
    // A line that wraps would make the region taller than we think.
    const lines = this.#lines.map((line) => `${clip(printable(line), width - 1)}\n`).join("");
    const text = `${up}\r\x1b[J${printable(above)}${lines}`;
    if (this.#stream.raw) this.#stream.raw(text);
    else this.#stream.write(text);
    this.#shown = this.#lines.length;
    this.#drawnAt = performance.now();
  }
}

/** Cuts text to so many columns; colour codes take none. */
export function clip(text: string, width: number): string {
  let columns = 0;
  let clipped = "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes start with one.
  for (const [part] of text.matchAll(/\x1b\[[0-9;]*m|./gsu)) {
    if (!part.startsWith("\x1b") && ++columns > width) continue;
    clipped += part;
  }
  return clipped;
}
