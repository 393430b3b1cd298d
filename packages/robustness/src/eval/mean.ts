/** @file Means over examples that come in batches. */
import type { Tensor } from "@gradalign/tensor";

/** A mean over batches of per-example tensors [N], of which some examples may be left out. */
export class Mean {
  #total = 0;
  #counted = 0;
  #seen = 0;

  /** Adds the first `count` examples of a batch, or those of them where `counts` is not 0. */
  async add(values: Tensor, count: number, counts?: Tensor): Promise<void> {
    const data = await values.read();
    const chosen = await counts?.read();
    for (let i = 0; i < count; i++) {
      if (chosen?.[i] === 0) continue;
      this.#total += data[i] as number;
      this.#counted++;
    }
    this.#seen += count;
  }

  /** The mean of the examples that count; NaN if none does. */
  get value(): number {
    return this.#total / this.#counted;
  }

  /** The share of the examples that do not count. */
  get leftOut(): number {
    return 1 - this.#counted / this.#seen;
  }
}

/** How many of the first `count` examples have a 0 in any of the tensors [N]. */
export async function countZeros(count: number, ...flags: Tensor[]): Promise<number> {
  const columns = await Promise.all(flags.map((flag) => flag.read()));
  let zeros = 0;
  for (let i = 0; i < count; i++) if (columns.some((column) => column[i] === 0)) zeros++;
  return zeros;
}
